"""What a refresh of one more hour costs from one site to ten thousand, what bronze takes, and how fast the lake is read.

Its homes lie beside the bench home, are built once and go on where they were interrupted. `python -m benchmarks scale`. A month and a year
of the same sites take each hour in turn, and processor time stands beside the clock, since a shared machine stretches the clock alone.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from aurora.lake import manifest, sql
from aurora.lake.store import Between
from benchmarks import homes, lake
from transform.maintain import maintain
from transform.refresh import Refresher

MONTH, YEAR = 30, 365
PAIRED_SITES, MOST_SITES = (1, 100, 1_000), 10_000
SOLAR_SHARE = 4
HOURS, ROUNDS_OF_SUMS = 5, 7
SEED = 23
GOAL_GROWTH, GOAL_BYTES, GOAL_READ_MS, GOAL_OF_DUCKDB = 1.2, 1.5, 10, 0.85


@dataclass
class _Home:
    """A home with so much history, and what its hours took.

    Attributes:
        refresher: Of the home.
        until: End of its history, where the hours begin.
        clock: Seconds of each refresh after the first, which warms caches.
        processor: The same in processor time of all threads. [s]
    """

    sites: int
    days: int
    refresher: Refresher
    until: datetime
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take_hour(self, hour: int) -> None:
        """Land one more hour of the open day, from noon on, and refresh."""
        at = self.until + timedelta(hours=11 + hour)
        stamp = datetime.now(UTC).replace(microsecond=0)
        homes.land(self.refresher.lake, homes.readings(_ids(self.sites), at, _values(self.sites, 4, 1_000 + hour), stamp))
        began, worked = time.perf_counter(), time.process_time()
        self.refresher.run(now=at + timedelta(hours=1))
        if hour:
            self.clock.append(time.perf_counter() - began)
            self.processor.append(time.process_time() - worked)

    def told(self) -> str:
        """A line of its medians."""
        clock, processor = statistics.median(self.clock), statistics.median(self.processor)
        a_reading = f"{clock / (4 * len(_ids(self.sites))) * 1e6:,.0f} us a reading"
        return f"refresh of one hour: {self.sites:,} sites, {self.days} days: {clock:.2f} s, {a_reading}, {processor:.2f} s of processor"


def main() -> None:
    """Build what is missing, then print a row a size and the figures of the largest year."""
    for sites in PAIRED_SITES:
        year = pair(sites)
    _sizes_and_reads(year.refresher, year.until)
    most = _home(MOST_SITES, MONTH)
    for hour in range(HOURS + 1):
        most.take_hour(hour)
    print(most.told(), flush=True)


def pair(sites: int) -> _Home:
    """Print how a month and a year of so many sites take the same hours, one after the other and in turn first; returns the year."""
    month, year = _home(sites, MONTH), _home(sites, YEAR)
    for hour in range(HOURS + 1):
        for home in (month, year) if hour % 2 else (year, month):
            home.take_hour(hour)
    growth, worked = (
        statistics.median(late / early for early, late in zip(*both, strict=True))
        for both in ((month.clock, year.clock), (month.processor, year.processor))
    )
    print(f"{month.told()}\n{year.told()}")
    print(
        f"growth with history at {sites:,} sites: {growth:.2f}, {worked:.2f} of processor (goal {GOAL_GROWTH}, {HOURS} pairs)", flush=True
    )
    return year


def _home(sites: int, days: int) -> _Home:
    """A home with so much history, refreshed, and the end of it."""
    folder = lake.FOLDER.parent / f"scale-{sites}-{days}"
    refresher = homes.open_refresher(folder)
    note = folder / "until"
    solar = max(sites // SOLAR_SHARE, 1)
    homes.add_sites(refresher.accounts, 0, solar, ("meter", "inverter"))
    homes.add_sites(refresher.accounts, solar, sites, ("meter",))
    begun = datetime.fromisoformat(note.read_text()) if note.exists() else None
    until = begun or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    note.write_text(until.isoformat())
    for day in range(0, days, 10):
        length = min(10, days - day)
        if refresher.lake.landed("bronze/readings", f"scale-{day}"):
            continue
        rows = homes.readings(_ids(sites), until - timedelta(days=days - day), _values(sites, length * 96, day), until)
        homes.land(refresher.lake, rows, (f"scale-{day}", 1))
    if manifest.newest(refresher.lake).consumed.get("bronze/readings", 0) < refresher.lake.version("bronze/readings"):
        refresher.run(now=until)
        maintain(refresher.lake, refresher.accounts, refresher.settings, now=until)
    return _Home(sites, days, refresher, until)


def _ids(sites: int) -> list[tuple[str, str]]:
    meters = [(f"site{number:04d}-meter", "consumption") for number in range(sites)]
    return meters + [(f"site{number:04d}-inverter", "production") for number in range(max(sites // SOLAR_SHARE, 1))]


def _values(sites: int, quarters: int, seed: int) -> np.ndarray:
    return np.random.default_rng((SEED, sites, seed)).random((len(_ids(sites)), quarters)) / 4


def _sizes_and_reads(refresher: Refresher, until: datetime) -> None:
    files = refresher.lake.files("bronze/readings")
    size, readings = int(files["size_bytes"].sum()), int(files["num_records"].sum())
    print(f"bronze after compaction: {size / readings:.2f} bytes a reading of {readings:,} (goal {GOAL_BYTES})", flush=True)
    snapshot = manifest.newest(refresher.lake)
    month = [Between("interval_start_at", until - timedelta(days=30), until)]

    def read(number: int) -> pl.DataFrame:
        rows = snapshot.scan("gold/energy_hourly", month).filter(pl.col("site_id") == f"site{number:04d}")
        return rows.select("interval_start_at", "consumption_kwh").collect()

    assert read(0).height == 30 * 24
    reads = [_taken(lambda n=n: read(n))[0] for n in range(3, 203)]
    print(f"one site's 30 days hourly: median {statistics.median(reads) * 1e3:.1f} ms warm (goal {GOAL_READ_MS})", flush=True)
    _sums(snapshot)


def _sums(snapshot: Any) -> None:
    """Hourly and daily sums of every quarter hour in silver, by Aurora's SQL and by bare DuckDB over the same files.

    Both stay connected, and keep files' footers from question to question: the goal is for those. Beside it stand both newly connected.
    """
    hourly = "select device_id, channel, epoch_us(interval_start_at) // {step} as bucket, sum(energy_kwh) as kwh from {table} group by all"
    query = "select count(*), sum(kwh) from (" + hourly + ")"
    paths = [str(Path(path)) for path in sql.files_of(snapshot, "silver/energy", is_newest=True)]
    rows = int(snapshot.lake.files("silver/energy", snapshot.versions["silver/energy"])["num_records"].sum())
    kept, connected = sql.Questions(snapshot), duckdb.connect(":memory:")
    for label, step in (("hourly", 3_600_000_000), ("daily", 86_400_000_000)):
        of_lake, of_files = query.format(step=step, table="silver.energy"), query.format(step=step, table=f"read_parquet({paths})")
        ways = {
            "bare DuckDB": (lambda asked=of_lake: kept.ask(asked), lambda asked=of_files: connected.execute(asked).fetchall()),
            "bare DuckDB, both newly connected": (lambda asked=of_lake: sql.ask(snapshot, asked), lambda asked=of_files: _bare(asked)),
        }
        for name, pair in ways.items():
            rounds = [tuple(_taken(way) for way in pair) for _ in range(ROUNDS_OF_SUMS)]
            ratio, worked = (statistics.median(bare[kind] / ours[kind] for ours, bare in rounds) for kind in (0, 1))
            speed = rows / statistics.median(ours[0] for ours, _ in rounds) / 1e6
            print(f"{label} sums of {rows:,} rows: {speed:.1f} M rows/s, {ratio:.2f} of {name}, {worked:.2f} by processor time", flush=True)
    print(f"  (goal {GOAL_OF_DUCKDB} of bare DuckDB)", flush=True)


def _bare(query: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(query).fetchall()


def _taken(work: Callable[[], Any]) -> tuple[float, float]:
    """How long something takes by the clock, and in processor time. [s]"""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked
