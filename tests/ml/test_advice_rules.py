"""Advice rules, their savings worked out by hand."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from aurora.domain import advice
from aurora.domain.advice import Measured, Prices

PRICES = Prices(Decimal("0.30"), Decimal("0.08"), "EUR")
FIRST = date(2026, 1, 5)


def hours_of(days: int, energy: dict[str, dict[int, float]], off_energy: dict[str, dict[int, float]] | None = None) -> pl.DataFrame:
    """The same hours every day: energy by column and local hour, 0 elsewhere; another day on weekends where given."""
    rows = []
    for offset in range(days):
        day = FIRST + timedelta(days=offset)
        is_off = day.weekday() >= 5
        used = off_energy if is_off and off_energy is not None else energy
        for hour in range(24):
            row = {"local_date": day, "local_hour": hour, "is_off_day": is_off, "completeness_ratio": 1.0}
            for column in ("consumption_kwh", "production_kwh", "grid_import_kwh", "grid_export_kwh"):
                row[column] = float(used.get(column, {}).get(hour, 0.0))
            rows.append(row)
    return pl.DataFrame(rows)


def base_loads(months: dict[int, float]) -> pl.DataFrame:
    """Daily base load of 28 days of each month of 2026."""
    rows = [(date(2026, month, day), load_kw) for month, load_kw in months.items() for day in range(1, 29)]
    return pl.DataFrame(rows, schema={"local_date": pl.Date, "base_load_kw": pl.Float64}, orient="row")


NO_DAYS = base_loads({})


def test_base_load_saving_is_half_of_what_stands_above_the_best_month() -> None:
    found = advice.cut_base_load(Measured(hours_of(1, {}), base_loads({1: 0.20, 2: 0.15, 3: 0.25}), has_battery=False), PRICES)
    assert found is not None
    days = 3 * 28
    assert found.saving_kwh == pytest.approx((0.25 - 0.15) * 0.5 * 24 * days)
    assert found.saving_cost == Decimal("30.24")
    assert found.params["best_month"] == "2026-02-01"
    assert found.effectiveness_score == 0.7


@pytest.mark.parametrize("months", [{1: 0.2, 2: 0.2, 3: 0.2}, {1: 0.20, 2: 0.20, 3: 0.22}, {2: 0.15, 3: 0.25}, {}])
def test_base_load_says_nothing_when_it_is_good_or_hardly_known(months: dict[int, float]) -> None:
    assert advice.cut_base_load(Measured(hours_of(1, {}), base_loads(months), has_battery=False), PRICES) is None


def test_out_of_hours_saving_is_half_of_what_stands_above_quiet_closed_hours() -> None:
    open_day = {"consumption_kwh": dict.fromkeys(range(24), 1.0) | dict.fromkeys(range(9, 17), 5.0)}
    off_day = {"consumption_kwh": dict.fromkeys(range(24), 1.0) | dict.fromkeys(range(10, 14), 3.0)}
    found = advice.cut_out_of_hours(Measured(hours_of(28, open_day, off_day), NO_DAYS, has_battery=False), PRICES)
    assert found is not None
    # Eight days off with four hours each of 3 kWh where 1.25 times the quiet 1 kWh would pass.
    assert found.saving_kwh == pytest.approx(8 * 4 * (3.0 - 1.25) * 0.5)
    assert found.saving_cost == Decimal("8.40")


def test_out_of_hours_says_nothing_for_a_home() -> None:
    day = {"consumption_kwh": dict.fromkeys(range(24), 0.3) | {7: 1.0, 19: 1.5}}
    assert advice.cut_out_of_hours(Measured(hours_of(28, day), NO_DAYS, has_battery=False), PRICES) is None


SOLAR = {"grid_export_kwh": {11: 1.5, 12: 1.5}, "grid_import_kwh": {18: 1.0, 19: 2.0, 3: 0.5}}


def test_shift_saving_is_a_third_of_the_evening_import() -> None:
    found = advice.shift_to_solar(Measured(hours_of(20, SOLAR), NO_DAYS, has_battery=True), PRICES)
    assert found is not None
    assert found.saving_kwh == pytest.approx(20 * 1.0)
    assert found.saving_cost == Decimal("4.40")
    assert found.params["useful_days"] == 20


def test_shift_saving_is_never_more_than_the_surplus() -> None:
    poor = SOLAR | {"grid_export_kwh": {12: 0.4}}
    found = advice.shift_to_solar(Measured(hours_of(20, poor), NO_DAYS, has_battery=True), PRICES)
    assert found is not None
    assert found.saving_kwh == pytest.approx(20 * 0.4)


def test_shift_says_nothing_when_export_pays_more_than_import_costs() -> None:
    dear = Prices(Decimal("0.10"), Decimal("0.12"), "EUR")
    assert advice.shift_to_solar(Measured(hours_of(20, SOLAR), NO_DAYS, has_battery=True), dear) is None


def test_battery_saving_is_what_the_night_takes_of_the_kept_surplus() -> None:
    found = advice.add_battery(Measured(hours_of(21, SOLAR), NO_DAYS, has_battery=False), PRICES)
    assert found is not None
    # 3 kWh kept at 0.9 each day; evening and the next night ask for 3.5 kWh, the last night only for the evening's 3.
    assert found.saving_kwh == pytest.approx(21 * 2.7)
    # Each kWh served saves 0.30 and gives up 0.08 / 0.9 of export.
    assert found.saving_cost == Decimal("11.97")


def test_battery_says_nothing_when_there_is_one() -> None:
    assert advice.add_battery(Measured(hours_of(21, SOLAR), NO_DAYS, has_battery=True), PRICES) is None


def test_cost_is_unknown_when_no_price_is() -> None:
    found = advice.add_battery(Measured(hours_of(21, SOLAR), NO_DAYS, has_battery=False), Prices())
    assert found is not None
    assert found.saving_cost is None


@pytest.mark.parametrize(
    ("days", "completeness", "is_enough"), [(28, 1.0, True), (14, 1.0, True), (13, 1.0, False), (28, 0.79, False), (28, None, False)]
)
def test_history_is_enough_from_14_days_with_four_fifths_measured(days: int, completeness: float | None, is_enough: bool) -> None:
    hours = hours_of(days, {}).with_columns(pl.lit(completeness, dtype=pl.Float64).alias("completeness_ratio"))
    assert advice.is_enough(hours, FIRST + timedelta(days=days)) is is_enough


def test_history_is_not_enough_when_a_third_of_its_days_is_missing() -> None:
    hours = hours_of(28, {}).filter(pl.col("local_date").dt.day() % 3 != 0)
    assert hours["local_date"].n_unique() > 14
    assert not advice.is_enough(hours, FIRST + timedelta(days=28))
