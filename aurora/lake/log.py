"""What a table's log holds: its commits and checkpoints, and every file that they name."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote

import polars as pl

from aurora.lake.store import Lake

COMMIT = re.compile(r"(\d{20})\.json$")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet$")
READERS = 8


def log_versions(paths: list[str], kind: re.Pattern[str] = COMMIT) -> dict[int, list[str]]:
    """The files of a log that are of one kind, by the version they stand for."""
    found: dict[int, list[str]] = {}
    for path in sorted(paths):
        if match := kind.search(path):
            found.setdefault(int(match[1]), []).append(path)
    return found


def log_paths(lake: Lake, name: str) -> list[str]:
    """Every file of the table's log, by its path under the lake's root."""
    return sorted(lake.storage.paths(f"{name}/_delta_log"))


def actions_of(lake: Lake, path: str) -> list[dict[str, Any]]:
    """The actions of one commit.

    Raises:
        FileNotFoundError: If it has left the log.
        ValueError: If it is damaged.
    """
    return [json.loads(line) for line in lake.storage.read_bytes(path).splitlines() if line.strip()]


def named_files(lake: Lake, name: str, until: int) -> set[str]:
    """Data files that the log up to `until` names, by their path under the table.

    Those that its commits added or removed, and those of the checkpoints before which commits were taken away.

    Together with the files of version `until` these are all files of every version that the log can still open.
    """
    there = log_paths(lake, name)
    logged = log_versions(there)
    commits = [paths[0] for version, paths in logged.items() if version <= until]
    bases = [
        path
        for version, paths in log_versions(there, CHECKPOINT).items()
        if version <= until and version - 1 not in logged
        for path in paths
    ]
    found: set[str] = set()
    with ThreadPoolExecutor(READERS) as pool:
        for actions in pool.map(partial(actions_of, lake), commits):
            found |= {unquote(action[kind]["path"]) for action in actions for kind in ("add", "remove") if kind in action}
        for paths in pool.map(partial(_added_before, lake), bases):
            found |= paths
    return found


def _added_before(lake: Lake, path: str) -> set[str]:
    """Data files of the version that a checkpoint holds."""
    adds = pl.read_parquet(lake.storage.read_bytes(path), columns=["add"]).get_column("add").struct.field("path")
    return {unquote(added) for added in adds.drop_nulls()}
