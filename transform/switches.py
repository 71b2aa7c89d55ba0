"""Changes of a register's unit: found once where readings arrive, kept in `gold/meter_events`, since they hold for all later ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from aurora.accounts.overrules import RULE
from aurora.domain.meters import current, units
from aurora.lake.manifest import Publication
from transform import metered, scope
from transform.bronze import Bronze, Range

EVENTS = "gold/meter_events"
UNIT_SWITCH = "unit_switch"
# Where raw readings are gone the last one of each local day is kept: no two are further apart while the device sends.
KEPT_APART = timedelta(days=2)
ARRIVAL = ["device_id", "channel", "measured_at", "received_at", "sequence", "source"]


@dataclass(frozen=True)
class Arrived:
    """Readings that came or went since the publication before.

    Attributes:
        changed: Rows that came.
        withdrawn: Rows that went.
        whole: Devices whose readings are all read anew, `changed` or not.
        now: All readings.
        before: All readings as they were with those that went.
    """

    changed: pl.DataFrame
    withdrawn: pl.DataFrame
    whole: list[str]
    now: Bronze
    before: Bronze


def update(
    publication: Publication, arrived: Arrived, devices: pl.DataFrame, overruled: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bring the changes of unit up to date.

    Args:
        publication: Its `gold/meter_events` hold those known before.
        arrived: What came and went.
        devices: device_id, site_id, time_zone, factor, channels.
        overruled: Ids of decisions that people reversed.

    Returns:
        All changes of unit, columns of `gold/meter_events`, and the spans in which readings mean something else now: device_id, start_us.
    """
    held = publication.scan(EVENTS).filter(pl.col("kind") == UNIT_SWITCH).collect()
    gone, come = _difference(held, arrived, devices)
    turned = held.filter(pl.col("is_overruled").fill_null(value=False) != pl.col("event_id").is_in(list(overruled)))
    spans = pl.concat([rows.select("device_id", pl.col("at").dt.epoch("us").alias("start_us")) for rows in (gone, come, turned)])
    if gone.is_empty() and come.is_empty():
        return held, spans
    placed = _placed(come, devices)
    _write(publication, gone, placed)
    known = held.join(gone, on="event_id", how="anti")
    return pl.concat([known, placed.select(known.columns)]).unique("event_id"), spans


def _difference(held: pl.DataFrame, arrived: Arrived, devices: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Changes of unit that are none any more, and new ones."""
    rows = arrived.changed.filter((pl.col("measure") == "register_kwh") & ~pl.col("device_id").is_in(arrived.whole))
    went = arrived.withdrawn.filter((pl.col("measure") == "register_kwh") & ~pl.col("device_id").is_in(arrived.whole))
    found: list[pl.DataFrame] = []
    lost: list[pl.DataFrame] = []
    for part, bronze, is_withdrawal in ((went, arrived.before, True), (rows, arrived.now, False)):
        if part.is_empty():
            continue
        window = bronze.registers([_hull(part)], part["device_id"].unique().to_list())
        with_part, without = _found(window, devices), _found(window.join(part, on=ARRIVAL, how="anti"), devices)
        came, left = (without, with_part) if is_withdrawal else (with_part, without)
        found.append(came.join(left, on="event_id", how="anti"))
        lost.append(left.join(came, on="event_id", how="anti"))
    if arrived.whole:
        fresh, stale = _anew(held.filter(pl.col("device_id").is_in(arrived.whole)), arrived, devices)
        found.append(fresh)
        lost.append(stale)
    empty = _found(arrived.now.registers([], []), devices)
    come = pl.concat([empty, *found]).unique("event_id")
    left_ids = pl.concat([empty.select("event_id"), *[rows.select("event_id") for rows in lost]]).unique()
    gone = held.join(left_ids.join(come, on="event_id", how="anti"), on="event_id", how="semi")
    return gone, come.join(held, on="event_id", how="anti")


def _anew(held: pl.DataFrame, arrived: Arrived, devices: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Changes of unit found in all readings of devices, and those held that are none by them.

    One that is held stands where the reading that showed it is no longer kept; the next one kept would show it again.
    """
    every = metered.as_metered(arrived.now.registers_of(arrived.whole), devices)
    place = ["device_id", "channel", "at"]
    went = metered.as_metered(arrived.withdrawn.filter(pl.col("measure") == "register_kwh"), devices)
    seen = pl.concat([rows.select("device_id", "channel", pl.col("measured_at").alias("at")) for rows in (every, went)]).unique()
    stands = held.join(seen, on=place, how="anti")
    now = units.switches(current(every))
    again = now.join(stands.select("device_id", "channel", pl.col("at").alias("held_at")), on=["device_id", "channel"]).filter(
        (pl.col("at") > pl.col("held_at")) & (pl.col("at") - pl.col("held_at") < KEPT_APART)
    )
    fresh = now.join(again, on="event_id", how="anti").join(held, on="event_id", how="anti")
    stale = held.join(stands, on="event_id", how="anti").join(now, on="event_id", how="anti")
    return fresh, stale


def _found(readings: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    return units.switches(current(metered.as_metered(readings, devices)))


def _hull(rows: pl.DataFrame) -> Range:
    first, last = rows["measured_at"].min(), rows["measured_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return Range(first, last + timedelta(microseconds=1))


def _placed(events: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Events with the site and the local date they belong to."""
    homes = devices.select("device_id", "site_id", "time_zone")
    at = events.join(homes, on="device_id").with_columns(pl.col("at").dt.epoch("us").alias("start_us"))
    return scope.dated(at).drop("time_zone", "start_us").with_columns(pl.lit(RULE).alias("decided_by"), pl.lit("").alias("refresh_id"))


def _write(publication: Publication, gone: pl.DataFrame, come: pl.DataFrame) -> None:
    """Put the changes into the table at once: the days they stand for may be rebuilt later."""
    days = pl.concat([rows.select("site_id", "local_date") for rows in (gone, come)]).unique()
    held = publication.scan(EVENTS).join(days.lazy(), on=["site_id", "local_date"], how="semi").collect()
    kept = held.join(gone, on="event_id", how="anti").join(come, on="event_id", how="anti")
    publication.replace(EVENTS, pl.concat([kept, come.select(kept.columns)]).drop("refresh_id"), days)
