"""`backup`: lake, accounts and the home's own files as of one moment, with checksums, in a folder of their own."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from aurora import __version__
from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.home import Home, write_private
from aurora.keeping import databases
from aurora.keeping.files import Kept, Progress, copy_stream, in_parallel, kept
from aurora.keeping.point import Point, point_at, versions_now
from aurora.lake.store import Lake

FORMAT = 1
CONTENTS = "backup.json"
ACCOUNTS, LAKE, HOME = "accounts.sqlite", "lake", "home"
BACKUP = "backup"
# Made again by the processes themselves, or copied in another way.
NOT_COPIED = ("run", "logs", "workbench", "dbt_target", "dagster", "lake", "demo")
SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Contents:
    """What a backup holds.

    Attributes:
        taken_at: The moment it stands for.
        home: The folder it was taken from.
        versions: Commit of each table.
        files: Every file.
        made_by: Version of Aurora.
        format: Of the backup.
    """

    taken_at: datetime
    home: str
    versions: dict[str, int]
    files: list[Kept]
    made_by: str = __version__
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(one.size_bytes for one in self.files)


def backup(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    folder: Path,
    *,
    wait_seconds: float = 600,
    progress: Progress = lambda _done, _total, _label: None,
    waiting: Callable[[str], None] | None = None,
) -> Contents:
    """Copy lake, accounts and home into `folder`, as of one moment.

    The publish lease is held only while the accounts are copied and the versions noted; landing never waits. Files of those versions stay
    until the copy is done, because nothing is taken out of the lake while the backup lease is held.

    Raises:
        Refused: If `folder` holds something, or a file of the lake is missing.
        Busy: If a publisher, a maintenance or another backup is still at work after `wait_seconds`.
    """
    _refuse_used(folder, home)
    with ExitStack() as held:
        held.enter_context(leases.hold(accounts, BACKUP, wait_seconds, waiting))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with leases.hold(accounts, leases.PUBLISH, wait_seconds, waiting):
            taken_at = datetime.now(UTC)
            # Before the versions: what the accounts say was landed must be in the lake, what they do not know yet may be.
            own = _copy_home(home, folder)
            databases.copy_accounts(accounts, folder / ACCOUNTS)
            versions = versions_now(lake)
        points = [point_at(lake, name, version) for name, version in versions.items()]
        copied = _copy_lake(lake, points, folder, progress)
    contents = Contents(taken_at, str(home.path), versions, [*copied, *own, kept(folder, ACCOUNTS)])
    write_contents(folder, contents)
    return contents


def write_contents(folder: Path, contents: Contents) -> None:
    """Write what the backup holds; a folder without it is not a whole backup."""
    write_private(folder / CONTENTS, json.dumps(asdict(contents) | {"taken_at": contents.taken_at.isoformat()}, indent=1))


def read_contents(folder: Path) -> Contents:
    """What the backup in `folder` holds.

    Raises:
        Refused: If there is no whole backup in it, or one of a later version.
    """
    try:
        read = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if read["format"] > FORMAT:
            raise Refused(f"{folder} was made by Aurora {read['made_by']}, which is newer. Restore it with that version.")
        files = [Kept(**one) for one in read["files"]]
        taken_at = datetime.fromisoformat(read["taken_at"])
        return Contents(taken_at, read["home"], read["versions"], files, read["made_by"], read["format"])
    except FileNotFoundError:
        raise Refused(f"There is no whole backup in {folder}: {CONTENTS} is missing. A backup that was cut short is worthless.") from None
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{folder / CONTENTS} is damaged, so nothing in this backup can be checked. Take an older one.") from None


def _refuse_used(folder: Path, home: Home) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not empty. Name a folder that is empty or not there yet.")
    if folder.resolve().is_relative_to(home.path.resolve()):
        raise Refused(f"{folder} is inside the home that it would copy. Name a folder elsewhere, best on another disk.")


def _copy_home(home: Home, folder: Path) -> list[Kept]:
    """Copy the home's own files: secrets, marker, models, state of imports, files that wait."""
    found: list[Kept] = []
    for path in sorted(home.path.rglob("*")):
        relative = path.relative_to(home.path)
        if relative.parts[0] in NOT_COPIED or path.name.startswith("accounts.sqlite") or path.name.endswith(("-wal", "-shm", "-journal")):
            continue
        if not path.is_file() or path.is_symlink():
            continue
        if _copy_own(path, folder / HOME / relative):
            found.append(kept(folder, f"{HOME}/{relative}"))
    return found


def _copy_own(path: Path, target: Path) -> bool:
    """Copy one file of the home; false where it is gone by now."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
        if is_database:
            databases.copy_sqlite(path, target)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o600)
    except FileNotFoundError:
        return False
    return True


def _copy_lake(lake: Lake, points: list[Point], folder: Path, progress: Progress) -> list[Kept]:
    def copy(path: str) -> Kept:
        target = folder / LAKE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with lake.storage.open_read(path) as source, target.open("wb") as written:
            size, digest = copy_stream(source, written)
            os.fsync(written.fileno())
        return Kept(f"{LAKE}/{path}", size, digest)

    return list(in_parallel(copy, [path for point in points for path in point.paths], progress, "copying the lake"))
