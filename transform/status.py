"""Whether each device is heard from."""

from datetime import datetime, timedelta

import polars as pl

from aurora.lake import changes
from aurora.lake.among import among
from aurora.lake.manifest import Publication
from aurora.lake.store import Between, Lake
from transform import rhythm
from transform.bronze import Bronze
from transform.quality import is_live

SILENT_AFTER_INTERVALS = 2
# What takes a reading from its device to a refresh: nobody is silent for that.
LEAST_SILENCE_SECONDS = 20
# A reading that comes later, or is from further ahead, says nothing of its device's clock.
MOST_CLOCK_ERROR_SECONDS = 3 * 3600
DEFAULT_INTERVAL_SECONDS = 900
# Services of weather are asked every hour, and say it by the hour.
WEATHER_INTERVAL_SECONDS = 3600
WEATHER_STATION = "weather_station"
OFFLINE, SILENT = "offline", "silent"
LISTENED_FOR = timedelta(days=30)


STATUS = "gold/device_status"
WEATHER = "bronze/weather"
HEARD = ["device_id", "last_reading_at", "measured_until_at"]


def heard_still(bronze: Bronze, withdrawn: pl.DataFrame) -> pl.DataFrame:
    """Newest reading that is left of each device some of whose readings were withdrawn: device_id, last_reading_at, measured_until_at.

    Args:
        bronze: All readings, without those withdrawn.
        withdrawn: Rows of `bronze/readings`.
    """
    ids = withdrawn.get_column("device_id").unique()
    held = bronze.lake.scan("bronze/readings", version=bronze.version) if len(ids) else withdrawn.lazy()
    left = _newest(held.filter(pl.col("device_id").is_in(ids.implode()))).collect()
    return ids.to_frame().join(left, on="device_id", how="left")


def _newest(readings: pl.LazyFrame) -> pl.LazyFrame:
    until = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(0))
    return readings.group_by("device_id").agg(pl.col("measured_at").max().alias("last_reading_at"), until.max().alias("measured_until_at"))


def clock_errors(arrived: pl.DataFrame) -> pl.DataFrame:
    """How far each device's clock is ahead of ours: device_id, clock_error_seconds (negative: behind). [s]

    A reading can come late, but not before it was measured: the least time on the way of those that just came bounds the clock's error.
    An interval is measured when it ends. Readings of files, and of more than three hours' difference, say nothing.

    Args:
        arrived: New rows of `bronze/readings`.
    """
    measured = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(0))
    on_the_way = (pl.col("received_at") - measured).dt.total_milliseconds() / 1000
    live = arrived.filter(is_live())
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


def update(
    publication: Publication,
    devices: pl.DataFrame,
    changed: pl.DataFrame,
    now: datetime,
    withdrawn: pl.DataFrame,
    bronze: Bronze,
    weather_version: int,
) -> None:
    """Write `gold/device_status`: `online` within two of a device's intervals of what it last measured, then `silent`; before it `unknown`.

    `offline` is a device that said so itself, or whose last will did, and that was not heard from since. The interval is the device's own,
    else the rhythm of its readings, else 15 minutes, of weather stations an hour. What these observed are their readings.

    Args:
        publication: Where it is committed.
        devices: device_id, site_id, kind, interval_seconds, is_import.
        changed: New rows of `bronze/readings`.
        now: Our clock.
        withdrawn: Rows of `bronze/readings` that were taken out.
        bronze: All readings.
        weather_version: Of `bronze/weather`, up to which it is looked at.
    """
    published = publication.scan(STATUS).drop("refresh_id", "site_id").collect()
    stations = devices.filter(pl.col("kind") == WEATHER_STATION)["device_id"]
    observed = _observed(publication.lake, stations, publication.before.consumed.get(WEATHER, 0), weather_version, now)
    known = devices.join(_heard(published, changed, heard_still(bronze, withdrawn), observed), on="device_id", how="left")
    known = known.join(_clocks(published, changed), on="device_id", how="left")
    known = known.join(said_offline(publication.lake, now - LISTENED_FOR), on="device_id", how="left")
    known = known.join(published.select("device_id", "spacing_seconds", pl.col("state").alias("state_before")), on="device_id", how="left")
    # What was learned of readings that went is learned anew of those that are left.
    taken = pl.col("device_id").is_in(withdrawn["device_id"].unique().implode())
    known = known.with_columns(pl.when(~taken).then("spacing_seconds"))
    known = _with_rhythm(known, pl.concat([changed, withdrawn]), now, bronze)
    rows = known.select(*HEARD, _state(now).alias("state"), "clock_error_seconds", "spacing_seconds", "site_id")
    publication.replace(STATUS, rows, pl.concat([published["device_id"], rows["device_id"]]).unique().to_frame())


