"""How complete a device's day is: what arrived, what should have, and where it was silent."""

from datetime import timedelta

import polars as pl

from aurora.domain import calendar
from aurora.domain.meters.readings import KEY, current, is_estimated

DEVICE_DAY = ["device_id", "local_date"]
LATE_AFTER = timedelta(days=1)
NOT_LIVE = ("import:", "demo")


def is_live() -> pl.Expr:
    """Whether a reading came from its device, not from a file or the demo's history."""
    return pl.all_horizontal([~pl.col("source").str.starts_with(prefix) for prefix in NOT_LIVE])


def measure(readings: pl.DataFrame, energy: pl.DataFrame, days: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Rows of `gold/data_quality`, one per device and touched day with readings.

    `received` counts rows as they came, `duplicates` those that repeat a key and its value, `late` those of live devices that came more
    than a day after their local day had ended, `estimated` those that count although whoever gave them says that they were not measured.
    `longest_gap_minutes` counts from the day's begin and to its end, as completeness does: what is still to come of a day is missing as
    yet. `rejected` is counted apart, see `transform.refused`.

    Args:
        readings: Raw readings.
        energy: Silver of the touched days.
        days: site_id, local_date.
        devices: device_id, site_id, time_zone, interval_seconds.
    """
    if days.is_empty() or readings.is_empty():
        return pl.DataFrame(schema={"device_id": pl.String, "local_date": pl.Date})
    first, last = days["local_date"].min(), days["local_date"].max()
    bounds = calendar.days(devices["time_zone"].unique(), first, last)  # pyright: ignore[reportArgumentType]
    site_days = (
        days.join(devices.select("device_id", "site_id", "time_zone", pl.col("interval_seconds").alias("own_seconds")), on="site_id")
        .join(
            bounds.select(pl.col("zone").alias("time_zone"), "local_date", "day_start_at", "day_end_at", "day_seconds"),
            on=["time_zone", "local_date"],
        )
        .sort("day_start_at")
    )
    placed = (
        readings.sort("measured_at")
        .join_asof(site_days, left_on="measured_at", right_on="day_start_at", by="device_id", strategy="backward", check_sortedness=False)
        .filter(pl.col("measured_at") < pl.col("day_end_at"))
    )
    # A file that comes twice says no more than once how long intervals are.
    distinct = pl.struct("channel", "measure", "measured_at", "interval_seconds").is_first_distinct()
    usual = pl.col("interval_seconds").filter(distinct).mode().min()
    spacing = pl.coalesce("own_seconds", usual, (pl.col("measured_at").unique().sort().diff().median().dt.total_seconds()))
    counted = placed.group_by(*DEVICE_DAY, "site_id", "day_seconds").agg(
        pl.len().cast(pl.Int64).alias("received"),
        (pl.len() - pl.struct("channel", "measure", "measured_at", "value").n_unique()).cast(pl.Int64).alias("duplicates"),
        ((pl.col("received_at") > pl.col("day_end_at") + LATE_AFTER) & is_live()).sum().cast(pl.Int64).alias("late"),
        spacing.first().alias("spacing"),
        pl.struct("channel", "measure").n_unique().alias("series"),
    )
    return (
        counted.with_columns(
            (pl.col("day_seconds") / pl.col("spacing") * pl.col("series")).round().cast(pl.Int64, strict=False).alias("expected")
        )
        .join(_coverage(energy, site_days), on=DEVICE_DAY, how="left")
        .join(_estimated(placed), on=DEVICE_DAY, how="left")
        .with_columns((pl.col("covered_seconds") / pl.col("day_seconds")).alias("completeness_ratio"), pl.col("estimated").fill_null(0))
    )


def _estimated(placed: pl.DataFrame) -> pl.DataFrame:
    """How many readings of a day count as estimated, not where what was measured came since: `DEVICE_DAY`, estimated."""
    doubted = placed.join(placed.filter(is_estimated()).select(KEY).unique(), on=KEY, how="semi")
    return current(doubted).filter(is_estimated()).group_by(DEVICE_DAY).agg(pl.len().cast(pl.Int64).alias("estimated"))


def _coverage(energy: pl.DataFrame, site_days: pl.DataFrame) -> pl.DataFrame:
    """Seconds covered and the longest silence of a day, of the channel that has least: `DEVICE_DAY`, covered_seconds, longest_gap_minutes.

    Args:
        energy: Silver of the days.
        site_days: device_id, local_date, day_start_at, day_end_at.
    """
    quarter, heard_at = timedelta(seconds=calendar.QUARTER_SECONDS), pl.col("interval_start_at").filter(pl.col("covered_seconds") > 0)
    by_channel = (
        energy.sort("interval_start_at")
        .group_by(*DEVICE_DAY, "channel")
        .agg(
            pl.col("covered_seconds").sum(),
            heard_at.first().alias("first_at"),
            (heard_at.diff().max() - quarter).alias("between"),
            (heard_at.last() + quarter).alias("last_at"),
        )
        .join(site_days.select(*DEVICE_DAY, "day_start_at", "day_end_at"), on=DEVICE_DAY)
    )
    since_begin, until_end = pl.col("first_at") - pl.col("day_start_at"), pl.col("day_end_at") - pl.col("last_at")
    gap = pl.max_horizontal(since_begin, "between", until_end).fill_null(pl.col("day_end_at") - pl.col("day_start_at"))
    in_minutes = by_channel.with_columns((gap.dt.total_seconds() / 60).alias("longest_gap_minutes"))
    return in_minutes.group_by(DEVICE_DAY).agg(pl.col("covered_seconds").min(), pl.col("longest_gap_minutes").max())
