"""One hour of new readings for 100 sites: what it costs on a year of history against a month, and against a full rebuild."""

import shutil
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aurora import home as homes
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.lake.store import open_lake
from aurora.settings import Settings
from transform.refresh import Refresher

SITES = 100
CHANNELS = (("meter", "grid_import"), ("meter", "grid_export"), ("pv", "production"))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAIRS = 5
SEED = 5
GOAL_GROWTH = 1.2
GOAL_OF_FULL = 1 / 20


def _readings(first: datetime, quarters: int, seed: int, received_at: datetime) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    ids = [(f"site{number:03d}-{device}", channel) for number in range(SITES) for device, channel in CHANNELS]
    at = pl.datetime_range(first, first + timedelta(minutes=15 * (quarters - 1)), "15m", time_unit="us", eager=True)
    count = len(ids) * quarters
    return pl.DataFrame(
        {
            "device_id": pl.Series([name for name, _ in ids]).gather(np.repeat(np.arange(len(ids)), quarters)),
            "channel": pl.Series([channel for _, channel in ids]).gather(np.repeat(np.arange(len(ids)), quarters)),
            "measured_at": at.gather(np.tile(np.arange(quarters), len(ids))),
            "value": random.random(count).round(3),
            "sequence": np.arange(count),
        }
    ).with_columns(
        pl.lit("interval_kwh").alias("measure"), pl.lit(900, dtype=pl.Int64).alias("interval_seconds"), pl.lit("bench").alias("source"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"), pl.col("measured_at").dt.date().alias("measured_date"),
    )  # fmt: skip


def _land(refresher: Refresher, rows: pl.DataFrame) -> None:
    schema = pl.DataFrame(refresher.lake.delta("bronze/readings").schema().to_arrow().empty_table()).schema
    refresher.lake.land("bronze/readings", rows.select([pl.col(name).cast(kind) for name, kind in schema.items()]).to_arrow())


def _prepare(folder: Path, days: int) -> tuple[Refresher, float]:
    """A home with so many days of history, refreshed in full; and how long that took. [s]"""
    settings = Settings(home=folder, _env_file=None)  # pyright: ignore[reportCallIssue]
    home, lake, accounts = homes.create(settings), open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
    lake.create_tables()
    accounts.migrate()
    owner = people.add_user(accounts, "bench", "a long bench password", "admin")
    for number in range(SITES):
        site = sites.add_site(
            accounts, owner, name=f"Site {number}", site_id=f"site{number:03d}", time_zone="Europe/Berlin", latitude=52.0, longitude=13.0,
            currency="EUR", pv_capacity_kw=5.0,
        )  # fmt: skip
        devices.add_device(accounts, site.site_id, name="meter", kind="meter", device_id=f"{site.site_id}-meter")
        devices.add_device(accounts, site.site_id, name="pv", kind="inverter", device_id=f"{site.site_id}-pv", energy_source="pv")
    refresher = Refresher(lake, accounts, home, settings)
    start = NOW - timedelta(days=days)
    for month in range(0, days, 30):
        length = min(30, days - month)
        _land(refresher, _readings(start + timedelta(days=month), length * 96, SEED + month, NOW))
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
            _land(refresher, rows)
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
