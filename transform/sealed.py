"""Days whose raw readings are gone: what was worked out of them then stands, and only what new readings really cover takes its place.

When maintenance lets the raw readings of a device and UTC day go it first writes their energy to `silver/sealed`, by device, so that a
rebuild of any site, in any time zone, as often as wanted, comes to the same. A quarter of a sealed day is

- what the readings say that are there now, where those received after the sealing (intervals and power) cover at least as much of it,
  or where nothing was sealed;
- else what was sealed. A register reading that comes late changes nothing there: what passed by then is counted, and nothing tells any more
  where its neighbours stood. Neither does the withdrawal of a reading that is gone.

Rows are also sealed of the quarters after midnight into which the day's last power sample held.
"""

from datetime import date, timedelta

import polars as pl

from aurora.domain import calendar
from aurora.lake.among import among
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between
from transform import scope
from transform.bronze import Bronze
from transform.facts import Facts
from transform.metering import Metering
from transform.scope import SITE_DAY
from transform.silver import Silver, touched_calendar

SEALED = "silver/sealed"
QUARTER = ["device_id", "channel", "interval_start_at"]
DAY = timedelta(days=1)


def protect(rebuilt: Silver, published: Snapshot, days: pl.DataFrame, facts: Facts, bronze: Bronze, metering: Metering) -> Silver:
    """What a rebuild found, with sealed days as they stand.

    Args:
        rebuilt: What the raw readings say that are there.
        published: The publication before: what was sealed, and how meters were read.
        days: site_id, local_date that were rebuilt.
        facts: Sites and devices as they are now.
        bronze: All readings.
        metering: How they are read.
    """
    devices = facts.devices.filter(pl.col("site_id").is_in(days["site_id"].unique().to_list()))
    held = _held(published, days, devices["device_id"].to_list())
    if held.is_empty():
        return rebuilt
    energy = _energy(rebuilt.energy, held, _covered_anew(held, days, facts, bronze, metering, devices), days, facts, devices)
    dates = held.select("device_id", pl.col("measured_date").alias("at_date")).unique()
    return Silver(energy, _events(rebuilt.events, published, dates, days), _quality(rebuilt.quality, published, days, devices))


def _held(published: Snapshot, days: pl.DataFrame, device_ids: list[str]) -> pl.DataFrame:
    """Sealed rows of the devices on the days and those beside them; of two of one quarter that of its own day."""
    if SEALED not in published.versions or days.is_empty():
        return pl.DataFrame(schema={"device_id": pl.String})
    first, last = days["local_date"].min(), days["local_date"].max()
    near = Between("measured_date", first - 2 * DAY, last + 3 * DAY)  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    rows = published.scan(SEALED, [near]).filter(among("device_id", device_ids)).drop("refresh_id").collect()
    return rows.sort("measured_date").unique(QUARTER, keep="last")


def _covered_anew(
    held: pl.DataFrame, days: pl.DataFrame, facts: Facts, bronze: Bronze, metering: Metering, devices: pl.DataFrame
) -> pl.DataFrame:
    """How much of each quarter the readings cover that came after the sealing: device_id, channel, interval_start_at, fresh_seconds.

    A sample counts on its own UTC day alone: how far into the next one it holds, the samples said that are gone.
    """
    sealed = held.group_by("device_id", pl.col("measured_date").alias("date")).agg(pl.col("received_until").max())
    ranges, ids = scope.ranges_of_days(days, facts.zones), devices["device_id"].to_list()
    readings = pl.concat([bronze.intervals(ranges, ids), bronze.power(ranges, ids)])
    last_at = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(1) - 1)
    by_date = readings.with_columns(pl.date_ranges(pl.col("measured_at").dt.date(), last_at.dt.date()).alias("date")).explode("date")
    by_date = by_date.join(held.select("device_id", pl.col("interval_start_at").dt.date().alias("date")).unique(), on=["device_id", "date"])
    dated = by_date.join(sealed, on=["device_id", "date"], how="left")
    fresh = dated.filter(pl.col("received_until").is_null() | (pl.col("received_at") > pl.col("received_until")))
    covered = [
        metering.energy(rows.select(readings.columns)).quarters.filter(pl.col("interval_start_at").dt.date() == date_)
        for (date_,), rows in fresh.group_by("date")
    ]
    none = metering.energy(readings.head(0)).quarters
    return pl.concat([none, *covered]).select(*QUARTER, pl.col("covered_seconds").alias("fresh_seconds"))


