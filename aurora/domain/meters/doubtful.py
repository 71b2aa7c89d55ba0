"""Registers with readings that cannot be right, read one by one; what is decided about a reading depends on those near it alone."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from aurora.domain.calendar import EPOCH
from aurora.domain.meters.chains import (
    BREAKS,
    CALM_READINGS,
    MOST_LEAP_KW,
    MOST_RESET_KW,
    PRECISION_KWH,
    Follow,
    Link,
    Reading,
    Step,
    chain,
    is_cut_to_whole,
    limit_kwh,
    modulus_kwh,
    step_between,
)
from aurora.domain.meters.events import Decision, event_id, frame
from aurora.domain.meters.readings import QUARTER_US, SEGMENT_COLUMNS, SERIES
from aurora.domain.meters.still import STILL_US, stood_still_since

Span = tuple[int, int, float, bool]
LEFT_OUT = ("dip", "glitch")


class Register(NamedTuple):
    """One meter behind a channel of a device."""

    device_id: str
    channel: str
    overruled: Collection[str]

    def is_overruled(self, kind: str, at_us: int) -> bool:
        """Whether a person reversed this decision."""
        return bool(self.overruled) and event_id(self.device_id, self.channel, kind, moment(at_us)) in self.overruled


def read(paired: pl.DataFrame, overruled: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Segments and events of some registers.

    Args:
        paired: Readings as `registers.with_soundness` gives them.
        overruled: Ids of decisions that a person reversed.
    """
    spans: list[tuple[object, ...]] = []
    told: list[tuple[str, str, str, str, datetime, str, float | None, bool]] = []
    for _, rows in paired.group_by("life", maintain_order=True):
        device_id, channel = rows.select(SERIES).row(0)
        register = Register(device_id, channel, overruled)
        shown = rows.select("at_us", "value", "most_kw", "is_estimated").iter_rows()
        readings = [Reading(*row, is_estimated=is_no_measurement) for *row, is_no_measurement in shown]
        found, decisions = read_one(readings, register)
        measure = rows["measure"][0]
        spans += [(register.device_id, register.channel, measure, *span) for span in found]
        told += [_row(register, decision) for decision in decisions]
    schema = {**paired.select(*SERIES, "measure").schema, "start_us": pl.Int64, "end_us": pl.Int64, "energy_kwh": pl.Float64}
    return pl.DataFrame(spans, schema={**schema, "is_estimated": pl.Boolean}, orient="row").select(SEGMENT_COLUMNS), frame(told)


def read_one(readings: Sequence[Reading], register: Register) -> tuple[list[Span], list[Decision]]:
    """Spans and decisions of one register, with those that a person reversed among them.

    What was reversed is only known from reading it as if nothing were: a reading that is believed shows no decision about it any more.
    """
    if not register.overruled:
        return _decide(readings, register)
    _, plain = _decide(readings, register._replace(overruled=()))
    reversed_ = [decision for decision in plain if register.is_overruled(decision.kind, decision.at_us)]
    believed = {decision.at_us for decision in reversed_ if decision.kind in LEFT_OUT}
    believed |= {reading.at_us for reading in readings if any(register.is_overruled(kind, reading.at_us) for kind in LEFT_OUT)}
    marked = [reading._replace(is_believed=reading.at_us in believed) for reading in readings]
    spans, decisions = _decide(marked, register)
    known = {(decision.kind, decision.at_us) for decision in decisions}
    return spans, sorted(decisions + [one for one in reversed_ if (one.kind, one.at_us) not in known], key=lambda one: one.at_us)


