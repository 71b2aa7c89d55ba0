"""Hours, days and months agree with the raw readings, and the balance closes, in every zone and on both clock-change days."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ZONES = {"berlin": "Europe/Berlin", "kathmandu": "Asia/Kathmandu", "kolkata": "Asia/Kolkata", "sydney": "Australia/Sydney"}
SPANS = [
    (datetime(2026, 3, 27, tzinfo=UTC), 5),
    (datetime(2026, 4, 3, tzinfo=UTC), 4),
    (datetime(2026, 10, 2, tzinfo=UTC), 4),
    (datetime(2026, 10, 23, tzinfo=UTC), 5),
]


def _readings(seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for site in ZONES:
        for start, days in SPANS:
            for quarter in range(days * 96):
                at = start + timedelta(minutes=15 * quarter)
                used, made = random.random(), random.random() * 1.5
                rows.append({"device_id": f"{site}-meter", "channel": "consumption", "value": used, "measured_at": at})
                rows.append({"device_id": f"{site}-pv", "channel": "production", "value": made, "measured_at": at})
    return [row | {"measure": "interval_kwh", "interval_seconds": 900} for row in rows]


@pytest.fixture(scope="module")
def filled(shared_neighbourhood: Any) -> tuple[Any, pl.DataFrame]:
    rows = _readings(seed=7)
    shared_neighbourhood.land(rows, NOW)
    shared_neighbourhood.refresh(NOW)
    return shared_neighbourhood, pl.DataFrame(rows).with_columns(pl.col("device_id").str.split("-").list.first().alias("site_id"))


def _local(raw: pl.DataFrame) -> dict[tuple[str, str, date], float]:
    """Independent sums by site, channel and local date, with the standard library's own zones."""
    sums: dict[tuple[str, str, date], float] = {}
    for row in raw.iter_rows(named=True):
        key = (row["site_id"], row["channel"], row["measured_at"].astimezone(ZoneInfo(ZONES[row["site_id"]])).date())
        sums[key] = sums.get(key, 0.0) + row["value"]
    return sums


def test_days_and_months_equal_the_raw_readings(filled: tuple[Any, pl.DataFrame]) -> None:
    lake, raw = filled
    expected = _local(raw)
    daily = {(r["site_id"], r["local_date"]): r for r in lake.table("gold/energy_daily").iter_rows(named=True)}
    for (site, channel, day), kwh in expected.items():
        assert daily[site, day][f"{channel}_kwh"] == pytest.approx(kwh, abs=1e-9), (site, channel, day)
    months: dict[tuple[str, str, date], float] = {}
    for (site, channel, day), kwh in expected.items():
        months[site, channel, day.replace(day=1)] = months.get((site, channel, day.replace(day=1)), 0.0) + kwh
    monthly = {(r["site_id"], r["local_month"]): r for r in lake.table("gold/energy_monthly").iter_rows(named=True)}
    for (site, channel, month), kwh in months.items():
        assert monthly[site, month][f"{channel}_kwh"] == pytest.approx(kwh, abs=1e-9), (site, channel, month)


def test_hours_are_the_sites_clock_hours_and_add_up_to_the_day(filled: tuple[Any, pl.DataFrame]) -> None:
    lake, _ = filled
    hourly = lake.table("gold/energy_hourly")
    for row in hourly.iter_rows(named=True):
        local = row["interval_start_at"].astimezone(ZoneInfo(ZONES[row["site_id"]]))
        assert local.minute == 0, row
        assert local.date() == row["local_date"], row
    sums = hourly.group_by("site_id", "local_date").agg(pl.col("consumption_kwh", "grid_import_kwh", "cost").sum())
    joined = lake.table("gold/energy_daily").join(sums, on=["site_id", "local_date"], suffix="_hours")
    with_hours = joined.filter(pl.col("consumption_kwh").is_not_null())
    assert with_hours.height >= len(ZONES) * 18
    for channel in ("consumption_kwh", "grid_import_kwh"):
        assert (with_hours[channel] - with_hours[f"{channel}_hours"]).abs().max() <= 1e-9


