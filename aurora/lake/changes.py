"""What is new in a table since a version, and what was withdrawn from it, read off Delta's log alone."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aurora.errors import AuroraError
from aurora.lake.store import WITHDRAWAL, Lake


class LogGone(AuroraError):
    """A commit that should be read is no longer in the log; the caller must take every file as new."""


@dataclass(frozen=True)
class Changes:
    """What a range of commits did.

    Attributes:
        added: Paths of the files whose rows arrived, in that order; files since compacted away are kept, they are still on disk.
        withdrawn: Sources all of whose rows were taken out.
    """

    added: list[str]
    withdrawn: list[str]


def added_files(lake: Lake, name: str, after: int, until: int) -> list[str]:
    """Paths of the files whose rows arrived in the commits `after < version <= until`. Raises LogGone as `changes_between` does."""
    return changes_between(lake, name, after, until).added


def changes_between(lake: Lake, name: str, after: int, until: int) -> Changes:
    """What the commits `after < version <= until` added and withdrew.

    Files that only moved rows are left out: those of a compaction (`dataChange` false) and those that hold what a withdrawal left.

    Raises:
        LogGone: If a commit of the range has left the log.
    """
    found = Changes([], [])
    for version in range(after + 1, until + 1):
        actions = _commit(lake, name, version)
        mark = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        if mark.get("aurora") == WITHDRAWAL:
            found.withdrawn.append(mark["source"])
            continue
        adds = [action["add"] for action in actions if "add" in action]
        found.added.extend(unquote(add["path"]) for add in adds if add["dataChange"])
    return found


def _commit(lake: Lake, name: str, version: int) -> list[dict[str, Any]]:
    try:
        commit = lake.storage.read_bytes(f"{name}/_delta_log/{version:020d}.json")
    except FileNotFoundError:
        raise LogGone(f"Commit {version} of {name} is no longer in its log.") from None
    return [json.loads(line) for line in commit.splitlines() if line.strip()]
