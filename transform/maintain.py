"""Maintenance: small files become few sorted ones, what is past its time goes, and what nobody needs any more is deleted.

It holds the publish lease, as every writer that takes files out of a table must: two at once would double rows. Deleting needs the backup
lease too, so that a copy under way finds every file.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aurora
from aurora import logs
from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.errors import Busy
from aurora.keeping.backup import BACKUP
from aurora.lake import cleaning, manifest
from aurora.lake.folding import fold
from aurora.lake.manifest import Publication, Snapshot
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from transform import compaction, retention
from transform.retention import max_gaps_of, zones_of

log = logs.logger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Maintained:
    """What one maintenance did.

    Attributes:
        refresh_id: Of its publication; that of the one before where no published table changed.
        files_replaced: Files whose rows went to fewer, sorted ones.
        rows_expired: Rows that were past their time.
        entries_deleted: Entries of logs that no kept version needs.
        files_deleted: Data files that no kept version names.
        bytes_deleted: Their size.
        has_deleted: Whether deleting was tried; not where a backup is at work, nor in a light maintenance.
    """

    refresh_id: str
    files_replaced: int
    rows_expired: int = 0
    entries_deleted: int = 0
    files_deleted: int = 0
    bytes_deleted: int = 0
    has_deleted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The maintenance as JSON can hold it."""
        return asdict(self)


def maintain(
    lake: Lake,
    accounts: Accounts,
    settings: Settings,
    *,
    is_light: bool = False,
    wait_seconds: float = 600,
    now: datetime | None = None,
    progress: Progress = lambda _done, _total, _label: None,
    waiting: Callable[[str], None] | None = None,
) -> Maintained:
    """Keep the lake small and fast; readers and landing go on.

    Args:
        lake: What is maintained.
        accounts: Keep the leases.
        settings: Say how long things are kept.
        is_light: Only compact what grows by the minute, and its log.
        wait_seconds: How long to wait for another publisher.
        now: Decides what is past its time.
        progress: Told (done, total, what).
        waiting: Told once whom it waits for.

    Raises:
        Busy: If another publisher is still at work after `wait_seconds`.
    """
    moment = now or datetime.now(UTC)
    with leases.hold(accounts, leases.PUBLISH, wait_seconds, waiting) as lease:
        version = settings.code_version or aurora.__version__
        publication = manifest.begin(lake, lease, "maintain", version, moment)
        if is_light:
            replaced = compaction.compact_bronze(lake, compaction.FILES_A_TABLE) + compaction.compact_growing(lake)
            thinned = _thin(lake, accounts, moment - timedelta(days=settings.as_of_days))
            return _told(Maintained(publication.before.refresh_id, replaced, entries_deleted=thinned))
        return _told(_whole(publication, accounts, settings, moment, progress))


def _whole(publication: Publication, accounts: Accounts, settings: Settings, now: datetime, progress: Progress) -> Maintained:
    """Everything, in the order that a death anywhere bears: what readings came to is published before they go."""
    lake, before = publication.lake, publication.before
    aged, zones = retention.find_aged(lake, before, settings, now), zones_of(before)
    retention.seal(publication, aged, max_gaps_of(before), progress)
    gone = retention.expire_published(publication, settings, zones.sites, now)
    replaced = _fold(publication, progress)
    refresh_id = publication.finish() if publication.has_changed else before.refresh_id
    gone += retention.release(lake, aged, zones.devices, settings.archive_uri, progress)
    gone += retention.expire_registers(lake, aged, before, settings, now) + retention.expire_landed(lake, settings, now)
    replaced += compaction.compact_bronze(lake, compaction.FILES_A_TABLE) + compaction.compact_growing(lake)
    replaced += compaction.compact_closed_days(lake, now.date())
    return Maintained(refresh_id, replaced, gone, *_clean(lake, accounts, settings, now, progress))


def _told(done: Maintained) -> Maintained:
    log.info("maintained", **done.as_dict())
    return done


def _fold(publication: Publication, progress: Progress) -> int:
    """Fold every table that is published; its newest commit may be one that never was."""
    names, replaced = sorted(publication.before.versions), 0
    for done, name in enumerate(names, 1):
        replaced += fold(publication, name)
        progress(done, len(names), "folding tables")
    return replaced


def _thin(lake: Lake, accounts: Accounts, since: datetime) -> int:
    """Take away what lies in the log of readings between the versions that kept publications had read to; returns how many entries went.

    Nothing while a backup is taken.
    """
    kept = {one.consumed[compaction.READINGS] for one in manifest.kept_since(lake, since) if compaction.READINGS in one.consumed}
    try:
        with leases.hold(accounts, BACKUP, 0):
            return cleaning.thin_log(lake, compaction.READINGS, kept)
    except Busy:
        return 0


def _clean(lake: Lake, accounts: Accounts, settings: Settings, now: datetime, progress: Progress) -> tuple[int, int, int, bool]:
    """Delete what no kept version needs: entries of logs, files, bytes; and whether it could."""
    with ExitStack() as held:
        try:
            held.enter_context(leases.hold(accounts, BACKUP, 0))
        except Busy:
            log.info("nothing is deleted while a backup is taken; the next maintenance does it")
            return 0, 0, 0, False
        since = now - timedelta(days=settings.as_of_days)
        kept = manifest.kept_since(lake, since)
        entries = files = size = 0
        for done, name in enumerate(TABLES, 1):
            entries += cleaning.trim_log(lake, name, oldest_version(lake, name, kept, since))
            number, freed = cleaning.delete_unneeded(lake, name, now)
            files, size = files + number, size + freed
            progress(done, len(TABLES), "deleting what nobody needs")
        return entries, files, size, True


def oldest_version(lake: Lake, name: str, kept: list[Snapshot], since: datetime) -> int:
    """The oldest version of a table that somebody may still ask for.

    Of bronze readings and refusals that is what the oldest kept publication had consumed: the next refresh reads every commit after it.
    """
    if name == compaction.READINGS or any(name in one.consumed for one in kept):
        return min((one.consumed.get(name, 0) for one in kept), default=0)
    published = [one.versions[name] for one in kept if name in one.versions]
    if published:
        return min(published)
    return cleaning.version_before(lake, name, since) if name in compaction.GROWING else 0
