"""Decisions how meters were read, through the refresh: they hold for later days, follow their readings, and can be reversed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.accounts import devices, overrules, people
from aurora.lake.store import open_lake
from transform import bounds, switches
from transform.bronze import Bronze

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = datetime(2026, 11, 10, tzinfo=UTC)
DEVICE = "berlin-meter"


def _hour(hour: int, value: float | None) -> dict[str, Any]:
    return {
        "device_id": DEVICE,
        "channel": "grid_import",
        "measure": "register_kwh",
        "measured_at": DAY + timedelta(hours=hour),
        "value": value,
    }


def _kwh(hours: range, in_wh_from: int = 10_000) -> list[dict[str, Any]]:
    """A register that counts half a kWh an hour, in watt-hours from one hour on."""
    return [_hour(hour, (1000 + hour / 2) * (1000 if hour >= in_wh_from else 1)) for hour in hours]


def _by_day(neighbourhood: Any) -> dict[int, float]:
    rows = neighbourhood.table("silver/energy").group_by("local_date").agg(pl.col("energy_kwh").sum())
    return {day.day: energy for day, energy in rows.iter_rows()}


def _reverse(neighbourhood: Any, event: dict[str, Any], *, is_overruled: bool = True, by: str | None = None) -> None:
    overrules.overrule(
        neighbourhood.accounts,
        event["event_id"],
        device_id=DEVICE,
        site_id="berlin",
        is_overruled=is_overruled,
        reason=None,
        by=by,
        now=NOW,
    )


def test_change_of_unit_holds_for_readings_of_later_refreshes(neighbourhood: Any) -> None:
    neighbourhood.land(_kwh(range(48), in_wh_from=30), NOW)
    neighbourhood.refresh(NOW)
    for day in (2, 3, 4):
        neighbourhood.land(_kwh(range(24 * day, 24 * day + 24), in_wh_from=30), NOW + timedelta(seconds=day))
        neighbourhood.refresh(NOW)
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx((5 * 24 - 1) / 2)
    assert neighbourhood.table("gold/meter_events").select("kind", "at").rows() == [("unit_switch", DAY + timedelta(hours=30))]


def test_change_of_unit_that_arrives_late_reaches_every_later_day(neighbourhood: Any) -> None:
    # Until the days between came nobody could see that the unit had changed rather than the meter.
    neighbourhood.land(_kwh(range(3)) + _kwh(range(96, 150), in_wh_from=0), NOW)
    neighbourhood.refresh(NOW)
    assert "unit_switch" not in neighbourhood.table("gold/meter_events")["kind"].to_list()
    neighbourhood.land(_kwh(range(3, 96), in_wh_from=50), NOW + timedelta(seconds=1))
    # Closed days wait, since there is no time for them; then they are made good, and the newest with them.
    left = neighbourhood.refresh(NOW, budget_seconds=0.0)
    assert left.pending_days > 0
    neighbourhood.refresh(NOW)
    assert _by_day(neighbourhood)[15] == pytest.approx(12.0)
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(149 / 2)


def test_change_of_unit_stands_where_one_reading_a_day_is_kept(neighbourhood: Any, tmp_path: Path) -> None:
    rows = _kwh(range(240), in_wh_from=100)
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    events = neighbourhood.table("gold/meter_events")
    thinned = replace(neighbourhood, lake=open_lake(str(tmp_path / "thin")))
    thinned.lake.create_tables()
    thinned.land(rows[23::24], NOW)
    bronze = Bronze(thinned.lake, thinned.lake.version("bronze/readings"))
    nothing = thinned.lake.scan("bronze/readings").collect().head(0)
    devices = pl.DataFrame({"device_id": [DEVICE]}).with_columns(factor=pl.lit(None, pl.Float64), channels=pl.lit(None, pl.String))
    fresh, stale = switches._anew(events, switches.Arrived(nothing, nothing, [DEVICE], bronze, bronze), devices)
    assert (fresh.height, stale.height) == (0, 0)
    fresh, _ = switches._anew(events.head(0), switches.Arrived(nothing, nothing, [DEVICE], bronze, bronze), devices)
    assert fresh["at"].to_list() == [DAY + timedelta(hours=119)]


def test_change_of_unit_goes_with_the_readings_that_showed_it(neighbourhood: Any) -> None:
    neighbourhood.land(_kwh(range(96), in_wh_from=40), NOW)
    neighbourhood.refresh(NOW)
    neighbourhood.land(_kwh(range(40, 96)), NOW + timedelta(seconds=1))
    neighbourhood.refresh(NOW)
    assert neighbourhood.table("gold/meter_events").is_empty()
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(95 / 2)


def test_one_reversed_decision_changes_its_day_alone_and_comes_back(neighbourhood: Any) -> None:
    rows = _kwh(range(96))
    rows[36] |= {"value": 7.0}
    rows[80] |= {"value": 9.0}
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    before = _by_day(neighbourhood)
    first, second = neighbourhood.table("gold/meter_events").sort("at").iter_rows(named=True)
    assert (first["kind"], second["kind"]) == ("dip", "dip")
    _reverse(neighbourhood, first)
    neighbourhood.refresh(NOW)
    after = _by_day(neighbourhood)
    assert [day for day in before if before[day] != pytest.approx(after[day])] == [11]
    events = {row["event_id"]: row for row in neighbourhood.table("gold/meter_events").iter_rows(named=True)}
    assert (events[first["event_id"]]["is_overruled"], events[first["event_id"]]["decided_by"]) == (True, "person")
    assert (events[second["event_id"]]["is_overruled"], events[second["event_id"]]["decided_by"]) == (False, "rule")
    _reverse(neighbourhood, first, is_overruled=False)
    neighbourhood.refresh(NOW)
    assert _by_day(neighbourhood) == pytest.approx(before)


def test_lost_decimals_that_a_person_reverses_count_as_lost_again_when_they_take_it_back(neighbourhood: Any) -> None:
    values = [1000.37 + 0.2 * hour for hour in range(96)]
    rows = [_hour(hour, float(int(value)) if hour in range(30, 34) else value) for hour, value in enumerate(values)]
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    before, (event,) = _by_day(neighbourhood), neighbourhood.table("gold/meter_events").iter_rows(named=True)
    _reverse(neighbourhood, event)
    neighbourhood.refresh(NOW)
    (listed,) = neighbourhood.table("gold/meter_events").iter_rows(named=True)
    assert (event["kind"], listed["is_overruled"]) == ("dip", True)
    assert _by_day(neighbourhood)[11] == pytest.approx(before[11] + event["energy_kwh_affected"])
    _reverse(neighbourhood, event, is_overruled=False)
    assert neighbourhood.refresh(NOW).days_touched > 0
    assert _by_day(neighbourhood) == pytest.approx(before)


def test_reversed_change_of_unit_is_followed_on_every_later_day(neighbourhood: Any) -> None:
    neighbourhood.land(_kwh(range(200), in_wh_from=40), NOW)
    neighbourhood.refresh(NOW)
    (event,) = neighbourhood.table("gold/meter_events").iter_rows(named=True)
    _reverse(neighbourhood, event)
    neighbourhood.refresh(NOW)
    # 500 kWh an hour is what nobody without a known fuse is held to be beyond.
    assert _by_day(neighbourhood)[17] == pytest.approx(500.0 * 24)
    (listed,) = neighbourhood.table("gold/meter_events").filter(pl.col("kind") == "unit_switch").iter_rows(named=True)
    assert listed["is_overruled"]


def test_decision_names_who_took_it(neighbourhood: Any) -> None:
    rows = _kwh(range(48))
    rows[36] |= {"value": 7.0}
    devices.change_device(neighbourhood.accounts, DEVICE, replacements=[{"at": DAY + timedelta(hours=20, minutes=30)}])
    neighbourhood.land(rows, NOW)
    neighbourhood.refresh(NOW)
    told, dip = neighbourhood.table("gold/meter_events").sort("at").iter_rows(named=True)
    assert [(one["kind"], one["decided_by"]) for one in (told, dip)] == [("replacement", "person"), ("dip", "rule")]
    ada = people.user_by_name(neighbourhood.accounts, "ada").user_id
    _reverse(neighbourhood, told, by=ada)
    _reverse(neighbourhood, dip, by=ada)
    neighbourhood.refresh(NOW)
    decided = dict(neighbourhood.table("gold/meter_events").select("event_id", "decided_by").rows())
    assert (decided[told["event_id"]], decided[dip["event_id"]]) == (ada, ada)


def test_what_a_new_meter_showed_is_multiplied_as_its_readings_are(neighbourhood: Any) -> None:
    # The old one showed 100.0 to 101.0, the new one began at 12.5 and showed 14.0 in the end: (1.0 + 1.5) x 40 = 100 kWh.
    exchange = {"at": DAY + timedelta(hours=12), "start_kwh": 12.5}
    devices.change_device(neighbourhood.accounts, DEVICE, factor=40.0, replacements=[exchange])
    shown = {9: 100.0, 10: 100.5, 11: 101.0, 13: 13.0, 14: 13.5, 15: 14.0}
    neighbourhood.land([_hour(hour, value) for hour, value in shown.items()], NOW)
    neighbourhood.refresh(NOW)
    assert neighbourhood.table("silver/energy")["energy_kwh"].sum() == pytest.approx(100.0)


def test_bounds_come_from_the_facts_of_the_site() -> None:
    sites = pl.DataFrame(
        {
            "site_id": ["home", "bare"],
            "fuse_a": [25.0, None],
            "grid_limit_kw": [10.0, None],
            "pv_capacity_kw": [8.0, None],
            "battery_power_kw": [5.0, None],
        }
    )
    devices = pl.DataFrame(
        {
            "device_id": ["meter", "pv", "wind", "bare"],
            "site_id": ["home", "home", "bare", "bare"],
            "kind": ["meter", "inverter", "inverter", "meter"],
            "energy_source": [None, "pv", "wind", None],
        }
    )
    most = {(device, channel): kw for device, channel, kw in bounds.of_devices(devices, sites).iter_rows()}
    # 25 A x 230 V x 3 phases is 17.25 kW, and a breaker holds 1.45 times that for minutes.
    grid_kw = 17.25 * 1.45
    assert most["meter", "grid_import"] == pytest.approx(grid_kw)
    assert most["pv", "production"] == pytest.approx(8.0 * 1.3)
    assert ("meter", "production") not in most
    assert most["meter", "consumption"] == pytest.approx(grid_kw + 8.0 * 1.3 + 5.0 * 1.3)
    assert not {device for device, _ in most} & {"wind", "bare"}
