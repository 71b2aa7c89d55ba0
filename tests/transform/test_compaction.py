"""Compaction moves rows, adds none, and the next refresh does not take them for new."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aurora.lake import changes
from transform.compaction import compact_bronze

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _row(number: int) -> dict[str, Any]:
    return {"device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": number / 10,
            "measured_at": NOW - timedelta(minutes=15 * (number + 1))}  # fmt: skip


def test_compacted_day_keeps_its_rows_and_is_not_read_as_new(neighbourhood: Any) -> None:
    lake = neighbourhood.lake
    for number in range(30):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
    neighbourhood.refresh(NOW)
    before, version = lake.scan("bronze/readings").collect(), lake.version("bronze/readings")
    assert compact_bronze(lake, most_files=10) == 30
    after = lake.scan("bronze/readings").collect()
    assert lake.files("bronze/readings").height == 1
    assert after.sort("measured_at").equals(before.sort("measured_at"))
    assert changes.added_files(lake, "bronze/readings", version, lake.version("bronze/readings")) == []
    again = neighbourhood.refresh(NOW)
    assert again.readings_in == again.days_touched == 0


def test_files_compacted_before_they_were_refreshed_are_still_read(neighbourhood: Any) -> None:
    for number in range(30):
        neighbourhood.land([_row(number)], NOW + timedelta(seconds=number))
    compact_bronze(neighbourhood.lake, most_files=10)
    done = neighbourhood.refresh(NOW)
    assert done.readings_in == 30
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == sum(number / 10 for number in range(30))
