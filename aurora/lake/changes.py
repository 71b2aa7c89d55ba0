"""What is new in a table since a version, and what was withdrawn from it, read off Delta's log alone."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aurora.errors import AuroraError, Damaged
from aurora.lake.damage import WAY_OUT, commit_problem
from aurora.lake.store import WITHDRAWAL, Lake


class LogGone(AuroraError):
    """A commit that should be read is no longer in the log; the caller must take every file as new."""


@dataclass(frozen=True)
class Changes:
    """What a range of commits did.

    Attributes:
        added: Paths of the files whose rows arrived, in that order; files since compacted away are kept, they are still on disk.
        withdrawn: Sources all of whose rows were taken out.
        until: The last commit of the range that was looked at.
    """

    added: list[str]
    withdrawn: list[str]
    until: int


def added_files(lake: Lake, name: str, after: int, until: int) -> list[str]:
    """Paths of the files whose rows arrived in the commits `after < version <= until`. Raises LogGone as `changes_between` does."""
    return changes_between(lake, name, after, until).added


def changes_between(lake: Lake, name: str, after: int, until: int, most_rows: int | None = None) -> Changes:
    """What the commits `after < version <= until` added and withdrew; with `most_rows` those before so many rows are passed, at least one.

    Files that only moved rows are left out: those of a compaction (`dataChange` false) and those that hold what a withdrawal left.

    Raises:
        LogGone: If a commit of the range has left the log.
        Damaged: If one does not say any more what it said when it was written.
    """
    added, withdrawn, rows, last = list[str](), list[str](), 0, after
    for version in range(after + 1, until + 1):
        actions = _commit(lake, name, version)
        mark = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        if mark.get("aurora") == WITHDRAWAL:
            withdrawn.append(mark["source"])
            last = version
            continue
        adds = [action["add"] for action in actions if "add" in action and action["add"]["dataChange"]]
        rows += sum(json.loads(add.get("stats") or "{}").get("numRecords", 0) for add in adds)
        if most_rows is not None and rows > most_rows and added:
            break
        added += [unquote(add["path"]) for add in adds]
        last = version
    return Changes(added, withdrawn, last)


def _commit(lake: Lake, name: str, version: int) -> list[dict[str, Any]]:
    path = f"{name}/_delta_log/{version:020d}.json"
    try:
        actions = [json.loads(line) for line in lake.storage.read_bytes(path).splitlines() if line.strip()]
    except FileNotFoundError:
        raise LogGone(f"Commit {version} of {name} is no longer in its log.") from None
    except ValueError as error:
        raise Damaged(f"{path} is damaged: cannot be read: {error}. {WAY_OUT}") from None
    if problem := commit_problem(actions):
        raise Damaged(f"{path} is damaged: {problem}. {WAY_OUT}")
    return actions
