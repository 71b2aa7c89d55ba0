"""What people say of meters: the factor and the channels of a device's readings, exchanges that are known, decisions they reversed."""

import json
from datetime import timedelta

import polars as pl

from aurora.accounts.overrules import RULE, SOMEBODY
from aurora.domain.calendar import QUARTER_SECONDS
from aurora.domain.meters.power import LONGEST_HOLD_SECONDS
from aurora.lake.manifest import Snapshot
from aurora.lake.sealing import sealed_of

DAY = timedelta(days=1)
REPLACEMENTS = {"device_id": pl.String, "channel": pl.String, "at": pl.Datetime("us", "UTC"), "start_kwh": pl.Float64}


def as_metered(readings: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """The readings with each device's `factor` and `channels` applied; one that has neither keeps its own.

    Args:
        readings: Rows of `bronze/readings`.
        devices: device_id, factor, channels (JSON).
    """
    factors = dict(devices.drop_nulls("factor").select("device_id", "factor").iter_rows())
    renamed = [
        (device, channel, really)
        for device, channels in devices.drop_nulls("channels").select("device_id", "channels").iter_rows()
        for channel, really in json.loads(channels).items()
    ]
    if factors:
        factor = pl.col("device_id").replace_strict(factors, default=1.0, return_dtype=pl.Float64)
        readings = readings.with_columns(pl.col("value") * factor)
    if renamed:
        told = pl.DataFrame(renamed, schema={"device_id": pl.String, "channel": pl.String, "really": pl.String}, orient="row")
        readings = readings.join(told, on=["device_id", "channel"], how="left").with_columns(
            pl.coalesce("really", "channel").alias("channel")
        )
        readings = readings.drop("really")
    return readings


def replacements(devices: pl.DataFrame) -> pl.DataFrame:
    """Exchanges of meters that people told of: device_id, channel (null: every channel of the device), at, start_kwh (null: not said).

    What the new meter showed becomes energy as its readings do, by the device's factor.

    Args:
        devices: device_id, factor, replacements (JSON).
    """
    rows = [
        {"device_id": device, "channel": one.get("channel"), "at": one["at"], "start_kwh": _times(one.get("start_kwh"), factor)}
        for device, factor, told in devices.drop_nulls("replacements").select("device_id", "factor", "replacements").iter_rows()
        for one in json.loads(told)
    ]
    moments = pl.DataFrame(rows, schema=REPLACEMENTS | {"at": pl.String}, orient="row")
    return moments.with_columns(pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC"))


def _times(shown: float | None, factor: float | None) -> float | None:
    return shown if shown is None or factor is None else shown * factor


def with_deciders(events: pl.DataFrame, overruled: dict[str, str], told: pl.DataFrame) -> pl.DataFrame:
    """The events with decided_by: who reversed one, `person` for an exchange that somebody told of, else `rule`.

    Args:
        events: event_id, device_id, channel, kind, at.
        overruled: Decisions that are reversed: event id to who did.
        told: Exchanges as `replacements` gives them.
    """
    exchanged = events.filter(pl.col("kind") == "replacement").join(
        told.select("device_id", "at", pl.col("channel").alias("of")), on=["device_id", "at"]
    )
    ids = exchanged.filter(pl.col("of").is_null() | (pl.col("of") == pl.col("channel")))["event_id"].to_list()
    deciders = dict.fromkeys(ids, SOMEBODY) | overruled
    return events.with_columns(pl.col("event_id").replace_strict(deciders, default=RULE, return_dtype=pl.String).alias("decided_by"))


def reversed_since(before: Snapshot, overruled: dict[str, str], devices: pl.DataFrame) -> pl.DataFrame:
    """Where decisions stand that people have reversed, or let stand again, since a publication; not among sealed days, which stand.

    Args:
        before: Its `gold/meter_events` say what was reversed then.
        overruled: Decisions that are reversed now, by event id.
        devices: device_id, channels (JSON).

    Returns:
        As readings whose change would touch the same days: device_id, channel (as it was sent), measure, measured_at, interval_seconds.
    """
    held = before.scan("gold/meter_events").collect()
    said_since = held.filter(pl.col("is_overruled").fill_null(value=False) != pl.col("event_id").is_in(list(overruled)))
    differing = said_since.filter(~_is_among_sealed(before, said_since))
    sent = {
        (device, really): channel
        for device, channels in devices.drop_nulls("channels").select("device_id", "channels").iter_rows()
        for channel, really in json.loads(channels).items()
    }
    channels = [sent.get(pair, pair[1]) for pair in differing.select("device_id", "channel").iter_rows()]
    # A power sample is all that moves no energy that is known; it holds for as long as one can.
    seconds = pl.when(pl.col("energy_kwh_affected").is_null()).then(LONGEST_HOLD_SECONDS).otherwise(QUARTER_SECONDS).cast(pl.Int64)
    places = differing.select(
        "device_id", pl.Series("channel", channels, dtype=pl.String), pl.col("at").alias("measured_at"), seconds.alias("interval_seconds")
    )
    return pl.concat(
        [
            places.with_columns(pl.lit("register_kwh").alias("measure"), pl.lit(None, dtype=pl.Int64).alias("interval_seconds")),
            places.with_columns(pl.lit("interval_kwh").alias("measure")),
        ]
    )


def _is_among_sealed(before: Snapshot, decisions: pl.DataFrame) -> pl.Series:
    """Which decisions lie on sealed days with sealed ones on either side: no day that they touch can follow any more."""
    places = [[(device, at + days * DAY) for days in (-1, 0, 1)] for device, at in decisions.select("device_id", "at").iter_rows()]
    sealed = sealed_of(before, [beside for three in places for beside in three])
    return pl.Series([sealed.issuperset(three) for three in places], dtype=pl.Boolean)