def _energy(
    rebuilt: pl.DataFrame, held: pl.DataFrame, fresh: pl.DataFrame, days: pl.DataFrame, facts: Facts, devices: pl.DataFrame
) -> pl.DataFrame:
    stands = (
        held.join(fresh, on=QUARTER, how="left")
        .filter(~(pl.col("fresh_seconds") >= pl.col("covered_seconds")).fill_null(value=False))
        .select(*QUARTER, "energy_kwh", "covered_seconds", "quality", "span_start_at", "span_seconds")
    )
    quarters = touched_calendar(days, facts.zones).select("site_id", pl.col("quarter_start_at").alias("interval_start_at"), "local_date")
    placed = (
        stands.join(devices.select("device_id", "site_id", "energy_source"), on="device_id")
        .join(quarters, on=["site_id", "interval_start_at"])
        .with_columns(
            pl.lit(calendar.QUARTER_SECONDS, dtype=pl.Int64).alias("interval_seconds"),
            pl.when(pl.col("channel") == "production").then(pl.col("energy_source")).alias("energy_source"),
        )
    )
    return pl.concat([rebuilt.join(placed, on=QUARTER, how="anti"), placed], how="diagonal_relaxed")


def _events(rebuilt: pl.DataFrame, published: Snapshot, dates: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Decisions on sealed days as they were taken when their readings were there."""
    on_sealed = pl.col("at").dt.date().alias("at_date")
    earlier = published.scan("gold/meter_events").join(days.lazy(), on=SITE_DAY, how="semi").drop("refresh_id").collect()
    kept = earlier.with_columns(on_sealed).join(dates, on=["device_id", "at_date"], how="semi").drop("at_date")
    anew = rebuilt.with_columns(on_sealed).join(dates, on=["device_id", "at_date"], how="anti").drop("at_date")
    return pl.concat([anew, kept], how="diagonal_relaxed")


def _quality(rebuilt: pl.DataFrame, published: Snapshot, days: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Of each device's day the account that knew more readings."""
    key = ["device_id", "local_date"]
    earlier = published.scan("gold/data_quality").join(days.lazy(), on=SITE_DAY, how="semi").drop("refresh_id").collect()
    mine = earlier.filter(pl.col("device_id").is_in(devices["device_id"].to_list()))
    if rebuilt.is_empty() or "received" not in rebuilt.columns:
        return mine
    both = mine.join(rebuilt.select(*key, pl.col("received").alias("now")), on=key, how="left")
    richer = both.filter(pl.col("received") > pl.col("now").fill_null(0)).drop("now")
    return pl.concat([rebuilt.join(richer, on=key, how="anti"), richer], how="diagonal_relaxed")


def without_lost(days: pl.DataFrame, published: Snapshot, before: date) -> pl.DataFrame:
    """The days that can be rebuilt: not those whose quarter hours are past their time, while their daily row is kept for ever.

    Args:
        days: site_id, local_date.
        published: The publication before.
        before: First local date of which quarter hours are kept.
    """
    old = days.filter(pl.col("local_date") < before)
    if old.is_empty():
        return days
    kept = published.scan("gold/energy_daily").join(old.lazy(), on=SITE_DAY, how="semi").select(SITE_DAY).unique().collect()
    there = published.scan("silver/energy").join(old.lazy(), on=SITE_DAY, how="semi").select(SITE_DAY).unique().collect()
    return days.join(kept.join(there, on=SITE_DAY, how="anti"), on=SITE_DAY, how="anti")
