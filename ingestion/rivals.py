"""Whether another main device has readings of the same channel for the same time as a file: the two would be added up."""

from datetime import UTC, datetime, timedelta

import polars as pl

from aurora.domain.meters import current
from aurora.domain.meters.power import GAP_IN_SPACINGS, LEAST_GAP_SECONDS, LONGEST_HOLD_SECONDS
from aurora.lake.store import Between, Lake
from ingestion import bronze

# How far apart two readings of a register may be for the energy between them to count as measured: a year, and the days a reader is late.
FARTHEST = timedelta(days=400)
SERIES = ["device_id", "channel"]
DAY_US = 86_400_000_000


def first_rival(lake: Lake, device_ids: list[str], readings: pl.DataFrame) -> tuple[str, str, datetime] | None:
    """The device, the channel and the time where a file and another device first measure the same; None where they never do.

    Readings that were superseded or withdrawn do not count. A power sample measures until the next one or as long as it may hold,
    a register from each reading to the next.

    Args:
        lake: Where the others' readings are.
        device_ids: The others.
        readings: Of the file: channel, measure, measured_at, interval_seconds, value.
    """
    if not device_ids or readings.is_empty():
        return None
    held = _held(lake, device_ids, readings)
    if held.is_empty():
        return None
    own = spans(readings.with_columns(pl.lit("").alias("device_id")))
    found = _overlaps(own, merged(spans(held)))
    if found.is_empty():
        return None
    device, channel, at_us = found.sort("at_us", *SERIES).select(*SERIES, "at_us").row(0)
    return device, channel, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def _held(lake: Lake, device_ids: list[str], readings: pl.DataFrame) -> pl.DataFrame:
    times, channels = readings.get_column("measured_at"), readings.get_column("channel").unique()
    low, high = times.min(), times.max()
    reach = Between("measured_at", low - FARTHEST, high + FARTHEST)  # pyright: ignore[reportOperatorIssue]
    is_theirs = pl.col("device_id").is_in(device_ids) & pl.col("channel").is_in(channels.implode())
    return current(lake.scan(bronze.READINGS, between=[reach]).filter(is_theirs).collect())


def spans(readings: pl.DataFrame) -> pl.DataFrame:
    """The time that each reading measures: device_id, channel, start_us, end_us (exclusive).

    Args:
        readings: device_id, channel, measure, measured_at, interval_seconds, value.
    """
    rows = readings.drop_nulls("value").with_columns(pl.col("measured_at").dt.epoch("us").alias("start_us"))
    rows = rows.unique([*SERIES, "measure", "start_us"], keep="last").sort(*SERIES, "measure", "start_us")
    to_next = pl.col("start_us").shift(-1).over(*SERIES, "measure") - pl.col("start_us")
    spacing = to_next.median().over(*SERIES, "measure", pl.col("start_us") // DAY_US)
    hold = (spacing / 1e6 * GAP_IN_SPACINGS).fill_null(LEAST_GAP_SECONDS).clip(LEAST_GAP_SECONDS, LONGEST_HOLD_SECONDS) * 1_000_000
    seconds = pl.col("interval_seconds").cast(pl.Int64)
    length = (
        pl.when(pl.col("measure") == "interval_kwh")
        .then(seconds * 1_000_000)
        .when(pl.col("measure") == "power_kw")
        .then(pl.min_horizontal(to_next, hold.cast(pl.Int64)))
        .otherwise(to_next)
    )
    measured = rows.with_columns((pl.col("start_us") + length).alias("end_us"))
    return measured.select(*SERIES, "start_us", "end_us").drop_nulls("end_us")


def merged(found: pl.DataFrame) -> pl.DataFrame:
    """The same time in spans that do not touch: device_id, channel, start_us, end_us."""
    ordered = found.sort(*SERIES, "start_us").with_columns(pl.col("end_us").cum_max().over(SERIES).alias("until_us"))
    begins = (pl.col("start_us") > pl.col("until_us").shift(1).over(SERIES)).fill_null(value=True)
    pieces = ordered.with_columns(begins.cum_sum().over(SERIES).alias("piece"))
    return pieces.group_by(*SERIES, "piece").agg(pl.col("start_us").min(), pl.col("until_us").max().alias("end_us")).drop("piece")


def _overlaps(own: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Where a span of the file and one of another device share a moment: device_id, channel, at_us."""
    parts: list[pl.DataFrame] = []
    for _, other in theirs.group_by("device_id"):
        # Of spans that do not touch, the last that begins before the end is the one that ends last.
        near = (
            own.drop("device_id")
            .with_columns((pl.col("end_us") - 1).alias("last_us"))
            .sort("last_us")
            .join_asof(
                other.rename({"start_us": "their_start_us", "end_us": "their_end_us"}).sort("their_start_us"),
                left_on="last_us",
                right_on="their_start_us",
                by="channel",
                check_sortedness=False,
            )
        )
        shared = near.filter(pl.col("their_end_us") > pl.col("start_us"))
        parts.append(shared.select(*SERIES, pl.max_horizontal("start_us", "their_start_us").alias("at_us")))
    return pl.concat(parts) if parts else theirs.select(*SERIES, pl.col("start_us").alias("at_us")).head(0)
