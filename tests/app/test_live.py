"""Power now, read off what is new in bronze."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from app.queries.live import LiveReader
from app.queries.now import SitePower, live_power
from aurora.accounts import devices
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.lake.store import Lake
from tests.app.running import land, land_power

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def meter(accounts: Accounts, site: Site) -> str:
    return devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1").device_id


def look(lake: Lake, accounts: Accounts, site: Site, now: datetime = NOW) -> SitePower:
    return live_power(LiveReader(lake, look_seconds=0), accounts, site, now)


def test_live_power_shows_a_reading_within_a_second_of_its_commit(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    reader = LiveReader(lake)
    land_power(lake, datetime.now(UTC), grid_import=1.0)
    assert live_power(reader, accounts, site, datetime.now(UTC)).power_kw["grid_import"] == 1.0
    land_power(lake, datetime.now(UTC), grid_import=2.5)
    landed = time.monotonic()
    while live_power(reader, accounts, site, datetime.now(UTC)).power_kw["grid_import"] != 2.5:
        assert time.monotonic() - landed < 1.5
        time.sleep(0.02)


def test_live_reader_looks_at_the_log_once_a_second(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    reader = LiveReader(lake, look_seconds=60)
    land_power(lake, NOW, grid_import=1.0)
    assert live_power(reader, accounts, site, NOW).power_kw["grid_import"] == 1.0
    land_power(lake, NOW + timedelta(seconds=1), grid_import=9.0)
    assert live_power(reader, accounts, site, NOW).power_kw["grid_import"] == 1.0


def test_live_power_is_unknown_when_nothing_was_said(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    power = look(lake, accounts, site)
    assert not power.is_live
    assert power.power_kw["grid_import"] is None
    assert power.power_kw["consumption"] is None


def test_live_power_is_unknown_when_the_device_went_silent(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    land_power(lake, NOW - timedelta(minutes=5), grid_import=1.0)
    power = look(lake, accounts, site)
    assert power.power_kw["grid_import"] is None
    assert power.silent_for["grid_import"] == timedelta(minutes=5)


def test_live_power_is_unknown_when_one_of_two_devices_went_silent(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    devices.add_device(accounts, site.site_id, name="Second", kind="meter", device_id="meter-2")
    land(lake, NOW, [("meter-1", "consumption", "power_kw", NOW, None, 1.0), ("meter-2", "consumption", "power_kw", NOW, None, 2.0)])
    assert look(lake, accounts, site).power_kw["consumption"] == 3.0
    later = NOW + timedelta(minutes=10)
    land(lake, later, [("meter-1", "consumption", "power_kw", later, None, 1.0)])
    assert look(lake, accounts, site, later).power_kw["consumption"] is None


def test_live_power_leaves_out_sub_meters_and_other_sites(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    devices.add_device(accounts, site.site_id, name="Sub", kind="meter", device_id="sub-1", role="sub")
    land(lake, NOW, [(name, "grid_import", "power_kw", NOW, None, 1.0) for name in ("meter-1", "sub-1", "stranger")])
    assert look(lake, accounts, site).power_kw["grid_import"] == 1.0


def test_live_power_derives_consumption_and_keeps_zero_apart_from_unknown(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    devices.add_device(accounts, site.site_id, name="PV", kind="inverter", device_id="pv-1")
    land_power(lake, NOW, grid_import=0.0, grid_export=1.2)
    power = look(lake, accounts, site)
    assert (power.power_kw["grid_import"], power.power_kw["production"], power.power_kw["consumption"]) == (0.0, None, None)
    land(lake, NOW, [("pv-1", "production", "power_kw", NOW - timedelta(seconds=20), None, 3.0)])
    power = look(lake, accounts, site)
    assert power.power_kw["consumption"] == pytest.approx(1.8)
    assert power.derived == {"consumption"}
    assert power.age["consumption"] == timedelta(seconds=20)
    assert power.facts == {"battery_charge", "battery_discharge"}


def test_live_power_derives_import_and_export_from_use_and_production(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    devices.add_device(accounts, site.site_id, name="PV", kind="inverter", device_id="pv-1")
    land(lake, NOW, [("meter-1", "consumption", "power_kw", NOW, None, 1.0), ("pv-1", "production", "power_kw", NOW, None, 3.0)])
    power = look(lake, accounts, site)
    assert (power.power_kw["grid_import"], power.power_kw["grid_export"]) == (0.0, pytest.approx(2.0))


def test_live_power_takes_the_reading_received_last_and_heeds_a_withdrawal(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    reader = LiveReader(lake, look_seconds=0)
    earlier = NOW - timedelta(seconds=10)
    land_power(lake, earlier, grid_import=1.0)
    land_power(lake, NOW, grid_import=5.0)
    land(lake, NOW + timedelta(microseconds=1), [("meter-1", "grid_import", "power_kw", NOW, None, 6.0)])
    assert live_power(reader, accounts, site, NOW).power_kw["grid_import"] == 6.0
    land(lake, NOW + timedelta(microseconds=2), [("meter-1", "grid_import", "power_kw", NOW, None, None)])
    assert live_power(reader, accounts, site, NOW).power_kw["grid_import"] == 1.0


def test_live_power_is_the_mean_over_an_interval_or_register_step(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    quarter = NOW - timedelta(minutes=16)
    land(
        lake,
        NOW,
        [
            ("meter-1", "consumption", "interval_kwh", quarter, 900, 0.5),
            ("meter-1", "grid_import", "register_kwh", NOW - timedelta(minutes=7), None, 1000.0),
            ("meter-1", "grid_import", "register_kwh", NOW - timedelta(minutes=1), None, 1000.3),
        ],
    )
    power = look(lake, accounts, site)
    assert power.power_kw["consumption"] == pytest.approx(2.0)
    assert power.age["consumption"] == timedelta(minutes=1)
    assert power.power_kw["grid_import"] == pytest.approx(3.0)


def test_live_power_is_unknown_when_a_register_ran_backwards(lake: Lake, accounts: Accounts, site: Site, meter: str) -> None:
    steps = [(timedelta(minutes=3), 1000.0), (timedelta(minutes=1), 2.0)]
    land(lake, NOW, [("meter-1", "grid_import", "register_kwh", NOW - age, None, value) for age, value in steps])
    assert look(lake, accounts, site).power_kw["grid_import"] is None
