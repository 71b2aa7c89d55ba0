"""Readings that leave a doubt: what nobody knows stays null, and nothing that cannot be held stops the others."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = datetime(2026, 11, 10, tzinfo=UTC)


def _interval(device: str, channel: str, minutes: int, seconds: int, value: float | None) -> dict[str, Any]:
    return {
        "device_id": device,
        "channel": channel,
        "measure": "interval_kwh",
        "interval_seconds": seconds,
        "value": value,
        "measured_at": DAY + timedelta(minutes=minutes),
    }


def test_quarter_whose_channels_cover_different_minutes_derives_nothing(neighbourhood: Any) -> None:
    used = [_interval("berlin-meter", "consumption", minute, 300, 0.1) for minute in range(0, 60, 5) if minute != 20]
    made = [_interval("berlin-pv", "production", minute, 300, 0.1) for minute in range(0, 60, 5)]
    neighbourhood.land(used + made, NOW)
    neighbourhood.refresh(NOW)
    quarters = neighbourhood.table("gold/energy_15min")
    assert quarters["grid_export_kwh"].to_list() == [0, None, 0, 0]
    assert quarters["consumption_kwh"][1] == pytest.approx(0.2)
    assert quarters["derived_channels"].to_list()[1] == []


def test_channel_that_is_silent_is_derived_from_the_others(neighbourhood: Any) -> None:
    rows = [_interval("berlin-meter", "consumption", 0, 900, 0.5)]
    rows += [_interval("berlin-meter", "grid_import", minute, 900, 0.3) for minute in (0, 15)]
    rows += [_interval("berlin-meter", "grid_export", minute, 900, 0.1) for minute in (0, 15)]
    rows += [_interval("berlin-pv", "production", minute, 900, 0.4) for minute in (0, 15)]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    quarters = neighbourhood.table("gold/energy_15min")
    assert quarters["consumption_kwh"].to_list() == pytest.approx([0.5, 0.3 + 0.4 - 0.1])
    assert quarters["derived_channels"].to_list() == [[], ["consumption"]]


def test_replaced_meter_leaves_the_energy_between_unknown(neighbourhood: Any) -> None:
    totals = [(0, 9000.0), (60, 9001.0), (120, 5000.0), (180, 5002.0)]
    rows = [
        {
            "device_id": "kolkata-meter",
            "channel": "grid_import",
            "measure": "register_kwh",
            "measured_at": DAY + timedelta(minutes=m),
            "value": v,
        }
        for m, v in totals
    ]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(1.0 + 2.0)
    assert neighbourhood.table("gold/meter_events")["kind"].to_list() == ["replacement"]


def test_register_reset_never_yields_negative_energy(neighbourhood: Any) -> None:
    totals = [(0, 100.0), (60, 101.0), (120, 0.5), (180, 2.0)]
    rows = [
        {
            "device_id": "berlin-meter",
            "channel": "grid_import",
            "measure": "register_kwh",
            "measured_at": DAY + timedelta(minutes=m),
            "value": v,
        }
        for m, v in totals
    ]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    energy = neighbourhood.table("silver/energy")["energy_kwh"]
    assert energy.min() >= 0
    assert energy.sum() == pytest.approx(1.0 + 0.5 + 1.5)
    assert neighbourhood.table("gold/meter_events")["kind"].to_list() == ["reset"]


def test_money_that_cannot_be_held_is_unknown_and_other_sites_are_priced(neighbourhood: Any) -> None:
    neighbourhood.land([_interval("berlin-meter", "grid_import", 0, 900, 1e13), _interval("sydney-meter", "grid_import", 0, 900, 2.0)], NOW)
    neighbourhood.refresh(NOW)
    money = dict(neighbourhood.table("gold/energy_15min").select("site_id", "cost").rows())
    assert money == {"berlin": None, "sydney": Decimal("0.625400")}


def test_late_reading_says_why_on_its_day_and_on_the_one_it_reaches_into(neighbourhood: Any) -> None:
    rows = [
        {
            "device_id": "berlin-meter",
            "channel": "grid_import",
            "measure": "register_kwh",
            "measured_at": DAY + timedelta(hours=h),
            "value": h / 2,
        }
        for h in range(0, 73, 12)
    ]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    late = {
        "device_id": "berlin-meter",
        "channel": "grid_import",
        "measure": "register_kwh",
        "measured_at": DAY + timedelta(hours=20),
        "value": 11.5,
    }
    neighbourhood.land([late], NOW + timedelta(seconds=1))
    neighbourhood.refresh(NOW)
    revised = neighbourhood.lake.scan("gold/revisions").filter(pl.col("column_name") == "grid_import_kwh").sort("local_date").collect()
    reasons = revised["reason"].to_list()
    assert reasons[0] == "1 reading arrived late"
    assert all("another day" in reason for reason in reasons[1:])
    assert len(reasons) == 2
