"""Raw readings go, and what they told of silent days stands as well: of values of a day, of registers, of spans over midnight."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transform.maintain import maintain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAYS = 14
FIRST = NOW.replace(hour=0) - DAYS * DAY


def _row(device: str, channel: str, measure: str, at: datetime, value: float, seconds: int | None = None) -> dict[str, Any]:
    return {"device_id": device, "channel": channel, "measure": measure, "interval_seconds": seconds, "value": value, "measured_at": at}


def _daily(day: datetime, value: float) -> list[dict[str, Any]]:
    """A day of Berlin's as one value, from the evening before by UTC."""
    return [_row("berlin-meter", "consumption", "interval_kwh", day - HOUR, value, 86_400)]


def _over_midnight(day: datetime, value: float) -> list[dict[str, Any]]:
    return [_row("berlin-meter", "grid_export", "interval_kwh", day + timedelta(hours=23, minutes=55), value, 3525)]


def _register(day: datetime, counted: float) -> list[dict[str, Any]]:
    return [_row("sydney-meter", "grid_import", "register_kwh", day + hour * HOUR, counted + hour**1.5 / 20) for hour in range(5, 22)]


def _power(day: datetime, value: float) -> list[dict[str, Any]]:
    return [_row("kathmandu-pv", "production", "power_kw", day + timedelta(minutes=40 * n), value + n % 5) for n in range(36)]


def _land_history(neighbourhood: Any, seed: int) -> None:
    """Days in order, about half of them silent by device; what was left out at random arrives when everything else is old."""
    random = np.random.default_rng(seed)
    for number in range(DAYS):
        day = FIRST + number * DAY
        kinds = [
            _daily(day, 6 + random.random()),
            _over_midnight(day, random.random()),
            _register(day, 100.0 + 40 * number),
            _power(day, 1),
        ]
        for rows in kinds:
            if random.random() < 0.55:
                is_late = random.random() < 0.15
                neighbourhood.land(rows, NOW - HOUR if is_late else min(day + DAY, NOW))
    neighbourhood.refresh(NOW)


def _energy(neighbourhood: Any) -> pl.DataFrame:
    columns = ["device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds"]
    return neighbourhood.table("silver/energy").select(columns).sort(columns[:3])


def _worst(before: pl.DataFrame, after: pl.DataFrame, column: str) -> dict[str, Any]:
    both = before.with_columns(after[column].alias("after")).sort((after[column] - before[column]).abs())
    return both.row(-1, named=True)


@pytest.mark.parametrize("seed", [20261125, 7])
def test_what_a_day_told_of_silent_days_stands_when_its_readings_go(neighbourhood: Any, seed: int) -> None:
    print(f"seed {seed}")
    _land_history(neighbourhood, seed)
    before = _energy(neighbourhood)
    raw = neighbourhood.lake.scan("bronze/readings").collect().height
    gone = list[int]()
    for days in (22, 27, 60):
        now = NOW + days * DAY
        gone.append(maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=now).rows_expired)
        neighbourhood.refresh(now, full=True)
        after = _energy(neighbourhood)
        assert after.drop("energy_kwh", "covered_seconds").equals(before.drop("energy_kwh", "covered_seconds")), days
        for column in ("energy_kwh", "covered_seconds"):
            assert ((after[column] - before[column]).abs() < 1e-9).all(), (days, column, _worst(before, after, column))
    print(f"{gone} of {raw} raw readings went")
    assert all(gone)
    assert sum(gone) > raw / 2
