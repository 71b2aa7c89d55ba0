"""Maintenance changes no figure, takes away only what nobody can ask for, and is safe beside everybody else."""

import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.errors import Busy, Gone
from aurora.keeping.backup import BACKUP
from aurora.keeping.verify import verify
from aurora.lake import cleaning, manifest
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from transform import compaction
from transform.maintain import Maintained, maintain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOST_SECONDS = 90
BREATH_SECONDS = 0.15
"""Two who take the lease again at once would starve the refresh, and with it the landing that gives them something to do."""


def _row(number: int, site: str = "berlin", value: float = 0.25) -> dict[str, Any]:
    return {"device_id": f"{site}-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": value,
            "measured_at": NOW - timedelta(minutes=15 * (number + 1))}  # fmt: skip


def _maintain(neighbourhood: Any, now: datetime = NOW, **how: Any) -> Maintained:
    return maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=now, **how)


def _age(lake: Lake, days: float) -> None:
    """Make every file of the lake look older."""
    for path in Path(lake.storage.uri).rglob("*"):
        if path.is_file():
            written = path.stat().st_mtime - days * DAY.total_seconds()
            os.utime(path, (written, written))


def _history(neighbourhood: Any, days: int) -> None:
    """Days from three weeks ago on, landed and refreshed one by one as they passed: one file a day, as live operation leaves them."""
    for day in range(days):
        begin = (21 - day) * 96
        neighbourhood.land([_row(begin - quarter, site) for quarter in range(4) for site in ("berlin", "sydney")], NOW - (21 - day) * DAY)
        neighbourhood.refresh(NOW - (21 - day) * DAY)


def test_maintenance_folds_old_days_and_changes_no_figure(neighbourhood: Any, assert_same_tables: Any, tmp_path: Path) -> None:
    _history(neighbourhood, 3)
    lake, tables = neighbourhood.lake, ("silver/energy", "gold/energy_15min", "gold/energy_hourly", "gold/energy_daily")
    before = {name: neighbourhood.table(name) for name in tables}
    files = lake.files("gold/energy_hourly", manifest.newest(lake).versions["gold/energy_hourly"]).height
    done = _maintain(neighbourhood)
    snapshot = manifest.newest(lake)
    assert done.refresh_id == snapshot.refresh_id
    assert lake.scan(manifest.MANIFEST).sort("finished_at").collect()["kind"][-1] == "maintain"
    assert all(neighbourhood.table(name).equals(before[name]) for name in tables)
    folded = lake.files("gold/energy_hourly", snapshot.versions["gold/energy_hourly"])
    assert (files, folded.height) == (3, 2), "three dates became two half months"
    assert folded["min.site_id"][0] == "berlin"
    neighbourhood.land([_row(1500, value=1.0)], NOW)
    assert neighbourhood.refresh(NOW).readings_in == 1
    clean = neighbourhood.fresh_copy_of_bronze(tmp_path)
    clean.refresh(NOW, full=True)
    assert_same_tables(neighbourhood, clean)
    assert _maintain(neighbourhood).files_replaced > 0, "what the last refresh appended"
    assert _maintain(neighbourhood).files_replaced == 0


def test_every_publication_that_is_kept_can_be_asked_for_and_older_ones_are_gone(
    neighbourhood: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "LEAST_ENTRIES", 2)
    lake = neighbourhood.lake
    shown: dict[str, pl.DataFrame] = {}
    for number in range(5):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
        neighbourhood.refresh(NOW)
        snapshot = manifest.newest(lake)
        shown[snapshot.refresh_id] = snapshot.scan("gold/energy_daily").collect()
    ids = list(shown)
    lake.storage.write_bytes("gold/energy_daily/never-committed.parquet", b"left by a writer that died")
    _age(lake, 3)
    real_now = manifest.newest(lake).finished_at or NOW
    kept = manifest.as_of(lake, ids[-2])
    done = _maintain(neighbourhood, (kept.finished_at or NOW) + neighbourhood.settings.as_of_days * DAY + timedelta(microseconds=1))
    assert done.files_deleted > 10
    assert done.entries_deleted > 10
    assert not list(Path(lake.storage.uri).rglob("never-committed.parquet"))
    fresh = open_lake(lake.storage.uri)
    for refresh_id in ids[-2:]:
        assert manifest.as_of(fresh, refresh_id).scan("gold/energy_daily").collect().equals(shown[refresh_id])
    with pytest.raises(Gone, match="AURORA_AS_OF_DAYS"):
        manifest.as_of(fresh, ids[0])
    neighbourhood.land([_row(40)], NOW + timedelta(minutes=1))
    assert neighbourhood.refresh(NOW).readings_in == 1
    assert verify(open_lake(lake.storage.uri), neighbourhood.accounts, neighbourhood.home) == []
    assert real_now < datetime.now(UTC)


