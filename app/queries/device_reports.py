"""Reports of one device over silver: the channels it measures, by bucket."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from app.queries.periods import Interval, Range, bucket_end, bucket_start, days_range, whole_buckets
from app.queries.reports import seconds_of_days
from aurora.accounts.models import Device, Site
from aurora.domain.calendar import local_date, quarters
from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

QUARTER_SECONDS = 900
_KEYS: dict[Interval, str] = {"week": "local_date", "day": "local_date", "month": "local_month", "year": "local_month"}


def has_energy(snapshot: Snapshot, device: Device) -> bool:
    """Whether any energy of the device was published."""
    rows = snapshot.scan("silver/energy").filter(pl.col("device_id") == device.device_id)
    return not rows.select("channel").head(1).collect().is_empty()


def history(snapshot: Snapshot, device: Device, site: Site) -> Range | None:
    """The local days that have any energy of the device; None where there is none."""
    rows = snapshot.scan("silver/energy").filter(pl.col("device_id") == device.device_id)
    first, last = rows.select(pl.col("local_date").min().alias("first"), pl.col("local_date").max().alias("last")).collect().row(0)
    return None if first is None else days_range(first, last + timedelta(days=1), site.calendar)


def trend(snapshot: Snapshot, device: Device, site: Site, interval: Interval, span: Range) -> pl.DataFrame:
    """Points of the buckets that begin in `span`, each whole, oldest first: `<channel>_kwh` and completeness_ratio."""
    if interval in {"15min", "hour"}:
        return _clock_points(snapshot, device, site, interval, span)
    first, end = whole_buckets(*span.days, interval)
    rows = _quarters(snapshot, device, days_range(first, end, site.calendar), site).with_columns(
        pl.col("local_date").map_elements(lambda day: bucket_start(day, interval), return_dtype=pl.Date).alias("_start")
    )
    lengths = [
        {"_start": start, "_seconds": seconds_of_days(site.calendar, start, bucket_end(start, interval))}
        for start in rows.get_column("_start").unique()
    ]
    seconds = pl.DataFrame(lengths, schema={"_start": pl.Date, "_seconds": pl.Int64})
    return _added_up(rows.join(seconds, on="_start"), _KEYS[interval])


def summary(snapshot: Snapshot, device: Device, site: Site, first: date, end: date) -> dict[str, Any]:
    """Totals of the local days from `first` up to, but not with, `end`."""
    rows = _quarters(snapshot, device, days_range(first, end, site.calendar), site)
    seconds = seconds_of_days(site.calendar, first, end)
    points = _added_up(rows.with_columns(pl.lit(first).alias("_start"), pl.lit(seconds).alias("_seconds")), "_start").to_dicts()
    return {name: value for name, value in points[0].items() if name != "_start"} if points else {"completeness_ratio": None}


def _clock_points(snapshot: Snapshot, device: Device, site: Site, interval: Interval, span: Range) -> pl.DataFrame:
    wide = Range(span.start_at, span.end_at + timedelta(hours=1), span.time_zone)
    rows = _quarters(snapshot, device, wide, site)
    if interval == "15min":
        rows = rows.with_columns(pl.col("interval_start_at").alias("_start"), pl.lit(QUARTER_SECONDS).alias("_seconds"))
    else:
        first, last = local_date(wide.start_at, site.calendar), local_date(wide.end_at, site.calendar)
        names = {"quarter_start_at": "interval_start_at", "hour_start_at": "_start", "hour_seconds": "_seconds"}
        clock = quarters([site.calendar], first, last).select(list(names)).rename(names)
        rows = rows.join(clock, on="interval_start_at")
    inside = (pl.col("_start") >= span.start_at) & (pl.col("_start") < span.end_at)
    return _added_up(rows.filter(inside), "interval_start_at")


def _quarters(snapshot: Snapshot, device: Device, span: Range, site: Site) -> pl.DataFrame:
    days = [local_date(span.start_at, site.calendar), local_date(span.end_at, site.calendar) + timedelta(days=1)]
    limits = [Between("local_date", *days), Between("interval_start_at", span.start_at, span.end_at)]
    rows = snapshot.scan("silver/energy", limits).filter(pl.col("device_id") == device.device_id)
    return rows.select("channel", "interval_start_at", "energy_kwh", "covered_seconds", "local_date").collect()


def _added_up(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per `_start`: energy by channel, null where nothing is known of it, and the least covered channel's completeness."""
    measured = [channel for channel in CHANNELS if channel in rows.get_column("channel").unique().to_list()]

    def of(channel: str, column: str) -> pl.Expr:
        return pl.col(column).filter(pl.col("channel") == channel)

    energy = [
        pl.when(of(channel, "energy_kwh").count() > 0).then(of(channel, "energy_kwh").sum()).alias(f"{channel}_kwh") for channel in measured
    ]
    covered = [of(channel, "covered_seconds").sum() / pl.col("_seconds").first() for channel in measured]
    completeness = [pl.min_horizontal(*covered, pl.lit(1.0)).alias("completeness_ratio")] if covered else []
    found = rows.group_by("_start").agg(*energy, *completeness).sort("_start")
    return found.rename({} if key == "_start" else {"_start": key}).fill_nan(None)
