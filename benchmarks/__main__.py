"""`make bench`: every benchmark in turn, each a ratio to a floor or a peer of the same run."""

import sys
from pathlib import Path

from aurora import logs
from benchmarks import landing, refresh

FOLDER = Path(".bench")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    logs.configure("bench", "warning", "console")
    wanted = sys.argv[1:] or ["landing", "refresh"]
    FOLDER.mkdir(exist_ok=True)
    if "landing" in wanted:
        landing.main()
    if "refresh" in wanted:
        refresh.main(FOLDER / "refresh")


main()
