"""Which readings of a register belong together, where they contradict each other.

Readings that cannot follow one another within physics are joined into the chain that costs least: a reading left out costs 1, a break (the
meter counted again from somewhere) what it is worth by its kind. So up to `MOST_LEFT_OUT` readings that are far off are left out, and a
change that stays is a break.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from aurora.domain.meters.events import Kind

# So many readings in a row may be far too high or too low and then right again.
MOST_LEFT_OUT = 3
# Of two readings each at least this many sound pairs from any doubtful one, what happens on one side says nothing of the other.
CALM_READINGS = MOST_LEFT_OUT + 1

# Two breaks cost more than `MOST_LEFT_OUT` readings and less than one more; one break less than two readings.
ROLLOVER_COST, RESET_COST, REPLACEMENT_COST = 0.5, 1.6, 1.9

# Registers sent as 32-bit numbers fall by as much without a reason. [kWh]
PRECISION_KWH = 0.05

# Where registers turn over: after four to nine digits, or after 32 (31) bits of watt-hours or of ten of them.
MODULI_KWH = (*(10.0**power for power in range(4, 10)), 2**32 / 1e3, 2**32 / 1e2, 2**31 / 1e3)

BREAKS: dict[str, Kind] = {"rollover": "rollover", "reset": "reset", "replacement": "replacement"}

Step = Literal["counted", "believed", "rollover", "reset", "replacement"]


class Reading(NamedTuple):
    """One reading of a register.

    Attributes:
        most_kw: The most power its channel can carry; None where nobody says. [kW]
        is_believed: A person says that it is right.
        still_since_us: Since when the register had stood still, where this reading makes good what it missed.
        is_estimated: Whoever gave it says that it was not measured.
    """

    at_us: int
    value_kwh: float
    most_kw: float | None
    is_believed: bool = False
    still_since_us: int | None = None
    is_estimated: bool = False


class Link(NamedTuple):
    """From one kept reading to the next.

    Attributes:
        energy_kwh: That passed between them; None where it is not known.
    """

    before: int
    after: int
    step: Step
    energy_kwh: float | None


# What a home or a small business with unknown facts does not draw for long, and nothing that it owns can carry. [kW]
MOST_RESET_KW, MOST_LEAP_KW = 100.0, 1_000.0
# A reading is stamped some time after the register was read. [h]
STAMP_HOURS = 1 / 60


def limit_kwh(before: Reading, after: Reading, unknown_kw: float) -> float:
    """The most that can have passed between two readings: power by time, a minute for their stamps, and one step of the register."""
    hours = (after.at_us - before.at_us) / 3.6e9 + STAMP_HOURS
    most_kw = unknown_kw if after.most_kw is None else after.most_kw
    return most_kw * hours + step_kwh(before.value_kwh, after.value_kwh)


def step_kwh(*values: float) -> float:
    """The step of a register, as its readings show it: whole or tenths. [kWh]"""
    return 1.0 if all(value == int(value) for value in values) else 0.1


def step_between(before: Reading, after: Reading) -> tuple[Step, float | None, float]:
    """How one reading follows another: the step, the energy and the cost."""
    rise = after.value_kwh - before.value_kwh
    makes_good = after.still_since_us is not None and before.at_us >= after.still_since_us
    if rise >= 0 and (makes_good or rise <= limit_kwh(before, after, MOST_LEAP_KW)):
        return "counted", rise, 0.0
    if rise >= 0:
        return ("believed", rise, 0.0) if after.is_believed else ("replacement", None, REPLACEMENT_COST)
    if lost_decimals(before.value_kwh, after.value_kwh):
        return "counted", 0.0, 0.0
    most_kwh = limit_kwh(before, after, MOST_RESET_KW)
    modulus = modulus_kwh(before.value_kwh)
    if modulus is not None and modulus + rise <= most_kwh:
        return "rollover", modulus + rise, ROLLOVER_COST
    if after.value_kwh <= most_kwh:
        return "reset", after.value_kwh, RESET_COST
    return "replacement", None, REPLACEMENT_COST


def modulus_kwh(value_kwh: float) -> float | None:
    """Where a register that shows this turns over next. [kWh]"""
    return min((modulus for modulus in MODULI_KWH if modulus > value_kwh), default=None)


def lost_decimals(before_kwh: float, after_kwh: float) -> bool:
    """Whether a value fell no further than to its whole number, or than the precision of a 32-bit number, at most `PRECISION_KWH`."""
    fall = before_kwh - after_kwh
    return fall <= min(max(1e-9, 1.2e-7 * before_kwh), PRECISION_KWH) or is_cut_to_whole(before_kwh, after_kwh)


def is_cut_to_whole(before_kwh: float, after_kwh: float) -> bool:
    """Whether a value is the other one without its decimals."""
    return after_kwh == int(before_kwh)


Follow = Callable[[Reading, Reading], tuple[Step, float | None, float]]


def chain(readings: Sequence[Reading], step: Follow, *, is_start: bool, is_end: bool) -> tuple[int, list[Link]]:
    """The cheapest chain through some readings: the place of its first and the links from there on.

    Args:
        readings: In order of time; the first is kept unless `is_start`, the last unless `is_end`.
        step: How one reading follows another.
        is_start: Whether nothing lies before, so that the first ones may be left out.
        is_end: Whether nothing lies after.
    """
    costs, best = _cheapest(readings, step, is_start=is_start)
    last = _cheapest_end(readings, costs) if is_end else len(readings) - 1
    links: list[Link] = []
    link = best[last]
    while link is not None:
        links.append(link)
        link = best[link.before]
    return (links[-1].before if links else last), links[::-1]


def _cheapest(readings: Sequence[Reading], step: Follow, *, is_start: bool) -> tuple[list[float], list[Link | None]]:
    """What it costs at least to come to each reading, and by which link."""
    costs: list[float] = []
    best: list[Link | None] = []
    for after, reading in enumerate(readings):
        may_lead = (is_start or after == 0) and after <= MOST_LEFT_OUT and not _holds_believed(readings[:after])
        cheapest, link = (float(after) if may_lead else math.inf), None
        for before in range(after - 1, max(-1, after - 2 - MOST_LEFT_OUT), -1):
            if _holds_believed(readings[before + 1 : after]):
                break
            name, energy, cost = step(readings[before], reading)
            total = costs[before] + cost + (after - before - 1)
            if total < cheapest - 1e-9:
                cheapest, link = total, Link(before, after, name, energy)
        costs.append(cheapest)
        best.append(link)
    return costs, best


def _cheapest_end(readings: Sequence[Reading], costs: Sequence[float]) -> int:
    last = len(readings) - 1
    ends = [end for end in range(last, max(-1, last - MOST_LEFT_OUT - 1), -1) if not _holds_believed(readings[end + 1 :])]
    return min(ends, key=lambda end: costs[end] + last - end)


def _holds_believed(readings: Sequence[Reading]) -> bool:
    return any(reading.is_believed for reading in readings)
