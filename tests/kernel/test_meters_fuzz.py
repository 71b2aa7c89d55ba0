"""Registers whose truth is known, with each fault put in at random: what is read comes to the truth."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
import pytest

from aurora.domain import meters
from aurora.domain.meters import registers

SEED = 20_261_124
BEGAN_AT = datetime(2026, 6, 1, tzinfo=UTC)
MOST_KW = 17.25
MOST_ERROR_RATIO = 0.001
# A quarter's fuse, a minute for the stamps, and one step of the register.
BATCH = 500


class Truth(NamedTuple):
    """A register and what passed, and how its readings differ from it.

    Attributes:
        unknown_kwh: What passed where another meter took over, or after the last whole number of one without decimals: nobody can know it.
        is_hit: Whether the fault shows in the readings at all.
    """

    minutes: list[int]
    kwh: list[float]
    told: list[float]
    is_hit: bool
    unknown_kwh: float = 0.0


def _series(chance: random.Random) -> tuple[list[int], list[float]]:
    """Four days of a home's register, in minutes and kWh, at one of the usual rhythms; some readings are missing."""
    rhythm = chance.choice([5, 15, 15, 30, 60])
    count = 4 * 1440 // rhythm
    level = chance.choice([chance.uniform(50, 900), chance.uniform(1_000, 90_000)])
    base_kw = chance.uniform(0.1, 0.8)
    minutes, kwh, total = [], [], level
    for place in range(count):
        if place in (0, count - 1) or chance.random() > 0.02:
            minutes.append(place * rhythm)
            kwh.append(round(total, 3))
        hour = place * rhythm / 60 % 24
        kw = base_kw * (1 + (17 < hour < 22)) * chance.uniform(0.7, 1.3) + (chance.random() < 0.03) * chance.uniform(1, 3)
        total += kw * rhythm / 60
    return minutes, kwh


