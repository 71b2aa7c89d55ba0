"""Findings of a series of refreshes are those of a full one, each with an id of its own that it keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

BEGIN = datetime(2026, 8, 31, tzinfo=UTC)
WEEK = timedelta(weeks=1)
WEEKS = 6


def _readings(site: str, seed: int) -> list[dict[str, Any]]:
    """Hours of a home in which a meter stood for a day, an hour was far too much, half a day is missing and a total is sent twice."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for hour in range(WEEKS * 7 * 24):
        at = BEGIN + timedelta(hours=hour)
        used = 0.4 + 0.3 * ((hour % 24) > 16) + 0.1 * float(random.random())
        used = 9.0 if hour == 30 * 24 + 12 else 0.0 if 32 * 24 <= hour < 33 * 24 else used
        if not 36 * 24 <= hour < 36 * 24 + 12:
            rows.append({"device_id": f"{site}-meter", "channel": "consumption", "measured_at": at, "value": used})
        made = max(0.0, float(np.sin((hour % 24 - 6) / 12 * np.pi))) * (2 + float(random.random()))
        rows.append({"device_id": f"{site}-pv", "channel": "production", "measured_at": at, "value": made})
    return [row | {"measure": "interval_kwh", "interval_seconds": 3600} for row in rows]


def _found(neighbourhood: Any) -> pl.DataFrame:
    return neighbourhood.table("gold/anomalies").filter(pl.col("kind") != "silent").sort("anomaly_id")


@pytest.mark.timeout(300)
def test_findings_of_weekly_refreshes_and_late_days_are_those_of_a_full_refresh(neighbourhood: Any) -> None:
    rows = _readings("berlin", 1) + _readings("sydney", 2)
    late = [row for row in rows if row["measured_at"].date() in {(BEGIN + timedelta(days=day)).date() for day in (31, 32)}]
    on_time = [row for row in rows if row not in late]
    for week in range(3, WEEKS + 1):
        now = BEGIN + week * WEEK
        neighbourhood.land([row for row in on_time if (now - WEEK if week > 3 else BEGIN) <= row["measured_at"] < now], now)
        neighbourhood.refresh(now)
    now = BEGIN + WEEKS * WEEK + timedelta(days=1)
    neighbourhood.land(late, now)
    neighbourhood.refresh(now)
    found = _found(neighbourhood)
    assert {"spike", "zero", "gap", "late_data"} <= set(found["kind"])
    neighbourhood.refresh(now, full=True)
    assert _found(neighbourhood).equals(found)
    assert found["anomaly_id"].n_unique() == found.height


def test_two_decisions_at_one_moment_have_ids_of_their_own_and_keep_them(neighbourhood: Any) -> None:
    at = BEGIN + timedelta(hours=12)
    rows = [{"device_id": "berlin-pv", "channel": "production", "measured_at": at, "value": 500.0} for _ in range(2)]
    neighbourhood.land([rows[0] | {"measure": "power_kw"}, rows[1] | {"measure": "interval_kwh", "interval_seconds": 900}], BEGIN + WEEK)
    neighbourhood.refresh(BEGIN + WEEK)
    found = _found(neighbourhood)
    assert found["kind"].to_list() == ["glitch", "glitch"]
    assert found["anomaly_id"].n_unique() == 2
    neighbourhood.refresh(BEGIN + WEEK, full=True)
    assert _found(neighbourhood).equals(found)
