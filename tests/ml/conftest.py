"""Small lakes of hourly gold for the tests of forecasts and advice."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.domain import calendar
from aurora.lake import manifest
from aurora.lake.store import Lake

ZONE = "Europe/Berlin"
NOW = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)
LATITUDE, LONGITUDE = 52.5, 13.4

Publish = Callable[[Lake, Accounts, dict[str, pl.DataFrame]], None]
Hours = Callable[..., pl.DataFrame]


def publish_tables(lake: Lake, accounts: Accounts, tables: dict[str, pl.DataFrame]) -> None:
    with leases.hold(accounts, leases.PUBLISH, 5) as lease:
        publication = manifest.begin(lake, lease, "refresh", "test", NOW)
        for name, rows in tables.items():
            publication.add(name, rows)
        publication.finish()


def seasonal_hours(first: date, last: date, seed: int = 1, site_id: str = "home") -> pl.DataFrame:
    """Hours of a home whose working days, weekends and sunny hours differ, with noise: `gold/energy_hourly`."""
    from ml.forecast.clear_sky import clear_sky_kw_per_m2
    from ml.forecast.history import Place

    random = np.random.default_rng(seed)
    clock = (
        calendar.quarters([ZONE], first, last)
        .group_by("hour_start_at", maintain_order=True)
        .agg(pl.col("local_date", "local_hour", "hour_seconds").first())
    )
    hour = clock["local_hour"].to_numpy()
    is_off_day = (clock["local_date"].dt.weekday() >= 6).to_numpy()
    peak = np.where(is_off_day, 12.0, 19.0)
    used = (0.25 + 0.9 * np.exp(-(((hour - peak) / 2.5) ** 2))) * random.lognormal(0, 0.25, len(hour))
    day = (clock["local_date"] - first).dt.total_days().to_numpy()
    cloud = random.beta(4, 2, int(day.max()) + 1)[day] * random.beta(12, 2, len(hour))
    made = 5 * clear_sky_kw_per_m2(Place(site_id, ZONE, LATITUDE, LONGITUDE), clock["hour_start_at"]) * cloud
    return clock.select(
        pl.lit(site_id).alias("site_id"),
        pl.col("hour_start_at").alias("interval_start_at"),
        pl.col("hour_seconds").alias("interval_seconds"),
        "local_date",
        pl.Series("consumption_kwh", used),
        pl.Series("production_kwh", made),
        pl.Series("grid_import_kwh", np.maximum(used - made, 0)),
        pl.Series("grid_export_kwh", np.maximum(made - used, 0)),
        pl.lit(1.0).alias("completeness_ratio"),
    )


@pytest.fixture(scope="session")
def publish() -> Publish:
    """A function (lake, accounts, {table: rows}) that adds rows to tables in one publication."""
    return publish_tables


@pytest.fixture(scope="session")
def hours() -> Hours:
    """A function (first, last, seed, site_id) that makes hourly gold."""
    return seasonal_hours


@pytest.fixture(scope="session")
def now() -> datetime:
    """The time of these tests: half past eleven on a Saturday in Berlin."""
    return NOW
