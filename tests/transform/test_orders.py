"""The same readings give the same gold, in whatever order and how often their files arrive and whenever refreshes run between them."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aurora.accounts import devices, people, sites
from tests.conftest import IS_TRIALS
from tests.transform.conftest import COMPARED, READING

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Lord Howe's clocks go half an hour on in the night to the 4th of October, Berlin's an hour back in the night to the 25th.
SPRING, AUTUMN = datetime(2026, 10, 3, 6, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
LOAD = "import:load-1"
MOST_FILES = 6
# What counts arrivals themselves, and counts one that comes twice as two.
OF_ARRIVALS = ["received", "duplicates", "late"]


def _series(device: str, channel: str, measure: str, begin: datetime, minutes: int, values: list[float | None]) -> list[dict[str, Any]]:
    """Readings one after another that were received a minute after their interval."""
    step, is_interval = timedelta(minutes=minutes), measure == "interval_kwh"
    return [
        {"device_id": device, "channel": channel, "measure": measure, "measured_at": begin + place * step, "value": value,
         "interval_seconds": minutes * 60 if is_interval else None, "source": "mqtt",
         "received_at": begin + (place + 1) * step + timedelta(minutes=1)}
        for place, value in enumerate(values)
    ]  # fmt: skip


def _again(rows: list[dict[str, Any]], **other: Any) -> list[dict[str, Any]]:
    """Readings of the same keys, received two days later."""
    return [row | {"received_at": row["received_at"] + timedelta(days=2)} | other for row in rows]


def _readings() -> list[dict[str, Any]]:
    """Every kind of reading that another one of the same or a near time decides over."""
    register = [1000 + 0.4 * place if place < 50 else 0.4 * (place - 50) for place in range(96)]
    power = [None if 40 <= place < 60 else (place % 7) / 3 for place in range(200)]
    quarters = _series("kathmandu-meter", "consumption", "interval_kwh", AUTUMN, 15, [0.1 + place % 5 / 10 for place in range(120)])
    halves = _series("lordhowe-meter", "consumption", "interval_kwh", SPRING, 30, [0.2 + place % 3 / 10 for place in range(60)])
    hours = _series("sydney-meter", "grid_import", "interval_kwh", SPRING, 60, [1.0] * 24)
    sampled = [row for row in _series("berlin-pv", "production", "power_kw", AUTUMN, 10, power) if row["value"] is not None]
    every = [
        *_series("berlin-meter", "grid_import", "register_kwh", AUTUMN, 30, register),
        *sampled,
        *_again(sampled[30:34], value=2.5),
        *quarters,
        *_again(quarters[10:20], value=0.7),
        *_again(quarters[50:53], value=None),
        *_again(quarters[70:74], value=0.9, received_at=quarters[70]["received_at"] + timedelta(days=3), source="http"),
        *_again(quarters[70:74], value=0.8, received_at=quarters[70]["received_at"] + timedelta(days=3)),
        *halves,
        *_again(halves[20:24], value=0.05),
        *hours,
        *_again(_series("sydney-meter", "grid_import", "interval_kwh", SPRING + timedelta(hours=5), 15, [0.3] * 6)),
    ]
    return [row | {"sequence": place % 8} for place, row in enumerate(every)]


def _load() -> list[dict[str, Any]]:
    """An import over what the meters measured, which is taken back."""
    begin = AUTUMN + timedelta(hours=3)
    rows = _series("kathmandu-meter", "consumption", "interval_kwh", begin, 15, [3.0] * 30)
    rows += _series("berlin-sub", "consumption", "interval_kwh", begin - timedelta(days=2), 60, [1.5] * 60)
    return [row | {"source": LOAD, "received_at": NOW - timedelta(days=1), "sequence": place} for place, row in enumerate(rows)]


def _land(one: Any, rows: list[dict[str, Any]], transaction: tuple[str, int] | None = None) -> None:
    dated = [row | {"measured_date": row["measured_at"].date()} for row in rows]
    one.lake.land("bronze/readings", pl.DataFrame(dated, schema=READING).to_arrow(), transaction)


@dataclass
class Order:
    """One order in which everything arrives, drawn by chance, and how often it did what could do harm."""

    chance: random.Random
    refreshes: int = 0
    doubled: int = 0
    left_pending: int = 0
    was_seen: bool = False

    def bring(self, one: Any) -> None:
        """Land every file at some time, some twice, and the load, which goes again; refresh in between and at the end."""
        files = self._files()
        places = sorted(self.chance.sample(range(len(files) + 1), 2))
        for place in range(len(files) + 1):
            if place == places[0]:
                _land(one, _load(), (LOAD, 1))
            if place == places[1]:
                one.lake.withdraw("bronze/readings", LOAD)
            self._maybe_refresh(one, is_load_there=places[0] <= place < places[1])
            if place < len(files):
                _land(one, files[place])
        one.refresh(NOW)
        self.refreshes += 1

    def _files(self) -> list[list[dict[str, Any]]]:
        rows = _readings()
        files: list[list[dict[str, Any]]] = [[] for _ in range(self.chance.randint(2, MOST_FILES))]
        for row in self.chance.sample(rows, len(rows)):
            self.chance.choice(files).append(row)
        twice = [file for file in files if self.chance.random() < 0.3]
        self.doubled = len(twice)
        return self.chance.sample([*files, *twice], len(files) + len(twice))

    def _maybe_refresh(self, one: Any, *, is_load_there: bool) -> None:
        if self.chance.random() < 0.6:
            return
        done = one.refresh(NOW, budget_seconds=self.chance.choice([None, 0.4]), full=self.chance.random() < 0.1)
        self.refreshes += 1
        self.left_pending += done.pending_days > 0
        self.was_seen |= is_load_there


def _with_lord_howe(neighbourhood: Any) -> Any:
    owner = people.user_by_name(neighbourhood.accounts, "ada")
    facts = {"time_zone": "Australia/Lord_Howe", "latitude": 0.0, "longitude": 0.0}
    sites.add_site(neighbourhood.accounts, owner, name="lordhowe", site_id="lordhowe", **facts)
    devices.add_device(neighbourhood.accounts, "lordhowe", name="meter", kind="meter", device_id="lordhowe-meter")
    return neighbourhood


def _assert_same(one: Any, other: Any) -> None:
    for name in COMPARED:
        left, right = (each.table(name).drop(OF_ARRIVALS, strict=False) for each in (one, other))
        assert left.height, name
        assert_frame_equal(left, right, abs_tol=1e-9, rel_tol=0, check_exact=False)


@pytest.mark.timeout(7200)
def test_gold_does_not_depend_on_the_order_in_which_readings_arrive(
    neighbourhood: Any, tmp_path: Path, count: Callable[[int, int], int]
) -> None:
    once = _with_lord_howe(neighbourhood)
    _land(once, _readings())
    once.refresh(NOW, full=True)
    seed = random.SystemRandom().randrange(10**6) if IS_TRIALS else 11
    print(f"seed {seed}")
    done = list[Order]()
    for number in range(count(3, 100)):
        order, other = Order(random.Random(seed + number)), once.empty_lake(tmp_path / f"order-{number}")
        order.bring(other)
        _assert_same(once, other)
        done.append(order)
        shutil.rmtree(other.lake.storage.uri)
    refreshes, doubled, pending = (sum(getattr(order, name) for order in done) for name in ("refreshes", "doubled", "left_pending"))
    seen = sum(order.was_seen for order in done)
    print(
        f"seed {seed}: {len(done)} orders, {refreshes} refreshes of which {pending} left days pending, {doubled} files came twice,"
        f" in {seen} orders the load was seen before it was withdrawn"
    )
    assert refreshes > len(done)
    assert doubled
    assert seen
