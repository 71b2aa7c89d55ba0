"""A home kept safe: copied as of one moment, checked, and put back into an empty home.

`point` says what a table is made of at one moment, `files` copies and checks files, `databases` copies databases that are in use,
`backup` and `restore` are the whole of it.
"""
