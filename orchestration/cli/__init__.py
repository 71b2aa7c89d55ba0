"""The command line `aurora`. Commands import what they need when they run, so that the help is there at once."""

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

SELDOM = 20_000
"""New containers between two looks for dead cycles. At 700, Python's default, half a second of a start with many modules goes to them."""


def main() -> NoReturn:
    """Run the command line; a refusal is one line on stderr, with exit code 3 (or 75: busy, try again)."""
    gc.set_threshold(SELDOM)
    from aurora.errors import AuroraError
    from orchestration.cli.commands import cli

    try:
        cli(prog_name="aurora")
    except AuroraError as error:
        sys.stderr.write(f"{error}\n")
        _leave(error.exit_code)
    except SystemExit as ended:
        if ended.code is not None and not isinstance(ended.code, int):
            raise
        _leave(ended.code or 0)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End with this exit code, whatever threads of native libraries still do: now and then one aborts an interpreter that shuts down."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
