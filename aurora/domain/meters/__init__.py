"""Readings to energy: what a meter's readings say about every quarter hour.

One pure module a kind of measure (`intervals`, `registers`, `power`), which turn readings into *segments*: spans of time with the energy
that passed in them. `quarters` lays segments over the quarter hours. `energy` is the whole way.

A segments frame has: device_id, channel, measure, start_us, end_us (UTC microseconds since 1970), energy_kwh, is_estimated (whether
it crosses a quarter hour other than as a power sample does, so that the place of its energy inside is an estimate, or a reading that it
comes from was not measured).
"""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from aurora.domain.meters import impossible, intervals, power, quarters, registers
from aurora.domain.meters.readings import current

__all__ = ["MeterEnergy", "current", "energy"]


@dataclass(frozen=True)
class MeterEnergy:
    """What the readings of some devices say.

    Attributes:
        quarters: One row per device, channel and quarter hour with readings: device_id, channel, interval_start_at, energy_kwh,
            covered_seconds (0-900), quality (`measured` or `estimated`), and where its energy is a share of a longer span that span's
            span_start_at and span_seconds, else null.
        events: One row per decision how a meter was read: event_id, device_id, channel, kind, at, evidence, energy_kwh_affected,
            is_overruled.
    """

    quarters: pl.DataFrame
    events: pl.DataFrame


def energy(
    readings: pl.DataFrame,
    max_gap_seconds: dict[str, int] | None = None,
    bounds: pl.DataFrame | None = None,
    overruled: Collection[str] = (),
    replacements: pl.DataFrame | None = None,
    switches: pl.DataFrame | None = None,
) -> MeterEnergy:
    """Energy of every quarter hour that the readings cover.

    Args:
        readings: Rows of `bronze/readings` in any order, with duplicates, corrections and withdrawals.
        max_gap_seconds: How long a power sample holds, of devices that say so. [s]
        bounds: device_id, channel, most_kw: the most power that a channel can carry; null or no row: nobody knows. [kW]
        overruled: Ids of decisions that a person reversed.
        replacements: device_id, channel (null: every channel), at, start_kwh of meters that were exchanged.
        switches: Decisions `unit_switch` of these registers, also from before the readings; None: found in the readings.
    """
    winning = current(readings)
    of = {measure: winning.filter(pl.col("measure") == measure) for measure in ("interval_kwh", "register_kwh", "power_kw")}
    from_registers, events = registers.segments(of["register_kwh"], bounds, overruled, replacements, switches)
    possible, refused = impossible.told_apart(of["interval_kwh"], bounds, overruled)
    samples, beyond = impossible.told_apart(of["power_kw"], bounds, overruled)
    held = power.segments(of["power_kw"], max_gap_seconds or {}, samples)
    found = pl.concat([intervals.segments(possible), from_registers, held], how="vertical")
    return MeterEnergy(quarters.lay_out(found), pl.concat([events, refused, beyond]))
