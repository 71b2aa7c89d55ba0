"""What models may learn from."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.lake import manifest
from aurora.lake.store import Lake
from ml.forecast.history import Place, clock_hours, load_history, next_hours

DAYS = 10


@pytest.fixture
def learnt(lake: Lake, accounts: Accounts, site: Site, publish: Callable[..., None], now: datetime) -> Callable[..., pl.DataFrame]:
    """A function that publishes hours and further tables and returns the consumption that may be learnt from."""

    def run(hours: pl.DataFrame, **tables: pl.DataFrame) -> pl.DataFrame:
        publish(lake, accounts, {"gold/energy_hourly": hours} | {f"gold/{name}": rows for name, rows in tables.items()})
        return load_history(manifest.newest(lake), [Place.of(site)], now, DAYS)["home", "consumption"]

    return run


@pytest.fixture
def made(hours: Callable[..., pl.DataFrame], now: datetime) -> pl.DataFrame:
    return hours(date(2026, 6, 1), date(2026, 6, 20)).filter(pl.col("interval_start_at") < now)


def test_history_holds_whole_hours_of_the_days_asked_for(learnt: Callable[..., pl.DataFrame], made: pl.DataFrame, now: datetime) -> None:
    found = learnt(made)
    assert found["interval_start_at"].min() == datetime(2026, 6, 10, 10, tzinfo=UTC)
    assert found["interval_start_at"].max() == datetime(2026, 6, 20, 8, tzinfo=UTC)
    assert found.height == DAYS * 24 - 1
    assert found.filter(pl.col("interval_start_at") == datetime(2026, 6, 20, 8, tzinfo=UTC))["local_hour"].to_list() == [10]


def test_history_leaves_out_an_hour_when_it_was_not_wholly_measured(learnt: Callable[..., pl.DataFrame], made: pl.DataFrame) -> None:
    hour = datetime(2026, 6, 15, 12, tzinfo=UTC)
    partly = pl.when(pl.col("interval_start_at") == hour).then(0.5).otherwise(1.0)
    assert hour not in learnt(made.with_columns(partly.alias("completeness_ratio")))["interval_start_at"].to_list()


def test_history_leaves_out_anomalies_and_keeps_what_is_round_them(learnt: Callable[..., pl.DataFrame], made: pl.DataFrame) -> None:
    start = datetime(2026, 6, 15, 12, tzinfo=UTC)
    anomaly = {
        "anomaly_id": ["a"], "site_id": ["home"], "channel": ["consumption"], "kind": ["spike"], "status": ["closed"],
        "starts_at": [start], "ends_at": [start + timedelta(hours=2)], "local_date": [date(2026, 6, 15)],
    }  # fmt: skip
    found = learnt(made, anomalies=pl.DataFrame(anomaly))["interval_start_at"].to_list()
    assert [start + timedelta(hours=offset) in found for offset in (-1, 0, 1, 2)] == [True, False, False, True]


def test_history_leaves_out_days_without_any_energy(learnt: Callable[..., pl.DataFrame], made: pl.DataFrame) -> None:
    dead = pl.when(pl.col("local_date") == date(2026, 6, 15)).then(0.0).otherwise("consumption_kwh")
    assert date(2026, 6, 15) not in learnt(made.with_columns(dead.alias("consumption_kwh")))["local_date"].to_list()


@pytest.mark.parametrize(("day", "hours_long"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 20), 24)])
def test_clock_hours_follow_the_days_of_the_time_change(day: date, hours_long: int) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=6)
    assert clock_hours("Europe/Berlin", start, start + timedelta(days=2)).filter(local_date=day).height == hours_long


def test_next_hours_begin_at_the_sites_own_full_hour() -> None:
    found = next_hours("Asia/Kathmandu", datetime(2026, 6, 20, 9, 30, tzinfo=UTC), 24)
    assert found["interval_start_at"][0] == datetime(2026, 6, 20, 10, 15, tzinfo=UTC)
    assert found["local_hour"][0] == 16
    assert found.height == 24
