"""A refresh that dies anywhere changes nothing for readers, and the next one ends where it would have."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora import home as homes
from aurora.accounts.database import Accounts
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from transform.refresh import Refresher

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _rows(seed: int, first: datetime, quarters: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {
            "device_id": f"{site}-{device}",
            "channel": channel,
            "measure": "interval_kwh",
            "interval_seconds": 900,
            "value": chance.random(),
            "measured_at": first + timedelta(minutes=15 * quarter),
        }
        for site in ("berlin", "sydney")
        for device, channel in (("meter", "consumption"), ("pv", "production"))
        for quarter in range(quarters)
    ]


def _die_at_commit(folder: str, commits: int) -> None:
    """Refresh in a process of its own that is killed just before its commit number `commits`."""
    settings = Settings(home=Path(folder), _env_file=None)  # pyright: ignore[reportCallIssue]
    lake = open_lake(settings.resolved_lake_uri)
    done, commit = 0, Lake._commit

    def counted(self: Lake, *arguments: Any) -> None:
        nonlocal done
        if done == commits:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        commit(self, *arguments)

    Lake._commit = counted  # type: ignore[method-assign]
    Refresher(lake, Accounts(settings.resolved_database_url), homes.open_home(settings), settings).run(now=NOW)


def _published(lake: Lake) -> dict[str, Any]:
    snapshot = manifest.newest(lake)
    daily = snapshot.scan("gold/energy_daily").collect().sort("site_id", "local_date")
    return {"refresh_id": snapshot.refresh_id, "daily": daily}


@pytest.mark.timeout(3000)
def test_refresh_killed_between_any_two_commits_leaves_the_publication_and_is_repaired(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], count: Callable[[int, int], int], tmp_path: Path
) -> None:
    neighbourhood.land(_rows(1, NOW - timedelta(days=3), 200), NOW - timedelta(hours=1))
    neighbourhood.refresh(NOW)
    before = _published(neighbourhood.lake)
    neighbourhood.land(_rows(2, NOW - timedelta(days=2), 150), NOW)
    context = multiprocessing.get_context("spawn")
    killed = 0
    points = [2, 6, 9, 10] if count(0, 1) == 0 else range(40)
    for point in points:
        process = context.Process(target=_die_at_commit, args=(str(neighbourhood.home.path), point))
        process.start()
        process.join(120)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        now = _published(neighbourhood.lake)
        assert now["refresh_id"] == before["refresh_id"]
        assert now["daily"].equals(before["daily"])
    print(f"killed between commits {killed} times")
    assert killed >= 3
    neighbourhood.refresh(NOW)
    assert _published(neighbourhood.lake)["refresh_id"] != before["refresh_id"]
    revised = manifest.newest(neighbourhood.lake).scan("gold/revisions").collect()
    assert revised.height > 0
    assert revised.select("site_id", "local_date", "column_name").is_unique().all(), "what a dead refresh left must not stay"
    clean = neighbourhood.fresh_copy_of_bronze(tmp_path / "clean")
    clean.refresh(NOW, full=True)
    assert_same_tables(neighbourhood, clean)


def _read_until(folder: str, stop: Any, results: Any) -> None:
    """Look at the newest publication again and again, and count where hours and days disagree."""
    lake = open_lake(folder)
    looks = torn = 0
    seen: set[str] = set()
    while not stop.is_set():
        snapshot = manifest.newest(lake)
        hourly = snapshot.scan("gold/energy_hourly").group_by("site_id", "local_date").agg(pl.col("consumption_kwh").sum().alias("hours"))
        daily = snapshot.scan("gold/energy_daily").filter(pl.col("consumption_kwh").is_not_null())
        both = (
            daily.join(hourly, on=["site_id", "local_date"], how="left")
            .select((pl.col("consumption_kwh") - pl.col("hours").fill_null(0)).abs().max())
            .collect()
        )
        apart = both.item()
        looks += 1
        torn += apart is not None and apart > 1e-9
        seen.add(snapshot.refresh_id)
        time.sleep(0.02)
    results.put((looks, torn, len(seen)))


def test_readers_never_see_half_a_refresh(neighbourhood: Any, count: Callable[[int, int], int]) -> None:
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    reader = context.Process(target=_read_until, args=(neighbourhood.settings.resolved_lake_uri, stop, results))
    reader.start()
    for number in range(count(4, 30)):
        neighbourhood.land(_rows(number, NOW - timedelta(days=2), 150), NOW + timedelta(seconds=number))
        neighbourhood.refresh(NOW)
    stop.set()
    looks, torn, publications = results.get(timeout=60)
    reader.join(30)
    print(f"{looks} looks, {publications} publications seen, {torn} torn")
    assert looks > 10
    assert publications >= 2
    assert torn == 0


def test_second_refresh_of_the_same_readings_changes_no_file(neighbourhood: Any) -> None:
    neighbourhood.land(_rows(1, NOW - timedelta(days=2), 50), NOW)
    neighbourhood.refresh(NOW)
    before = manifest.newest(neighbourhood.lake).versions
    again = neighbourhood.refresh(NOW)
    after = manifest.newest(neighbourhood.lake).versions
    assert again.readings_in == again.days_touched == 0
    assert {name: version for name, version in after.items() if name != "gold/device_status"} == {
        name: version for name, version in before.items() if name != "gold/device_status"
    }
