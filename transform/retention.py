"""Lets go what is past its time: raw readings once what they say is sealed and archived, quarter hours, prices, weather, forecasts.

A device's UTC day of raw readings goes as a whole, when all that arrived for it and for the day after is old enough and was refreshed. Of
each register the last reading of each local day stays, and all of the days beside those that are still whole, and of days on and beside
which a decision was taken how to read it; of intervals those stay that reach into a day that is still whole. The silent days after it, of
which it told as well, are sealed with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aurora.domain.calendar import local_dates, local_hours
from aurora.domain.meters.power import GAP_IN_SPACINGS, LEAST_GAP_SECONDS
from aurora.lake import changes
from aurora.lake.among import among
from aurora.lake.checksums import checksum
from aurora.lake.layout import conform
from aurora.lake.manifest import Publication, Snapshot
from aurora.lake.storage import open_storage
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from transform.compaction import READINGS
from transform.facts import with_calendar
from transform.sealed import SEALED

DAY = timedelta(days=1)
ISSUES_KEPT = (0, 6, 12, 18)
OTHER_ISSUES = timedelta(days=2)
BESIDE = timedelta(days=4)
DATES_A_COMMIT = 14
NEVER = datetime.min.replace(tzinfo=UTC)
# Files whose newest row is older than this before the last sealing hold nothing more that could go.
SETTLED_AFTER = timedelta(days=10)
UNIT = ["device_id", "measured_date"]
UNITS = {"device_id": pl.String, "measured_date": pl.Date, "next_date": pl.Date, "whole_date": pl.Date, "back_date": pl.Date,
         "is_near": pl.Boolean, "is_decided": pl.Boolean}  # fmt: skip

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Aged:
    """Raw readings that may go.

    Attributes:
        units: device_id, measured_date, next_date: the device's next day with readings, whole_date: its next of which they stay, back_date:
            the day of its last register reading before, where all else went long ago, is_near: whether a day of which readings stay is
            within two days or is the one before, is_decided: whether a meter's reading took a decision on it or a day beside it.
        until: Everything received by then is old enough.
    """

    units: pl.DataFrame
    until: datetime

    @property
    def dates(self) -> list[date]:
        """UTC days, oldest first."""
        return self.units["measured_date"].unique().sort().to_list()


@dataclass(frozen=True)
class Zones:
    """Time zone of each site and of each device, as published."""

    sites: dict[str, str]
    devices: dict[str, str]


def zones_of(snapshot: Snapshot) -> Zones:
    """The zones of everything that is published."""
    sites = with_calendar(_now(snapshot, "dims/sites").select("site_id", "time_zone", "past_time_zones").collect())
    devices = _now(snapshot, "dims/devices").select("device_id", "site_id").collect().join(sites, on="site_id")
    return Zones(dict(sites.select("site_id", "time_zone").iter_rows()), dict(devices.select("device_id", "time_zone").iter_rows()))


def max_gaps_of(snapshot: Snapshot) -> dict[str, int]:
    """How long a power sample holds, of devices that say so. [s]"""
    return dict(_now(snapshot, "dims/devices").select("device_id", "max_gap_seconds").drop_nulls().collect().iter_rows())


def _now(snapshot: Snapshot, name: str) -> pl.LazyFrame:
    return snapshot.scan(name).filter(pl.col("valid_until").is_null())


def find_aged(lake: Lake, snapshot: Snapshot, settings: Settings, now: datetime) -> Aged:
    """Raw readings whose time is over and of which everything is published."""
    until = _old_enough(lake, snapshot, now - timedelta(days=settings.bronze_days))
    empty = pl.DataFrame(schema=UNITS)
    if until is None or lake.files(READINGS).is_empty():
        return Aged(empty, NEVER)
    newest = _newest_arrivals(lake, snapshot)
    waiting = pl.Series(_devices_of(snapshot, list(snapshot.pending)), dtype=pl.String)
    old = newest.filter((pl.col("received_at") <= until) & ~pl.col("device_id").is_in(waiting.implode()))
    young = newest.join(old, on=UNIT, how="anti").select("device_id", (pl.col("measured_date") - DAY).alias("measured_date"))
    last = (until - DAY).date()
    going = old.filter(pl.col("measured_date") < last).join(young, on=UNIT, how="anti").select(UNIT)
    if going.is_empty():
        return Aged(empty, until)
    return Aged(_with_decisions(_with_back_dates(_with_neighbours(going, newest), lake), snapshot), until)


def _old_enough(lake: Lake, snapshot: Snapshot, until: datetime) -> datetime | None:
    """Up to when arrivals are old and consumed; None where an import was withdrawn since, or nothing was ever refreshed."""
    if READINGS not in snapshot.consumed:
        return None
    found = changes.changes_between(lake, READINGS, snapshot.consumed[READINGS], lake.version(READINGS))
    if found.withdrawn:
        return None
    first = lake.scan(READINGS, paths=found.added).select(pl.col("received_at").min()).collect().item() if found.added else None
    return until if first is None else min(until, first - timedelta(microseconds=1))


def _newest_arrivals(lake: Lake, snapshot: Snapshot) -> pl.DataFrame:
    """The newest arrival of each device's UTC day that may still hold something to let go: device_id, measured_date, received_at."""
    files = lake.files(READINGS)
    sealed = snapshot.scan(SEALED).select(pl.col("received_until").max()).collect().item()
    if sealed is not None and "max.received_at" in files.columns:
        files = files.filter(pl.col("max.received_at").is_null() | (pl.col("max.received_at") > sealed - SETTLED_AFTER))
    rows = lake.scan(READINGS, paths=files["path"].to_list())
    return rows.group_by("device_id", pl.col("measured_at").dt.date().alias("measured_date")).agg(pl.col("received_at").max()).collect()


