"""The composition root: Dagster's definitions and the command line `aurora`."""
