"""Cells of gold are worked out anew from raw readings: all agree whatever happened to the readings, and one that was changed is named."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from aurora.accounts import leases
from aurora.lake import manifest
from orchestration import checks, services
from transform.rechecking import Rechecked, recheck

NOW = datetime(2026, 10, 28, 12, tzinfo=UTC)
# Over the night of the 25th, on which Berlin's day has 25 hours.
BEGIN = datetime(2026, 10, 24, tzinfo=UTC)
QUARTERS = 3 * 96
EVERY = 10_000


def _rows(device: str, channel: str, measure: str, values: list[float], interval_seconds: int | None = None) -> list[dict[str, Any]]:
    what = {"device_id": device, "channel": channel, "measure": measure, "interval_seconds": interval_seconds}
    return [what | {"measured_at": BEGIN + timedelta(minutes=15 * place), "value": value} for place, value in enumerate(values)]


@pytest.fixture(scope="module")
def home(shared_neighbourhood: Any) -> Any:
    """Intervals, a register that was reset, samples, and a day of readings that came late; not to be changed."""
    totals = [500 + place / 4 for place in range(QUARTERS)]
    totals[200:] = [(place - 200) / 4 for place in range(200, QUARTERS)]
    rows = _rows("berlin-meter", "grid_import", "register_kwh", totals)
    rows += _rows("berlin-pv", "production", "power_kw", [1 + place % 5 for place in range(QUARTERS)])
    rows += _rows("kathmandu-meter", "consumption", "interval_kwh", [place % 7 / 10 for place in range(QUARTERS)], 900)
    rows += _rows("kathmandu-sub", "consumption", "interval_kwh", [0.1] * QUARTERS, 900)
    late = [row for row in rows if row["measured_at"].day == 25 and row["measured_at"].hour < 9]
    shared_neighbourhood.land([row for row in rows if row not in late], NOW)
    shared_neighbourhood.refresh(NOW)
    shared_neighbourhood.land(late, NOW + timedelta(seconds=5))
    shared_neighbourhood.refresh(NOW)
    return shared_neighbourhood


def again(neighbourhood: Any, seed: int = 1, most: int = EVERY) -> Rechecked:
    return recheck(manifest.newest(neighbourhood.lake), seed, date(2020, 1, 1), most)


def change(neighbourhood: Any, table: str, chosen: pl.Expr) -> None:
    """Publish a gold table in which the chosen rows have a tenth of a kilowatt-hour more from the grid."""
    with leases.hold(neighbourhood.accounts, leases.PUBLISH, 1) as lease:
        publication = manifest.begin(neighbourhood.lake, lease, "refresh", "test", NOW)
        more = pl.when(chosen).then(pl.col("grid_import_kwh") + 0.1).otherwise("grid_import_kwh").alias("grid_import_kwh")
        publication.replace_all(table, publication.scan(table).drop("refresh_id").with_columns(more).collect())
        publication.finish()


def test_every_cell_agrees_through_clock_change_reset_and_late_readings(home: Any) -> None:
    events = home.table("gold/meter_events")
    done = again(home)
    assert events["kind"].to_list() == ["reset"]
    # Two channels in Berlin, where the last sample holds into a 73rd hour, and one in Kathmandu, whose first hour begins at 23:15 UTC.
    assert (done.apart, done.compared) == ([], 3 * (73 + 4))
    assert done.skipped["derived"] == 0


def test_half_of_the_cells_are_of_days(home: Any) -> None:
    assert again(home, most=100).compared == 3 * 4 + 50
    assert again(home, most=20).compared == 20


def test_changed_cell_is_named(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = datetime(2026, 10, 25, 1, tzinfo=UTC)
    change(home, "gold/energy_hourly", (pl.col("site_id") == "berlin") & (pl.col("interval_start_at") == hour))
    found = again(home).apart
    assert len(found) == 1
    assert found[0].startswith("gold/energy_hourly berlin 2026-10-25 01:00:00+00:00 grid_import: published 1.1")
    change(home, "gold/energy_daily", pl.col("local_date") == date(2026, 10, 25))
    assert len(again(home).apart) == 2
    monkeypatch.setattr(checks, "of_run", lambda _name: services.Services(home.settings, home.home))
    result: Any = checks.energy_follows_from_readings()
    assert not result.passed
    assert result.metadata["seed"].value >= 0
