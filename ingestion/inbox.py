"""The watched folder: a file put into `inbox/<site>/` is imported, then lies under `done`, or with the reason beside it under `failed`."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aurora import logs
from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion.files import import_file

FOLDER, DONE, FAILED = "inbox", "done", "failed"
# A file that is still being copied grows; one that has been left alone for so long is whole.
QUIET_SECONDS = 10.0
UNFINISHED = (".part", ".tmp", ".crdownload", ".download", "~")

log = logs.logger(__name__)


@dataclass(frozen=True)
class Taken:
    """What became of one file.

    Attributes:
        load_id: Of its import; None where it was refused.
        reason: Why it was refused; None where it was not.
    """

    file: str
    site: str
    load_id: str | None
    reason: str | None


def waiting(home: Home, now: datetime) -> Iterator[tuple[str, Path]]:
    """Site and path of every file that is whole, the oldest first."""
    folder = home.path / FOLDER
    found = [path for path in folder.glob("*/*") if path.is_file() and not path.is_symlink() and not path.name.startswith(".")]
    ready: list[tuple[float, Path]] = []
    for path in found:
        with suppress(FileNotFoundError):
            ready.append((path.stat().st_mtime, path))
    for changed, path in sorted(ready):
        if now.timestamp() - changed >= QUIET_SECONDS and not path.name.endswith(UNFINISHED):
            yield path.parent.name, path


def take_in(lake: Lake, accounts: Accounts, settings: Settings, home: Home, now: datetime | None = None) -> list[Taken]:
    """Import what waits. The folder's name is the site's id or name; what the file leaves open is taken from the last one like it.

    A file whose import was cut short is imported again: what it had landed is known then. What is no fault of the file, such as a disk
    that is full, is raised, and the file waits.
    """
    moment = now or datetime.now(UTC)
    taken: list[Taken] = []
    for site, path in waiting(home, moment):
        try:
            done = import_file(lake, accounts, settings, path, site, now=now)
        except Refused as error:
            target = _moved(path, FAILED, moment)
            target.with_name(f"{target.name}.reason.txt").write_text(f"{error}\n", encoding="utf-8")
            log.warning("a file was refused", file=path.name, site=site, reason=str(error))
            taken.append(Taken(path.name, site, None, str(error)))
            continue
        _moved(path, DONE, moment)
        log.info("a file was imported", file=path.name, site=site, load_id=done.load_id, new=done.new, rejected=done.rejected)
        taken.append(Taken(path.name, site, done.load_id, None))
    return taken


def _moved(path: Path, folder: str, now: datetime) -> Path:
    """The file in a folder beside it, under a name that no other has there."""
    target = path.parent / folder / f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{path.name}"
    target.parent.mkdir(exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{number}-{path.name}")
    shutil.move(path, target)
    return target
