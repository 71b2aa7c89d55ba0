"""Recommendations published from a real lake."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from aurora.accounts import sites, tariffs
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.domain import calendar
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from ml.advice import recommend

PRICES = pl.DataFrame(
    {
        "tariff_id": "flat", "part": ["energy", "feed_in", "peak"], "direction": ["import", "export", "import"],
        "quantity_unit": ["kWh", "kWh", "kW"], "unit_price": [0.30, 0.08, 5.0], "currency": "EUR",
        "valid_from": datetime(1970, 1, 1, tzinfo=UTC),
    }
)  # fmt: skip


@pytest.fixture
def priced(accounts: Accounts, site: Site) -> Site:
    tariffs.add_flat_tariff(accounts, "flat", "Flat", "EUR", tariffs.FlatPrices(Decimal("0.30"), Decimal("0.08")))
    sites.change_site(accounts, site.site_id, tariff_id="flat")
    return site


def recommendations(lake: Lake) -> pl.DataFrame:
    return manifest.newest(lake).scan("gold/recommendations").sort("rule_id").collect()


def test_recommendations_carry_figures_that_the_hours_give(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    priced: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    made = hours(date(2026, 4, 1), date(2026, 6, 19))
    publish(lake, accounts, {"gold/energy_hourly": made, "dims/tariff_prices": PRICES})
    assert recommend(lake, accounts, home, settings, now) == 2
    rows = recommendations(lake)
    assert rows["rule_id"].to_list() == ["add_battery", "shift_to_solar"]
    shift = rows.row(1, named=True)
    saving = _shifted_by_hand(made)
    assert shift["expected_saving_kwh"] == pytest.approx(saving)
    assert shift["expected_saving_cost"] == Decimal(str(round(saving * 0.22, 2)))
    assert (shift["currency"], shift["status"], shift["expected_saving_kg_co2"]) == ("EUR", "open", None)
    assert shift["valid_from"] <= now < shift["valid_until"]
    assert f"{saving:,.0f} kWh" in shift["description"]
    assert json.loads(shift["params"])["days"] == 80
    assert 0 < shift["effectiveness_score"] < 1


def _shifted_by_hand(made: pl.DataFrame) -> float:
    """The day's least of noon surplus, a third of evening import and 2 kWh, summed apart from the code."""
    surplus: dict[date, float] = {}
    evening: dict[date, float] = {}
    for start, day, taken, given in made.select("interval_start_at", "local_date", "grid_import_kwh", "grid_export_kwh").iter_rows():
        hour = calendar.local_hour(start, "Europe/Berlin")
        surplus[day] = surplus.get(day, 0.0) + (given if 9 <= hour < 16 else 0.0)
        evening[day] = evening.get(day, 0.0) + (taken if 17 <= hour < 22 else 0.0)
    return sum(min(surplus[day], evening[day] / 3, 2.0) for day in surplus)


def test_recommending_again_replaces_and_keeps_the_id(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    priced: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    publish(lake, accounts, {"gold/energy_hourly": hours(date(2026, 4, 1), date(2026, 6, 19)), "dims/tariff_prices": PRICES})
    recommend(lake, accounts, home, settings, now)
    before = recommendations(lake)
    recommend(lake, accounts, home, settings, now + timedelta(hours=1))
    after = recommendations(lake)
    assert after["recommendation_id"].to_list() == before["recommendation_id"].to_list()
    assert after["generated_at"].to_list() == [now + timedelta(hours=1)] * after.height


def test_recommendation_goes_when_its_site_is_no_longer_measured(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    priced: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    publish(lake, accounts, {"gold/energy_hourly": hours(date(2026, 4, 1), date(2026, 6, 19)), "dims/tariff_prices": PRICES})
    assert recommend(lake, accounts, home, settings, now) > 0
    assert recommend(lake, accounts, home, settings, now + timedelta(days=30)) == 0
    assert recommendations(lake).is_empty()


def test_nothing_is_recommended_when_history_is_thin_or_there_is_none(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    priced: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    assert recommend(lake, accounts, home, settings, now) == 0
    publish(lake, accounts, {"gold/energy_hourly": hours(date(2026, 6, 8), date(2026, 6, 19)), "dims/tariff_prices": PRICES})
    assert recommend(lake, accounts, home, settings, now) == 0


def test_saving_has_no_money_when_no_price_is_known(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    site: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    publish(lake, accounts, {"gold/energy_hourly": hours(date(2026, 4, 1), date(2026, 6, 19))})
    recommend(lake, accounts, home, settings, now)
    rows = recommendations(lake)
    assert rows.height == 2
    assert rows["expected_saving_cost"].to_list() == [None, None]
    assert rows["currency"].to_list() == [None, None]
    assert not any("worth" in text for text in rows["description"])