def _observed(lake: Lake, stations: pl.Series, after: int, until: int, now: datetime) -> pl.DataFrame:
    """The newest observation of each station in some commits of `bronze/weather`: device_id, last_reading_at, measured_until_at.

    Args:
        lake: Where it is.
        stations: Ids of the weather stations.
        after: The last version that was looked at.
        until: The version up to which it is looked at.
        now: Our clock. What is said to be measured later was not; of a log that is gone the last 30 days are read.
    """
    try:
        rows = lake.scan(WEATHER, paths=changes.added_files(lake, WEATHER, after, until) if len(stations) else [])
    except changes.LogGone:
        rows = lake.scan(WEATHER, version=until, between=[Between("measured_at", now - LISTENED_FOR)])
    past = rows.filter(among("station_id", stations) & ~pl.col("is_forecast") & (pl.col("measured_at") <= now))
    newest = past.group_by(pl.col("station_id").alias("device_id")).agg(pl.col("measured_at").max().alias("last_reading_at"))
    return newest.with_columns(pl.col("last_reading_at").alias("measured_until_at")).collect()


def _heard(published: pl.DataFrame, changed: pl.DataFrame, left: pl.DataFrame, observed: pl.DataFrame) -> pl.DataFrame:
    """The newest reading or observation of each device, where `left` holds instead of what was published."""
    until = pl.coalesce("measured_until_at", "last_reading_at").alias("measured_until_at")
    held = published.select("device_id", "last_reading_at", until).join(left, on="device_id", how="anti")
    both = pl.concat([held, left, _newest(changed.lazy()).collect(), observed])
    return both.group_by("device_id").agg(pl.col(HEARD[1:]).max())


def _clocks(published: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    clocks = clock_errors(changed)
    return pl.concat([clocks, published.join(clocks, on="device_id", how="anti").select(clocks.columns)])


def _with_rhythm(known: pl.DataFrame, changed: pl.DataFrame, now: datetime, bronze: Bronze) -> pl.DataFrame:
    """The devices with `spacing_seconds`, learned of those that have none, grown faster, or about to count as silent."""
    own = known.filter(pl.col("interval_seconds").is_null() & ~pl.col("is_import"))
    learned = own.select("device_id", "spacing_seconds").drop_nulls()
    is_new = pl.col("spacing_seconds").is_null() & pl.col("device_id").is_in(changed["device_id"].unique().implode())
    is_quiet = (_state(now) == SILENT) & pl.col("state_before").ne_missing(SILENT)
    asked = pl.concat([own.filter(is_new | is_quiet).select("device_id"), rhythm.hastier(changed, learned)]).unique()
    fresh = rhythm.learn(bronze, asked["device_id"].to_list(), now)
    return known.update(fresh, on="device_id", how="left")


def _state(now: datetime) -> pl.Expr:
    is_station = pl.col("kind") == WEATHER_STATION
    usual = pl.when(is_station).then(pl.lit(WEATHER_INTERVAL_SECONDS)).otherwise(pl.lit(DEFAULT_INTERVAL_SECONDS))
    interval = pl.coalesce("interval_seconds", "spacing_seconds", usual)
    limit_seconds = pl.max_horizontal(interval * SILENT_AFTER_INTERVALS, pl.lit(LEAST_SILENCE_SECONDS))
    until = pl.col("measured_until_at")
    return (
        pl.when(pl.col("offline_at") >= until.fill_null(pl.col("offline_at")))
        .then(pl.lit(OFFLINE))
        .when(until.is_null())
        .then(pl.lit("unknown"))
        .when((pl.lit(now) - until).dt.total_milliseconds() > 1000 * limit_seconds)
        .then(pl.lit(SILENT))
        .otherwise(pl.lit("online"))
    )
