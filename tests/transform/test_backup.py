"""A backup taken while everything goes on is one moment; restored it goes on from there, and a damaged one is told by file."""

import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora import home as homes
from aurora.accounts import leases, sites
from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.keeping import backup as keeping
from aurora.keeping import databases
from aurora.keeping.backup import backup
from aurora.keeping.restore import check, restore
from aurora.lake import manifest
from aurora.lake.store import open_lake
from aurora.settings import Settings
from tests.kernel.test_accounts import postgresql  # noqa: F401 a fixture
from tests.transform.test_bucket import bucket  # noqa: F401 a fixture
from transform.maintain import maintain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _row(number: int) -> dict[str, Any]:
    return {"device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": 0.25,
            "measured_at": NOW - timedelta(minutes=15 * (number + 1))}  # fmt: skip


def _settings(folder: Path, **how: Any) -> Settings:
    return Settings(home=folder, _env_file=None, **how)  # pyright: ignore[reportCallIssue]


def _opened(neighbourhood: Any, settings: Settings) -> Any:
    lake, accounts = open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
    return type(neighbourhood)(lake, accounts, homes.open_home(settings), settings)


def _backup(neighbourhood: Any, folder: Path) -> keeping.Contents:
    return backup(neighbourhood.lake, neighbourhood.accounts, neighbourhood.home, folder)


def test_restored_home_goes_on_from_the_backup(neighbourhood: Any, assert_same_tables: Any, tmp_path: Path) -> None:
    neighbourhood.land([_row(number) for number in range(50)], NOW)
    neighbourhood.refresh(NOW)
    neighbourhood.land([_row(number) for number in range(50, 60)], NOW + timedelta(seconds=1))
    contents = _backup(neighbourhood, tmp_path / "copy")
    assert check(tmp_path / "copy").versions == contents.versions
    restore(tmp_path / "copy", _settings(tmp_path / "other"))
    other = _opened(neighbourhood, _settings(tmp_path / "other"))
    assert other.home.secret("secret_key") == neighbourhood.home.secret("secret_key")
    assert manifest.newest(other.lake).refresh_id == manifest.newest(neighbourhood.lake).refresh_id
    assert other.refresh(NOW).readings_in == 10
    neighbourhood.refresh(NOW)
    assert_same_tables(neighbourhood, other)
    with leases.hold(other.accounts, leases.PUBLISH, 0):
        assert len(sites.all_sites(other.accounts)) == 4


def test_backup_under_way_has_every_reading_acknowledged_before_it_once(neighbourhood: Any, tmp_path: Path) -> None:
    acknowledged = 0
    stop = threading.Event()

    def land() -> None:
        nonlocal acknowledged
        while not stop.is_set():
            neighbourhood.land([_row(acknowledged)], NOW + timedelta(seconds=acknowledged))
            acknowledged += 1

    lander = threading.Thread(target=land, daemon=True)
    lander.start()
    refreshed = 0
    try:
        while acknowledged < 30:
            neighbourhood.refresh(NOW)
            refreshed += 1
        before = acknowledged
        _backup(neighbourhood, tmp_path / "copy")
        after = acknowledged + 1
    finally:
        stop.set()
        lander.join()
    restore(tmp_path / "copy", _settings(tmp_path / "other"))
    other = _opened(neighbourhood, _settings(tmp_path / "other"))
    other.refresh(NOW)
    held = other.table("silver/energy").filter(pl.col("device_id") == "berlin-meter")
    print(f"{refreshed} refreshes and {before} to {after} acknowledged around the backup, {held.height} in it")
    assert before <= held.height <= after
    assert held["energy_kwh"].sum() == pytest.approx(0.25 * held.height, abs=1e-9)