def test_the_log_of_readings_keeps_what_was_published_and_what_is_still_to_be_read(
    neighbourhood: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "LEAST_ENTRIES", 2)
    monkeypatch.setattr(compaction, "FILES_A_TABLE", 2)
    lake, rows = neighbourhood.lake, dict[int, int]()
    for number in range(16):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
        if number % 5 == 4:
            neighbourhood.refresh(NOW)
            version = manifest.newest(lake).consumed["bronze/readings"]
            rows[version] = number + 1
    behind = open_lake(lake.storage.uri)
    assert behind.version("bronze/readings") == 16
    neighbourhood.land([_row(16)], NOW + timedelta(seconds=16))
    done = _maintain(neighbourhood, is_light=True)
    assert (done.entries_deleted, done.files_replaced) == (0, 17), "all are of the last minute, and a writer at work may still read them"
    _age(lake, 1 / 24)
    neighbourhood.land([_row(17)], NOW + timedelta(seconds=17))
    assert _maintain(neighbourhood, is_light=True).entries_deleted == 13, "0 to 14, but what three refreshes had read to: 5, 10 and 15"
    behind.land("bronze/readings", lake.delta("bronze/readings", 5).to_pyarrow_table().slice(0, 1))
    assert neighbourhood.refresh(NOW).readings_in == 4
    _age(lake, 1 / 24)
    assert _maintain(neighbourhood, is_light=True).entries_deleted > 2, "the compaction, which named the files of version 5"
    _age(lake, 30)
    _maintain(neighbourhood)
    fresh = open_lake(lake.storage.uri)
    for version, height in rows.items():
        assert fresh.scan("bronze/readings", version=version).collect().height == height
    with pytest.raises(Gone, match="AURORA_AS_OF_DAYS"):
        fresh.scan("bronze/readings", version=7)
    assert verify(open_lake(lake.storage.uri), neighbourhood.accounts, neighbourhood.home) == []
    assert open_lake(lake.storage.uri).scan("bronze/readings").collect().height == 19


def test_readings_compacted_but_not_consumed_survive_maintenance(neighbourhood: Any) -> None:
    neighbourhood.land([_row(0)], NOW)
    neighbourhood.refresh(NOW)
    for number in range(1, 61):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
    _age(neighbourhood.lake, 30)
    done = _maintain(neighbourhood, NOW + 30 * DAY)
    assert done.files_replaced >= 60
    _age(neighbourhood.lake, 30)
    _maintain(neighbourhood, NOW + 60 * DAY)
    assert neighbourhood.refresh(NOW).readings_in == 60
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(61 * 0.25, abs=1e-9)


def test_nothing_is_deleted_while_a_backup_is_taken(neighbourhood: Any) -> None:
    neighbourhood.lake.storage.write_bytes("gold/energy_daily/never-committed.parquet", b"x")
    _age(neighbourhood.lake, 30)
    with leases.hold(neighbourhood.accounts, BACKUP, 0):
        assert not _maintain(neighbourhood).has_deleted
    assert _maintain(neighbourhood).files_deleted == 1


def test_a_second_maintainer_is_told_to_try_again(neighbourhood: Any) -> None:
    with leases.hold(neighbourhood.accounts, leases.PUBLISH, 0), pytest.raises(Busy):
        _maintain(neighbourhood, wait_seconds=0)


