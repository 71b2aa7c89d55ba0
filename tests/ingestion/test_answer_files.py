"""What services answered, saved as a file: SolarEdge's energy details and Octopus' consumption."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.files import LoadSummary, import_file

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = 3600


@pytest.fixture
def load(lake: Lake, accounts, settings, site, tmp_path: Path):
    """A function that imports a text as a file."""

    def run(content: str, **flags: Any) -> LoadSummary:
        (tmp_path / "answer.json").write_text(content)
        return import_file(lake, accounts, settings, tmp_path / "answer.json", "Home", now=NOW, **flags)

    return run


def landed(lake: Lake) -> list[tuple]:
    columns = ["channel", "measure", "measured_at", "interval_seconds", "value"]
    return lake.scan(bronze.READINGS).sort("measured_at", "channel").select(columns).collect().rows()


def refusals(done: LoadSummary) -> dict[str, int]:
    return dict(pl.read_csv(done.rejected_file).group_by("reason").len().rows()) if done.rejected_file else {}


def solaredge(unit: str = "Wh", step: str = "QUARTER_OF_AN_HOUR", **meters: dict[str, Any]) -> str:
    """An answer with the values of each kind of meter by time; `...` where a slot has no value."""
    told = [
        {"type": kind, "values": [{"date": at} | ({} if value is ... else {"value": value}) for at, value in slots]}
        for kind, slots in ((kind, [(at, one) for at, ones in slots.items() for one in ones]) for kind, slots in meters.items())
    ]
    return json.dumps({"energyDetails": {"timeUnit": step, "unit": unit, "meters": told}}, indent=1)


def test_solaredge_details_are_by_the_sites_clock_and_a_slot_without_value_is_a_gap(load, lake: Lake) -> None:
    made = {"2022-03-18 16:45:00": [151], "2022-03-18 17:00:00": [None], "2022-03-18 17:15:00": [...]}
    sold = {"2022-10-30 02:00:00": [0, 7.5]}
    done = load("\ufeff" + solaredge(SelfConsumption=made, Production=made, FeedIn=sold, Purchased={}), time_zone="Europe/Berlin")
    assert (done.format, done.rejected) == ("solaredge", 0)
    assert landed(lake) == [
        ("production", "interval_kwh", datetime(2022, 3, 18, 15, 45, tzinfo=UTC), 900, 0.151),
        ("grid_export", "interval_kwh", datetime(2022, 10, 30, 0, 0, tzinfo=UTC), 900, 0.0),
        ("grid_export", "interval_kwh", datetime(2022, 10, 30, 1, 0, tzinfo=UTC), 900, 0.0075),
    ]


@pytest.mark.parametrize(("unit", "factor"), [("kWh", 1.0), ("MWh", 1000.0)])
def test_solaredge_hours_in_other_units_and_the_zone_is_asked_for(load, lake: Lake, unit: str, factor: float) -> None:
    text = solaredge(unit, "HOUR", Purchased={"2026-07-01 10:00:00": [0.5]})
    with pytest.raises(Refused, match="--time-zone"):
        load(text)
    load(text, time_zone="UTC")
    assert landed(lake) == [("grid_import", "interval_kwh", datetime(2026, 7, 1, 10, tzinfo=UTC), HOUR, 0.5 * factor)]


def test_solaredge_days_are_the_local_ones(load, lake: Lake) -> None:
    days = {f"2026-03-{day} 00:00:00": [1000] for day in (28, 29, 30)}
    load(solaredge("Wh", "DAY", Production=days), time_zone="Europe/Berlin")
    assert [(row[2].hour, row[3] // HOUR) for row in landed(lake)] == [(23, 24), (23, 23), (22, 24)]


def test_octopus_answer_newest_first_over_the_clock_change(load, lake: Lake) -> None:
    slots = [
        (0.25, "2018-10-28T01:00:00Z", "2018-10-28T01:30:00Z"),
        (None, "2018-10-28T01:30:00+0100", "2018-10-28T01:00:00Z"),
        (0.063, "2018-10-28T00:30:00+0100", "2018-10-28T01:00:00+0100"),
        (11.5, "2018-10-28T00:00:00+01:00", "2018-10-29T00:00:00Z"),
        (1.0, "nonsense", "2018-10-28T01:30:00Z"),
    ]
    results = [dict(zip(("consumption", "interval_start", "interval_end"), slot, strict=True)) for slot in slots]
    done = load(json.dumps({"count": 5, "next": None, "previous": None, "results": results}), channels={"Consumption [kWh]": "grid_export"})
    assert (done.format, refusals(done)) == ("octopus", {"bad_time": 1})
    assert landed(lake) == [
        ("grid_export", "interval_kwh", datetime(2018, 10, 27, 23, tzinfo=UTC), 25 * HOUR, 11.5),
        ("grid_export", "interval_kwh", datetime(2018, 10, 27, 23, 30, tzinfo=UTC), 1800, 0.063),
        ("grid_export", "interval_kwh", datetime(2018, 10, 28, 1, tzinfo=UTC), 1800, 0.25),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"energyDetails": null}', '{"energyDetails": {"unit": "Wh", "timeUnit": "HOUR", "meters": [{"type": "Production"}]}}',
        '{"energyDetails": {"unit": "m3", "timeUnit": "HOUR", "meters": []}}', '{"results": [{"interval_start": 5}]}',
        '{"results": [{"interval_start": "2018', '{"results": [{"interval_start": 5, "interval_end": 7, "consumption": 1}]}',
    ],
)  # fmt: skip
def test_answers_that_are_not_whole_are_refused_in_words(load, text: str) -> None:
    with pytest.raises(Refused):
        load(text)
