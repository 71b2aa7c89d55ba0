"""Every Delta table once, and the only code that opens Delta.

`tables` declares them, `storage` reaches files in a folder or a bucket, `store` reads and commits, `changes` reads the log,
`manifest` makes whole refreshes visible at once.
"""
