"""The refresh: what is new in bronze becomes silver and gold for exactly the days it touches, and is published as a whole."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

import aurora
from aurora import logs
from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake import changes, manifest
from aurora.lake.manifest import Publication
from aurora.lake.store import Lake
from aurora.settings import Settings
from transform import (
    compaction,
    facts,
    gold,
    judge,
    measured,
    metered,
    reasons,
    revisions,
    scope,
    sealed,
    silver,
    standing,
    status,
    switches,
    workbench,
)
from transform.bronze import READINGS, Bronze
from transform.chunks import chunks
from transform.facts import Facts
from transform.metering import Metering
from transform.refused import REJECTED, Refused
from transform.scope import SITE_DAY

# New readings that one publication takes in: half a kilobyte of memory each while it is worked out what they touch.
MOST_READINGS = 4_000_000
SECONDS_A_CLOSED_DAY = 0.35
log = logs.logger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Refreshed:
    """What one refresh did.

    Attributes:
        refresh_id: Of the publication; that of the one before where nothing was to do.
        readings_in: New rows of bronze that it read.
        days_touched: Site-days it rebuilt.
        pending_days: Site-days it left for the next.
        anomalies: Anomalies it found on the rebuilt days.
        seconds: How long each step took.
    """

    refresh_id: str
    readings_in: int
    days_touched: int
    pending_days: int
    anomalies: int
    seconds: dict[str, float]

    def followed_by(self, other: "Refreshed") -> "Refreshed":
        """Both publications in one account."""
        seconds = {step: round(self.seconds.get(step, 0.0) + other.seconds.get(step, 0.0), 3) for step in self.seconds | other.seconds}
        return Refreshed(
            other.refresh_id, self.readings_in + other.readings_in, self.days_touched + other.days_touched, other.pending_days,
            self.anomalies + other.anomalies, seconds,
        )  # fmt: skip


@dataclass
class Refresher:
    """Everything a refresh needs; one per process is enough."""

    lake: Lake
    accounts: Accounts
    home: Home
    settings: Settings

    def run(
        self,
        *,
        full: bool = False,
        budget_seconds: float | None = None,
        wait_seconds: float = 600,
        now: datetime | None = None,
        progress: Progress | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> Refreshed:
        """Bring silver and gold up to everything that was committed to bronze before this call.

        Args:
            full: Rebuild every day that still has raw readings.
            budget_seconds: Time for closed days, oldest first; the rest stays pending. None: all of them.
            wait_seconds: How long to wait for another publisher.
            now: Decides which days are open.
            progress: Told (done, total, what) as site-days are rebuilt.
            waiting: Told once whom it waits for.

        Raises:
            Busy: If another publisher is still at work after `wait_seconds`.
            BuildFailed: If dbt failed; nothing is published then.
        """
        began = time.monotonic()
        with leases.hold(self.accounts, leases.PUBLISH, wait_seconds, waiting) as lease:
            goal, done = self.lake.version(READINGS), None
            while True:
                version = self.settings.code_version or aurora.__version__
                publication = manifest.begin(self.lake, lease, "full" if full else "refresh", version, now)
                with _logged(publication.refresh_id):
                    run = _Run(self, publication, now or datetime.now(UTC), progress or _silent)
                    piece, consumed = run.publish(full, budget_seconds)
                done = piece if done is None else done.followed_by(piece)
                is_late = budget_seconds is not None and time.monotonic() - began > budget_seconds
                if consumed >= goal or is_late:
                    return done


@dataclass(frozen=True)
class _Arrived:
    """What came to bronze since the publication before.

    Attributes:
        rows: New rows; where everything is rebuilt the newest of each device.
        withdrawn: Rows that were taken back.
        readings: How many are read.
        until: Newest commit among them.
        is_whole: Whether everything is rebuilt.
    """

    rows: pl.DataFrame
    withdrawn: pl.DataFrame
    readings: int
    until: int
    is_whole: bool


@dataclass(frozen=True)
class _Sources:
    """What days are rebuilt from."""

    known: Facts
    bronze: Bronze
    metering: Metering
    refused: Refused
    reasons: reasons.Reasons


class _Run:
    """One refresh, with the lease held."""

    def __init__(self, refresher: Refresher, publication: Publication, now: datetime, progress: Progress) -> None:
        self.lake, self.publication, self.now, self.progress = refresher.lake, publication, now, progress
        self.accounts, self.workbench = refresher.accounts, workbench.of_home(refresher.home)
        self.silver_since = (now - timedelta(days=refresher.settings.silver_days)).date()
        self.bronze_since = now - timedelta(days=refresher.settings.bronze_days)
        self.before = Bronze(self.lake, publication.before.consumed.get(READINGS, 0))
        self.seconds: dict[str, float] = {}

    def publish(self, full: bool, budget_seconds: float | None) -> tuple[Refreshed, int]:  # noqa: FBT001
        """Rebuild and publish; returns what it did, and the newest commit of bronze that is in it."""
        with self._timed("compact"):
            compaction.compact_bronze(self.lake)
        with self._timed("changes"):
            known = facts.synchronise(self.publication, self.accounts, self.now)
            refused = Refused.of_devices(self.lake, known.devices, self.bronze_since)
            arrived = self._arrived(known, full)
            bronze = Bronze(self.lake, arrived.until)
            read, turned = self._read_meters(arrived, known, bronze)
            touch = self._every_day if arrived.is_whole else self._touched
            days, why = touch(arrived, known, bronze, read, turned)
        todo, later = self._within_budget(days, known, budget_seconds)
        sources, found = _Sources(known, bronze, read, refused, why), 0
        for done, chunk in chunks(todo):
            found += self._rebuild(chunk, sources)
            self.progress(done, todo.height, "rebuilding site-days")
        with self._timed("publish"):
            self._tell_what_stands(arrived, known)
            weather = self.lake.version(status.WEATHER)
            status.update(self.publication, known.devices, arrived.rows, self.now, arrived.withdrawn, bronze, weather)
            refused.update(self.publication, todo)
            judge.judge_silence(self.publication, known.devices, known.sites, self.now)
            refresh_id = self.publication.finish(
                readings_in=arrived.readings,
                days_touched=todo.height,
                pending=later,
                consumed={READINGS: arrived.until, REJECTED: refused.version, status.WEATHER: weather},
            )
        pending = sum(len(dates) for dates in later.values())
        log.info("refreshed", readings_in=arrived.readings, days_touched=todo.height, pending_days=pending, seconds=self.seconds)
        return Refreshed(refresh_id, arrived.readings, todo.height, pending, found, self.seconds), arrived.until

    def _tell_what_stands(self, arrived: _Arrived, known: Facts) -> None:
        """What cannot follow on days whose raw readings are gone. Of a whole rebuild nobody knows what is new."""
        found = standing.find(self.publication, arrived.rows.clear() if arrived.is_whole else arrived.rows, known, self.now)
        if not found.is_empty():
            self.publication.add("gold/revisions", found)

    def _arrived(self, known: Facts, full: bool) -> _Arrived:  # noqa: FBT001
        """As much of what came as memory holds, or all of bronze."""
        newest, none = self.lake.version(READINGS), self.lake.scan(READINGS, paths=[]).collect()
        try:
            found = changes.changes_between(self.lake, READINGS, self.before.version, newest, None if full else MOST_READINGS)
        except changes.LogGone:
            return self._whole(known, newest, none)
        is_withdrawn = pl.col("source").is_in(found.withdrawn)
        earlier = self.lake.scan(READINGS, version=self.before.version) if found.withdrawn else none.lazy()
        withdrawn = earlier.filter(is_withdrawn).collect()
        if full or (not self.before.version and found.until < newest):
            return self._whole(known, newest, withdrawn)
        rows = self.lake.scan(READINGS, paths=found.added).filter(~is_withdrawn).collect()
        return _Arrived(rows, withdrawn, rows.height, found.until, is_whole=False)

    def _whole(self, known: Facts, newest: int, withdrawn: pl.DataFrame) -> _Arrived:
        bronze = Bronze(self.lake, newest)
        return _Arrived(bronze.newest(known.devices["device_id"].to_list()), withdrawn, bronze.readings, newest, is_whole=True)

    def _read_meters(self, arrived: _Arrived, known: Facts, bronze: Bronze) -> tuple[Metering, pl.DataFrame]:
        """How this refresh reads meters, and where a change of unit gives readings another meaning."""
        of_changed = known.devices.filter(pl.col("site_id").is_in([*known.changed_sites, *known.moved_sites]))["device_id"].to_list()
        whole = known.devices["device_id"].to_list() if arrived.is_whole else of_changed
        asked = switches.Arrived(arrived.rows, arrived.withdrawn, whole, bronze, self.before)
        found, turned = switches.update(self.publication, asked, known.devices, known.overruled)
        return known.metering(found), turned

    def _every_day(
        self, _arrived: _Arrived, known: Facts, bronze: Bronze, _read: Metering, _turned: pl.DataFrame
    ) -> tuple[pl.DataFrame, reasons.Reasons]:
        """Every day that any reading can touch, and why it is rebuilt."""
        devices = known.devices.select("device_id", "site_id", "time_zone", "max_gap_seconds")
        every = [
            scope.days_of_spans(bronze.hulls(known.devices["device_id"].to_list()).join(devices, on="device_id")),
            facts.days_of_sites(self._spans(known), known.sites["site_id"].to_list()),
        ]
        days = self._kept_days(every, known)
        return days, reasons.of_days({reasons.OF_REBUILD: days}, self.lake.scan(READINGS, paths=[]).collect(), devices, bronze)

    def _touched(
        self, arrived: _Arrived, known: Facts, bronze: Bronze, read: Metering, turned: pl.DataFrame
    ) -> tuple[pl.DataFrame, reasons.Reasons]:
        """The days that something touched since, and what did."""
        devices = known.devices.select("device_id", "site_id", "time_zone", "max_gap_seconds")
        reversed_ = metered.reversed_since(self.publication.before, known.overruled, known.devices)
        pending = [(site, day) for site, dates in self.publication.before.pending.items() for day in dates]
        spans = self._spans(known)
        told = {
            # What a reading touched when it came it touches when it goes: asked of the readings as they were with it.
            reasons.OF_WITHDRAWAL: scope.touched_days(arrived.withdrawn, devices, self.before, read),
            reasons.OF_FACT: facts.days_of_sites(spans, known.changed_sites),
            reasons.OF_ZONE: facts.days_of_moved(spans, known.moved_sites),
            reasons.OF_PERSON: scope.touched_days(reversed_, devices, bronze, read),
            reasons.OF_UNIT: scope.days_since(turned, spans, arrived.rows, devices),
            reasons.OF_EARLIER: pl.DataFrame(pending, schema=scope.SITE_DAYS, orient="row"),
        }
        days = self._kept_days([scope.touched_days(arrived.rows, devices, bronze, read), *told.values()], known)
        return days, reasons.of_days(told, arrived.rows, devices, self.before)

    def _spans(self, known: Facts) -> pl.DataFrame:
        return facts.with_new_sites(self.publication.scan("dims/measured_channels").collect(), known.devices)

    def _kept_days(self, every: list[pl.DataFrame], known: Facts) -> pl.DataFrame:
        days = pl.concat(every).unique().filter(pl.col("site_id").is_in(known.sites["site_id"].to_list())).sort(*SITE_DAY)
        return sealed.without_lost(days, self.publication.before, self.silver_since)

    def _within_budget(self, days: pl.DataFrame, known: Facts, budget_seconds: float | None) -> tuple[pl.DataFrame, dict[str, list[date]]]:
        """Open days, and of the closed ones the oldest that the budget allows; what is left, by site."""
        if budget_seconds is None or days.is_empty():
            return days, {}
        marked = days.with_columns(revisions.is_open(known.zones, self.now).alias("is_open"))
        dates = marked.filter(~pl.col("is_open"))["local_date"].unique().sort()
        allowed = dates.head(max(1, int(budget_seconds / SECONDS_A_CLOSED_DAY)))
        chosen = marked.filter(pl.col("is_open") | pl.col("local_date").is_in(allowed.to_list()))
        left = marked.join(chosen, on=SITE_DAY, how="anti")
        pending: dict[str, list[date]] = {}
        for site, day in left.select(SITE_DAY).iter_rows():
            pending.setdefault(site, []).append(day)
        return chosen.select(SITE_DAY), pending

    def _rebuild(self, days: pl.DataFrame, sources: _Sources) -> int:
        """Commit silver and gold of some days; returns how many anomalies they have."""
        known, bronze, read = sources.known, sources.bronze, sources.metering
        with self._timed("silver"):
            found = silver.build(days, known, bronze, read)
            rebuilt = sealed.protect(found, self.publication.before, days, known, bronze, read)
            main_devices = known.devices.filter(pl.col("role") == "main")["device_id"].to_list()
            spans = measured.update(self.publication, rebuilt.energy, days, main_devices)
            self.publication.replace("silver/energy", rebuilt.energy, days)
            self.publication.replace("gold/meter_events", rebuilt.events, days)
            quality = sources.refused.with_counts(rebuilt.quality, days, self.publication.before)
            self.publication.replace("gold/data_quality", quality, days)
            measured.write(self.publication, spans, days["site_id"].unique().to_list())
        every_day = sealed.without_lost(pl.concat([days, spans.touched]).unique(), self.publication.before, self.silver_since)
        with self._timed("gold"):
            made = gold.build(self.publication, self.workbench, every_day, known, spans.spans)
            before = revisions.published(self.publication.before, every_day.filter(~revisions.is_open(known.zones, self.now)))
        with self._timed("commit"):
            gold.commit(self.publication, made)
            found = revisions.find(before, made.tables["energy_daily"], sources.reasons.of, self.now)
            if not found.is_empty():
                self.publication.add("gold/revisions", found)
            self.workbench.throw_away()
        with self._timed("judge"):
            return judge.judge(self.publication, every_day, known.sites, self.now)

    def _timed(self, step: str) -> "_Timer":
        return _Timer(self.seconds, step)


class _Timer:
    def __init__(self, seconds: dict[str, float], step: str) -> None:
        self.seconds, self.step, self.began = seconds, step, 0.0

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.step] = round(self.seconds.get(self.step, 0.0) + time.perf_counter() - self.began, 3)


def _silent(_done: int, _total: int, _label: str) -> None:
    return None


def _logged(refresh_id: str) -> Any:
    import structlog

    return structlog.contextvars.bound_contextvars(refresh_id=refresh_id)
