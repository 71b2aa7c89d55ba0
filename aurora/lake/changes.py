"""What is new in a table since a version, read off Delta's log alone."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import json
from urllib.parse import unquote

from aurora.errors import AuroraError
from aurora.lake.store import Lake


class LogGone(AuroraError):
    """A commit that should be read is no longer in the log; the caller must take every file as new."""


def added_files(lake: Lake, name: str, after: int, until: int) -> list[str]:
    """Paths of the files whose rows arrived in the commits `after < version <= until`, in that order.

    Files that only moved rows (compaction, `dataChange` false) are left out; files since compacted away are kept, they are still on disk.

    Raises:
        LogGone: If a commit of the range has left the log.
    """
    paths: list[str] = []
    for version in range(after + 1, until + 1):
        try:
            commit = lake.storage.read_bytes(f"{name}/_delta_log/{version:020d}.json")
        except FileNotFoundError:
            raise LogGone(f"Commit {version} of {name} is no longer in its log.") from None
        for line in commit.splitlines():
            add = json.loads(line).get("add") if line.strip() else None
            if add is not None and add["dataChange"]:
                paths.append(unquote(add["path"]))
    return paths