def _decide(
    readings: Sequence[Reading], register: Register, passed_over: frozenset[int] = frozenset()
) -> tuple[list[Span], list[Decision]]:
    """Spans and decisions; at the times `passed_over` nothing is made good, since the readings before are not of one meter. [us]"""
    caught_up, decisions = _caught_up(readings, register, passed_over)
    lifted, cut = _with_decimals([reading._replace(still_since_us=caught_up.get(reading.at_us)) for reading in readings], register)
    decisions += cut
    first, links = _links(lifted, register)
    spans: list[Span] = []
    for link in links:
        before, after = lifted[link.before], lifted[link.after]
        decisions += [_left_out(lifted[place], before) for place in range(link.before + 1, link.after)]
        if link.step in BREAKS:
            decisions.append(_break(before, after))
        elif before.value_kwh - after.value_kwh > PRECISION_KWH:
            decisions.append(_cut(before, after))
        if link.energy_kwh is not None and after.at_us > before.at_us:
            spans.append((before.at_us, after.at_us, link.energy_kwh, is_estimated(before, after)))
    last = links[-1].after if links else first
    decisions += [_left_out(reading, lifted[first]) for reading in lifted[:first]]
    decisions += [_left_out(reading, lifted[last], " so far") for reading in lifted[last + 1 :]]
    ends = {end_us for _, end_us, _, _ in spans}
    decisions = [decision for decision in decisions if decision.kind != "stuck" or decision.at_us in ends]
    spans = _spread(spans, caught_up)
    too_much = passed_over | {end_us for _, end_us, _, _ in _beyond(spans, lifted, caught_up, register)}
    if too_much != passed_over:
        return _decide(readings, register, too_much)
    return spans, sorted(decisions, key=lambda decision: decision.at_us)


def _spread(spans: Sequence[Span], caught_up: dict[int, int]) -> list[Span]:
    """The spans, where those in which a register stood still are one with that in which it caught up."""
    found: list[Span] = []
    for span in spans:
        begin_us, end_us, energy_kwh, is_estimate = span
        since_us = caught_up.get(end_us, begin_us)
        while found and found[-1][1] == begin_us and found[-1][0] >= since_us:
            begin_us, _, energy, _ = found.pop()
            energy_kwh, is_estimate = energy_kwh + energy, True
        found.append((begin_us, end_us, energy_kwh, is_estimate))
    return found


def _beyond(spans: Sequence[Span], readings: Sequence[Reading], caught_up: dict[int, int], register: Register) -> list[Span]:
    """Spans in which more was made good than can have passed, since the chain left out when the register stood still."""
    doubted = [span for span in spans if span[1] in caught_up and not register.is_overruled("stuck", span[1])]
    shown = {reading.at_us: reading for reading in readings} if doubted else {}
    return [span for span in doubted if span[2] > limit_kwh(shown[span[0]], shown[span[1]], MOST_LEAP_KW) + 1e-9]


def _links(readings: Sequence[Reading], register: Register) -> tuple[int, list[Link]]:
    """The place of the first reading that counts, and the links from there to the last."""
    step = _reversible(register)
    first, reached = 0, 0
    links: list[Link] = []
    for low, high in _clusters(readings):
        links += [_plain(readings, place) for place in range(reached + 1, low + 1)]
        begin, found = chain(readings[low : high + 1], step, is_start=low == 0, is_end=high == len(readings) - 1)
        first = begin if low == 0 else first
        links += [link._replace(before=link.before + low, after=link.after + low) for link in found]
        reached = high
    return first, links + [_plain(readings, place) for place in range(reached + 1, len(readings))]


def _clusters(readings: Sequence[Reading]) -> list[tuple[int, int]]:
    """First and last place of the stretches round readings that do not follow soundly, each between two calm ones."""
    found: list[tuple[int, int]] = []
    for place in range(1, len(readings)):
        if _is_sound(readings[place - 1], readings[place]):
            continue
        low, high = max(0, place - 1 - CALM_READINGS), min(len(readings) - 1, place + CALM_READINGS)
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def _is_sound(before: Reading, after: Reading) -> bool:
    return step_between(before, after)[0] == "counted"


def _plain(readings: Sequence[Reading], place: int) -> Link:
    step, energy, _ = step_between(readings[place - 1], readings[place])
    return Link(place - 1, place, step, energy)


def _reversible(register: Register) -> Follow:
    """`step_between`, with the energy that a person's reversal gives."""

    def step(before: Reading, after: Reading) -> tuple[Step, float | None, float]:
        name, energy, cost = step_between(before, after)
        if name not in BREAKS or not register.is_overruled(name, after.at_us):
            return name, energy, cost
        rise = after.value_kwh - before.value_kwh
        instead = {"rollover": after.value_kwh, "reset": None, "replacement": rise if rise >= 0 else after.value_kwh}
        return name, instead[name], cost

    return step


