"""Bytes that flipped or are missing: the damaged file is named with the way out, the rest is read on, and a backup brings all back."""

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aurora import home as homes
from aurora.accounts import sites
from aurora.accounts.database import Accounts
from aurora.errors import Damaged, Refused
from aurora.home import Home
from aurora.keeping.backup import backup
from aurora.keeping.databases import sqlite_problem
from aurora.keeping.restore import restore
from aurora.keeping.verify import verify
from aurora.lake import manifest
from aurora.lake.sql import ask
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from ingestion.landing import Landing, Receipt
from ingestion.messages import Decoded, Reading
from orchestration.cli.running import _status_text
from orchestration.running import status
from tests.ingestion.conftest import wait_for
from transform.refresh import Refresher

READINGS = "bronze/readings"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
WAY_OUT = "aurora restore"
A_CHECKPOINT = 100


def readings(first: int, number: int) -> Decoded:
    """Quarter hours of the days before NOW; each value is its number."""
    times = [NOW - timedelta(minutes=15 * (first + place + 1)) for place in range(number)]
    return Decoded([Reading("meter", "consumption", "interval_kwh", at, 900, float(first + place)) for place, at in enumerate(times)])


def land(landing: Landing, decoded: Decoded) -> Receipt:
    receipt = Receipt()
    landing.submit(decoded, source="test", topic=None, told=Receipt.told, token=receipt)
    return receipt


@pytest.fixture
def landing(lake: Lake, settings: Settings, new_device) -> Any:
    """A writer at work for the device `meter`."""
    new_device("meter")
    made = Landing(lake, settings.model_copy(update={"flush_seconds": 0.01}))
    made.start()
    yield made
    made.stop()


def flipped(whole: bytes, chance: random.Random, *, is_cut: bool) -> bytes:
    """The bytes, cut at a random place or with one bit turned there."""
    place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
    return whole[:place] if is_cut else whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]


def read_again(lake: Lake) -> tuple[set[float] | None, str]:
    """What a process that begins now reads, and why it cannot."""
    try:
        return set(open_lake(lake.storage.uri).scan(READINGS).collect()["value"]), ""
    except Damaged as error:
        return None, str(error)


@pytest.mark.parametrize("kind", ["data", "log", "checkpoint"])
def test_flipped_and_cut_bytes_are_named_or_change_no_reading(
    landing: Landing, lake: Lake, kind: str, count: Callable[[int, int], int], record_property
) -> None:
    for number in range(A_CHECKPOINT + 2 if kind == "checkpoint" else 3):
        assert land(landing, readings(number, 1)).wait(20)
    folder = Path(lake.storage.uri) / READINGS
    files = {
        "data": sorted(folder.rglob("*.parquet"))[0],
        "log": folder / "_delta_log" / f"{lake.version(READINGS):020d}.json",
        "checkpoint": next((folder / "_delta_log").glob("*.checkpoint.parquet"), folder),
    }
    file, rounds, seed = files[kind], count(40, 1_000), random.randrange(2**32)
    chance, whole, right = random.Random(seed), files[kind].read_bytes(), set(lake.scan(READINGS).collect()["value"])
    named = other = unseen = 0
    for number in range(rounds):
        file.write_bytes(flipped(whole, chance, is_cut=number % 5 == 0))
        found, said = read_again(lake)
        assert found is not None or WAY_OUT in said
        assert found in (None, right), f"seed {seed}, round {number}: other readings"
        named, other, unseen = named + (file.name in said), other + (found is None and file.name not in said), unseen + (found is not None)
    file.write_bytes(whole)
    assert read_again(lake) == (right, "")
    print(f"seed {seed}: {rounds} faults hit the {kind} file; {named} named by it, {other} by what it named, {unseen} changed no reading")
    for name, value in (("seed", seed), ("hit", rounds), ("named", named), ("otherwise", other), ("harmless", unseen)):
        record_property(name, value)
    assert (unseen == 0) if kind == "data" else named


def test_landing_waits_with_the_name_of_a_damaged_log_and_goes_on_once_it_is_put_back(landing: Landing, lake: Lake) -> None:
    assert land(landing, readings(0, 2)).wait(20)
    commit = Path(lake.storage.uri) / READINGS / "_delta_log" / f"{lake.version(READINGS) + 1:020d}.json"
    commit.write_text('{"add":{"path":"half of an acti')
    waiting = land(landing, readings(2, 2))
    told = wait_for(lambda: landing.trouble)
    assert commit.name in told.reason
    assert WAY_OUT in told.reason
    assert not waiting.wait(0.1)
    commit.unlink()
    assert waiting.wait(30)
    assert landing.trouble is None
    assert sorted(lake.scan(READINGS).collect()["value"]) == [0.0, 1.0, 2.0, 3.0]


