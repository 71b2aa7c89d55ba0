"""`gold/data_quality`: the longest silence of a device's day."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aurora.accounts import devices

DAY = datetime(2026, 10, 30, tzinfo=UTC)
NOW = DAY + timedelta(days=6)


def _interval(hour: float, channel: str = "grid_import") -> dict[str, Any]:
    return {"device_id": "kolkata-meter", "channel": channel, "measure": "interval_kwh", "interval_seconds": 3600,
            "measured_at": DAY + timedelta(hours=hour - 5.5), "value": 1.0}  # fmt: skip


def _gaps(neighbourhood: Any, rows: Iterable[dict[str, Any]]) -> dict[int, tuple[int, int, float | None]]:
    """Received, expected and longest gap by day of the month."""
    neighbourhood.land(list(rows), NOW)
    neighbourhood.refresh(NOW)
    told = neighbourhood.table("gold/data_quality").select("local_date", "received", "expected", "longest_gap_minutes")
    return {day.day: (received, expected, gap) for day, received, expected, gap in told.iter_rows()}


def test_longest_gap_counts_from_the_begin_of_the_day_and_to_its_end(neighbourhood: Any) -> None:
    hours = [*range(5), *range(44, 72), *range(72, 80), *range(84, 96)]
    # From 5 o'clock on, until 20 o'clock, and between 8 and 12.
    assert _gaps(neighbourhood, map(_interval, hours)) == {
        30: (5, 24, 19 * 60.0), 31: (4, 24, 20 * 60.0), 1: (24, 24, 0.0), 2: (20, 24, 4 * 60.0),
    }  # fmt: skip


def test_longest_gap_is_that_of_the_channel_that_was_silent_longest(neighbourhood: Any) -> None:
    rows = [*map(_interval, range(24)), *[_interval(hour, "grid_export") for hour in range(22)]]
    assert _gaps(neighbourhood, rows) == {30: (46, 48, 120.0)}


def test_what_is_expected_follows_the_interval_that_a_person_tells(neighbourhood: Any) -> None:
    assert _gaps(neighbourhood, map(_interval, range(24))) == {30: (24, 24, 0.0)}
    devices.change_device(neighbourhood.accounts, "kolkata-meter", interval_seconds=900)
    assert _gaps(neighbourhood, []) == {30: (24, 96, 0.0)}
    devices.change_device(neighbourhood.accounts, "kolkata-meter", interval_seconds=None)
    assert _gaps(neighbourhood, []) == {30: (24, 24, 0.0)}


def test_energy_of_which_nobody_knows_when_it_passed_ends_no_gap(neighbourhood: Any) -> None:
    # A register that was silent for three days: its energy counts, and covers none of them.
    rows = [_interval(hour) | {"measure": "register_kwh", "interval_seconds": None, "value": 100.0 + hour} for hour in (0, 6, 84, 90, 96)]
    assert _gaps(neighbourhood, rows)[30][2] == 18 * 60.0
