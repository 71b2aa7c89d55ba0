"""One hour of new readings for 100 sites: what it costs on a year of history against a month, and against a full rebuild."""

import shutil
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import homes
from transform.refresh import Refresher

SITES = 100
CHANNELS = (("meter", "grid_import"), ("meter", "grid_export"), ("inverter", "production"))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAIRS = 5
SEED = 5
GOAL_GROWTH = 1.2


def _readings(first: datetime, quarters: int, seed: int, received_at: datetime) -> pl.DataFrame:
    ids = [(f"site{number:04d}-{device}", channel) for number in range(SITES) for device, channel in CHANNELS]
    return homes.readings(ids, first, np.random.default_rng(seed).random((len(ids), quarters)), received_at)


def _prepare(folder: Path, days: int) -> tuple[Refresher, float]:
    """A home with so many days of history, refreshed in full; and how long that took. [s]"""
    refresher = homes.open_refresher(folder)
    homes.add_sites(refresher.accounts, 0, SITES, ("meter", "inverter"))
    start = NOW - timedelta(days=days)
    for month in range(0, days, 30):
        length = min(30, days - month)
        homes.land(refresher.lake, _readings(start + timedelta(days=month), length * homes.QUARTERS_A_DAY, SEED + month, NOW))
    return refresher, _timed(refresher, full=True)


def _timed(refresher: Refresher, **how: Any) -> float:
    began = time.perf_counter()
    refresher.run(now=NOW + timedelta(days=1), **how)
    return time.perf_counter() - began


def main(folder: Path) -> dict[str, float]:
    """Print and return the two ratios, medians of interleaved pairs."""
    shutil.rmtree(folder, ignore_errors=True)
    month, _ = _prepare(folder / "month", 30)
    year, full_seconds = _prepare(folder / "year", 365)
    times: dict[str, list[float]] = {"month": [], "year": []}
    for pair in range(PAIRS):
        rows = _readings(NOW + timedelta(hours=pair), 4, SEED + 1000 + pair, NOW + timedelta(minutes=pair + 1))
        for name, refresher in (("month", month), ("year", year)) if pair % 2 else (("year", year), ("month", month)):
            homes.land(refresher.lake, rows)
            times[name].append(_timed(refresher))
    growth = statistics.median(y / m for y, m in zip(times["year"], times["month"], strict=True))
    seconds = statistics.median(times["year"])
    print(f"refresh of one hour, {SITES} sites: {statistics.median(times['month']):.2f} s on 30 days, {seconds:.2f} s on 365 days")
    print(f"  growth with history   {growth:.2f}   (goal {GOAL_GROWTH}, median of {PAIRS} interleaved pairs)")
    print(
        f"  against a full rebuild {seconds / full_seconds:.4f} = 1/{full_seconds / seconds:.0f}   (goal 1/20; full {full_seconds:.0f} s)"
    )
    shutil.rmtree(folder, ignore_errors=True)
    return {"refresh_growth": growth, "refresh_of_full": seconds / full_seconds}
