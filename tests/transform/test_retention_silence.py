"""Raw readings go, and what they told of silent days stands as well: of values of a day, of registers, of spans over midnight."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transform.maintain import maintain

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = datetime(2026, 11, 6, tzinfo=UTC)
NOW = FIRST + 14 * DAY


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


def _land(neighbourhood: Any, random: np.random.Generator, days: range) -> None:
    """Days in order, about half of them silent by device; some at random arrive when everything else has."""
    end = FIRST + days.stop * DAY
    for number in days:
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
                neighbourhood.land(rows, end - HOUR if is_late else day + DAY)
    neighbourhood.refresh(end)


def _energy(neighbourhood: Any) -> pl.DataFrame:
    columns = ["device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds"]
    return neighbourhood.table("silver/energy").select(columns).sort(columns[:3])


def _worst(before: pl.DataFrame, after: pl.DataFrame, column: str) -> dict[str, Any]:
    both = before.with_columns(after[column].alias("after")).sort((after[column] - before[column]).abs())
    return both.row(-1, named=True)


@pytest.mark.parametrize("seed", [20261125, 7])
def test_what_a_day_told_of_silent_days_stands_when_its_readings_go(neighbourhood: Any, seed: int) -> None:
    print(f"seed {seed}")
    random, gone, at = np.random.default_rng(seed), list[int](), range(0)
    # Readings go on after a week, after a day, and after months.
    for days, aged in ((range(14), 22), (range(21, 25), 27), (range(26, 30), 45), (range(90, 95), 33)):
        _land(neighbourhood, random, days)
        before, at, now = _energy(neighbourhood), days, FIRST + (days.stop + aged) * DAY
        gone.append(maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=now).rows_expired)
        neighbourhood.refresh(now, full=True)
        after = _energy(neighbourhood)
        assert after.drop("energy_kwh", "covered_seconds").equals(before.drop("energy_kwh", "covered_seconds")), at
        for column in ("energy_kwh", "covered_seconds"):
            assert ((after[column] - before[column]).abs() < 1e-9).all(), (at, column, _worst(before, after, column))
    print(f"{gone} raw readings went")
    assert all(gone)


@pytest.mark.parametrize("days_of_silence", [1, 46])
def test_register_that_goes_on_after_its_last_day_was_sealed_counts_no_more_than_it_showed(
    neighbourhood: Any, days_of_silence: int
) -> None:
    def register(shown: dict[int, float], day: datetime) -> list[dict[str, Any]]:
        return [_row("sydney-meter", "grid_import", "register_kwh", day + hour * HOUR, value) for hour, value in shown.items()]

    def keep(now: datetime) -> None:
        gone = maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=now).rows_expired
        assert gone, "readings went"

    neighbourhood.land(register({hour: 100.0 + hour for hour in range(10)}, FIRST), NOW)
    neighbourhood.refresh(NOW)
    keep(NOW + 40 * DAY)
    later = NOW + (40 + days_of_silence) * DAY
    neighbourhood.land(register({15: 120.0, 16: 121.0, 17: 130.0}, FIRST + days_of_silence * DAY), later)
    neighbourhood.refresh(later)
    before = _energy(neighbourhood)
    assert before["energy_kwh"].sum() == pytest.approx(30.0)
    keep(later + 40 * DAY)
    for _ in range(2):
        neighbourhood.refresh(later + 40 * DAY, full=True)
        assert _energy(neighbourhood).equals(before)