def test_damage_stops_a_refresh_before_it_is_written_on_and_a_backup_brings_all_back(
    landing: Landing, lake: Lake, accounts: Accounts, home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert land(landing, readings(0, 4)).wait(20)
    Refresher(lake, accounts, home, settings).run(now=NOW)
    backup(lake, accounts, home, tmp_path / "backup")
    right = manifest.newest(lake).scan("gold/energy_daily").collect()
    published = manifest.newest(lake).versions["gold/energy_hourly"]
    file = Path(lake.storage.uri) / "gold/energy_hourly" / lake.files("gold/energy_hourly", published)["path"][0]
    file.write_bytes(flipped(file.read_bytes(), random.Random(3), is_cut=False))
    assert land(landing, readings(4, 1)).wait(20)
    begun = open_lake(lake.storage.uri)
    with pytest.raises(Damaged, match=rf"{file.name} is damaged: its content changed.*{WAY_OUT}"):
        Refresher(begun, accounts, home, settings).run(now=NOW)
    with pytest.raises(Damaged, match=file.name):
        ask(manifest.newest(begun), "select * from gold.energy_hourly")
    assert manifest.newest(begun).versions["gold/energy_hourly"] == published
    assert manifest.newest(begun).scan("gold/energy_daily").collect().equals(right)
    assert [Path(one.path).name for one in verify(begun, accounts, home)] == [file.name]
    told = status.read(settings, home, begun, accounts)
    assert f"DAMAGED       gold/energy_hourly/{file.name}" in _status_text(told)
    chosen = _restored(tmp_path, monkeypatch)
    again = open_lake(chosen.resolved_lake_uri)
    back = Accounts(chosen.resolved_database_url)
    assert verify(again, back, homes.open_home(chosen)) == []
    assert manifest.newest(again).scan("gold/energy_daily").collect().equals(right)
    back.engine.dispose()


def _restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty home that the backup was put into."""
    monkeypatch.setenv("AURORA_HOME", str(tmp_path / "restored"))
    chosen = Settings()  # pyright: ignore[reportCallIssue]
    restore(tmp_path / "backup", chosen)
    return chosen


def test_status_tells_of_a_table_whose_log_is_damaged_and_of_all_others(
    landing: Landing, lake: Lake, accounts: Accounts, home: Home, settings: Settings
) -> None:
    assert land(landing, readings(0, 2)).wait(20)
    commit = Path(lake.storage.uri) / "bronze/prices" / "_delta_log" / f"{0:020d}.json"
    commit.write_bytes(commit.read_bytes()[:-20])
    told = status.read(settings, home, open_lake(lake.storage.uri), accounts)
    assert (told["tables"]["bronze/prices"]["rows"], told["tables"][READINGS]["rows"]) == (None, 2)
    assert [line for line in _status_text(told).splitlines() if line.startswith("DAMAGED") and commit.name in line and WAY_OUT in line]


def test_flips_in_the_accounts_are_found_by_the_check_of_sqlite_but_within_texts(
    accounts: Accounts, site, count: Callable[[int, int], int], record_property
) -> None:
    accounts.engine.dispose()
    file = Path(accounts.engine.url.database or "")
    with sqlite3.connect(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    whole, rounds, seed = file.read_bytes(), count(60, 2_000), random.randrange(2**32)
    chance, found = random.Random(seed), 0
    for number in range(rounds):
        file.write_bytes(flipped(whole, chance, is_cut=number % 5 == 0))
        problem = sqlite_problem(file)
        found += bool(problem)
        assert problem or number % 5, f"seed {seed}, round {number}: a cut file passed"
    file.write_bytes(whole)
    print(f"seed {seed}: {rounds} faults hit the accounts; {found} found, {rounds - found} within free space, texts or numbers")
    record_property("found", found)
    assert sqlite_problem(file) == ""


def test_damaged_accounts_database_is_named_with_the_way_out(settings: Settings, accounts: Accounts, site) -> None:
    accounts.engine.dispose()
    file = Path(accounts.engine.url.database or "")
    with sqlite3.connect(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    whole = file.read_bytes()
    file.write_bytes(b"\xff" * 100 + whole[100:])
    with pytest.raises(Refused, match=r"accounts\.sqlite is damaged .*aurora restore"):
        sites.all_sites(Accounts(settings.resolved_database_url))
    file.write_bytes(whole[:4096] + bytes(byte ^ 0x5A for byte in whole[4096:]))
    with pytest.raises(Refused, match=r"accounts\.sqlite is damaged .*aurora restore"):
        sites.all_sites(Accounts(settings.resolved_database_url))
