"""What one table of the lake is made of at one moment."""

from dataclasses import dataclass

from aurora.errors import Refused
from aurora.lake.log import CHECKPOINT, COMMIT, log_versions, named_files
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES


@dataclass(frozen=True)
class Point:
    """One table up to one commit.

    Attributes:
        name: The table.
        version: The commit.
        paths: Log and data files of it and of every earlier version that can still be opened, under the lake's root.
    """

    name: str
    version: int
    paths: list[str]


def versions_now(lake: Lake) -> dict[str, int]:
    """Newest commit of every table; the holder of the publish lease gets versions that belong together."""
    return {name: lake.version(name) for name in TABLES}


def point_at(lake: Lake, name: str, version: int) -> Point:
    """The table up to `version`.

    Nobody may take files away meanwhile: hold the backup lease.

    Raises:
        Refused: If a file of that version is not there.
    """
    there = lake.storage.paths(name)
    log = [
        path for kind in (COMMIT, CHECKPOINT) for at, paths in log_versions(list(there), kind).items() if at <= version for path in paths
    ]
    active = set(lake.files(name, version)["path"])
    wanted = {f"{name}/{path}" for path in active | named_files(lake, name, version)}
    missing = sorted(f"{name}/{path}" for path in active if f"{name}/{path}" not in there)
    if missing:
        raise Refused(f"{missing[0]} is missing from the lake ({len(missing)} files). `aurora maintain --verify` names what is damaged.")
    return Point(name, version, sorted(log) + sorted(wanted & there.keys()))
