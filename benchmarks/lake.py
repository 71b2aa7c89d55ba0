"""The bench home: a thousand sites with a year of quarter hours, for every benchmark that needs a large lake.

It lies outside the tree, is built once, and goes on where it was interrupted: months are landed under a transaction id and refreshed one
by one. The year ends on the day it was begun.
"""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import homes
from transform.refresh import Refresher

SITES = 1_000
WITH_SOLAR = 250
DAYS = 365
DAYS_A_STEP = 30
SEED = 11
FOLDER = Path(os.environ.get("AURORA_BENCH_HOME", "~/.cache/aurora/bench-lake")).expanduser()
TRANSACTION = "bench-lake"


def build() -> Refresher:
    """The bench home, built or completed with progress shown."""
    began = time.perf_counter()
    refresher = homes.open_refresher(FOLDER)
    plan = _plan() or _begin(refresher)
    first = datetime.fromisoformat(plan["first_at"])
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} days"), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as shown:
        task = shown.add_task("bench lake", total=DAYS, completed=plan["done_days"])
        for day in range(plan["done_days"], DAYS, DAYS_A_STEP):
            length = min(DAYS_A_STEP, DAYS - day)
            rows = homes.readings(_ids(), first + timedelta(days=day), _energies(day, length), datetime.now(UTC).replace(microsecond=0))
            homes.land(refresher.lake, rows, (TRANSACTION, day + 1))
            refresher.run()
            _note(plan | {"done_days": day + length})
            shown.update(task, completed=day + length)
    print(f"bench lake: {FOLDER} complete after {time.perf_counter() - began:.0f} s in this run")
    return refresher


def _begin(refresher: Refresher) -> dict[str, object]:
    print(f"bench lake: {SITES} sites, {DAYS} days in {FOLDER}")
    homes.add_sites(refresher.accounts, 0, WITH_SOLAR, ("meter", "inverter"))
    homes.add_sites(refresher.accounts, WITH_SOLAR, SITES, ("meter",))
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _note({"first_at": (midnight - timedelta(days=DAYS)).isoformat(), "done_days": 0})


def _ids() -> list[tuple[str, str]]:
    meters = [(f"site{number:04d}-meter", "consumption") for number in range(SITES)]
    return meters + [(f"site{number:04d}-inverter", "production") for number in range(WITH_SOLAR)]


def _energies(first_day: int, days: int) -> np.ndarray:
    """Plausible quarter-hour energies of every series: a daily shape, a size of its own, noise. [kWh]"""
    random = np.random.default_rng((SEED, first_day))
    hours = np.tile(np.arange(homes.QUARTERS_A_DAY) / 4, days)
    size = np.random.default_rng(SEED).lognormal(0.0, 0.5, (len(_ids()), 1))
    use = 0.05 + 0.06 * np.exp(-(((hours - 7.5) / 1.5) ** 2)) + 0.12 * np.exp(-(((hours - 19) / 2.5) ** 2))
    sun = np.clip(np.sin((hours - 5) / 15 * np.pi), 0, None) ** 1.5
    clouds = np.repeat(random.uniform(0.2, 1.0, (WITH_SOLAR, days)), homes.QUARTERS_A_DAY, axis=1)
    consumption = use * size[:SITES] * random.lognormal(0.0, 0.4, (SITES, hours.size))
    return np.vstack([consumption, sun * clouds * size[SITES:]])


def _plan() -> dict[str, object]:
    file = FOLDER / "bench.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _note(plan: dict[str, object]) -> dict[str, object]:
    file = FOLDER / "bench.json"
    file.with_suffix(".new").write_text(json.dumps(plan), encoding="utf-8")
    file.with_suffix(".new").replace(file)
    return plan
