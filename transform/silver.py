"""Silver: the energy of every quarter hour of the touched days, by device and channel, and how each meter was read."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from aurora.domain import calendar
from transform import metered, quality, scope
from transform.bronze import Bronze
from transform.facts import Facts
from transform.metering import Metering


@dataclass(frozen=True)
class Silver:
    """What a set of site-days holds.

    Attributes:
        energy: Rows of `silver/energy`.
        events: Rows of `gold/meter_events`.
        quality: Rows of `gold/data_quality`.
    """

    energy: pl.DataFrame
    events: pl.DataFrame
    quality: pl.DataFrame


def build(days: pl.DataFrame, facts: Facts, bronze: Bronze, metering: Metering) -> Silver:
    """Rebuild silver for some days from the raw readings.

    Args:
        days: site_id, local_date.
        facts: Sites and devices as they are now.
        bronze: All readings.
        metering: How they are read.
    """
    parts = [_build(part, facts, bronze, metering) for part in _by_reach(days)]
    return Silver(*(pl.concat([getattr(part, name) for part in parts]) for name in ("energy", "events", "quality")))


def _by_reach(days: pl.DataFrame) -> list[pl.DataFrame]:
    """The days of sites that reach back apart from those of all others: what is read is every device between the first day and the last."""
    local_date = pl.col("local_date")
    # Two days are open at once around the world.
    is_recent = local_date.min().over("site_id") >= local_date.max() - timedelta(days=1)
    return [part for part in (days.filter(is_recent), days.filter(~is_recent)) if part.height] or [days]


def _build(days: pl.DataFrame, facts: Facts, bronze: Bronze, metering: Metering) -> Silver:
    devices = facts.devices.filter(pl.col("site_id").is_in(days["site_id"].unique().to_list()))
    ids = devices["device_id"].to_list()
    ranges = scope.ranges_of_days(days, facts.zones)
    of_registers = bronze.registers(ranges, ids, metering.calm_stretches)
    readings = pl.concat([bronze.intervals(ranges, ids), bronze.power(ranges, ids), of_registers])
    found = metering.energy(readings)
    quarters = _touched_quarters(days, facts.zones)
    homes = devices.select("device_id", "site_id", "energy_source")
    energy = (
        found.quarters.join(homes, on="device_id")
        .join(quarters, on=["site_id", "interval_start_at"])
        .with_columns(
            pl.lit(calendar.QUARTER_SECONDS, dtype=pl.Int64).alias("interval_seconds"),
            pl.when(pl.col("channel") == "production").then(pl.col("energy_source")).alias("energy_source"),
        )
    )
    events = (
        found.events.join(homes.select("device_id", "site_id"), on="device_id")
        .with_columns(pl.col("at").dt.truncate("15m").alias("interval_start_at"))
        .join(quarters, on=["site_id", "interval_start_at"])
    )
    decided = metered.with_deciders(events, metering.overruled, metering.replacements)
    return Silver(energy, decided, quality.measure(readings, energy, days, devices))


def _touched_quarters(days: pl.DataFrame, zones: dict[str, str]) -> pl.DataFrame:
    """site_id, interval_start_at, local_date of every quarter hour of the days."""
    return touched_calendar(days, zones).select("site_id", pl.col("quarter_start_at").alias("interval_start_at"), "local_date")


def touched_calendar(days: pl.DataFrame, zones: dict[str, str]) -> pl.DataFrame:
    """Columns of `calendar.quarters` and site_id, for every quarter hour of the days."""
    zoned = days.with_columns(pl.col("site_id").replace_strict(zones, return_dtype=pl.String).alias("zone"))
    if zoned.is_empty():
        return calendar.quarters(["UTC"], calendar.EPOCH.date(), calendar.EPOCH.date()).head(0).with_columns(site_id=pl.lit(""))
    found: list[pl.DataFrame] = []
    for (zone,), part in zoned.group_by("zone"):
        first, last = part["local_date"].min(), part["local_date"].max()
        quarters = calendar.quarters([str(zone)], first, last)  # pyright: ignore[reportArgumentType]
        found.append(quarters.join(part.select("site_id", "local_date"), on="local_date"))
    return pl.concat(found)
