"""What imported files are expected to cover: their own span, and the holes of live devices."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from aurora.accounts import devices, sites

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Local midnight in Kolkata.
START = datetime(2026, 10, 4, 18, 30, tzinfo=UTC)
FIRST = date(2026, 10, 5)


def _hours(device: str, channel: str, first: int, last: int, source: str = "test") -> list[dict[str, Any]]:
    return [
        {"device_id": device, "channel": channel, "measure": "interval_kwh", "interval_seconds": 3600, "source": source,
         "measured_at": START + timedelta(hours=hour), "value": 1.0}
        for hour in range(first, last)
    ]  # fmt: skip


def _completeness(place: Any, rows: list[dict[str, Any]]) -> list[float | None]:
    place.land(rows, NOW)
    place.refresh(NOW)
    daily = place.table("gold/energy_daily").filter(site_id="kolkata").sort("local_date")
    assert daily.get_column("local_date")[0] == FIRST
    return daily.get_column("completeness_ratio").to_list()


@pytest.fixture
def imported(neighbourhood: Any) -> str:
    """Id of the site's import device."""
    return devices.import_device(neighbourhood.accounts, sites.find_site(neighbourhood.accounts, "kolkata")).device_id


def test_finished_import_is_expected_no_longer_than_it_lasts(neighbourhood: Any, imported: str) -> None:
    history = _hours(imported, "grid_import", 0, 48, "import:1")
    assert _completeness(neighbourhood, [*history, *_hours("kolkata-meter", "consumption", 0, 96)]) == [1.0] * 4


def test_hole_inside_an_import_is_a_hole(neighbourhood: Any, imported: str) -> None:
    rows = [*_hours(imported, "consumption", 0, 24, "import:1"), *_hours(imported, "consumption", 36, 72, "import:1")]
    assert _completeness(neighbourhood, rows) == [1.0, 0.5, 1.0]


def test_import_into_the_hole_of_a_live_device_completes_the_day(neighbourhood: Any, imported: str) -> None:
    live = [*_hours("kolkata-meter", "consumption", 0, 30), *_hours("kolkata-meter", "consumption", 42, 72)]
    assert _completeness(neighbourhood, live) == [1.0, 0.5, 1.0]
    # Two holes: between them the import device has nothing, and nothing is expected of it there.
    filled = [*_hours(imported, "consumption", -24, 0, "import:1"), *_hours(imported, "consumption", 30, 42, "import:2")]
    neighbourhood.land(filled, NOW + timedelta(seconds=1))
    neighbourhood.refresh(NOW)
    daily = neighbourhood.table("gold/energy_daily").filter(site_id="kolkata")
    assert daily.get_column("completeness_ratio").to_list() == [1.0] * 4
    assert daily.get_column("consumption_kwh").to_list() == [24.0] * 4


def test_live_device_that_fell_silent_is_still_expected(neighbourhood: Any) -> None:
    rows = [*_hours("kolkata-meter", "consumption", 0, 48), *_hours("kolkata-pv", "production", 0, 96)]
    assert _completeness(neighbourhood, rows) == [1.0, 1.0, 0.0, 0.0]
