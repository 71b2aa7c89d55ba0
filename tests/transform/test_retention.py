"""Raw readings go when their time is over, and every figure stands: through rebuilds, late readings, moved sites and devices."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aurora import home as homes
from aurora.accounts import devices, sites
from aurora.accounts.database import Accounts
from aurora.lake import manifest
from aurora.lake.store import open_lake
from aurora.lake.tables import TABLES
from tests.transform.conftest import COMPARED
from transform.maintain import Maintained, maintain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=28)
HOUR = timedelta(hours=1)


def _interval(site: str, hour: int, value: float = 0.5) -> dict[str, Any]:
    return {"device_id": f"{site}-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": value,
            "measured_at": NOW - hour * HOUR}  # fmt: skip


def _register(site: str, hour: int) -> dict[str, Any]:
    return {"device_id": f"{site}-meter", "channel": "grid_export", "measure": "register_kwh", "value": 1000.0 - hour * 0.25,
            "measured_at": NOW - hour * HOUR}  # fmt: skip


def _power(site: str, minutes: int) -> dict[str, Any]:
    return {"device_id": f"{site}-pv", "channel": "production", "measure": "power_kw", "value": 1.0 + minutes % 7,
            "measured_at": NOW - timedelta(minutes=minutes)}  # fmt: skip


def _land_history(neighbourhood: Any, days: int) -> None:
    """Hour by hour for some days until NOW, each day's as it was over; then one refresh."""
    for day in range(days, 0, -1):
        hours = range(day * 24 - 23, day * 24 + 1)
        rows = [_interval("berlin", hour) for hour in hours] + [_register("sydney", hour) for hour in hours]
        rows += [_power("kathmandu", minutes) for hour in hours for minutes in (hour * 60, hour * 60 - 10, hour * 60 - 20)]
        neighbourhood.land(rows, NOW - timedelta(days=day - 1))
    neighbourhood.refresh(NOW)


@pytest.fixture(scope="module")
def history(shared_neighbourhood: Any) -> Any:
    """Six days, of which 14 to 16 November are past their time at LATER; not to be changed."""
    _land_history(shared_neighbourhood, 6)
    shared_neighbourhood.accounts.engine.dispose()
    return shared_neighbourhood


@pytest.fixture
def kept(history: Any, tmp_path: Path) -> Any:
    """The same in a home of the test's own."""
    shutil.copytree(history.home.path, tmp_path / "home")
    settings = history.settings.model_copy(update={"home": tmp_path / "home"})
    lake, accounts = open_lake(str(tmp_path / "home" / "lake")), Accounts(f"sqlite:///{tmp_path / 'home' / 'accounts.sqlite'}")
    return type(history)(lake, accounts, homes.open_home(settings), settings)


def _maintain(neighbourhood: Any, now: datetime, **how: Any) -> Maintained:
    settings = neighbourhood.settings.model_copy(update=how)
    return maintain(neighbourhood.lake, neighbourhood.accounts, settings, now=now)


def _energy(neighbourhood: Any) -> pl.DataFrame:
    return neighbourhood.table("silver/energy").select(
        "device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds", "quality"
    )


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    key = ["device_id", "channel", "interval_start_at"]
    return one.sort(key).equals(other.sort(key))


def test_raw_readings_go_and_every_figure_stands_through_a_full_rebuild(kept: Any, assert_same_tables: Any, tmp_path: Path) -> None:
    twin = kept.fresh_copy_of_bronze(tmp_path)
    twin.refresh(NOW, full=True)
    before = kept.lake.scan("bronze/readings").collect()
    done = _maintain(kept, LATER, archive_uri=str(tmp_path / "archive"))
    after = kept.lake.scan("bronze/readings").collect()
    assert done.rows_expired == before.height - after.height > 200
    archived = pl.concat([pl.read_parquet(path) for path in sorted((tmp_path / "archive").rglob("*.parquet"))])
    key = [*TABLES["bronze/readings"].key, "received_at", "sequence"]
    assert pl.concat([after, archived.select(after.columns)]).sort(key).equals(before.sort(key))
    assert_same_tables(kept, twin)
    kept.refresh(NOW, full=True)
    assert_same_tables(kept, twin)
    assert _maintain(kept, LATER).rows_expired == 0


def test_of_each_register_the_last_reading_of_each_local_day_stays(kept: Any) -> None:
    zone = "Australia/Sydney"
    dated = pl.col("measured_at").dt.convert_time_zone(zone).dt.date()
    registers = kept.lake.scan("bronze/readings").filter(pl.col("measure") == "register_kwh")
    last = registers.group_by(dated.alias("day")).agg(pl.col("measured_at").max()).collect()
    _maintain(kept, LATER + timedelta(days=30))
    left = kept.lake.scan("bronze/readings").with_columns(dated.alias("day")).collect()
    assert set(last["measured_at"]) <= set(left["measured_at"])
    assert left.group_by("day").len()["len"].max() == 2, "a local day lies in two UTC days, and each is let go by itself"
    assert set(left["measure"]) == {"register_kwh"}


