"""Readings that were not measured: exactly the quarter hours that have a part of their energy from one are estimated."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from aurora.domain import meters
from aurora.lake.tables import TABLES

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
READING = pl.DataFrame(TABLES["bronze/readings"].schema.empty_table()).schema
M, E = "measured", "estimated"


def _reading(
    measure: str, at: datetime, value: float, quality: str | None = None, seconds: int | None = None, **more: Any
) -> dict[str, Any]:
    usual = {"device_id": "m", "channel": "grid_import", "source": "t", "received_at": AT, "sequence": 0}
    return usual | {"measure": measure, "measured_at": at, "value": value, "interval_seconds": seconds, "quality": quality} | more


def _qualities(rows: list[dict[str, Any]], **how: Any) -> list[str]:
    """The quality of each quarter hour that some readings cover, in order of time."""
    return meters.energy(pl.DataFrame(rows, schema=READING), **how).quarters["quality"].to_list()


def test_quarter_is_estimated_by_any_of_its_intervals() -> None:
    qualities = [None] * 3 + [None, "estimated", None] + [None] * 3
    rows = [_reading("interval_kwh", AT + place * 5 * MINUTE, 0.1, quality, 300) for place, quality in enumerate(qualities)]
    assert _qualities(rows) == [M, E, M]


@pytest.mark.parametrize(("quality", "expected"), [(None, [E, M]), (E, [E, E])])
def test_interval_that_covers_half_of_another_is_estimated_alone(quality: str | None, expected: list[str]) -> None:
    # 10:00 to 10:30, of which 10:15 to 10:30 came once more: the first quarter is a share of the half hour, the second a whole one.
    rows = [
        _reading("interval_kwh", AT, 0.2, None, 1800),
        _reading("interval_kwh", AT + QUARTER, 0.1, quality, 900, received_at=AT + MINUTE),
    ]
    assert _qualities(rows) == expected


@pytest.mark.parametrize("values", [[100.0, 100.1, 100.2, 100.3, 100.4], [100.0, 100.1, 100.2, 100.3, 5.0]])
def test_span_of_a_register_is_estimated_if_either_end_is(values: list[float]) -> None:
    # The second series falls at its end, so that it is read one by one.
    qualities = [None, None, E, None, None]
    rows = [_reading("register_kwh", AT + place * QUARTER, value, qualities[place]) for place, value in enumerate(values)]
    found = _qualities(rows)
    assert found[:3] == [M, E, E]
    assert set(found[3:]) <= {M}


def test_first_reading_of_another_register_is_not_the_end_of_a_span() -> None:
    registers = [("a", E), ("b", None), ("b", None)]
    rows = [
        _reading("register_kwh", AT + place * QUARTER, 100.0 + place, quality, device_id=device)
        for place, (device, quality) in enumerate(registers)
    ]
    assert _qualities(rows) == [M]


def test_quarter_is_estimated_while_an_estimated_power_holds() -> None:
    rows = [_reading("power_kw", AT + place * 5 * MINUTE, 1.0, E if place == 4 else None) for place in range(9)]
    assert _qualities(rows) == [M, E, M, M]


def test_register_with_an_exchange_and_an_estimate_is_read() -> None:
    rows = [
        _reading("register_kwh", AT + place * QUARTER, value, E if place == 1 else None) for place, value in enumerate((5.0, 5.1, 0.2, 0.3))
    ]
    exchange = pl.DataFrame(
        {"device_id": ["m"], "channel": ["grid_import"], "at": [AT + QUARTER + MINUTE], "start_kwh": [0.1]},
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    assert _qualities(rows, replacements=exchange) == [E, M, M]
