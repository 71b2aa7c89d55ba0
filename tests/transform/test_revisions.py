"""What `gold/revisions` says of closed days: every figure that changed, from, to, and truly why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from aurora.accounts import devices, overrules, sites
from aurora.lake import manifest
from aurora.lake.tables import TABLES
from transform import reasons, revisions

DAY = datetime(2026, 11, 10, tzinfo=UTC)
NOW = DAY + timedelta(days=5, hours=12)
# Daily columns that are no figures: keys, and what figures are made of or made in.
NO_FIGURES = {"site_id", "local_date", "currency", "derived_channels", "day_seconds", "refresh_id"}


def _hour(hour: int, value: float | None, channel: str = "grid_import") -> dict[str, Any]:
    return {"device_id": "berlin-meter", "channel": channel, "measure": "interval_kwh", "interval_seconds": 3600,
            "measured_at": DAY + timedelta(hours=hour), "value": value}  # fmt: skip


def _publish(neighbourhood: Any, rows: list[dict[str, Any]], second: int = 0) -> None:
    neighbourhood.land(rows, NOW + timedelta(seconds=second))
    neighbourhood.refresh(NOW)


def _told(neighbourhood: Any, column: str = "grid_import_kwh") -> list[tuple[int, float | None, float | None, str]]:
    """Day of November, before, after and reason of the newest refresh's revisions of one column."""
    snapshot = manifest.newest(neighbourhood.lake)
    rows = snapshot.scan("gold/revisions").filter((pl.col("refresh_id") == snapshot.refresh_id) & (pl.col("column_name") == column))
    ordered = rows.select(pl.col("local_date").dt.day(), "value_before", "value_after", "reason").sort("local_date").collect()
    return [(day, before, after, reason) for day, before, after, reason in ordered.rows()]


def test_reason_tells_late_corrected_and_withdrawn_readings_apart(neighbourhood: Any) -> None:
    # Berlin's 10 November begins at 23:00 UTC the day before: 23 of these hours are its, 24 are the next day's.
    _publish(neighbourhood, [_hour(hour, 1.0) for hour in range(71) if hour != 5])
    again = [_hour(5, 1.0), _hour(6, 3.0), _hour(7, 1.0), _hour(8, None), _hour(9, 4.0), _hour(30, None), _hour(60, 1.0)]
    _publish(neighbourhood, again, 1)
    assert _told(neighbourhood) == [
        (10, 22.0, 22.0 + 1.0 + 2.0 - 1.0 + 3.0, "1 reading arrived late; 2 readings were corrected; 1 reading was withdrawn"),
        (11, 24.0, 23.0, "1 reading was withdrawn"),
    ]


def test_reason_names_a_fact_beside_a_reading_that_came_with_it(neighbourhood: Any) -> None:
    _publish(neighbourhood, [_hour(hour, 1.0) for hour in range(71)])
    devices.change_device(neighbourhood.accounts, "berlin-meter", factor=2.0)
    _publish(neighbourhood, [_hour(6, 2.0)], 1)
    assert [(day, after, reason) for day, _, after, reason in _told(neighbourhood)] == [
        (10, 2 * 24.0, f"1 reading was corrected; {reasons.OF_FACT}"), (11, 48.0, reasons.OF_FACT), (12, 48.0, reasons.OF_FACT),
    ]  # fmt: skip


def test_reason_names_a_decision_on_its_own_days_alone(neighbourhood: Any) -> None:
    sites.change_site(neighbourhood.accounts, "berlin", fuse_a=25.0)
    _publish(neighbourhood, [_hour(hour, 90.0 if hour == 30 else 1.0) for hour in range(71)])
    event = neighbourhood.table("gold/meter_events")["event_id"].item()
    about: dict[str, Any] = {"device_id": "berlin-meter", "site_id": "berlin", "reason": None, "by": None, "now": NOW}
    overrules.overrule(neighbourhood.accounts, event, is_overruled=True, **about)
    _publish(neighbourhood, [_hour(60, 2.0)], 1)
    assert [(day, after, reason) for day, _, after, reason in _told(neighbourhood)] == [
        (11, 23.0 + 90.0, reasons.OF_PERSON), (12, 25.0, "1 reading was corrected"),
    ]  # fmt: skip


def test_day_whose_row_comes_back_leaves_a_revision_from_nothing(neighbourhood: Any) -> None:
    _publish(neighbourhood, [_hour(hour, 1.0) for hour in range(23)])
    assert _told(neighbourhood) == []
    devices.change_device(neighbourhood.accounts, "berlin-meter", role="sub")
    neighbourhood.refresh(NOW)
    assert _told(neighbourhood) == [(10, 23.0, None, reasons.OF_FACT)]
    devices.change_device(neighbourhood.accounts, "berlin-meter", role="main")
    neighbourhood.refresh(NOW)
    assert _told(neighbourhood) == [(10, None, 23.0, reasons.OF_FACT)]


def test_time_of_the_peak_is_told_in_seconds_since_1970_though_no_sum_changed(neighbourhood: Any) -> None:
    _publish(neighbourhood, [_hour(hour, 2.0 if hour == 3 else 1.0) for hour in range(71)])
    _publish(neighbourhood, [_hour(3, 1.0), _hour(7, 2.0)], 1)
    hours = [(DAY + timedelta(hours=hour)).timestamp() for hour in (3, 7)]
    assert _told(neighbourhood, "peak_at") == [(10, *hours, "2 readings were corrected")]
    assert _told(neighbourhood) == []


def test_every_figure_of_a_daily_row_is_compared() -> None:
    figures = {field.name for field in pa.schema(TABLES["gold/energy_daily"].schema)} - NO_FIGURES
    assert {name for name in figures if not name.endswith("_covered_seconds")} == set(revisions.COMPARED)