def _with_decimals(readings: Sequence[Reading], register: Register) -> tuple[list[Reading], list[Decision]]:
    """The readings, where one lost its decimals at what the one before showed until the register moves on."""
    lifted = list(readings)
    decisions: list[Decision] = []
    for place in range(1, len(readings)):
        before, reading = readings[place - 1], readings[place]
        fall = before.value_kwh - reading.value_kwh
        if not 0 < fall < 1 or not is_cut_to_whole(before.value_kwh, reading.value_kwh):
            continue
        shown = lifted[place - 1].value_kwh
        if register.is_overruled("dip", reading.at_us):
            continue
        decisions.append(_cut(before, reading))
        for later in range(place, len(readings)):
            if readings[later].value_kwh != reading.value_kwh or readings[later].at_us - reading.at_us > STILL_US:
                break
            lifted[later] = readings[later]._replace(value_kwh=shown)
    return lifted, decisions


def _cut(before: Reading, after: Reading) -> Decision:
    """That a reading lost its decimals."""
    told = f"{before.value_kwh:.3f} kWh was followed by {after.value_kwh:.0f} kWh, without decimals; the difference is not counted twice"
    return Decision("dip", after.at_us, told, before.value_kwh - after.value_kwh)


def _caught_up(readings: Sequence[Reading], register: Register, passed_over: frozenset[int]) -> tuple[dict[int, int], list[Decision]]:
    """When a register made good what it missed while it stood still: the time to since when; and the decisions. [us]

    Where a person says that it did not stand still, its rise is believed as it is.
    """
    since: dict[int, int] = {}
    decisions: list[Decision] = []
    for place, reading in enumerate(readings):
        start = stood_still_since(readings, place)
        if start is None or reading.at_us in passed_over:
            continue
        is_overruled = register.is_overruled("stuck", reading.at_us)
        decisions.append(_stuck(readings, start, place))
        since[reading.at_us] = readings[place - 1].at_us if is_overruled else readings[start].at_us
    return since, decisions


def _stuck(readings: Sequence[Reading], start: int, place: int) -> Decision:
    reading, before = readings[place], readings[start]
    rise = reading.value_kwh - before.value_kwh
    told = (
        f"stood at {before.value_kwh:.3f} kWh for {place - start} readings from {moment(before.at_us):%Y-%m-%d %H:%M} UTC on, then rose by"
        f" {rise:.3f} kWh at once; that is spread over the time since"
    )
    return Decision("stuck", reading.at_us, told, rise)


def _left_out(reading: Reading, beside: Reading, so_far: str = "") -> Decision:
    """That a reading is far from those on both sides."""
    difference = reading.value_kwh - beside.value_kwh
    what = f"{reading.value_kwh:.3f} kWh beside {beside.value_kwh:.3f} kWh at {moment(beside.at_us):%Y-%m-%d %H:%M} UTC"
    if difference < 0:
        return Decision("dip", reading.at_us, f"{what}: far too low, left out{so_far}", -difference)
    return Decision("glitch", reading.at_us, f"{what}: far too high, left out{so_far}", difference)


def _break(before: Reading, after: Reading) -> Decision:
    """That a register went on from elsewhere."""
    name, energy, _ = step_between(before, after)
    most = limit_kwh(before, after, MOST_LEAP_KW if after.value_kwh >= before.value_kwh else MOST_RESET_KW)
    fell = f"{before.value_kwh:.3f} kWh was followed by {after.value_kwh:.3f} kWh"
    rest = {
        "rollover": f", past its end at {modulus_kwh(before.value_kwh) or 0:.3f} kWh: {energy or 0:.3f} kWh passed",
        "reset": ", counted from zero since",
        "replacement": f", not within the {most:.3f} kWh that can have passed since; the energy between is unknown",
    }
    return Decision(BREAKS[name], after.at_us, fell + rest[name], energy)


def _row(register: Register, decision: Decision) -> tuple[str, str, str, str, datetime, str, float | None, bool]:
    at, (device_id, channel, overruled) = moment(decision.at_us), register
    name = event_id(device_id, channel, decision.kind, at)
    return name, device_id, channel, decision.kind, at, decision.evidence, decision.energy_kwh, name in overruled


def moment(at_us: int) -> datetime:
    """The time so many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=at_us)


def is_estimated(before: Reading, after: Reading) -> bool:
    """Whether the span between two readings touches more than one quarter hour, or one of them was not measured."""
    return before.is_estimated or after.is_estimated or before.at_us // QUARTER_US != (after.at_us - 1) // QUARTER_US
