"""What the lake no longer needs is taken away: old entries of logs, files that no version names any more.

Every version that the log can still open keeps all its files, so a version is gone exactly when its commit has left the log. The caller
holds the publish lease and the backup lease: nobody copies meanwhile, and nobody rewrites.
"""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow.fs as pafs
from deltalake import DeltaTable

from aurora.lake.log import CHECKPOINT, log_paths, log_versions, named_files
from aurora.lake.store import Lake

LEAST_ENTRIES = 20
# Longer than any writer takes between a file and the commit that names it.
UNNAMED_AFTER = timedelta(days=1)
# Longer than any writer takes from opening a table to its commit, which reads every entry that came between.
SETTLED_AFTER = timedelta(minutes=1)


def version_before(lake: Lake, name: str, moment: datetime) -> int:
    """The newest commit that was there at a time; the oldest in the log where all are younger."""
    log = f"{name}/_delta_log"
    infos = lake.storage.filesystem.get_file_info(pafs.FileSelector(log))
    ages = {version: paths[0] for version, paths in log_versions([info.path for info in infos]).items()}
    written = {info.path: info.mtime for info in infos}
    older = [version for version, path in ages.items() if written[path].astimezone(UTC) <= moment]
    return max(older, default=min(ages))


def trim_log(lake: Lake, name: str, oldest: int) -> int:
    """Take away the entries before version `oldest`, which stays and has a checkpoint; returns how many went.

    Few entries are left alone: a checkpoint costs more than they do. So are those of the last minute.
    """
    there = log_paths(lake, name)
    commits = log_versions(there)
    oldest = min(oldest, _settled(lake, name))
    gone = [path for version, paths in commits.items() if version < oldest for path in paths]
    if len(gone) < LEAST_ENTRIES or oldest not in commits:
        return 0
    if oldest not in log_versions(there, CHECKPOINT):
        _checkpoint(lake, name, oldest)
    gone += [path for version, paths in log_versions(there, CHECKPOINT).items() if version < oldest for path in paths]
    _delete(lake, gone)
    return len(gone)


def thin_log(lake: Lake, name: str, kept: Collection[int]) -> int:
    """Take away the entries before the newest of some versions, each of which stays and has a checkpoint; returns how many went.

    What lies between those versions can be opened no more, nor what is older. Delta lists the whole log at each commit, a microsecond an
    entry and several times over: a table with a commit a second must not keep them all.
    """
    there = log_paths(lake, name)
    commits, checkpoints = log_versions(there), log_versions(there, CHECKPOINT)
    settled = _settled(lake, name)
    held = sorted(version for version in set(kept) & commits.keys() if version <= settled)
    gone = _entries_beside(commits, held)
    if len(gone) < LEAST_ENTRIES:
        return 0
    for version in held:
        if version not in checkpoints:
            _checkpoint(lake, name, version)
    gone += _entries_beside(checkpoints, held)
    _delete(lake, gone)
    return len(gone)


def _settled(lake: Lake, name: str) -> int:
    """The newest commit that no writer at work still has to read."""
    return version_before(lake, name, datetime.now(UTC) - SETTLED_AFTER)


def _entries_beside(entries: dict[int, list[str]], held: list[int]) -> list[str]:
    """Those that are older than the newest of some versions and stand for none of them."""
    newest = max(held, default=0)
    return [path for version, paths in entries.items() if version < newest and version not in held for path in paths]


def delete_unneeded(lake: Lake, name: str, now: datetime) -> tuple[int, int]:
    """Delete data files that no commit in the log and no openable version names; returns how many, and their size in bytes.

    Files of commits that never happened are among them, once they are older than `UNNAMED_AFTER`.
    """
    newest = lake.version(name)
    needed = named_files(lake, name, newest) | set(lake.files(name, newest)["path"])
    infos = lake.storage.filesystem.get_file_info(pafs.FileSelector(name, recursive=True))
    gone = [
        info for info in infos
        if info.type == pafs.FileType.File and info.path.endswith(".parquet") and "/_delta_log/" not in info.path
        and info.path.removeprefix(f"{name}/") not in needed and info.mtime.astimezone(UTC) < now - UNNAMED_AFTER
    ]  # fmt: skip
    _delete(lake, [info.path for info in gone])
    return len(gone), sum(info.size for info in gone)


def is_openable(lake: Lake, versions: dict[str, int]) -> bool:
    """Whether every table can still be opened at its version."""
    commits = [f"{name}/_delta_log/{version:020d}.json" for name, version in versions.items()]
    return all(info.type == pafs.FileType.File for info in lake.storage.filesystem.get_file_info(commits))


def _checkpoint(lake: Lake, name: str, version: int) -> None:
    """Write a checkpoint of an older version; readers go on to begin at the newest."""
    hint, newest = f"{name}/_delta_log/_last_checkpoint", max(log_versions(log_paths(lake, name), CHECKPOINT), default=-1)
    before = lake.storage.read_bytes(hint) if newest > version else None
    DeltaTable(lake.storage.table_uri(name), version=version, storage_options=lake.storage.options or None).create_checkpoint()
    if before is not None:
        lake.storage.write_bytes(hint, before)


def _delete(lake: Lake, paths: Sequence[str]) -> None:
    for path in paths:
        lake.storage.filesystem.delete_file(path)
