"""Appends after twenty thousand commits against the first ones of the same run, with compaction and maintenance as Dagster schedules them.

A commit a second lands fifty readings; a refresh compacts the open day every five minutes of that, the light maintenance runs every hour.
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
from aurora.accounts.database import Accounts
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from transform import compaction
from transform.maintain import maintain

COMMITS = 20_000
READINGS = 50
REFRESH_EVERY, MAINTAIN_EVERY, CHECKPOINT_EVERY = 300, 3_600, 100
GOAL_RATIO = 2.0
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def append_seconds(lake: Lake, commits: int, upkeep: Callable[[int], None], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """How long each of so many appends took by `clock`, one after another; `upkeep(number)` runs between them. [s]"""
    taken: list[float] = []
    for number in range(commits):
        rows = _rows(number)
        began = clock()
        lake.land("bronze/readings", rows)
        taken.append(clock() - began)
        upkeep(number + 1)
    return taken


def ratio_of_ends(taken: list[float]) -> float:
    """Median of the last tenth to the median of the first; of fewer than a thousand, of the whole spans between checkpoints at the ends."""
    tenth = max(CHECKPOINT_EVERY, len(taken) // 10)
    return statistics.median(taken[-tenth:]) / statistics.median(taken[:tenth])


def _rows(number: int) -> pa.Table:
    received_at = BEGIN + timedelta(seconds=number)
    rows = [
        {"device_id": f"device-{place}", "channel": "consumption", "measure": "power_kw", "measured_at": received_at, "value": 0.5,
         "source": "mqtt", "received_at": received_at, "sequence": place, "measured_date": received_at.date()}
        for place in range(READINGS)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=pl.DataFrame(TABLES["bronze/readings"].schema.empty_table()).schema).to_arrow()


def main() -> None:
    """Print the ratio and its goal."""
    with tempfile.TemporaryDirectory(prefix="aurora-commits-") as folder:
        settings = Settings(home=Path(folder), _env_file=None)  # pyright: ignore[reportCallIssue]
        homes.create(settings)
        lake, accounts = open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
        accounts.migrate()
        lake.create_tables()

        def upkeep(number: int) -> None:
            if number % REFRESH_EVERY == 0:
                compaction.compact_bronze(lake)
            if number % MAINTAIN_EVERY == 0:
                maintain(lake, accounts, settings, is_light=True)
                print(f"  {number} of {COMMITS} commits", flush=True)

        taken = append_seconds(lake, COMMITS, upkeep)
    first, last = (statistics.median(part) * 1000 for part in (taken[: COMMITS // 10], taken[-COMMITS // 10 :]))
    print(f"commits: {COMMITS} appends, median {first:.1f} ms at first, {last:.1f} ms at last, longest {max(taken) * 1000:.0f} ms")
    print(f"commits: ratio {ratio_of_ends(taken):.2f} (goal at most {GOAL_RATIO})")
