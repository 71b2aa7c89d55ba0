"""Intervals and power samples above what their channel can carry are left out, said so, and believed again where a person says so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from aurora.domain import meters
from aurora.lake.tables import TABLES

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
READING = pl.DataFrame(TABLES["bronze/readings"].schema.empty_table()).schema
BOUNDS = pl.DataFrame({"device_id": ["m"], "channel": ["grid_import"], "most_kw": [17.25]})


def _readings(measure: str, values: list[float], seconds: int, channel: str = "grid_import") -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {"device_id": "m", "channel": channel, "measure": measure, "measured_at": AT + timedelta(seconds=seconds * n), "value": value,
         "interval_seconds": seconds if measure == "interval_kwh" else None, "source": "t", "received_at": AT, "sequence": n}
        for n, value in enumerate(values)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=READING)


def test_interval_above_the_bound_is_left_out_and_told_with_its_arithmetic() -> None:
    # 5 kWh in 900 s are a mean of 20 kW, more than 17.25 kW; 4.3125 kWh are exactly the bound and stay.
    found = meters.energy(_readings("interval_kwh", [4.3125, 5.0, 1.0], 900), bounds=BOUNDS)
    assert found.quarters["energy_kwh"].to_list() == [4.3125, 1.0]
    [event] = found.events.to_dicts()
    assert (event["kind"], event["at"], event["energy_kwh_affected"], event["is_overruled"]) == (
        "glitch",
        AT + timedelta(minutes=15),
        5.0,
        False,
    )
    assert "20.0 kW" in event["evidence"]
    assert "17.2 kW" in event["evidence"]
    believed = meters.energy(_readings("interval_kwh", [4.3125, 5.0, 1.0], 900), bounds=BOUNDS, overruled={event["event_id"]})
    assert believed.quarters["energy_kwh"].to_list() == [4.3125, 5.0, 1.0]
    assert believed.events["is_overruled"].to_list() == [True]


def test_power_above_the_bound_covers_nothing_and_its_neighbours_hold_as_long_as_before() -> None:
    # Samples every 300 s: 6 kW for 5 minutes are 0.5 kWh; the one of 60 kW says nothing of its 5 minutes; the last holds 3 x 300 s.
    found = meters.energy(_readings("power_kw", [6.0, 60.0, 6.0], 300), bounds=BOUNDS)
    assert found.quarters.select("energy_kwh", "covered_seconds").rows() == [(1.0, 600.0), (1.0, 600.0)]
    assert found.events["energy_kwh_affected"].to_list() == [None]
    believed = meters.energy(_readings("power_kw", [6.0, 60.0, 6.0], 300), bounds=BOUNDS, overruled=set(found.events["event_id"]))
    assert believed.quarters.select("energy_kwh", "covered_seconds").rows() == [(6.0, 900.0), (1.0, 600.0)]


@pytest.mark.parametrize("bounds", [None, BOUNDS.head(0), BOUNDS.with_columns(most_kw=pl.lit(None, dtype=pl.Float64))])
def test_nothing_is_left_out_where_nobody_knows_the_bound(bounds: pl.DataFrame | None) -> None:
    found = meters.energy(_readings("interval_kwh", [50.0], 900), bounds=bounds)
    assert found.quarters["energy_kwh"].to_list() == [50.0]
    assert found.events.is_empty()


def test_later_received_impossible_interval_does_not_hide_the_possible_one() -> None:
    hour = _readings("interval_kwh", [100.0], 3600).with_columns(received_at=pl.lit(AT + timedelta(hours=1)))
    found = meters.energy(pl.concat([_readings("interval_kwh", [1.0, 1.0, 1.0, 1.0], 900), hour]), bounds=BOUNDS)
    # The hour shares its key with the first quarter hour and came later, so that one is superseded; the others stand.
    assert found.quarters["energy_kwh"].to_list() == [1.0, 1.0, 1.0]


def test_span_that_a_quarter_shares_is_named() -> None:
    found = meters.energy(_readings("interval_kwh", [4.0], 3600)).quarters
    assert found["span_start_at"].to_list() == [AT] * 4
    assert found["span_seconds"].to_list() == [3600] * 4
    assert meters.energy(_readings("interval_kwh", [4.0], 900)).quarters["span_seconds"].to_list() == [None]
    held = meters.energy(_readings("power_kw", [4.0], 3600), {"m": 3600}).quarters
    assert held["span_seconds"].to_list() == [None] * 4