@pytest.mark.parametrize(
    ("site", "day", "hours"),
    [
        ("berlin", date(2026, 3, 29), 23),
        ("berlin", date(2026, 10, 25), 25),
        ("sydney", date(2026, 4, 5), 25),
        ("sydney", date(2026, 10, 4), 23),
        ("kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_clock_change_days_have_their_own_length(filled: tuple[Any, pl.DataFrame], site: str, day: date, hours: int) -> None:
    lake, _ = filled
    row = lake.table("gold/energy_daily").filter(pl.col("site_id") == site, pl.col("local_date") == day).row(0, named=True)
    in_day = lake.table("gold/energy_hourly").filter(pl.col("site_id") == site, pl.col("local_date") == day)
    assert row["day_seconds"] == hours * 3600
    assert in_day.height == hours
    assert row["completeness_ratio"] == pytest.approx(1.0)


def test_balance_closes_and_derived_channels_are_named(filled: tuple[Any, pl.DataFrame]) -> None:
    lake, _ = filled
    quarters = lake.table("gold/energy_15min")
    supplied = pl.col("production_kwh") + pl.col("grid_import_kwh") + pl.col("battery_discharge_kwh")
    used = pl.col("consumption_kwh") + pl.col("grid_export_kwh") + pl.col("battery_charge_kwh")
    assert quarters.select((supplied - used).abs().max()).item() <= 1e-9
    assert quarters["derived_channels"].explode().unique().sort().to_list() == ["grid_export", "grid_import"]
    assert quarters["battery_charge_kwh"].sum() == 0


def test_daily_cost_is_the_sum_of_its_lines_to_the_last_digit(filled: tuple[Any, pl.DataFrame]) -> None:
    lake, _ = filled
    lines, daily, hourly = (lake.table(name) for name in ("gold/cost_lines", "gold/energy_daily", "gold/energy_hourly"))
    for row in daily.iter_rows(named=True):
        of_day = lines.filter(pl.col("site_id") == row["site_id"], pl.col("local_date") == row["local_date"])
        paid = sum((line["amount"] for line in of_day.iter_rows(named=True) if line["direction"] != "export"), Decimal(0))
        assert row["cost"] == paid
        if row["grid_import_kwh"] is None:
            continue
        energy = of_day.filter(pl.col("part") == "energy")["amount"].item()
        assert energy == round(Decimal(repr(round(row["grid_import_kwh"] * 0.3127, 9))), 6)
        hours = hourly.filter(pl.col("site_id") == row["site_id"], pl.col("local_date") == row["local_date"])
        assert sum(hours["cost"].to_list(), Decimal(0)) == energy


def test_sums_are_the_same_to_the_last_bit_whatever_is_rebuilt_with_them(filled: tuple[Any, pl.DataFrame], tmp_path: Path) -> None:
    whole, raw = filled
    pieces = whole.empty_lake(tmp_path / "pieces")
    for number, (_, rows) in enumerate(raw.drop("site_id").group_by("device_id", maintain_order=True)):
        pieces.land(rows.to_dicts(), NOW + timedelta(seconds=number))
        pieces.refresh(NOW)
    again = whole.fresh_copy_of_bronze(tmp_path)
    again.refresh(NOW, full=True)
    for name in ("gold/energy_hourly", "gold/energy_daily", "gold/energy_monthly", "gold/cost_lines"):
        assert_frame_equal(whole.table(name), pieces.table(name), check_exact=True)
        assert_frame_equal(whole.table(name), again.table(name), check_exact=True)


def test_energy_that_no_decimal_holds_is_added_as_it_is(neighbourhood: Any) -> None:
    rows = _readings(seed=3)[:8]
    neighbourhood.land([row | {"value": 1e300 if number == 4 else 0.25} for number, row in enumerate(rows)], NOW)
    neighbourhood.refresh(NOW)
    daily = neighbourhood.table("gold/energy_daily").select("consumption_kwh", "production_kwh")
    assert daily.rows() == [(1e300, 4 * 0.25)]
