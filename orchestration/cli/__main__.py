"""`python -m orchestration.cli` is `aurora`."""

from orchestration.cli import main

main()
