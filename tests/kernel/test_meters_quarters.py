"""Interval readings laid over quarter hours: each minute belongs to the last received reading that covers it, however they overlap."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from aurora.domain import meters

SEED = 1_511
BEGIN = datetime(2026, 3, 29, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DEVICES = ("meter-10", "meter-2", "Zähler")


def _readings(chance: random.Random) -> pl.DataFrame:
    """Readings of 5 to 60 minutes by device, some of one moment, in any order; a sequence rises as they arrive."""
    rows = [
        {
            "device_id": device,
            "channel": "consumption",
            "measure": "interval_kwh",
            "measured_at": BEGIN + 5 * chance.randrange(48) * MINUTE,
            "interval_seconds": 60 * chance.choice([5, 15, 15, 30, 60]),
            "value": chance.choice([None, *(chance.randrange(1, 4000) / 1000 for _ in range(9))]),
            "source": "test",
            "received_at": BEGIN + timedelta(days=1),
            "quality": None,
        }
        for device in DEVICES
        for _ in range(chance.randrange(1, 12))
    ]
    chance.shuffle(rows)
    times = {"measured_at": pl.Datetime("us", "UTC"), "received_at": pl.Datetime("us", "UTC"), "value": pl.Float64, "quality": pl.String}
    return pl.DataFrame(rows, schema_overrides=times).with_row_index("sequence")


def _by_minutes(readings: pl.DataFrame) -> dict[tuple[str, datetime], float]:
    """Energy of each device's quarter hour, minute by minute. [kWh]"""
    last = {(row["device_id"], row["measured_at"]): row for row in readings.to_dicts()}
    owners = dict[tuple[str, datetime], float]()
    for row in sorted((row for row in last.values() if row["value"] is not None), key=lambda row: row["sequence"]):
        minutes = row["interval_seconds"] // 60
        owners |= {(row["device_id"], row["measured_at"] + place * MINUTE): row["value"] / minutes for place in range(minutes)}
    found = dict[tuple[str, datetime], float]()
    for (device, at), energy in owners.items():
        quarter = (device, at.replace(minute=at.minute // 15 * 15))
        found[quarter] = found.get(quarter, 0.0) + energy
    return found


def test_each_quarter_has_one_row_with_what_its_minutes_add_up_to(count: Callable[[int, int], int]) -> None:
    chance, shared, trials = random.Random(SEED), 0, count(40, 3_000)
    for _ in range(trials):
        readings = _readings(chance)
        right = _by_minutes(readings)
        quarters = meters.energy(readings).quarters
        keys = list(quarters.select("device_id", "interval_start_at").iter_rows())
        assert keys == sorted(right), readings
        assert quarters["energy_kwh"].to_list() == pytest.approx([right[key] for key in keys], abs=1e-9), readings
        shared += readings.height - readings.select("device_id", pl.col("measured_at").dt.truncate("15m")).n_unique()
    print(f"seed {SEED}, {trials} trials, {shared} readings that share a quarter hour")
    assert shared > trials
