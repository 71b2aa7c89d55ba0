"""What a reading was, measured or estimated, reaches silver and the account of the day, and what is measured later ends an estimate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

DAY = datetime(2026, 3, 10, tzinfo=UTC)
NOW = DAY + timedelta(days=3)
QUARTER = timedelta(minutes=15)
ESTIMATED = range(40, 44)


def _rows(places: Any, quality: str | None = None, value: float = 0.25) -> list[dict[str, Any]]:
    how = {"device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900}
    return [how | {"measured_at": DAY + place * QUARTER, "value": value, "quality": quality} for place in places]


def _quarters(neighbourhood: Any) -> list[datetime]:
    silver = neighbourhood.table("silver/energy").filter(pl.col("quality") == "estimated")
    return sorted(silver["interval_start_at"].to_list())


def _told(neighbourhood: Any) -> list[int]:
    return neighbourhood.table("gold/data_quality").sort("local_date")["estimated"].to_list()


def test_estimated_readings_are_estimated_in_silver_until_measured_ones_come(
    neighbourhood: Any, assert_same_tables: Any, tmp_path: Any
) -> None:
    neighbourhood.land(_rows(place for place in range(96) if place not in ESTIMATED), NOW)
    neighbourhood.land(_rows(ESTIMATED, "estimated"), NOW + timedelta(seconds=1))
    neighbourhood.refresh(NOW)
    energy = neighbourhood.table("silver/energy")
    assert (energy.height, energy["energy_kwh"].sum()) == (96, 24.0)
    assert _quarters(neighbourhood) == [DAY + place * QUARTER for place in ESTIMATED]
    assert _told(neighbourhood) == [4, 0]
    neighbourhood.land(_rows([40, 41]), NOW + timedelta(seconds=2))
    neighbourhood.land(_rows([42], value=0.5), NOW + timedelta(seconds=3))
    neighbourhood.refresh(NOW + timedelta(minutes=5))
    assert _quarters(neighbourhood) == [DAY + 43 * QUARTER]
    assert _told(neighbourhood) == [1, 0]
    rebuilt = neighbourhood.fresh_copy_of_bronze(tmp_path)
    rebuilt.refresh(NOW + timedelta(minutes=5))
    assert_same_tables(neighbourhood, rebuilt)