@pytest.mark.parametrize("fault", ["flip", "cut", "lose"])
def test_damaged_backup_is_refused_and_names_the_file(neighbourhood: Any, tmp_path: Path, fault: str) -> None:
    neighbourhood.land([_row(0)], NOW)
    contents = _backup(neighbourhood, tmp_path / "copy")
    chosen = next(one.path for one in contents.files if one.path.startswith("lake/bronze/readings") and one.path.endswith(".parquet"))
    file = tmp_path / "copy" / chosen
    whole = file.read_bytes()
    if fault == "lose":
        file.unlink()
    else:
        file.write_bytes(whole[:-1] if fault == "cut" else bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(Refused, match=chosen):
        restore(tmp_path / "copy", _settings(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_backup_cut_short_is_none_and_a_used_home_is_not_overwritten(neighbourhood: Any, tmp_path: Path) -> None:
    _backup(neighbourhood, tmp_path / "copy")
    with pytest.raises(Refused, match="not empty"):
        restore(tmp_path / "copy", neighbourhood.settings)
    with pytest.raises(Refused, match="not empty"):
        _backup(neighbourhood, tmp_path / "copy")
    with pytest.raises(Refused, match="inside the home"):
        _backup(neighbourhood, neighbourhood.home.path / "copy")
    (tmp_path / "copy" / keeping.CONTENTS).unlink()
    with pytest.raises(Refused, match="no whole backup"):
        restore(tmp_path / "copy", _settings(tmp_path / "other"))


def test_models_of_a_restored_home_are_found_where_it_is_now(neighbourhood: Any, tmp_path: Path) -> None:
    store = neighbourhood.home.path / "mlflow" / "mlflow.db"
    store.parent.mkdir()
    with sqlite3.connect(store) as opened:
        opened.execute("create table runs (artifact_uri varchar(200), n integer)")
        opened.execute("insert into runs values (?, 1)", ((neighbourhood.home.path / "mlflow" / "artifacts").as_uri(),))
    opened.close()
    _backup(neighbourhood, tmp_path / "copy")
    restore(tmp_path / "copy", _settings(tmp_path / "other"))
    with sqlite3.connect(tmp_path / "other" / "mlflow" / "mlflow.db") as opened:
        found = opened.execute("select artifact_uri from runs").fetchone()
    opened.close()
    assert found == ((tmp_path / "other" / "mlflow" / "artifacts").as_uri(),)


def test_backup_of_a_bucket_restores_into_a_folder_and_a_bucket(neighbourhood: Any, bucket: str, tmp_path: Path) -> None:  # noqa: F811 the fixture
    lake = open_lake(bucket, scratch=tmp_path / "scratch")
    lake.create_tables()
    on_bucket = type(neighbourhood)(lake, neighbourhood.accounts, neighbourhood.home, neighbourhood.settings)
    on_bucket.land([_row(number) for number in range(5)], NOW)
    _backup(on_bucket, tmp_path / "copy")
    maintain(on_bucket.lake, on_bucket.accounts, on_bucket.settings)
    for name, uri in (("a", ""), ("b", "s3://lake/elsewhere")):
        settings = _settings(tmp_path / name, lake_uri=uri)
        restore(tmp_path / "copy", settings)
        rows = open_lake(settings.resolved_lake_uri, scratch=tmp_path / f"scratch-{name}").scan("bronze/readings").collect()
        assert rows.sort("measured_at")["measured_at"].to_list() == sorted(_row(number)["measured_at"] for number in range(5))
    with pytest.raises(Refused, match="holds something"):
        restore(tmp_path / "copy", _settings(tmp_path / "c", lake_uri="s3://lake/elsewhere"))


@pytest.mark.needs("postgresql")
def test_accounts_travel_between_sqlite_and_postgresql(neighbourhood: Any, postgresql: str, tmp_path: Path) -> None:  # noqa: F811 the fixture
    _backup(neighbourhood, tmp_path / "copy")
    server = Accounts(postgresql)
    databases.restore_accounts(tmp_path / "copy" / keeping.ACCOUNTS, server)
    assert not databases.is_empty(server)
    databases.copy_accounts(server, tmp_path / "back.sqlite")
    server.engine.dispose()
    back = Accounts(f"sqlite:///{tmp_path / 'back.sqlite'}")
    held = [(one.site_id, one.time_zone, one.pv_capacity_kw) for one in sites.all_sites(neighbourhood.accounts)]
    assert [(one.site_id, one.time_zone, one.pv_capacity_kw) for one in sites.all_sites(back)] == held


def test_contents_of_a_later_aurora_are_refused(neighbourhood: Any, tmp_path: Path) -> None:
    _backup(neighbourhood, tmp_path / "copy")
    file = tmp_path / "copy" / keeping.CONTENTS
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": keeping.FORMAT + 1, "made_by": "9.9"}))
    with pytest.raises(Refused, match="newer"):
        check(tmp_path / "copy")