def _devices_of(snapshot: Snapshot, sites: Sequence[str]) -> list[str]:
    rows = _now(snapshot, "dims/devices").filter(pl.col("site_id").is_in(list(sites)))
    return rows.select("device_id").collect()["device_id"].to_list()


def _with_neighbours(going: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    """The days of each device beside those that go: before_date, next_date, whole_date, is_near."""
    day = pl.col("measured_date")
    whole = newest.join(going, on=UNIT, how="anti").select(UNIT)
    beside = {"next_date": day.shift(-1).over("device_id"), "before_date": day.shift(1).over("device_id")}
    placed = going.join(newest.sort(UNIT).select(*UNIT, **beside), on=UNIT).sort("measured_date")
    marked = placed.join_asof(
        whole.sort("measured_date").with_columns(day.alias("whole_date")),
        on="measured_date",
        by="device_id",
        strategy="forward",
        check_sortedness=False,
    )
    near = [whole.select("device_id", day + timedelta(days=days)) for days in (-2, -1, 1, 2)]
    follows = going.select(UNIT).join(
        placed.join(whole.rename({"measured_date": "before_date"}), on=["device_id", "before_date"], how="semi"), on=UNIT, how="semi"
    )
    is_near = pl.concat([*near, follows]).unique().with_columns(is_near=True)
    return marked.join(is_near, on=UNIT, how="left").with_columns(pl.col("is_near").fill_null(value=False))


def _with_back_dates(units: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """back_date in place of before_date: what registers counted since that day is known by the first reading of this one alone."""
    alone = units.filter(pl.col("before_date").is_null())
    is_kept = (pl.col("measure") == "register_kwh") & among("device_id", alone["device_id"].unique())
    kept = lake.scan(READINGS).filter(is_kept).select("device_id", pl.col("measured_at").dt.date().alias("back_date")).unique().collect()
    found = alone.select(UNIT).join(kept, on="device_id").filter(pl.col("back_date") < pl.col("measured_date"))
    latest = found.group_by(UNIT).agg(pl.col("back_date").max())
    return units.drop("before_date").join(latest, on=UNIT, how="left")


def _with_decisions(going: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    events = snapshot.scan("gold/meter_events").select("device_id", pl.col("at").dt.date().alias("measured_date")).unique().collect()
    near = [events.with_columns(pl.col("measured_date") + timedelta(days=days)) for days in (-1, 0, 1)]
    return going.join(pl.concat(near).unique().with_columns(is_decided=True), on=UNIT, how="left").with_columns(
        pl.col("is_decided").fill_null(value=False)
    )


def seal(publication: Publication, aged: Aged, max_gap_seconds: dict[str, int], progress: Progress) -> int:
    """Write what the aged readings came to, so that it stands without them; returns how many rows were sealed."""
    rows, dates = 0, aged.dates
    for begin in range(0, len(dates), DATES_A_COMMIT):
        some = dates[begin : begin + DATES_A_COMMIT]
        units = aged.units.filter(pl.col("measured_date").is_in(some))
        found = pl.concat([_energy_of(publication, units, day, aged.until, max_gap_seconds) for day in some])
        publication.replace(SEALED, found, pl.concat([units.select(UNIT), found.select(UNIT)]).unique())
        rows += found.height
        progress(min(begin + DATES_A_COMMIT, len(dates)), len(dates), "sealing days")
    return rows


def _energy_of(publication: Publication, units: pl.DataFrame, day: date, until: datetime, max_gap_seconds: dict[str, int]) -> pl.DataFrame:
    """Rows of `silver/sealed`: of the devices' UTC day and what its last sample held after it, and of the silent days on either side."""
    going = units.filter(pl.col("measured_date") == day)
    start = datetime.combine(day, datetime.min.time(), UTC)
    held = _held_after(publication.lake, day, going["device_id"].to_list(), max_gap_seconds)
    until_at = _silent_until(publication.lake, going, start + DAY)
    reach = going.join(held, on="device_id", how="left").join(until_at, on="device_id").select(
        "device_id",
        _midnight("back_date").fill_null(start).alias("silent_since"),
        (pl.lit(start + DAY) + pl.duration(seconds=pl.col("held_seconds").fill_null(0))).alias("held_until"),
        "silent_until",
    )  # fmt: skip
    first, last = reach["silent_since"].min(), reach.select(pl.max_horizontal("held_until", "silent_until")).to_series().max()
    rows = publication.scan("silver/energy", [Between("interval_start_at", first, last)])
    found = rows.filter(among("device_id", reach["device_id"])).collect().join(reach, on="device_id")
    at = pl.col("interval_start_at")
    own = found.filter((at >= start) & (at < pl.col("held_until"))).with_columns(measured_date=pl.lit(day))
    silent = found.filter(at.is_between("silent_since", "silent_until", closed="left") & ~at.is_between(start, start + DAY, closed="left"))
    dated = silent.with_columns(measured_date=at.dt.date())
    columns = ("device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds", "quality", "span_start_at", "span_seconds")
    return pl.concat([own, dated]).select(*columns, "measured_date", received_until=pl.lit(until))


def _midnight(date_column: str) -> pl.Expr:
    return pl.col(date_column).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _silent_until(lake: Lake, going: pl.DataFrame, midnight: datetime) -> pl.DataFrame:
    """Up to when the days after a device's day are silent and lose what tells of them: device_id, silent_until.

    That is up to its next day with readings, where those go too; where they stay, or none follow, as far as an interval of the day reaches,
    in whole days.
    """
    end = (pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds") - 1)).dt.truncate("1d") + DAY
    intervals = _rows_of(lake, midnight.date() - DAY).filter((pl.col("measure") == "interval_kwh") & among("device_id", going["device_id"]))
    reached = intervals.group_by("device_id").agg(end.max().alias("reached_at")).collect()
    next_at = _midnight("next_date")
    follows = pl.col("next_date").is_not_null() & pl.col("next_date").ne_missing(pl.col("whole_date"))
    return going.join(reached, on="device_id", how="left").select(
        "device_id",
        pl.when(follows)
        .then(next_at)
        .otherwise(pl.min_horizontal(next_at, pl.col("reached_at").fill_null(midnight)))
        .alias("silent_until"),
    )


def _held_after(lake: Lake, day: date, devices: list[str], max_gap_seconds: dict[str, int]) -> pl.DataFrame:
    """How long past midnight the last power sample of the day can hold: device_id, held_seconds."""
    power = _rows_of(lake, day).filter((pl.col("measure") == "power_kw") & among("device_id", devices)).collect()
    spacing = power.group_by("device_id", "channel").agg(
        pl.col("measured_at").unique().sort().diff().median().dt.total_seconds(fractional=True)
    )
    own = pl.col("device_id").replace_strict(max_gap_seconds, default=None, return_dtype=pl.Float64)
    held = pl.max_horizontal(pl.col("measured_at").fill_null(0) * GAP_IN_SPACINGS, pl.lit(float(LEAST_GAP_SECONDS)))
    return spacing.with_columns(pl.coalesce(own, held).alias("held_seconds")).group_by("device_id").agg(pl.col("held_seconds").max())


def _files_of(lake: Lake, day: date) -> pl.DataFrame:
    return lake.files(READINGS).filter(pl.col("partition.measured_date").cast(pl.Date) == day)


def _rows_of(lake: Lake, day: date) -> pl.LazyFrame:
    return lake.scan(READINGS, paths=_files_of(lake, day)["path"].to_list())


def release(lake: Lake, aged: Aged, zones: dict[str, str], archive_uri: str, progress: Progress) -> int:
    """Archive and take out the aged readings, a UTC day a commit; returns how many rows went. What they came to is published by now."""
    gone_rows = 0
    for done, day in enumerate(aged.dates, 1):
        files, rows = _files_of(lake, day), _rows_of(lake, day).collect()
        going = _going(rows, aged.units.filter(pl.col("measured_date") == day), aged.until, zones)
        gone = rows.filter(going)
        if gone.height:
            _archive(gone, day, archive_uri)
            lake.rewrite(READINGS, files, rows.filter(~going))
        gone_rows += gone.height
        progress(done, len(aged.dates), "letting raw readings go")
    return gone_rows


def _going(rows: pl.DataFrame, units: pl.DataFrame, until: datetime, zones: dict[str, str]) -> pl.Series:
    """Which rows of a UTC day go."""
    marked = rows.with_row_index("place").join(units.drop("measured_date"), on="device_id", how="left").sort("place")
    ends = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(0))
    reaches = (pl.col("measure") == "interval_kwh") & (ends > _midnight("whole_date")).fill_null(value=False)
    is_register = pl.col("measure") == "register_kwh"
    near = is_register & (pl.col("is_decided") | pl.col("is_near"))
    local = pl.concat([_with_local_date(part, zones.get(str(device), "UTC")) for (device,), part in marked.group_by("device_id")])
    known = pl.col("measured_at").filter(pl.col("value").is_not_null())
    last = is_register & (pl.col("measured_at") == known.max().over("device_id", "channel", "local_date")).fill_null(value=False)
    stays = last | near | reaches
    return local.sort("place").select(going=pl.col("is_near").is_not_null() & (pl.col("received_at") <= until) & ~stays)["going"]


def _with_local_date(rows: pl.DataFrame, zone: str) -> pl.DataFrame:
    return rows.with_columns(local_dates(rows.get_column("measured_at"), zone).alias("local_date"))


def _archive(rows: pl.DataFrame, day: date, archive_uri: str) -> None:
    """Copy rows to the archive; done again it writes the same file."""
    if not archive_uri:
        return
    content = pa.BufferOutputStream()
    pq.write_table(rows.sort(TABLES[READINGS].sort).to_arrow(), content, compression="zstd")
    whole = memoryview(content.getvalue())
    open_storage(archive_uri).write_bytes(f"{READINGS}/measured_date={day}/{checksum(whole)}.parquet", whole)


def expire_published(publication: Publication, settings: Settings, zones: dict[str, str], now: datetime) -> int:
    """Take what is past its time out of silver, gold and forecasts; returns how many rows went."""
    since = (now - timedelta(days=settings.silver_days)).date()
    by_date = ("silver/energy", "gold/energy_15min", "gold/energy_hourly", "gold/cost_lines")
    gone = sum(_expire(publication, name, "local_date", since, pl.col("local_date") >= since) for name in by_date)
    # A local day lies in two UTC days, and a sample holds into the next: what is kept must be whole.
    whole = since - BESIDE
    gone += _expire(publication, SEALED, "measured_date", whole, pl.col("measured_date") >= whole)
    issued = pl.col("issued_at")
    hours = {
        site: issued.map_batches(partial(local_hours, zone_name=zone), return_dtype=pl.Int8).is_in(ISSUES_KEPT)
        for site, zone in zones.items()
    }
    kept_long = (
        pl.any_horizontal([(pl.col("site_id") == site) & is_kept for site, is_kept in hours.items()]) if zones else pl.lit(value=False)
    )
    keep = (issued >= now - OTHER_ISSUES) | (kept_long & (issued >= now - timedelta(days=settings.forecast_days)))
    return gone + _expire(publication, "gold/forecasts", "issued_at", now - OTHER_ISSUES, keep)


def _expire(publication: Publication, name: str, column: str, since: date | datetime, keep: pl.Expr) -> int:
    files = publication.lake.files(name, publication.base(name))
    if name not in publication.before.versions or f"min.{column}" not in files.columns:
        return 0
    gone, parts, touched = 0, list[pa.Table](), list[str]()
    for row in files.filter(pl.col(f"min.{column}") < since).iter_rows(named=True):
        rows = publication.lake.scan(name, paths=[row["path"]]).collect()
        kept = rows.filter(keep)
        if kept.height < rows.height:
            gone, touched = gone + rows.height - kept.height, [*touched, row["path"]]
            parts += [conform(kept, TABLES[name])] if kept.height else []
    if touched:
        publication.exchange(name, files.filter(pl.col("path").is_in(touched)), parts)
    return gone


def expire_registers(lake: Lake, aged: Aged, snapshot: Snapshot, settings: Settings, now: datetime) -> int:
    """Let the last readings of registers go, which stay for as long as the quarter hours do; returns how many rows went."""
    since, files = (now - timedelta(days=settings.silver_days)).date() - BESIDE, lake.files(READINGS)
    if snapshot.pending or files.is_empty() or "max.received_at" not in files.columns:
        return 0
    old = files.filter((pl.col("partition.measured_date").cast(pl.Date) < since) & (pl.col("max.received_at") <= aged.until))
    for (_,), part in old.group_by("partition.measured_date"):
        rows = lake.scan(READINGS, paths=part["path"].to_list()).collect()
        _archive(rows, rows["measured_at"].dt.date()[0], settings.archive_uri)
        lake.rewrite(READINGS, part, rows.head(0))
    return int(old["num_records"].sum())


def expire_landed(lake: Lake, settings: Settings, now: datetime) -> int:
    """Take what is past its time out of weather, prices, carbon, device states and refusals; returns how many rows went."""
    raw, long = now - timedelta(days=settings.bronze_days), now - timedelta(days=settings.silver_days)
    received, is_forecast = pl.col("received_at"), pl.col("is_forecast")
    issue = received.dt.hour().is_in(ISSUES_KEPT) & (received >= now - timedelta(days=settings.forecast_days))
    newest = pl.col("at") == pl.col("at").max().over("device_id")
    rules = {
        "bronze/weather": (received >= raw) | pl.when(is_forecast).then(issue).otherwise(pl.col("measured_at") >= long),
        "bronze/prices": (pl.col("interval_start_at") >= long) | (received >= raw),
        "bronze/carbon": (pl.col("interval_start_at") >= long) | (received >= raw),
        "bronze/device_status": newest | (received >= raw),
        "bronze/rejected": received >= raw,
    }
    return sum(_expire_landed(lake, name, keep, raw) for name, keep in rules.items())


def _expire_landed(lake: Lake, name: str, keep: pl.Expr, since: datetime) -> int:
    files = lake.files(name)
    if files.is_empty() or "min.received_at" not in files.columns:
        return 0
    old = files.filter(pl.col("min.received_at") < since)
    if old.is_empty():
        return 0
    rows = lake.scan(name, paths=old["path"].to_list()).collect()
    kept = rows.filter(keep)
    if kept.height < rows.height:
        lake.rewrite(name, old, kept)
    return rows.height - kept.height
