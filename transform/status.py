"""Whether each device is heard from."""

from datetime import datetime, timedelta

import polars as pl

from aurora.lake.manifest import Publication
from aurora.lake.store import Between, Lake
from transform.quality import NOT_LIVE

SILENT_AFTER_INTERVALS = 2
# A reading that comes later, or is from further ahead, says nothing of its device's clock.
MOST_CLOCK_ERROR_SECONDS = 3 * 3600
DEFAULT_INTERVAL_SECONDS = 900
OFFLINE = "offline"
LISTENED_FOR = timedelta(days=30)


def heard_still(lake: Lake, version: int, withdrawn: pl.DataFrame) -> pl.DataFrame:
    """Newest reading that is left of each device some of whose readings were withdrawn: device_id, last_reading_at.

    Args:
        lake: Holds the readings.
        version: Of `bronze/readings`, without those withdrawn.
        withdrawn: Rows of `bronze/readings`.
    """
    ids = withdrawn.get_column("device_id").unique()
    held = lake.scan("bronze/readings", version=version) if len(ids) else withdrawn.lazy()
    left = held.filter(pl.col("device_id").is_in(ids.implode())).group_by("device_id").agg(pl.col("measured_at").max())
    return ids.to_frame().join(left.collect(), on="device_id", how="left").rename({"measured_at": "last_reading_at"})


def clock_errors(arrived: pl.DataFrame) -> pl.DataFrame:
    """How far each device's clock is ahead of ours: device_id, clock_error_seconds (negative: behind). [s]

    A reading can come late, but not before it was measured: the least time on the way of those that just came bounds the clock's error.
    An interval is measured when it ends. Readings of files, and of more than three hours' difference, say nothing.

    Args:
        arrived: New rows of `bronze/readings`.
    """
    measured = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(0))
    on_the_way = (pl.col("received_at") - measured).dt.total_milliseconds() / 1000
    live = arrived.filter(pl.all_horizontal([~pl.col("source").str.starts_with(prefix) for prefix in NOT_LIVE]))
    near = live.select("device_id", on_the_way.alias("seconds")).filter(pl.col("seconds").abs() <= MOST_CLOCK_ERROR_SECONDS)
    return near.group_by("device_id").agg((-pl.col("seconds").min()).alias("clock_error_seconds"))


def said_offline(lake: Lake, since: datetime) -> pl.DataFrame:
    """Devices whose newest word of themselves is that they are gone, as their last will says: device_id, offline_at."""
    said = (
        lake.scan("bronze/device_status", between=[Between("at", since)])
        .group_by("device_id")
        .agg(pl.col("state").sort_by("at", "received_at").last(), pl.col("at").max().alias("offline_at"))
    )
    return said.filter(pl.col("state").str.to_lowercase() == OFFLINE).select("device_id", "offline_at").collect()


def update(publication: Publication, devices: pl.DataFrame, changed: pl.DataFrame, now: datetime, heard_still: pl.DataFrame) -> None:
    """Write `gold/device_status`: `online` within two of a device's intervals of its last reading, else `silent`; `unknown` before any.

    `offline` is a device that said so itself, or whose last will did, and that was not heard from since.

    Args:
        publication: Where it is committed.
        devices: device_id, site_id, interval_seconds.
        changed: New rows of `bronze/readings`.
        now: Our clock.
        heard_still: device_id, last_reading_at, which hold instead of what was published before.
    """
    published = publication.scan("gold/device_status").select("device_id", "last_reading_at", "clock_error_seconds").collect()
    listed = published.drop("clock_error_seconds")
    held = pl.concat([listed.join(heard_still, on="device_id", how="anti"), heard_still])
    newest = changed.group_by("device_id").agg(pl.col("measured_at").max().alias("last_reading_at"))
    last = pl.concat([held, newest]).group_by("device_id").agg(pl.col("last_reading_at").max())
    limit = pl.duration(seconds=pl.col("interval_seconds").fill_null(DEFAULT_INTERVAL_SECONDS) * SILENT_AFTER_INTERVALS)
    state = (
        pl.when(pl.col("offline_at") >= pl.col("last_reading_at").fill_null(pl.col("offline_at")))
        .then(pl.lit(OFFLINE))
        .when(pl.col("last_reading_at").is_null())
        .then(pl.lit("unknown"))
        .when(pl.lit(now) - pl.col("last_reading_at") > limit)
        .then(pl.lit("silent"))
        .otherwise(pl.lit("online"))
    )
    clocks = clock_errors(changed)
    before = published.join(clocks, on="device_id", how="anti").select(clocks.columns)
    known = devices.join(last, on="device_id", how="left").join(pl.concat([clocks, before]), on="device_id", how="left")
    known = known.join(said_offline(publication.lake, now - LISTENED_FOR), on="device_id", how="left")
    rows = known.select("device_id", state.alias("state"), "last_reading_at", "clock_error_seconds", "site_id")
    publication.replace("gold/device_status", rows, pl.concat([listed["device_id"], rows["device_id"]]).unique().to_frame())