def _work(folder: str, rounds: int, start: Any, results: Any) -> None:
    """Maintain again and again in a process of its own."""
    from transform import compaction

    settings = Settings(home=Path(folder), _env_file=None)  # pyright: ignore[reportCallIssue]
    lake, accounts = open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
    compaction.FILES_A_TABLE = 2
    start.wait(60)
    number, replaced, latest = 0, 0, time.monotonic() + MOST_SECONDS
    while number < rounds or (not replaced and time.monotonic() < latest):
        replaced += maintain(lake, accounts, settings, is_light=number % 5 > 0, wait_seconds=60).files_replaced
        number += 1
        time.sleep(BREATH_SECONDS)
    results.put(replaced)


def test_two_maintainers_and_a_refresh_at_once_double_and_lose_nothing(neighbourhood: Any, count: Callable[[int, int], int]) -> None:
    rounds = count(6, 400)
    for landed in range(30):
        neighbourhood.land([_row(landed, value=1.0)], NOW + timedelta(seconds=landed))
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(2)
    processes = [context.Process(target=_work, args=(str(neighbourhood.home.path), rounds, start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    landed, refreshes = 30, 0
    while any(process.is_alive() for process in processes):
        neighbourhood.land([_row(landed, value=1.0)], NOW + timedelta(seconds=landed))
        landed += 1
        if landed % 20 == 0:
            neighbourhood.refresh(NOW)
            refreshes += 1
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    replaced = [results.get(timeout=10) for _ in processes]
    neighbourhood.refresh(NOW)
    print(f"{landed} commits and {refreshes} refreshes beside at least {2 * rounds} rounds of maintenance that replaced {replaced} files")
    assert min(replaced) > 0, "only one of the two ever had something to do"
    assert neighbourhood.lake.scan("bronze/readings").collect().height == landed
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(landed, abs=1e-9)


def _faults(lake: Lake) -> dict[str, Path]:
    """A file of each kind."""
    root = Path(lake.storage.uri)
    return {
        "data": sorted((root / "bronze" / "readings").rglob("*.parquet"))[0],
        "published": root / "gold" / "energy_daily" / manifest.newest(lake).lake.files("gold/energy_daily")["path"][0],
        "log": root / "bronze" / "readings" / "_delta_log" / f"{1:020d}.json",
    }


@pytest.mark.parametrize("kind", ["data", "published", "log"])
def test_flipped_cut_and_lost_files_are_named_and_the_rest_is_readable(
    neighbourhood: Any, count: Callable[[int, int], int], kind: str
) -> None:
    for number in range(3):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
    neighbourhood.refresh(NOW)
    neighbourhood.lake.land("bronze/prices", _price())
    lake, chance, seed = neighbourhood.lake, random.Random(7), 7
    file = _faults(lake)[kind]
    whole, missed, rounds = file.read_bytes(), 0, count(6, 400)
    for number in range(rounds):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        damaged = whole[:place] if number % 3 == 0 else whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        file.write_bytes(damaged)
        found = verify(open_lake(lake.storage.uri), neighbourhood.accounts, neighbourhood.home)
        missed += not any(str(file).endswith(one.path) for one in found) and _told(damaged) != _told(whole)
        assert open_lake(lake.storage.uri).scan("bronze/prices").collect().height == 1
    file.unlink()
    found = verify(open_lake(lake.storage.uri), neighbourhood.accounts, neighbourhood.home)
    assert any(str(file).endswith(one.path) for one in found)
    file.write_bytes(whole)
    assert verify(open_lake(lake.storage.uri), neighbourhood.accounts, neighbourhood.home) == []
    print(f"seed {seed}: {rounds} faults hit the {kind} file, {missed} not seen")
    assert missed == 0


def _told(content: bytes) -> Any:
    """What Aurora reads of a commit; the rest, such as who wrote it with which engine, decides nothing. Of other files: all."""
    try:
        actions = [json.loads(line) for line in content.splitlines()]
    except ValueError:
        return content
    kept = ("path", "size", "partitionValues", "dataChange", "stats")
    return [{name: one[kind].get(name) for name in kept} for one in actions for kind in ("add", "remove") if kind in one]


def _price() -> Any:
    from aurora.lake.tables import TABLES

    schema = pl.DataFrame(TABLES["bronze/prices"].schema.empty_table()).schema
    return pl.DataFrame([{"zone": "x", "interval_start_at": NOW}], schema=schema).to_arrow()