def _clean(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    return Truth(minutes, kwh, list(kwh), is_hit=True)


def _reset(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place = chance.randrange(10, len(kwh) - 10)
    told = kwh[:place] + [round(value - kwh[place - 1], 3) for value in kwh[place:]]
    return Truth(minutes, kwh, told, is_hit=told[place] < told[place - 1] and not _may_turn_over(kwh[place - 1]))


def _may_turn_over(value: float) -> bool:
    """Whether a register is so near its end that a reset there cannot be told from its turning over."""
    return any(0 < modulus - value < 6 * MOST_KW for modulus in (1e4, 1e5, 1e6))


def _rollover(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place, modulus = chance.randrange(10, len(kwh) - 10), chance.choice([1e4, 1e5, 1e6])
    moved = round(modulus - chance.uniform(0.2, 0.8) * (kwh[place] - kwh[place - 1]) - kwh[place - 1], 3)
    told = [round((value + moved) % modulus, 3) for value in kwh]
    return Truth(minutes, kwh, told, is_hit=told[place] < told[place - 1])


def _replacement(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place, start = chance.randrange(10, len(kwh) - 10), chance.uniform(40, 99_000)
    told = kwh[:place] + [round(value - kwh[place] + start, 3) for value in kwh[place:]]
    rise = told[place] - told[place - 1]
    is_hit = (rise < -1 and not _may_turn_over(told[place - 1])) or rise > 2 * MOST_KW * (minutes[place] - minutes[place - 1] + 60) / 60
    return Truth(minutes, kwh, told, is_hit=is_hit, unknown_kwh=kwh[place] - kwh[place - 1])


def _dip(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place, length = chance.randrange(10, len(kwh) - 10), chance.randint(1, 3)
    told = list(kwh)
    told[place : place + length] = [round(value * chance.choice([0.0, chance.uniform(0, 0.9)]), 3) for value in kwh[place : place + length]]
    return Truth(minutes, kwh, told, is_hit=True)


def _glitch(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place, length = chance.randrange(10, len(kwh) - 10), chance.randint(1, 3)
    told = list(kwh)
    for high in range(place, place + length):
        told[high] = round(kwh[high] + chance.choice([chance.uniform(60, 600), chance.uniform(1e4, 1e9)]), 3)
    return Truth(minutes, kwh, told, is_hit=True)


def _stuck(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place, length = chance.randrange(10, len(kwh) - 40), chance.randint(8, 24)
    told = kwh[: place + 1] + [kwh[place]] * length + kwh[place + 1 + length :]
    jump = told[place + length + 1] - told[place]
    beside = [told[k] - told[k - 1] for k in (place - 2, place - 1, place, place + length + 2, place + length + 3, place + length + 4)]
    is_seen = jump > 2 * max(beside) and min(beside) > 0 and minutes[place + length + 1] - minutes[place] < 48 * 60
    return Truth(minutes, kwh, told, is_hit=is_seen)


def _decimals(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place = chance.randrange(10, len(kwh) - 10)
    if chance.random() < 0.5:
        told = kwh[:place] + [float(int(value)) for value in kwh[place:]]
        return Truth(minutes, kwh, told, is_hit=told[place] < told[place - 1], unknown_kwh=kwh[-1] - max(told))
    length = chance.randint(1, 3)
    told = [round(value * 1000) * 1.0 if place <= at < place + length else value for at, value in enumerate(kwh)]
    return Truth(minutes, kwh, told, is_hit=told != kwh)


def _unit_switch(chance: random.Random, minutes: list[int], kwh: list[float]) -> Truth:
    place = chance.randrange(10, len(kwh) - 20)
    back = chance.choice([len(kwh), chance.randrange(place + 8, len(kwh) - 4)])
    told = [round(value * 1000) * 1.0 if place <= at < back else value for at, value in enumerate(kwh)]
    return Truth(minutes, kwh, told, is_hit=True)


FAULTS: dict[str, tuple[Callable[[random.Random, list[int], list[float]], Truth], set[str]]] = {
    "clean": (_clean, set()),
    "reset": (_reset, {"reset"}),
    "rollover": (_rollover, {"rollover"}),
    "replacement": (_replacement, {"replacement"}),
    "dip": (_dip, {"dip"}),
    "glitch": (_glitch, {"glitch"}),
    "stuck": (_stuck, {"stuck"}),
    "lost decimals": (_decimals, {"dip", "glitch"}),
    "unit switch": (_unit_switch, {"unit_switch"}),
}


def _frame(truths: list[Truth], first: int) -> pl.DataFrame:
    devices = [f"meter-{first + number:05d}" for number, truth in enumerate(truths) for _ in truth.told]
    minutes = [minute for truth in truths for minute in truth.minutes]
    return pl.DataFrame({"device_id": devices, "minute": minutes, "value": [value for truth in truths for value in truth.told]}).select(
        "device_id",
        pl.lit("grid_import").alias("channel"),
        pl.lit("register_kwh").alias("measure"),
        (pl.lit(BEGAN_AT).cast(pl.Datetime("us", "UTC")) + pl.duration(minutes=pl.col("minute"))).alias("measured_at"),
        pl.lit(None, dtype=pl.Int64).alias("interval_seconds"),
        "value",
        pl.lit("test").alias("source"),
        pl.lit(BEGAN_AT).cast(pl.Datetime("us", "UTC")).alias("received_at"),
        pl.int_range(pl.len()).alias("sequence"),
        pl.lit(None, dtype=pl.String).alias("quality"),
    )


def _bounds(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.select("device_id", "channel").unique().with_columns(pl.lit(MOST_KW).alias("most_kw"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", list(FAULTS))
def test_energy_of_a_register_with_a_fault_is_the_truth(fault: str, count: Callable[[int, int], int]) -> None:
    put_in, kinds = FAULTS[fault]
    chance, tries = random.Random(f"{SEED} {fault}"), count(40, 10_000)
    hit = 0
    for first in range(0, tries, BATCH):
        truths = [put_in(chance, *_series(chance)) for _ in range(min(BATCH, tries - first))]
        hit += _judge(truths, first, kinds)
    print(f"{fault}: seed {SEED}, {tries} series, fault hit {hit}")
    assert hit >= 0.75 * tries


def _judge(truths: list[Truth], first: int, kinds: set[str]) -> int:
    readings = _frame(truths, first)
    counted = meters.current(readings)
    spans, events = registers.segments(counted, _bounds(readings))
    told = events.group_by("device_id").agg(pl.col("kind").unique().alias("kinds"))
    sums = spans.group_by("device_id").agg(pl.col("energy_kwh").sum())
    read = sums.join(told, on="device_id", how="left").sort("device_id")
    assert read.height == len(truths)
    for truth, (device, energy, seen) in zip(truths, read.iter_rows(), strict=True):
        really = truth.kwh[-1] - truth.kwh[0] - (truth.unknown_kwh if truth.is_hit else 0.0)
        if truth.is_hit:
            assert energy == pytest.approx(really, rel=MOST_ERROR_RATIO), (device, truth)
            assert bool(seen) == bool(kinds), (device, seen, truth)
            assert set(seen or []) <= kinds, (device, seen, truth)
    hours = (spans["end_us"] - spans["start_us"]) / 3.6e9
    assert (spans["energy_kwh"] >= 0).all()
    assert (spans["energy_kwh"] <= MOST_KW * (hours + 1 / 60) + 1.0).all()
    return sum(truth.is_hit for truth in truths)
