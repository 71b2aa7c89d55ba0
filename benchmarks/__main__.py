"""`make bench`: every benchmark in turn, each a ratio to a floor or a peer of the same run."""

import sys
from pathlib import Path

from aurora import logs
from benchmarks import api, batches, commits, lake, landing, refresh, scale

FOLDER = Path(".bench")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    logs.configure("bench", "warning", "console")
    wanted = sys.argv[1:] or ["landing", "batches", "refresh"]
    FOLDER.mkdir(exist_ok=True)
    if "lake" in wanted:
        lake.build()
    if "api" in wanted:
        api.main()
    if "landing" in wanted:
        landing.main()
    if "batches" in wanted:
        batches.main()
    if "commits" in wanted:
        commits.main()
    if "scale" in wanted:
        scale.main()
    if "refresh" in wanted:
        refresh.main(FOLDER / "refresh")


main()
