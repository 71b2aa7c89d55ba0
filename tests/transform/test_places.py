"""What a refresh makes of devices that moved or ended and of sites that are gone."""

from datetime import UTC, datetime, timedelta

import polars as pl

from aurora.accounts import devices, sites
from tests.transform.conftest import Neighbourhood

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)


def hours_of(device_id: str, day: datetime) -> list[dict]:
    return [
        {
            "device_id": device_id, "channel": "grid_import", "measure": "interval_kwh", "interval_seconds": 3600, "value": 1.0,
            "measured_at": day + timedelta(hours=hour),
        }
        for hour in range(24)
    ]  # fmt: skip


def test_refresh_goes_on_when_a_site_was_deleted(neighbourhood: Neighbourhood) -> None:
    day = datetime(2026, 6, 1, tzinfo=UTC)
    neighbourhood.land([*hours_of("berlin-meter", day), *hours_of("sydney-meter", day)], NOW)
    neighbourhood.refresh(NOW)
    for device in devices.all_devices(neighbourhood.accounts, "berlin"):
        devices.change_device(neighbourhood.accounts, device.device_id, retired_at=NOW)
    neighbourhood.refresh(NOW + timedelta(minutes=5))
    sites.delete_site(neighbourhood.accounts, "berlin")
    neighbourhood.land([*hours_of("sydney-meter", day + timedelta(days=1)), *hours_of("berlin-meter", day)], NOW + timedelta(minutes=8))
    neighbourhood.refresh(NOW + timedelta(minutes=10))
    daily = neighbourhood.table("gold/energy_daily").filter(pl.col("site_id") == "sydney")
    assert daily["grid_import_kwh"].sum() == 48.0
    neighbourhood.refresh(NOW + timedelta(minutes=15), full=True)
    assert neighbourhood.table("gold/energy_daily").filter(pl.col("site_id") == "sydney")["grid_import_kwh"].sum() == 48.0


def test_energy_of_a_device_that_moved_counts_at_its_new_site_once(neighbourhood: Neighbourhood) -> None:
    day = datetime(2026, 6, 1, tzinfo=UTC)
    neighbourhood.land(hours_of("berlin-meter", day), NOW)
    neighbourhood.refresh(NOW)
    devices.change_device(neighbourhood.accounts, "berlin-meter", site_id="kolkata")
    neighbourhood.refresh(NOW + timedelta(minutes=5))
    daily = neighbourhood.table("gold/energy_daily")
    assert daily["grid_import_kwh"].sum() == 24.0
    assert daily.filter(pl.col("site_id") == "kolkata")["grid_import_kwh"].sum() == 24.0
