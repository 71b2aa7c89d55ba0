"""What a refresh of one more hour costs from one site to ten thousand, what bronze takes, and how fast the lake is read.

Its homes lie beside the bench home, are built once and go on where they were interrupted. `python -m benchmarks scale`.
"""

import statistics
import time
from collections.abc import Callable
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

SIZES = ((1, 30), (1, 365), (100, 30), (100, 365), (1_000, 30), (1_000, 365), (10_000, 30))
SOLAR_SHARE = 4
HOURS = 3
SEED = 23
GOAL_GROWTH, GOAL_BYTES, GOAL_READ_MS, GOAL_OF_DUCKDB = 1.2, 1.5, 10, 0.85


def main() -> None:
    """Build what is missing, then print a row a size and the figures of the largest year."""
    seconds: dict[tuple[int, int], float] = {}
    for sites, days in SIZES:
        refresher, last = _home(sites, days)
        seconds[sites, days], arriving = _hour(refresher, sites, last)
        told = f"{seconds[sites, days]:.2f} s, {seconds[sites, days] / arriving * 1e6:,.0f} us a reading"
        print(f"refresh of one hour: {sites:,} sites, {days} days: {told}", flush=True)
        if (sites, days) == (1_000, 365):
            _sizes_and_reads(refresher, last)
    for sites in (1, 100, 1_000):
        print(f"growth with history at {sites:,} sites: {seconds[sites, 365] / seconds[sites, 30]:.2f} (goal {GOAL_GROWTH})")


def _home(sites: int, days: int) -> tuple[Refresher, datetime]:
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
    return refresher, until


def _ids(sites: int) -> list[tuple[str, str]]:
    meters = [(f"site{number:04d}-meter", "consumption") for number in range(sites)]
    return meters + [(f"site{number:04d}-inverter", "production") for number in range(max(sites // SOLAR_SHARE, 1))]


def _values(sites: int, quarters: int, seed: int) -> np.ndarray:
    return np.random.default_rng((SEED, sites, seed)).random((len(_ids(sites)), quarters)) / 4


def _hour(refresher: Refresher, sites: int, until: datetime) -> tuple[float, int]:
    """Median seconds of the refresh after an hour of readings, and how many readings an hour is; at midday of the day that is open."""
    times = []
    noon = until + timedelta(hours=11)
    for hour in range(HOURS + 1):
        at = noon + timedelta(hours=hour)
        stamp = datetime.now(UTC).replace(microsecond=0)
        homes.land(refresher.lake, homes.readings(_ids(sites), at, _values(sites, 4, 1_000 + hour), stamp))
        began = time.perf_counter()
        refresher.run(now=at + timedelta(hours=1))
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]), 4 * len(_ids(sites))


def _sizes_and_reads(refresher: Refresher, until: datetime) -> None:
    files = refresher.lake.files("bronze/readings")
    size = files["size_bytes"].sum() / files["num_records"].sum()
    print(f"bronze after compaction: {size:.2f} bytes a reading of {files['num_records'].sum():,} (goal {GOAL_BYTES})", flush=True)
    snapshot = manifest.newest(refresher.lake)
    month = [Between("interval_start_at", until - timedelta(days=30), until)]

    def read(number: int) -> pl.DataFrame:
        rows = snapshot.scan("gold/energy_hourly", month).filter(pl.col("site_id") == f"site{number:04d}")
        return rows.select("interval_start_at", "consumption_kwh").collect()

    assert read(0).height == 30 * 24
    reads = [_seconds(lambda n=n: read(n)) for n in range(3, 203)]
    print(f"one site's 30 days hourly: median {statistics.median(reads) * 1e3:.1f} ms warm (goal {GOAL_READ_MS})", flush=True)
    _sums(snapshot)


def _sums(snapshot: Any) -> None:
    """Hourly and daily sums of every quarter hour in silver, by Aurora's SQL and by bare DuckDB over the same files."""
    hourly = "select device_id, channel, epoch_us(interval_start_at) // {step} as bucket, sum(energy_kwh) as kwh from {table} group by all"
    query = "select count(*), sum(kwh) from (" + hourly + ")"
    paths = [str(Path(path)) for path in sql.files_of(snapshot, "silver/energy", is_newest=True)]
    for label, step in (("hourly", 3_600_000_000), ("daily", 86_400_000_000)):
        ours, bare = [], []
        for _ in range(3):
            ours.append(_seconds(lambda step=step: sql.ask(snapshot, query.format(step=step, table="silver.energy"))))
            bare.append(_seconds(lambda step=step: duckdb.sql(query.format(step=step, table=f"read_parquet({paths})")).fetchall()))
        rows = snapshot.lake.files("silver/energy", snapshot.versions["silver/energy"])["num_records"].sum()
        ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
        told = f"{rows / statistics.median(ours) / 1e6:.1f} M rows/s"
        print(f"{label} sums of {rows:,} rows: {told}, {ratio:.2f} of bare DuckDB (goal {GOAL_OF_DUCKDB})", flush=True)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
