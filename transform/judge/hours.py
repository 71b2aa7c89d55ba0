"""Hourly gold as judging wants it: one row per site, channel and hour, with what the site's clock showed."""

from collections.abc import Mapping

import polars as pl

from aurora.domain import calendar

CHANNELS = ("consumption", "production")
WHOLE_HOUR_RATIO = 0.9
SATURDAY = 6
HOURS_A_DAY = 24


def unfold(hourly: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """Hourly rows by channel, with the site's clock.

    Args:
        hourly: Rows of `gold/energy_hourly`.
        zones: Time zone of each site; rows of other sites are left out.

    Returns:
        One row per site, channel and hour, sorted so: site_id, channel, interval_start_at, interval_end_at, local_date, local_hour,
        week_start_date (the local Monday), slot (local hour, plus 24 on Saturday and Sunday), energy_kwh, is_whole (the hour was
        measured over at least 0.9 of its length).
    """
    known = pl.DataFrame({"site_id": list(zones.keys()), "zone": list(zones.values())}, schema={"site_id": pl.String, "zone": pl.String})
    rows = hourly.join(known, on="site_id")
    if rows.is_empty():
        return _lengthen(rows.with_columns(pl.lit(0, dtype=pl.Int64).alias("local_hour")))
    first, last = rows.select(pl.col("local_date").min().alias("first"), pl.col("local_date").max().alias("last")).row(0)
    clock = calendar.quarters(rows.get_column("zone").unique().to_list(), first, last).select(
        "zone", pl.col("hour_start_at").alias("interval_start_at"), pl.col("local_hour").cast(pl.Int64)
    )
    return _lengthen(rows.join(clock.unique(), on=["zone", "interval_start_at"]))


def _lengthen(rows: pl.DataFrame) -> pl.DataFrame:
    columns = [f"{channel}_kwh" for channel in CHANNELS]
    is_off_day = pl.col("local_date").dt.weekday() >= SATURDAY
    return (
        rows.select(
            "site_id",
            "interval_start_at",
            (pl.col("interval_start_at") + pl.duration(seconds=pl.col("interval_seconds"))).alias("interval_end_at"),
            "local_date",
            "local_hour",
            pl.col("local_date").dt.truncate("1w").alias("week_start_date"),
            (pl.col("local_hour") + HOURS_A_DAY * is_off_day.cast(pl.Int64)).alias("slot"),
            (pl.col("completeness_ratio") >= WHOLE_HOUR_RATIO).fill_null(value=False).alias("is_whole"),
            *columns,
        )
        .unpivot(
            on=columns,
            index=["site_id", "interval_start_at", "interval_end_at", "local_date", "local_hour", "week_start_date", "slot", "is_whole"],
            variable_name="channel",
            value_name="energy_kwh",
        )
        .with_columns(pl.col("channel").str.strip_suffix("_kwh"))
        .sort("site_id", "channel", "interval_start_at")
    )
