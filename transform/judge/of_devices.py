"""Loads what devices and meters did in some local weeks and has it judged."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from aurora.domain import calendar
from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Publication
from aurora.lake.store import Between
from transform.judge import devices

WEEK = timedelta(weeks=1)
SILVER = ["site_id", "device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds", "span_seconds", "local_date"]
SPANS = ["site_id", "device_id", "channel", "first_at", "last_at"]


def find(publication: Publication, weeks: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """Findings about devices in the weeks, as `found.SCHEMA`.

    Args:
        publication: Silver, quality, events, dims of this refresh.
        weeks: site_id, week_start_date.
        zones: Time zone of each site.
    """
    held = _of_weeks(publication, "silver/energy", weeks).select(SILVER + ["week_start_date"]).collect()
    roles = publication.scan("dims/devices").filter(pl.col("valid_until").is_null()).select("device_id", "role").collect()
    main = roles.filter(pl.col("role") == "main")["device_id"].to_list()
    spans = publication.scan("dims/measured_channels").select(SPANS).collect()
    quality = _of_weeks(publication, "gold/data_quality", weeks).collect()
    bounds = _days(weeks, zones)
    timed = quality.join(bounds, on=["site_id", "local_date"])
    held, spans, roles, week_bounds = _coded([held, spans, roles, _week_bounds(bounds)])
    held = held.sort("site_id", "device_id", "channel", "interval_start_at")
    return pl.concat(
        [
            devices.find_gaps(held, week_bounds, spans),
            devices.find_flatlines(held),
            devices.find_doubles(held, main),
            devices.find_disagreements(held, roles),
            devices.find_deliveries(timed),
            devices.find_events(_of_weeks(publication, "gold/meter_events", weeks).collect()),
        ]
    ).pipe(dated, zones)


def _coded(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The frames with ids and channels as enumerations, which sort and group in half the time of texts."""
    kinds = {"channel": pl.Enum(sorted(CHANNELS))}
    for name in ("site_id", "device_id"):
        kinds[name] = pl.Enum(pl.concat([frame[name].unique() for frame in frames if name in frame.columns]).unique().sort())
    return [frame.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items() if name in frame.columns) for frame in frames]


def _of_weeks(publication: Publication, table: str, weeks: pl.DataFrame) -> pl.LazyFrame:
    first, last = span_of(weeks)
    rows = publication.scan(table, [Between("local_date", first, last + WEEK)])
    rows = rows.with_columns(pl.col("local_date").dt.truncate("1w").alias("week_start_date"))
    return rows.join(weeks.lazy(), on=["site_id", "week_start_date"], how="semi")


def span_of(weeks: pl.DataFrame) -> tuple[date, date]:
    """The earliest and the latest Monday."""
    return weeks.select(pl.col("week_start_date").min().alias("first"), pl.col("week_start_date").max().alias("last")).row(0)


def _days(weeks: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """site_id, local_date, week_start_date, starts_at, ends_at of every day of the weeks."""
    first, last = span_of(weeks)
    zoned = weeks.with_columns(pl.col("site_id").replace_strict(dict(zones), return_dtype=pl.String).alias("zone"))
    days = calendar.days(zoned["zone"].unique().to_list(), first, last + WEEK).with_columns(
        pl.col("local_date").dt.truncate("1w").alias("week_start_date")
    )
    return zoned.join(days, on=["zone", "week_start_date"]).select(
        "site_id", "local_date", "week_start_date", pl.col("day_start_at").alias("starts_at"), pl.col("day_end_at").alias("ends_at")
    )


def _week_bounds(days: pl.DataFrame) -> pl.DataFrame:
    return days.group_by("site_id", "week_start_date").agg(
        pl.col("starts_at").min().alias("week_start_at"), pl.col("ends_at").max().alias("week_end_at")
    )


def dated(rows: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """The rows, each with the local date of its start where it lacks one."""
    dates = [
        calendar.local_date(at, zones[site]) if day is None else day
        for site, at, day in rows.select("site_id", "starts_at", "local_date").iter_rows()
    ]
    return rows.with_columns(pl.Series("local_date", dates, dtype=pl.Date))
