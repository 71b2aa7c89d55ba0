"""A full disk under the models: training says so, all else goes on with the models of before, and training too once there is room."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from aurora.accounts.database import Accounts
from aurora.errors import Transient
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from ml.forecast import issue_forecasts, registry, train
from tests.ingestion.test_disk_full import fill, small_disk  # noqa: F401 a fixture
from transform.refresh import Refresher

pytestmark = pytest.mark.needs("mounts")
FIRST, LAST = date(2026, 5, 20), date(2026, 6, 22)


@pytest.fixture
def home_on_small_disk(small_disk: Path, home: Home) -> Home:  # noqa: F811 a fixture
    """A home whose models are on a disk of 6 MB."""
    (home.path / "mlflow").symlink_to(small_disk)
    return home


def test_full_disk_under_the_models_is_told_and_all_else_goes_on(
    home_on_small_disk: Home, lake: Lake, accounts: Accounts, site, settings: Settings, publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame], now: datetime,
) -> None:  # fmt: skip
    home = home_on_small_disk
    publish(lake, accounts, {"gold/energy_hourly": hours(FIRST, LAST).filter(pl.col("interval_start_at") + timedelta(hours=1) <= now)})
    first = train(lake, accounts, home, settings, now)
    before = registry.load_champions(home)
    ballast, hit = fill(home.path / "mlflow"), 0
    for _ in range(2):
        with pytest.raises(
            Transient, match=r"models in .*mlflow cannot be written \(.*(full|space).*\)\. Make room and run `aurora train`"
        ):
            train(lake, accounts, home, settings, now + timedelta(hours=1))
        hit += 1
    assert registry.load_champions(home) == before
    assert issue_forecasts(lake, accounts, home, settings, now + timedelta(hours=1)) > 0
    refreshed = Refresher(lake, accounts, home, settings).run(now=now + timedelta(hours=1))
    assert manifest.newest(lake).refresh_id == refreshed.refresh_id
    ballast.unlink()
    again = train(lake, accounts, home, settings, now + timedelta(hours=2))
    assert {one.run_id for one in again}.isdisjoint({one.run_id for one in first})
    assert {one.run_id for one in registry.load_champions(home).values()} == {one.run_id for one in again}
    print(f"disk full under the models hit {hit} trainings of {len(first)} series")
