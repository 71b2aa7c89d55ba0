"""The command line `aurora`. Commands import what they need when they run, so that the help is there at once."""

import gc
import sys

SELDOM = 20_000
"""New containers between two looks for dead cycles. At 700, Python's default, half a second of a start with many modules goes to them."""


def main() -> None:
    """Run the command line; a refusal is one line on stderr, with exit code 3 (or 75: busy, try again)."""
    gc.set_threshold(SELDOM)
    from aurora.errors import AuroraError
    from orchestration.cli.commands import cli

    try:
        cli(prog_name="aurora")
    except AuroraError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
