"""What is damaged, by file: data files against the checksum in their name, logs against what they name, databases by their own check."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingModuleSource=false

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from deltalake.exceptions import DeltaError

from aurora.accounts.database import Accounts
from aurora.errors import AuroraError
from aurora.home import Home
from aurora.keeping.databases import sqlite_problem
from aurora.keeping.files import Progress, in_parallel
from aurora.lake.checksums import is_commit_whole, is_whole
from aurora.lake.damage import parquet_problem
from aurora.lake.log import CHECKPOINT, actions_of, log_paths, log_versions
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

NOTE = "damage"


@dataclass(frozen=True)
class Damage:
    """One file that is not as it was written.

    Attributes:
        path: In the lake under its root, else of the home.
        problem: What is wrong with it.
    """

    path: str
    problem: str


@dataclass(frozen=True)
class _Data:
    path: str
    size_bytes: int | None


def verify(lake: Lake, accounts: Accounts, home: Home, progress: Progress = lambda _done, _total, _label: None) -> list[Damage]:
    """Every damaged or missing file of lake, accounts and models; nothing where all are whole. `aurora status` tells it, too."""
    found = [*_databases(accounts, home)]
    data: list[_Data] = []
    for name in TABLES:
        damage, files = _table(lake, name)
        found += damage
        data += files
    for one in in_parallel(lambda file: _look(lake, file), data, progress, "checking files"):
        found += [one] if one is not None else []
    home.note(NOTE, {"at": datetime.now(UTC).isoformat(timespec="seconds"), "damaged": [asdict(one) for one in found]})
    return found


def _databases(accounts: Accounts, home: Home) -> Iterator[Damage]:
    files = [home.path / "mlflow" / "mlflow.db", home.path / "formats.sqlite"]
    if accounts.engine.dialect.name == "sqlite" and accounts.engine.url.database:
        files.insert(0, Path(accounts.engine.url.database))
    for file in files:
        if file.exists() and (problem := sqlite_problem(file)):
            yield Damage(str(file), problem)


def _table(lake: Lake, name: str) -> tuple[list[Damage], list[_Data]]:
    """What is wrong with a table's log, and the data files that it names and that should be there."""
    damage, files, paths = list[Damage](), dict[str, _Data](), log_paths(lake, name)
    for commits in log_versions(paths).values():
        try:
            named, problem = _commit(name, actions_of(lake, commits[0]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            named, problem = {}, f"cannot be read: {error}"
        files |= named
        damage += [Damage(commits[0], problem)] if problem else []
    damage += _gaps(name, paths) + [one for entries in log_versions(paths, CHECKPOINT).values() for one in _checkpoint(lake, entries[0])]
    try:
        for row in lake.files(name).iter_rows(named=True):
            files[f"{name}/{row['path']}"] = _Data(f"{name}/{row['path']}", row["size_bytes"])
        active = {f"{name}/{path}" for path in lake.files(name)["path"]}
    except (AuroraError, DeltaError, OSError, ValueError) as error:
        damage.append(Damage(f"{name}/_delta_log", f"cannot be opened: {str(error).splitlines()[0]}"))
        active = set[str]()
    there = lake.storage.paths(name)
    # A file that an earlier version named may have been deleted with that version; what the newest names must be there.
    return damage, [one for path, one in files.items() if path in active or path in there]


def _commit(name: str, actions: list[dict[str, Any]]) -> tuple[dict[str, _Data], str]:
    """Data files that a commit adds, and what is wrong with it."""
    adds = [action["add"] for action in actions if "add" in action]
    files = {path: _Data(path, add["size"]) for add in adds if (path := f"{name}/{unquote(add['path'])}")}
    return files, "what it does has changed" if is_commit_whole(actions) is False else ""


def _gaps(name: str, paths: list[str]) -> list[Damage]:
    versions = sorted(log_versions(paths))
    # Maintenance takes away what lies before a version that has a checkpoint.
    kept = log_versions(paths, CHECKPOINT)
    missing = [version for low, high in pairwise(versions) if high not in kept for version in range(low + 1, high)]
    found = [Damage(f"{name}/_delta_log/{version:020d}.json", "missing") for version in missing]
    return found if versions else [Damage(f"{name}/_delta_log", "missing")]


def _checkpoint(lake: Lake, path: str) -> list[Damage]:
    problem = parquet_problem(lake.storage.read_bytes(path))
    return [Damage(path, problem)] if problem else []


def _look(lake: Lake, file: _Data) -> Damage | None:
    try:
        content = lake.storage.read_bytes(file.path)
    except FileNotFoundError:
        return Damage(file.path, "missing")
    if file.size_bytes is not None and len(content) != file.size_bytes:
        return Damage(file.path, f"{len(content)} bytes; the log says {file.size_bytes}")
    whole = is_whole(file.path, content)
    problem = parquet_problem(content) if whole is None else "" if whole else "its content changed"
    return Damage(file.path, problem) if problem else None
