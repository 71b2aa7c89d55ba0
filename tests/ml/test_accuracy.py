"""Scores of published forecasts, recomputed by hand."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from ml.forecast import score_forecasts

DAY = date(2026, 6, 19)
ISSUED = datetime(2026, 6, 18, 21, 30, tzinfo=UTC)
FIRST_HOUR = datetime(2026, 6, 18, 22, tzinfo=UTC)


def level_hours(first: date, last: date) -> pl.DataFrame:
    """A home that uses 1 kWh an hour, and 1.5 on every second week."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(hours=2)
    count = ((last - first).days + 1) * 24
    times = [start + timedelta(hours=hour) for hour in range(count)]
    local = [(time + timedelta(hours=2)).date() for time in times]
    return pl.DataFrame(
        {
            "site_id": "home",
            "interval_start_at": times,
            "interval_seconds": 3600,
            "local_date": local,
            "consumption_kwh": [1.0 + 0.5 * (day.isocalendar().week % 2) for day in local],
            "completeness_ratio": 1.0,
        }
    )


def forecast(predicted: list[float], issued: datetime = ISSUED) -> pl.DataFrame:
    """A forecast of the first hours of the day, bands of half a kWh and a whole one round it."""
    return pl.DataFrame(
        [
            {
                "site_id": "home", "channel": "consumption", "issued_at": issued, "interval_start_at": FIRST_HOUR + timedelta(hours=hour),
                "horizon_hours": hour + 1, "predicted_kwh": value, "lower_80_kwh": value - 0.5, "upper_80_kwh": value + 0.5,
                "lower_95_kwh": value - 1.0, "upper_95_kwh": value + 1.0, "model_name": "prophet", "model_version": "1",
            }
            for hour, value in enumerate(predicted)
        ]
    )  # fmt: skip


@pytest.fixture
def scored(
    lake: Lake, accounts: Accounts, settings: Settings, site: Site, publish: Callable[..., None], now: datetime
) -> Callable[..., pl.DataFrame]:
    def run(hours: pl.DataFrame, forecasts: pl.DataFrame) -> pl.DataFrame:
        publish(lake, accounts, {"gold/energy_hourly": hours, "gold/forecasts": forecasts})
        score_forecasts(lake, accounts, settings, now)
        return manifest.newest(lake).scan("gold/forecast_accuracy").sort("lead_hours").collect()

    return run


def test_accuracy_is_what_the_hours_of_the_day_say(scored: Callable[..., pl.DataFrame]) -> None:
    actual = 1.0 + 0.5 * (DAY.isocalendar().week % 2)
    found = scored(level_hours(date(2026, 4, 20), date(2026, 6, 19)), forecast([actual + 0.25, actual - 0.75, actual + 2.0]))
    assert found["lead_hours"].to_list() == [1, 2, 3]
    assert found["local_date"].to_list() == [DAY] * 3
    assert found["mae_kwh"].to_list() == pytest.approx([0.25, 0.75, 2.0])
    assert found["bias_kwh"].to_list() == pytest.approx([0.25, -0.75, 2.0])
    # Every hour differs from the one a week before it by half a kWh.
    assert found["mase"].to_list() == pytest.approx([0.5, 1.5, 4.0])
    assert found["coverage_80_ratio"].to_list() == [1.0, 0.0, 0.0]
    assert found["coverage_95_ratio"].to_list() == [1.0, 1.0, 0.0]
    assert found["n"].to_list() == [1, 1, 1]


def test_accuracy_averages_the_issues_of_one_lead(scored: Callable[..., pl.DataFrame]) -> None:
    actual = 1.0 + 0.5 * (DAY.isocalendar().week % 2)
    later = forecast([actual + 0.3], ISSUED + timedelta(hours=1)).with_columns(
        pl.col("interval_start_at") + timedelta(hours=1), horizon_hours=pl.lit(1, dtype=pl.Int64)
    )
    found = scored(level_hours(date(2026, 4, 20), date(2026, 6, 19)), pl.concat([forecast([actual + 0.1]), later]))
    assert found["mae_kwh"].to_list() == pytest.approx([0.2])
    assert found["n"].to_list() == [2]


def test_mase_is_unknown_when_there_is_no_week_before(scored: Callable[..., pl.DataFrame]) -> None:
    found = scored(level_hours(date(2026, 6, 17), date(2026, 6, 19)), forecast([1.0]))
    assert found["mase"].to_list() == [None]


def test_hour_is_not_scored_when_it_was_not_measured(scored: Callable[..., pl.DataFrame]) -> None:
    partly = pl.when(pl.col("interval_start_at") == FIRST_HOUR).then(0.5).otherwise(1.0).alias("completeness_ratio")
    found = scored(level_hours(date(2026, 6, 1), date(2026, 6, 19)).with_columns(partly), forecast([1.0, 1.0]))
    assert found["lead_hours"].to_list() == [2]


def test_day_is_scored_once_and_not_before_it_is_over(
    lake: Lake, accounts: Accounts, settings: Settings, site: Site, publish: Callable[..., None], now: datetime
) -> None:
    hours = level_hours(date(2026, 6, 1), date(2026, 6, 19))
    publish(lake, accounts, {"gold/energy_hourly": hours, "gold/forecasts": forecast([1.0, 1.0])})
    assert score_forecasts(lake, accounts, settings, datetime(2026, 6, 19, 21, 30, tzinfo=UTC)) == 0
    assert score_forecasts(lake, accounts, settings, datetime(2026, 6, 19, 22, 30, tzinfo=UTC)) == 2
    assert score_forecasts(lake, accounts, settings, now) == 0
    assert manifest.newest(lake).scan("gold/forecast_accuracy").collect().height == 2
