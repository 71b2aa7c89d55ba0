"""Whether each device is heard from."""

from datetime import datetime

import polars as pl

from aurora.lake.manifest import Publication
from aurora.lake.store import Lake

SILENT_AFTER_INTERVALS = 2
DEFAULT_INTERVAL_SECONDS = 900


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


def update(publication: Publication, devices: pl.DataFrame, changed: pl.DataFrame, now: datetime, heard_still: pl.DataFrame) -> None:
    """Write `gold/device_status`: `online` within two of a device's intervals of its last reading, else `silent`; `unknown` before any.

    Args:
        publication: Where it is committed.
        devices: device_id, site_id, interval_seconds.
        changed: New rows of `bronze/readings`.
        now: Our clock.
        heard_still: device_id, last_reading_at, which hold instead of what was published before.
    """
    listed = publication.scan("gold/device_status").select("device_id", "last_reading_at").collect()
    held = pl.concat([listed.join(heard_still, on="device_id", how="anti"), heard_still])
    newest = changed.group_by("device_id").agg(pl.col("measured_at").max().alias("last_reading_at"))
    last = pl.concat([held, newest]).group_by("device_id").agg(pl.col("last_reading_at").max())
    limit = pl.duration(seconds=pl.col("interval_seconds").fill_null(DEFAULT_INTERVAL_SECONDS) * SILENT_AFTER_INTERVALS)
    state = (
        pl.when(pl.col("last_reading_at").is_null())
        .then(pl.lit("unknown"))
        .when(pl.lit(now) - pl.col("last_reading_at") > limit)
        .then(pl.lit("silent"))
        .otherwise(pl.lit("online"))
    )
    rows = devices.join(last, on="device_id", how="left").select(
        "device_id", state.alias("state"), "last_reading_at", pl.lit(None, dtype=pl.Float64).alias("clock_error_seconds"), "site_id"
    )
    publication.replace("gold/device_status", rows, pl.concat([listed["device_id"], rows["device_id"]]).unique().to_frame())
