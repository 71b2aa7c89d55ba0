"""Meters of different rhythms: what is derived is worked out in the finest interval that they have in common, and sums stay exact."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.accounts import overrules, sites
from aurora.lake import manifest

DAY = datetime(2026, 6, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
HOURS = range(24)
QUARTERS = [(hour, quarter) for hour in HOURS for quarter in range(4)]


def _interval(device: str, channel: str, at: datetime, seconds: int, value: float) -> dict[str, Any]:
    what = {"device_id": device, "channel": channel, "measure": "interval_kwh"}
    return what | {"measured_at": at, "interval_seconds": seconds, "value": value}


def _sun(hour: int, quarter: int) -> float:
    """Production that comes and goes within the hour. [kWh]"""
    return max(0.0, 3 - abs(hour - 12) / 2) * (0.05, 0.5, 0.0, 0.2)[quarter]


def _sun_of(hour: int) -> float:
    return sum(_sun(hour, quarter) for quarter in range(4))


def _made(site: str) -> list[dict[str, Any]]:
    return [_interval(f"{site}-pv", "production", DAY + timedelta(hours=h, minutes=15 * q), 900, _sun(h, q)) for h, q in QUARTERS]


def _hourly(site: str, channel: str, kwh: Callable[[int], float]) -> list[dict[str, Any]]:
    return [_interval(f"{site}-meter", channel, DAY + timedelta(hours=hour), 3600, kwh(hour)) for hour in HOURS]


def _hours(neighbourhood: Any, *columns: str) -> list[tuple[Any, ...]]:
    day = neighbourhood.table("gold/energy_hourly").filter(pl.col("interval_start_at").is_between(DAY, DAY + timedelta(hours=23)))
    return day.sort("interval_start_at").select(columns).rows()


def test_import_and_export_of_hourly_use_and_quarterly_sun_are_the_hours_difference(neighbourhood: Any) -> None:
    made = _made("berlin")
    neighbourhood.land(_hourly("berlin", "consumption", lambda hour: 0.5 + hour / 20) + made, NOW)
    neighbourhood.refresh(NOW)
    for hour, (bought, sold) in enumerate(_hours(neighbourhood, "grid_import_kwh", "grid_export_kwh")):
        difference = 0.5 + hour / 20 - _sun_of(hour)
        assert bought == pytest.approx(max(difference, 0), abs=1e-9), hour
        assert sold == pytest.approx(max(-difference, 0), abs=1e-9), hour
    quarters = neighbourhood.table("gold/energy_15min")
    assert quarters["production_kwh"].sum() == pytest.approx(sum(row["value"] for row in made), abs=1e-9)
    noon = quarters.filter(pl.col("interval_start_at") == DAY + timedelta(hours=12, minutes=15))
    assert noon["production_kwh"].item() == pytest.approx(1.5, abs=1e-9)


def test_use_behind_an_hourly_grid_meter_and_quarterly_sun_closes_every_hour(neighbourhood: Any) -> None:
    rows = _hourly("berlin", "grid_import", lambda _hour: 1.0) + _hourly("berlin", "grid_export", lambda hour: _sun_of(hour) / 2)
    neighbourhood.land(rows + _made("berlin"), NOW)
    neighbourhood.refresh(NOW)
    for hour, (used,) in enumerate(_hours(neighbourhood, "consumption_kwh")):
        assert used == pytest.approx(_sun_of(hour) + 1.0 - _sun_of(hour) / 2, abs=1e-9), hour
    assert neighbourhood.table("gold/energy_15min")["consumption_kwh"].min() >= 0


def test_hours_that_begin_at_different_minutes_have_half_hours_in_common(neighbourhood: Any) -> None:
    used, made = [2.0 + hour % 3 for hour in HOURS], [float(hour % 5) for hour in HOURS]
    rows = _hourly("berlin", "consumption", lambda hour: used[hour])
    half_past = [DAY + timedelta(hours=hour, minutes=30) for hour in HOURS]
    rows += [_interval("berlin-pv", "production", at, 3600, made[hour]) for hour, at in enumerate(half_past)]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    quarters = neighbourhood.table("gold/energy_15min").sort("interval_start_at")
    bought = dict(quarters.select("interval_start_at", "grid_import_kwh").iter_rows())
    for hour, at in enumerate(half_past[:-1]):
        for quarter, of in enumerate((hour, hour, hour + 1, hour + 1)):
            assert bought[at + timedelta(minutes=15 * quarter)] == pytest.approx(max(used[of] - made[hour], 0) / 4, abs=1e-9), (
                hour,
                quarter,
            )


def test_coarse_and_fine_readings_in_any_order_end_where_one_refresh_does(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], tmp_path: Path
) -> None:
    used, made = _hourly("kolkata", "consumption", lambda hour: 0.5 + hour / 20), _made("kolkata")
    daily = [_interval("sydney-meter", "consumption", DAY - timedelta(hours=10), 86_400, 12.0), *_made("sydney")]
    for number, rows in enumerate((made[::3], used[::2], daily, made[1::3], used[1::2], made[2::3])):
        neighbourhood.land(rows, NOW + timedelta(seconds=number))
        neighbourhood.refresh(NOW)
    other = neighbourhood.fresh_copy_of_bronze(tmp_path)
    other.refresh(NOW, full=True)
    assert_same_tables(neighbourhood, other)


def test_impossible_reading_is_believed_once_a_person_says_so_and_its_day_alone_changes(neighbourhood: Any) -> None:
    sites.change_site(neighbourhood.accounts, "berlin", fuse_a=25.0)
    rows = [_interval("berlin-meter", "grid_import", DAY + timedelta(hours=hour), 3600, 1.0) for hour in range(48)]
    rows[30]["value"] = 90.0
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW + timedelta(days=5))
    days = neighbourhood.table("gold/energy_daily")
    [event] = neighbourhood.table("gold/meter_events").to_dicts()
    assert (event["kind"], event["decided_by"], event["local_date"]) == ("glitch", "rule", (DAY + timedelta(days=1)).date())
    about: dict[str, Any] = {"device_id": "berlin-meter", "site_id": "berlin", "reason": None, "by": None, "now": NOW}
    overrules.overrule(neighbourhood.accounts, event["event_id"], is_overruled=True, **about)
    neighbourhood.refresh(NOW + timedelta(days=5))
    changed = neighbourhood.table("gold/energy_daily").join(days, on=["local_date", "grid_import_kwh"], how="anti")
    assert changed["local_date"].to_list() == [event["local_date"]]
    before = days.filter(pl.col("local_date") == event["local_date"])["grid_import_kwh"].item()
    assert changed["grid_import_kwh"].item() - before == pytest.approx(90.0)
    assert neighbourhood.table("gold/meter_events")["is_overruled"].to_list() == [True]
    reasons = manifest.newest(neighbourhood.lake).scan("gold/revisions").collect()["reason"].unique().to_list()
    assert reasons == ["a decision how a meter was read was reversed, or stands again"]
