"""The micro-batch: what changed in bronze, what that touches, silver by `aurora.domain.meters`, gold by dbt, judging, publication."""
