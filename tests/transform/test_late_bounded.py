"""What a late reading rewrites is bounded by the site-days that it stands for, however much history there is."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from aurora.lake import manifest
from tests.transform.conftest import ZONES

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS, LATE = 20, 6
# Rows of a site-day: quarter hours of one channel of one meter in silver, then of the site.
MOST_ROWS = {"silver/energy": 100, "gold/energy_15min": 100, "gold/energy_hourly": 25, "gold/energy_daily": 1, "gold/data_quality": 1}


def _reading(site: str, at: datetime, value: float = 0.25) -> dict[str, Any]:
    return {"device_id": f"{site}-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": value,
            "measured_at": at}  # fmt: skip


def test_late_readings_rewrite_the_rows_of_their_site_days_alone(neighbourhood: Any, count: Callable[[int, int], int]) -> None:
    first = NOW - timedelta(days=DAYS)
    neighbourhood.land([_reading(site, first + hour * timedelta(hours=1)) for site in ZONES for hour in range(DAYS * 24)], NOW)
    neighbourhood.refresh(NOW)
    lake, seed, rows_a_reading = neighbourhood.lake, 5, list[float]()
    for number in range(count(2, 50)):
        chance = random.Random(seed + number)
        # Far enough from midnight in every zone that no reading reaches into a second day.
        noons = [datetime(2026, 11, 2, 9, tzinfo=UTC) + timedelta(days=chance.randrange(14)) for _ in range(LATE)]
        late = [_reading(chance.choice(list(ZONES)), noon + chance.randrange(8) * timedelta(minutes=15), chance.random()) for noon in noons]
        neighbourhood.land(late, NOW + timedelta(seconds=number + 1))
        done = neighbourhood.refresh(NOW)
        touched = {(row["device_id"].removesuffix("-meter"), row["measured_at"].date()) for row in late}
        assert done.days_touched == len(touched)
        written = 0
        for name, most in MOST_ROWS.items():
            rows = manifest.newest(lake).scan(name).filter(pl.col("refresh_id") == done.refresh_id).collect()
            assert set(rows.select("site_id", "local_date").rows()) == touched, name
            assert rows.height <= most * len(touched), name
            written += rows.height
        rows_a_reading.append(written / LATE)
    told = f"{min(rows_a_reading):.0f} to {max(rows_a_reading):.0f} rows"
    print(f"seed {seed}: {len(rows_a_reading)} rounds of {LATE} late readings rewrote {told} a reading")
