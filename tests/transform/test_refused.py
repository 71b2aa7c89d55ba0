"""`rejected` of `gold/data_quality`: what was refused of a device on the local day it came, however the days are refreshed."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aurora.accounts import devices
from aurora.lake import manifest
from aurora.lake.tables import TABLES
from transform.maintain import maintain

# In Berlin the 2nd from 23:00 UTC on, in Kathmandu from 18:15.
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
READINGS = "aurora/v1/{}/readings"
COUNTS = ["device_id", "local_date", "received", "rejected"]


def refuse(neighbourhood: Any, at: datetime, topics: list[str | None], reason: str = "unknown_channel", source: str = "mqtt") -> None:
    """Land refusals as one commit."""
    rows = [
        {"rejected_id": f"{at:%H%M%S%f}{place}", "source": source, "topic": topic, "payload": "{}", "reason": reason, "received_at": at}
        for place, topic in enumerate(topics)
    ]
    schema = pl.DataFrame(TABLES["bronze/rejected"].schema.empty_table()).schema
    neighbourhood.lake.land("bronze/rejected", pl.DataFrame(rows, schema=schema).to_arrow())


def reading(device: str, at: datetime) -> dict[str, Any]:
    return {
        "device_id": device,
        "channel": "consumption",
        "measure": "interval_kwh",
        "interval_seconds": 900,
        "measured_at": at,
        "value": 0.5,
    }


def counts(neighbourhood: Any) -> list[tuple[Any, ...]]:
    return neighbourhood.table("gold/data_quality").select(COUNTS).sort("device_id", "local_date").rows()


def test_refusals_count_on_the_local_day_they_came(neighbourhood: Any) -> None:
    neighbourhood.land([reading("berlin-meter", NOW - timedelta(hours=1))], NOW)
    for at in (NOW - timedelta(hours=14), NOW - timedelta(hours=12), NOW):
        refuse(neighbourhood, at, [READINGS.format("berlin-meter"), READINGS.format("kathmandu-meter")])
    neighbourhood.refresh(NOW)
    assert counts(neighbourhood) == [
        ("berlin-meter", date(2026, 11, 1), 0, 1),
        ("berlin-meter", date(2026, 11, 2), 1, 2),
        ("kathmandu-meter", date(2026, 11, 2), 0, 3),
    ]
    assert neighbourhood.table("gold/energy_daily").select("site_id", "local_date").rows() == [("berlin", date(2026, 11, 2))]


def test_what_is_no_devices_is_counted_nowhere(neighbourhood: Any) -> None:
    bound: dict[str, Any] = {"decoder": "tasmota", "kind": "meter"}
    devices.add_device(neighbourhood.accounts, "berlin", name="a", device_id="a", topic="tele/+/SENSOR", **bound)
    devices.add_device(neighbourhood.accounts, "berlin", name="b", device_id="b", topic="tele/plug/SENSOR, power/#", **bound)
    devices.add_device(neighbourhood.accounts, "berlin", name="g", device_id="g", kind="gateway", topic="tele/#", decoder="tasmota")
    refuse(
        neighbourhood,
        NOW,
        ["tele/plug/SENSOR", "tele/x/SENSOR", "power/b", "power/b", "tele/other", "nowhere", "aurora/v1/strange/readings", None],
    )
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter")], "unknown_device")
    neighbourhood.refresh(NOW)
    day = date(2026, 11, 2)
    assert counts(neighbourhood) == [("a", day, 0, 1), ("b", day, 0, 2), ("g", day, 0, 1)]


def test_replayed_refusal_stays_counted_once(neighbourhood: Any) -> None:
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter")])
    row = neighbourhood.lake.scan("bronze/rejected").collect()
    mark = row.with_columns(pl.lit(NOW + timedelta(hours=1)).alias("replayed_at"), pl.lit(NOW + timedelta(hours=1)).alias("received_at"))
    neighbourhood.refresh(NOW)
    neighbourhood.lake.land("bronze/rejected", mark.to_arrow().cast(TABLES["bronze/rejected"].schema))
    neighbourhood.refresh(NOW, full=True)
    assert counts(neighbourhood) == [("berlin-meter", date(2026, 11, 2), 0, 1)]


def test_withdrawn_import_takes_its_refusals_along(neighbourhood: Any) -> None:
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter")])
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter"), READINGS.format("sydney-meter")], source="import:1")
    neighbourhood.refresh(NOW)
    assert [row[3] for row in counts(neighbourhood)] == [2, 1]
    neighbourhood.lake.withdraw("bronze/rejected", "import:1")
    neighbourhood.refresh(NOW)
    assert counts(neighbourhood) == [("berlin-meter", date(2026, 11, 2), 0, 1)]


def test_refresh_without_new_refusals_writes_nothing(neighbourhood: Any) -> None:
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter")])
    neighbourhood.refresh(NOW)
    version = manifest.newest(neighbourhood.lake).versions["gold/data_quality"]
    neighbourhood.refresh(NOW)
    refuse(neighbourhood, NOW, [READINGS.format("strange")])
    neighbourhood.refresh(NOW)
    assert manifest.newest(neighbourhood.lake).versions["gold/data_quality"] == version


def test_counts_stand_when_the_refusals_are_gone(neighbourhood: Any) -> None:
    refuse(neighbourhood, NOW, [READINGS.format("berlin-meter"), READINGS.format("sydney-meter")])
    neighbourhood.land([reading("berlin-meter", NOW)], NOW)
    neighbourhood.refresh(NOW)
    before, later = counts(neighbourhood), NOW + timedelta(days=40)
    maintain(neighbourhood.lake, neighbourhood.accounts, neighbourhood.settings, now=later)
    assert neighbourhood.lake.scan("bronze/rejected").collect().is_empty()
    neighbourhood.refresh(later, full=True)
    assert counts(neighbourhood) == before
    neighbourhood.land([reading("berlin-meter", NOW - timedelta(days=3))], later)
    neighbourhood.refresh(later)
    assert ("berlin-meter", date(2026, 10, 30), 1, None) in counts(neighbourhood)


@pytest.mark.timeout(600)
def test_series_of_refreshes_counts_what_one_full_refresh_does(
    neighbourhood: Any, tmp_path: Path, count: Callable[[int, int], int]
) -> None:
    names = [f"{site}-{device}" for site in ("berlin", "kathmandu", "sydney") for device in ("meter", "pv")]
    for seed in range(count(1, 40)):
        random = np.random.default_rng(seed)
        one = neighbourhood.fresh_copy_of_bronze(tmp_path)
        for step in range(3):
            moments = [NOW - timedelta(minutes=int(minutes)) for minutes in random.integers(0, 5000, 3)]
            for at in moments:
                refuse(one, at, [READINGS.format(name) for name in random.choice(names, 3)])
            one.land(
                [reading(str(name), at) for name, at in zip(random.choice(names, 2), moments, strict=False)], NOW + timedelta(seconds=step)
            )
            one.refresh(NOW, budget_seconds=0.1 if step % 2 else None)
        seen = counts(one)
        one.refresh(NOW, full=True)
        assert seen == counts(one), f"seed {seed}"
        assert sum(row[3] for row in seen) == 27
        shutil.rmtree(one.lake.storage.uri)
