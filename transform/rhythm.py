"""How often a device is heard from, learned from its own readings where nobody said it."""

from datetime import datetime, timedelta

import polars as pl

from aurora.lake.among import among
from transform.bronze import READINGS, Bronze
from transform.quality import is_live

# Days that are looked at one after another, until every device has shown its rhythm.
LOOKED_BACK_DAYS = (2, 10)
NEWEST_TIMES = 40
LEAST_SPACINGS = 3
# Spacings so many times the median are pauses; those that come back again and again are the rhythm, as of a device
# that sends in bursts; few among many are outages.
PAUSE_RATIO = 3.0
LEAST_PAUSES = 3
LEAST_PAUSE_SHARE = 0.05
HASTIER_RATIO = 0.5
LEAST_HASTY_TIMES = 6
SCHEMA = {"device_id": pl.String, "spacing_seconds": pl.Float64}


def learn(bronze: Bronze, device_ids: list[str], now: datetime) -> pl.DataFrame:
    """How long it usually takes from one reading to the next, and from one delivery to the next, the longer of both.

    Args:
        bronze: All readings.
        device_ids: Whose; what files said of them does not count.
        now: Readings of the days before it are looked at.

    Returns:
        One row per device that has shown at least four times of readings: device_id, spacing_seconds. [s]
    """
    found, left = pl.DataFrame(schema=SCHEMA), device_ids
    for days in LOOKED_BACK_DAYS:
        if not left:
            break
        since = now - timedelta(days=days)
        files = bronze.files.filter(pl.col("measured_date") >= since.date())
        rows = bronze.lake.scan(READINGS, paths=files["path"].to_list()).filter(among("device_id", left))
        found = pl.concat([found, spacings(rows.filter((pl.col("measured_at") >= since) & is_live()))])
        left = sorted(set(device_ids) - set(found["device_id"]))
    return found


def hastier(changed: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Devices some of whose new readings follow one another far faster than is known of them: device_id.

    Args:
        changed: New rows of `bronze/readings`.
        known: device_id, spacing_seconds.
    """
    several = pl.col("measured_at").n_unique() >= LEAST_HASTY_TIMES
    counted = changed.filter(is_live()).join(known, on="device_id", how="semi").filter(several.over("device_id"))
    now = spacings(counted.lazy()).rename({"spacing_seconds": "now_seconds"})
    return now.join(known, on="device_id").filter(pl.col("now_seconds") < HASTIER_RATIO * pl.col("spacing_seconds")).select("device_id")


def spacings(rows: pl.LazyFrame) -> pl.DataFrame:
    """The rhythm of the devices of some readings, as `learn` gives it.

    Args:
        rows: device_id, measured_at, received_at.
    """
    columns = {
        name: pl.col(name).unique().sort().tail(NEWEST_TIMES).diff().drop_nulls().dt.total_milliseconds() / 1000
        for name in ("measured_at", "received_at")
    }
    lists = rows.group_by("device_id").agg(values.alias(name) for name, values in columns.items()).collect()
    told = [_rhythm(lists.select("device_id", pl.col(name).alias("seconds")).explode("seconds"), name) for name in columns]
    both = told[0].join(told[1], on="device_id", how="left")
    return both.select("device_id", pl.max_horizontal("measured_at", "received_at").alias("spacing_seconds"))


def _rhythm(spacing: pl.DataFrame, name: str) -> pl.DataFrame:
    """The usual one of each device's spacings that has enough of them: device_id, `name`. [s]"""
    usual = pl.col("seconds").median().over("device_id")
    long = spacing.drop_nulls().with_columns((pl.col("seconds") > PAUSE_RATIO * usual).alias("is_pause"))
    pauses = pl.col("seconds").filter("is_pause")
    come_back = pauses.len() >= pl.max_horizontal(pl.lit(LEAST_PAUSES), LEAST_PAUSE_SHARE * pl.len())
    rhythm = pl.when(come_back).then(pauses.median()).otherwise(pl.col("seconds").median())
    return long.group_by("device_id").agg(rhythm.alias(name), pl.len().alias("n")).filter(pl.col("n") >= LEAST_SPACINGS).drop("n")
