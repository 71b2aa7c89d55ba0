"""A site that changes its time zone from a local day on: history stays, and of the rest exactly what differs is worked out anew."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from app.queries import reports
from app.queries.periods import Interval, days_range
from aurora.accounts import sites
from aurora.lake import manifest
from tests.transform.conftest import Neighbourhood

START, DAYS = datetime(2026, 3, 24, tzinfo=UTC), 10
NOW = datetime(2026, 4, 20, tzinfo=UTC)
SINCE = date(2026, 3, 29)
BERLIN = ZoneInfo("Europe/Berlin")
BUCKETS: dict[Interval, Callable[[date], date]] = {
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}


def readings(seed: int = 11) -> list[dict]:
    random = np.random.default_rng(seed)
    return [
        {
            "device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900,
            "measured_at": START + timedelta(minutes=15 * quarter), "value": float(random.random()),
        }
        for quarter in range(DAYS * 96)
    ]  # fmt: skip


def by_hand(rows: list[dict], zone_name: str) -> dict[date, float]:
    """Sums by local day: in the new zone from its midnight of `SINCE` on, before that Berlin's, at most the day before `SINCE`."""
    change = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=ZoneInfo(zone_name))
    sums: dict[date, float] = {}
    for row in rows:
        at = row["measured_at"]
        is_new = at >= change
        day = at.astimezone(ZoneInfo(zone_name)).date() if is_new else min(at.astimezone(BERLIN).date(), SINCE - timedelta(days=1))
        sums[day] = sums.get(day, 0.0) + row["value"]
    return sums


@pytest.mark.parametrize(("zone_name", "hours_of_last_day"), [("Asia/Tokyo", 16.0), ("America/New_York", 29.0)])
def test_totals_follow_the_calendar_from_the_day_on_and_equal_a_full_rebuild(
    zone_name: str, hours_of_last_day: float, neighbourhood: Neighbourhood, assert_same_tables: Callable, tmp_path: Path
) -> None:
    rows = readings()
    neighbourhood.land(rows, NOW)
    neighbourhood.land([row | {"device_id": "kolkata-meter"} for row in rows], NOW + timedelta(seconds=1))
    neighbourhood.refresh(NOW)
    before = neighbourhood.table("gold/energy_daily")
    sites.change_site(neighbourhood.accounts, "berlin", time_zone=zone_name, time_zone_from=SINCE.isoformat())
    done = neighbourhood.refresh(NOW + timedelta(minutes=5))

    daily = neighbourhood.table("gold/energy_daily").filter(pl.col("site_id") == "berlin")
    assert dict(daily.select("local_date", "consumption_kwh").iter_rows()) == pytest.approx(by_hand(rows, zone_name), abs=1e-9)
    eve = daily.row(by_predicate=pl.col("local_date") == SINCE - timedelta(days=1), named=True)
    assert eve["day_seconds"] == hours_of_last_day * 3600
    assert eve["completeness_ratio"] == pytest.approx(1.0)

    # From the day before the change to the day after the last reading: nothing earlier, no other site.
    assert done.days_touched == len([day for day in before.filter(site_id="berlin")["local_date"] if day >= SINCE - timedelta(days=1)]) + 1
    revised = manifest.newest(neighbourhood.lake).scan("gold/revisions").collect()
    assert revised["site_id"].unique().to_list() == ["berlin"]
    assert revised["local_date"].min() == SINCE - timedelta(days=1)
    assert revised["reason"].unique().to_list() == ["the site's time zone is another one from a day on"]

    copy = neighbourhood.fresh_copy_of_bronze(tmp_path)
    copy.refresh(NOW + timedelta(minutes=10), full=True)
    assert_same_tables(neighbourhood, copy)

    site, snapshot, expected = (
        sites.find_site(neighbourhood.accounts, "berlin"),
        manifest.newest(neighbourhood.lake),
        by_hand(rows, zone_name),
    )
    for interval, start in BUCKETS.items():
        sums: dict[date, float] = {}
        for day, kwh in expected.items():
            sums[start(day)] = sums.get(start(day), 0.0) + kwh
        points = reports.trend(snapshot, site, interval, days_range(date(2026, 1, 1), date(2027, 1, 1), site.calendar))
        key = "local_date" if interval == "week" else "local_month"
        assert dict(points.select(key, "consumption_kwh").iter_rows()) == pytest.approx(sums, abs=1e-9), interval
    total = reports.summary(snapshot, site, SINCE - timedelta(days=1), SINCE + timedelta(days=1))
    assert total["consumption_kwh"] == pytest.approx(expected[SINCE - timedelta(days=1)] + expected[SINCE], abs=1e-9)
    assert total["completeness_ratio"] == pytest.approx(1.0)


def test_zone_without_a_day_counts_for_all_days_again(neighbourhood: Neighbourhood) -> None:
    rows = readings()
    neighbourhood.land(rows, NOW)
    sites.change_site(neighbourhood.accounts, "berlin", time_zone="Asia/Tokyo", time_zone_from=SINCE.isoformat())
    neighbourhood.refresh(NOW)
    sites.change_site(neighbourhood.accounts, "berlin", time_zone="Europe/Berlin")
    neighbourhood.refresh(NOW + timedelta(minutes=5))
    expected: dict[date, float] = {}
    for row in rows:
        day = row["measured_at"].astimezone(BERLIN).date()
        expected[day] = expected.get(day, 0.0) + row["value"]
    daily = neighbourhood.table("gold/energy_daily")
    assert dict(daily.select("local_date", "consumption_kwh").iter_rows()) == pytest.approx(expected, abs=1e-9)
    dims = manifest.newest(neighbourhood.lake).scan("dims/sites").filter(site_id="berlin").sort("valid_from").collect()
    assert dims["past_time_zones"].to_list() == ['[{"time_zone": "Europe/Berlin", "until": "2026-03-29"}]', None]
