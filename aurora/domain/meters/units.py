"""Registers that begin to count in watt-hours, a thousand times as fast and as far, and back again.

A change of unit holds for all later readings, so what a reading means depends on the last change before it, however long ago. The
changes are therefore found once, where readings arrive, and kept as decisions; each looks at four readings before it and four from it on.
"""

from collections.abc import Collection
from datetime import datetime

import polars as pl

from aurora.domain.meters.chains import MOST_LEFT_OUT
from aurora.domain.meters.events import event_id, frame
from aurora.domain.meters.readings import SERIES

WATT_HOURS = 1_000.0
# Where the unit changes a register grows by no more than so much of what it shows, or the change is not seen as one of unit alone.
MOST_GROWTH = 1.1
# How much faster or slower than before it may count then, beside the thousand times; a register that stands still tells nothing of it.
MOST_FASTER = 30.0
# Of readings at one level the greatest is no more than so many times the least.
LEVEL = 1.5
# Registers below this have too few digits to tell a change of unit from another meter. [kWh]
LEAST_KWH = 5.0
# So many readings on either side must be at one level, or those on one side of it are glitches.
CONFIRMED_BY = MOST_LEFT_OUT + 1


def switches(readings: pl.DataFrame) -> pl.DataFrame:
    """Decisions `unit_switch`, columns `EVENT_SCHEMA`: energy_kwh_affected is positive where watt-hours begin, negative where they end.

    Args:
        readings: Current `register_kwh` readings, sorted by key: device_id, channel, measured_at, value.
    """
    is_other = pl.any_horizontal([pl.col(name) != pl.col(name).shift(1) for name in SERIES]).fill_null(value=True)
    value, before = pl.col("value"), pl.col("value").shift(1)
    begins = value.is_between(before * WATT_HOURS * 0.9999, before * WATT_HOURS * MOST_GROWTH) & (before >= LEAST_KWH)
    ends = value.is_between((before / WATT_HOURS).floor(), before / WATT_HOURS * MOST_GROWTH) & (value >= LEAST_KWH)
    marked = readings.select(*SERIES, "measured_at", "value").with_columns(
        is_other.cum_sum().alias("register"), begins.alias("begins"), ends.alias("ends"), before.alias("before")
    )
    if not marked.select((pl.col("begins") | pl.col("ends")).any()).item():
        return frame([])
    is_level = _is_level(0, CONFIRMED_BY - 1) & _is_level(-CONFIRMED_BY, -1) & (pl.col("register") == pl.col("register").shift(1))
    found = marked.filter((pl.col("begins") | pl.col("ends")) & is_level & _counts_on())
    return frame([_event(*row) for row in found.select(*SERIES, "measured_at", "before", "value").iter_rows()])


def _is_level(first: int, last: int) -> pl.Expr:
    """Whether the readings from so many places on to so many show about the same, and are of one register."""
    pairs = range(first, last)
    value, register = pl.col("value"), pl.col("register")
    steps = [
        value.shift(-n - 1).is_between(value.shift(-n), value.shift(-n) * LEVEL) & (register.shift(-n - 1) == register.shift(-n))
        for n in pairs
    ]
    return pl.all_horizontal(steps).fill_null(value=False)


def _counts_on() -> pl.Expr:
    """Whether the rise after a change, by the factor of the change, is about that before it."""
    value = pl.col("value")
    rise, before = value.shift(1 - CONFIRMED_BY) - value, value.shift(1) - value.shift(CONFIRMED_BY)
    factor = pl.when(pl.col("begins")).then(WATT_HOURS).otherwise(1 / WATT_HOURS)
    return (rise <= 0) | (before <= 0) | (rise / before / factor).is_between(1 / MOST_FASTER, MOST_FASTER)


def _event(
    device_id: str, channel: str, at: datetime, before: float, value: float
) -> tuple[str, str, str, str, datetime, str, float | None, bool]:
    begins = value > before
    unit, way = ("Wh", "a thousand times") if begins else ("kWh", "a thousandth of")
    told = f"{before:.3f} was followed by {value:.3f}, {way} what it showed, and stayed there: read in {unit} from here on"
    moved = value - value / WATT_HOURS if begins else value - before
    return event_id(device_id, channel, "unit_switch", at), device_id, channel, "unit_switch", at, told, moved, False


def marked(found: pl.DataFrame, overruled: Collection[str]) -> pl.DataFrame:
    """The decisions with those marked that a person reversed."""
    return found.with_columns(pl.col("event_id").is_in(list(overruled)).alias("is_overruled"))


def in_kwh(readings: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The readings in kilowatt-hours: those from a change to watt-hours on, up to the next change, divided by a thousand.

    Where watt-hours end that nobody saw begin, the readings before stay as they are: only what was told in kilowatt-hours is believed.

    Args:
        readings: device_id, channel, measure, at_us, value, sorted.
        found: Decisions `unit_switch`, `is_overruled` among their columns.
    """
    in_force = found.filter(~pl.col("is_overruled")).select(
        *SERIES, pl.col("at").dt.epoch("us").alias("at_us"), (pl.col("energy_kwh_affected") > 0).alias("is_wh")
    )
    if in_force.is_empty():
        return readings
    placed = readings.sort("at_us").join_asof(
        in_force.sort("at_us"), on="at_us", by=list(SERIES), strategy="backward", check_sortedness=False
    )
    scaled = pl.when(pl.col("is_wh").fill_null(value=False)).then(pl.col("value") / WATT_HOURS).otherwise(pl.col("value"))
    return placed.with_columns(scaled.alias("value")).drop("is_wh").sort([*SERIES, "at_us"])