def test_late_reading_on_a_sealed_day_replaces_the_quarter_that_it_covers(kept: Any) -> None:
    before = _energy(kept)
    _maintain(kept, LATER)
    kept.land([_interval("berlin", 140, 9.0) | {"source": "import:x"}], LATER)
    kept.refresh(LATER)
    joined = _energy(kept).join(before, on=["device_id", "channel", "interval_start_at"], how="full", suffix="_before")
    changed = joined.filter(pl.col("energy_kwh").ne_missing(pl.col("energy_kwh_before")))
    assert changed.select("interval_start_at", "energy_kwh").rows() == [(NOW - 140 * HOUR, 9.0)]
    incremental = _energy(kept)
    kept.refresh(LATER, full=True)
    assert _same(_energy(kept), incremental)
    assert kept.lake.withdraw("bronze/readings", "import:x") == 1
    kept.refresh(LATER)
    assert _same(_energy(kept), before), "an import taken back leaves what was sealed"


def test_late_register_reading_and_half_a_quarter_change_nothing_on_a_sealed_day(kept: Any) -> None:
    before = _energy(kept)
    _maintain(kept, LATER)
    half = _interval("berlin", 140, 9.0) | {"interval_seconds": 300}
    kept.land([_register("sydney", 140) | {"value": 990.0}, half, _interval("berlin", 139) | {"value": None}], LATER)
    kept.refresh(LATER)
    assert _same(_energy(kept), before)


def test_days_beside_sealed_ones_are_rebuilt_as_if_nothing_had_gone(kept: Any, tmp_path: Path) -> None:
    twin = kept.fresh_copy_of_bronze(tmp_path)
    twin.refresh(NOW, full=True)
    _maintain(kept, LATER)
    raw = kept.lake.scan("bronze/readings").filter(pl.col("measure") != "register_kwh")
    first = raw.select(pl.col("measured_at").min().dt.truncate("1d")).collect().item()
    late = [
        _power("kathmandu", 7) | {"measured_at": first + timedelta(minutes=3)},
        _register("sydney", 0) | {"measured_at": first + timedelta(minutes=30), "value": 1000.0 - (NOW - first) / HOUR * 0.25},
        _interval("berlin", 0, 7.0) | {"measured_at": first + HOUR},
    ]
    for one in (kept, twin):
        one.land(late, LATER)
        one.refresh(LATER)
    # How many readings a local day had is counted anew only where all of them are there.
    for name in set(COMPARED) - {"gold/data_quality"}:
        assert_frame_equal(kept.table(name), twin.table(name), abs_tol=1e-9, rel_tol=0)


def test_sites_and_devices_that_change_keep_what_was_sealed(kept: Any) -> None:
    before = _energy(kept)
    _maintain(kept, LATER)
    sites.change_site(kept.accounts, "berlin", time_zone="Asia/Kolkata")
    devices.change_device(kept.accounts, "kathmandu-pv", site_id="kolkata")
    kept.refresh(LATER)
    assert _same(_energy(kept), before)
    rows = kept.table("silver/energy")
    assert set(rows.filter(pl.col("device_id") == "kathmandu-pv")["site_id"]) == {"kolkata"}
    local = pl.col("interval_start_at").dt.convert_time_zone("Asia/Kolkata").dt.date()
    assert rows.filter((pl.col("site_id") == "berlin") & (pl.col("local_date") != local)).is_empty()


def test_what_was_not_refreshed_does_not_go(kept: Any) -> None:
    kept.land([_interval("berlin", 150)], NOW - timedelta(days=6))
    _maintain(kept, LATER)
    kept.refresh(LATER)
    assert kept.table("silver/energy").filter(pl.col("interval_start_at") == NOW - 150 * HOUR).height == 1


def test_quarter_hours_go_after_their_time_and_days_stay(kept: Any) -> None:
    daily, now = kept.table("gold/energy_daily"), NOW + timedelta(days=40)
    kept.settings = kept.settings.model_copy(update={"silver_days": 42})
    _maintain(kept, now)
    for name in ("silver/energy", "gold/energy_15min", "gold/energy_hourly", "gold/cost_lines"):
        assert kept.table(name)["local_date"].min() == (NOW - timedelta(days=2)).date()
    assert kept.table("gold/energy_daily").equals(daily)
    kept.refresh(now, full=True)
    sites.change_site(kept.accounts, "berlin", pv_capacity_kw=7.0)
    kept.refresh(now)
    assert kept.table("gold/energy_daily")["grid_export_kwh"].sum() == pytest.approx(daily["grid_export_kwh"].sum(), abs=1e-9)
    assert kept.table("gold/energy_daily").select("site_id", "local_date").equals(daily.select("site_id", "local_date"))


def test_archive_on_a_maintenance_that_died_is_written_once(kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = type(kept.lake)
    rewrite = lake.rewrite

    def die(*_: Any, **__: Any) -> int:
        raise OSError("the power went")

    before = _energy(kept)
    monkeypatch.setattr(lake, "rewrite", die)
    with pytest.raises(OSError, match="power"):
        _maintain(kept, LATER, archive_uri=str(tmp_path / "archive"))
    monkeypatch.setattr(lake, "rewrite", rewrite)
    again = type(kept)(open_lake(kept.lake.storage.uri), kept.accounts, kept.home, kept.settings)
    rows = again.lake.scan("bronze/readings").collect().height
    again.refresh(LATER, full=True)
    assert _same(_energy(again), before)
    done = _maintain(again, LATER, archive_uri=str(tmp_path / "archive"))
    archived = sum(pl.read_parquet(path).height for path in (tmp_path / "archive").rglob("*.parquet"))
    assert archived == done.rows_expired == rows - again.lake.scan("bronze/readings").collect().height
    assert manifest.newest(again.lake).versions["silver/sealed"] > 0
