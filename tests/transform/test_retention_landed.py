"""Weather, prices, carbon intensity, device states, refusals and forecasts are kept exactly as long as is said, and not a day longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from aurora.accounts import leases
from aurora.lake import manifest
from aurora.lake.tables import TABLES
from transform.maintain import maintain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIVE_YEARS = timedelta(days=5 * 365 + 2)


def _frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=pl.DataFrame(TABLES[name].schema.empty_table()).schema)


def _kept(neighbourhood: Any, name: str, rows: dict[str, dict[str, Any]], by: str) -> set[str]:
    """Which of some rows, told apart by the values of column `by`, a maintenance leaves."""
    neighbourhood.lake.land(name, _frame(name, [row | {by: told} for told, row in rows.items()]).to_arrow())
    maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=NOW)
    return set(neighbourhood.lake.scan(name).collect()[by])


def test_observed_weather_stays_five_years_and_forecasts_of_four_hours_of_the_day_400_days(neighbourhood: Any) -> None:
    def observed(age: timedelta) -> dict[str, Any]:
        return {"measured_at": NOW - age, "received_at": NOW - age + HOUR, "is_forecast": False}

    def foreseen(received_at: datetime) -> dict[str, Any]:
        return {"measured_at": received_at + DAY, "received_at": received_at, "is_forecast": True}

    midday, odd = NOW, NOW + HOUR
    rows = {
        "observed within five years": observed(FIVE_YEARS - 3 * DAY),
        "observed before": observed(FIVE_YEARS + DAY),
        "long ago, but received now": observed(FIVE_YEARS + DAY) | {"received_at": NOW - DAY},
        "of 12 h, 399 days ago": foreseen(midday - 399 * DAY),
        "of 12 h, 401 days ago": foreseen(midday - 401 * DAY),
        "of 13 h, 29 days ago": foreseen(odd - 29 * DAY),
        "of 13 h, 31 days ago": foreseen(odd - 31 * DAY),
    }
    gone = {"observed before", "of 12 h, 401 days ago", "of 13 h, 31 days ago"}
    assert _kept(neighbourhood, "bronze/weather", rows, "station_id") == set(rows) - gone


@pytest.mark.parametrize("name", ["bronze/prices", "bronze/carbon"])
def test_prices_and_carbon_stay_five_years(neighbourhood: Any, name: str) -> None:
    rows = {
        told: {"interval_start_at": NOW - age, "received_at": NOW - min(age, received)}
        for told, age, received in (
            ("within five years", FIVE_YEARS - 3 * DAY, FIVE_YEARS),
            ("before", FIVE_YEARS + DAY, FIVE_YEARS + DAY),
            ("before, but received now", FIVE_YEARS + DAY, DAY),
        )
    }
    assert _kept(neighbourhood, name, rows, "zone") == {"within five years", "before, but received now"}


def test_device_states_and_refusals_stay_thirty_days_and_the_last_state_for_ever(neighbourhood: Any) -> None:
    ages = {"young": 29 * DAY, "old": 31 * DAY, "older": 300 * DAY}
    states = {told: {"device_id": "meter", "at": NOW - age, "received_at": NOW - age} for told, age in ages.items()}
    alone = {"last": {"device_id": "other", "at": NOW - 400 * DAY, "received_at": NOW - 400 * DAY}}
    assert _kept(neighbourhood, "bronze/device_status", states | alone, "state") == {"young", "last"}
    refused = {told: {"received_at": NOW - age} for told, age in ages.items()}
    assert _kept(neighbourhood, "bronze/rejected", refused, "rejected_id") == {"young"}


def test_forecasts_of_four_hours_of_the_sites_day_stay_400_days_and_others_two(neighbourhood: Any) -> None:
    old = datetime(2026, 2, 3, tzinfo=UTC)
    issues = {
        "six in Berlin": ("berlin", old + 5 * HOUR),
        "seven in Berlin": ("berlin", old + 6 * HOUR),
        "six in Kathmandu": ("kathmandu", old + timedelta(minutes=15)),
        "six in Kathmandu by UTC": ("kathmandu", old + 6 * HOUR),
        "six in Berlin, 401 days ago": ("berlin", datetime(2025, 10, 15, 4, tzinfo=UTC)),
        "an hour ago": ("berlin", NOW - HOUR),
        "three days ago": ("berlin", NOW - 3 * DAY + HOUR),
    }
    rows = [{"model_name": told, "site_id": site, "issued_at": at, "interval_start_at": at + HOUR} for told, (site, at) in issues.items()]
    neighbourhood.refresh(NOW)
    with leases.hold(neighbourhood.accounts, leases.PUBLISH, 1) as lease:
        publication = manifest.begin(neighbourhood.lake, lease, "forecast", "test", NOW)
        publication.add("gold/forecasts", _frame("gold/forecasts", rows).drop("refresh_id"))
        publication.finish()
    maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=NOW)
    left = manifest.newest(neighbourhood.lake).scan("gold/forecasts").collect()
    assert set(left["model_name"]) == {"six in Berlin", "six in Kathmandu", "an hour ago"}
