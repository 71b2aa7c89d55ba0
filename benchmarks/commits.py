"""Appends after twenty thousand commits against the first ones of the same run, with compaction and maintenance as Dagster schedules them.

A commit a second lands fifty readings; a refresh compacts the open day and publishes how far it read every five minutes of that, the light
maintenance runs every hour. Processor time stands beside the clock, since a shared machine stretches the clock alone.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from aurora import home as homes
from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.lake import cleaning, manifest
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from transform import compaction
from transform.compaction import READINGS
from transform.maintain import maintain

COMMITS, END = 20_000, 500
READINGS_A_COMMIT = 50
REFRESH_EVERY, MAINTAIN_EVERY, CHECKPOINT_EVERY = 300, 3_600, 100
GOAL_RATIO = 2.0
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def append_seconds(lake: Lake, commits: int, upkeep: Callable[[int], None]) -> tuple[list[float], list[float]]:
    """How long each of so many appends took, by the clock and in processor time; `upkeep(number)` runs between them. [s]"""
    clock, processor = list[float](), list[float]()
    for number in range(commits):
        rows = _rows(number)
        began, worked = time.perf_counter(), time.process_time()
        lake.land(READINGS, rows)
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - worked)
        upkeep(number + 1)
    return clock, processor


def publish(lake: Lake, accounts: Accounts) -> None:
    """Publish how far readings were read, as a refresh does."""
    with leases.hold(accounts, leases.PUBLISH, 0) as lease:
        manifest.begin(lake, lease, "refresh", "bench").finish(consumed={READINGS: lake.version(READINGS)})


def ratio_of_ends(taken: list[float]) -> float:
    """Median of the last tenth to the median of the first; of fewer than a thousand, of the whole spans between checkpoints at the ends."""
    tenth = max(CHECKPOINT_EVERY, len(taken) // 10)
    return statistics.median(taken[-tenth:]) / statistics.median(taken[:tenth])


def _rows(number: int) -> pa.Table:
    received_at = BEGIN + timedelta(seconds=number)
    rows = [
        {"device_id": f"device-{place}", "channel": "consumption", "measure": "power_kw", "measured_at": received_at, "value": 0.5,
         "source": "mqtt", "received_at": received_at, "sequence": place, "measured_date": received_at.date()}
        for place in range(READINGS_A_COMMIT)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=pl.Schema(TABLES[READINGS].schema)).to_arrow()


def main() -> None:
    """Print the ratio and its goal."""
    with tempfile.TemporaryDirectory(prefix="aurora-commits-") as folder:
        settings = Settings(home=Path(folder), _env_file=None)  # pyright: ignore[reportCallIssue]
        homes.create(settings)
        lake, accounts = open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
        accounts.migrate()
        lake.create_tables()
        # A minute of commits, one a second, passes here in about so long.
        cleaning.SETTLED_AFTER = timedelta(seconds=3)

        def upkeep(number: int) -> None:
            if number % REFRESH_EVERY == 0:
                compaction.compact_bronze(lake)
                publish(lake, accounts)
            if number % MAINTAIN_EVERY == 0:
                maintain(lake, accounts, settings, is_light=True)
                print(f"  {number} of {COMMITS} commits", flush=True)

        clock, processor = append_seconds(lake, COMMITS, upkeep)
    for taken, label in ((clock, "clock"), (processor, "processor")):
        first, last = (statistics.median(part) * 1000 for part in (taken[:END], taken[-END:]))
        told = f"median of {END} {first:.1f} ms at first, {last:.1f} ms at last, longest {max(taken) * 1000:.0f} ms"
        print(f"commits: {COMMITS} appends by the {label}: {told}, ratio {last / first:.2f} (goal at most {GOAL_RATIO})")
