"""Each kind of finding is found where it is, with its start and end, and not where it only nearly is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pvlib.solarposition import spa_python

from aurora.domain import calendar
from tests.transform.test_judge import SITES, ZONE, clean_hours, put
from transform.judge import balance, devices, kinds, sun, usage
from transform.judge.baselines import fit_baselines, fit_centres, unfold_baselines, unfold_centres
from transform.judge.hours import unfold

MONDAY = date(2026, 6, 1)
START = calendar.day_start(MONDAY, ZONE)
FACTS = {"home": SITES.row(0, named=True) | {"latitude": 52.5, "longitude": 13.4}}
QUARTER = timedelta(minutes=15)


def _week(hours: pl.DataFrame) -> pl.DataFrame:
    return hours.filter(pl.col("local_date").is_between(MONDAY, MONDAY + timedelta(days=6)))


def _usage(hours: pl.DataFrame) -> list[tuple[Any, ...]]:
    unfolded = unfold(hours, {"home": ZONE})
    usual = unfold_baselines(fit_baselines(unfolded, unfolded.select("site_id", "channel", "week_start_date").unique()))
    found = usage.find_usage(unfold(_week(hours), {"home": ZONE}), usual)
    return found.select("kind", "starts_at", "ends_at").rows()


def _raised(hours: pl.DataFrame, days: int, local: tuple[int, int], by: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    hour = pl.col("interval_start_at").dt.convert_time_zone(ZONE).dt.hour().is_between(*local)
    meant = pl.col("local_date").is_between(MONDAY, MONDAY + timedelta(days=days - 1)) & hour
    return hours.with_columns(pl.when(meant).then(by(pl.col("consumption_kwh"))).otherwise("consumption_kwh").alias("consumption_kwh"))


def test_clean_week_has_no_findings_of_use() -> None:
    assert _usage(clean_hours()) == []


@pytest.mark.parametrize(("nights", "kwh", "is_found"), [(5, 1.5, True), (4, 1.5, False), (5, 0.1, False)])
def test_night_load_is_found_from_five_nights_on(nights: int, kwh: float, is_found: bool) -> None:
    found = _usage(_raised(clean_hours(), nights, (1, 4), lambda use: use + kwh))
    assert [row[0] for row in found] == (["night_load"] if is_found else [])
    assert not is_found or found[0][1] == START + timedelta(hours=1)


@pytest.mark.parametrize(("days", "kwh", "is_found"), [(7, 0.6, True), (3, 0.6, False), (7, 0.02, False)])
def test_base_load_is_found_when_even_the_quietest_hours_rose_on_most_days(days: int, kwh: float, is_found: bool) -> None:
    found = _usage(_raised(clean_hours(), days, (0, 23), lambda use: use + kwh))
    assert [row[0] for row in found if row[0] == "base_load"] == (["base_load"] if is_found else [])


@pytest.mark.parametrize(("days", "share", "is_found"), [(3, 0.1, True), (1, 0.1, False), (3, 0.8, False)])
def test_drop_is_found_when_days_running_use_far_less(days: int, share: float, is_found: bool) -> None:
    found = _usage(_raised(clean_hours(), days, (0, 23), lambda use: use * share))
    assert found == ([("drop", START, START + timedelta(days=days))] if is_found else [])


@pytest.mark.parametrize(("share", "is_found"), [(1.0, True), (0.3, False)])
def test_out_of_hours_is_found_on_a_quiet_day_that_was_like_a_working_day(share: float, is_found: bool) -> None:
    weekend = pl.col("local_date").dt.weekday() >= 6
    quiet = pl.when(weekend).then(pl.col("consumption_kwh") * 0.2).otherwise("consumption_kwh").alias("consumption_kwh")
    saturday = pl.col("local_date") == MONDAY + timedelta(days=5)
    shop = clean_hours()
    busy = shop.with_columns(quiet).with_columns(
        pl.when(saturday).then(shop["consumption_kwh"] * share).otherwise("consumption_kwh").alias("consumption_kwh")
    )
    expected = [("out_of_hours", START + timedelta(days=5), START + timedelta(days=6))]
    assert _usage(busy) == (expected if is_found else [])


@pytest.mark.parametrize(("hours_off", "days", "is_found"), [(1, 5, True), (-1, 5, True), (1, 2, False), (0, 7, False)])
def test_clock_shift_is_found_when_production_moves_against_the_sun(hours_off: int, days: int, is_found: bool) -> None:
    hours = clean_hours()
    moved = pl.col("local_date").is_between(MONDAY, MONDAY + timedelta(days=days - 1))
    hours = hours.with_columns(
        pl.when(moved).then(pl.col("production_kwh").shift(hours_off)).otherwise("production_kwh").alias("production_kwh")
    )
    unfolded = unfold(hours, {"home": ZONE})
    weeks = unfolded.select("site_id", "week_start_date").unique()
    centres = unfold_centres(fit_centres(sun.day_centres(unfolded), weeks))
    found = sun.find_clock_shifts(unfold(_week(hours), {"home": ZONE}), centres)
    assert found["kind"].to_list() == (["clock_shift"] if is_found else [])
    # The middle of a cloudy day wanders, so that the first or last of them may be too near to the usual.
    assert not is_found or found["local_date"][0] <= MONDAY + timedelta(days=1)


@pytest.mark.parametrize(("battery_kwh", "import_kwh", "found_of"), [(None, 0.0, ["grid_export"]), (5.0, 0.0, []), (None, 0.3, [])])
def test_sign_swap_is_found_when_export_runs_at_night_and_import_never(battery_kwh: Any, import_kwh: float, found_of: list[str]) -> None:
    hours = _week(clean_hours()).with_columns(grid_export_kwh=pl.lit(0.4), grid_import_kwh=pl.lit(import_kwh))
    found = sun.find_swaps(hours, {"home": FACTS["home"] | {"battery_capacity_kwh": battery_kwh}})
    assert found["channel"].to_list() == found_of


def test_sign_swap_of_export_is_found_in_winter_when_the_sun_stays_low() -> None:
    december = _week(clean_hours()).with_columns(
        pl.col("interval_start_at").dt.offset_by("182d"), pl.col("local_date").dt.offset_by("182d"),
        grid_export_kwh=pl.lit(0.4), grid_import_kwh=pl.lit(0.0),
    )  # fmt: skip
    assert sun.find_swaps(december, FACTS)["channel"].to_list() == ["grid_export"]


def test_sign_swap_is_found_when_production_runs_at_night_alone() -> None:
    night = clean_hours().with_columns(pl.col("production_kwh").shift(12).fill_null(0), grid_export_kwh=None, grid_import_kwh=None)
    assert sun.find_swaps(_week(night), FACTS)["channel"].to_list() == ["production"]
    day = clean_hours().with_columns(grid_export_kwh=None, grid_import_kwh=None)
    assert sun.find_swaps(_week(day), FACTS).is_empty()


@pytest.mark.parametrize("place", [(52.5, 13.4), (-33.9, 151.2), (61.5, -149.0), (0.0, 0.0)])
def test_elevation_of_the_sun_is_that_of_the_exact_formula_to_two_thirds_of_a_degree(place: tuple[float, float]) -> None:
    at = pl.datetime_range(START, START + timedelta(days=365), "7h", time_unit="us", eager=True)
    hours = pl.DataFrame({"site_id": "home", "interval_start_at": at})
    found = sun._with_sun(hours, {"home": dict(zip(("latitude", "longitude"), place, strict=True))})
    exact = spa_python(pd.DatetimeIndex(at.dt.offset_by("30m").to_list()), *place)["elevation"].to_numpy()
    assert np.abs(found["elevation"].to_numpy() - exact).max() < 0.67


def _flows(import_kwh: float, *, hours: int) -> pl.DataFrame:
    """Three kilowatt-hours go in and out each hour, but for so many hours in which another amount comes from the grid."""
    whole = _week(clean_hours()).with_columns(
        production_kwh=pl.lit(1.0), grid_import_kwh=pl.lit(2.0), battery_discharge_kwh=pl.lit(0.0), consumption_kwh=pl.lit(2.5),
        grid_export_kwh=pl.lit(0.5), battery_charge_kwh=pl.lit(0.0),
    )  # fmt: skip
    return put(whole, START + timedelta(days=2), hours, "grid_import_kwh", import_kwh)


@pytest.mark.parametrize(("import_kwh", "hours", "is_found"), [(3.0, 5, True), (3.0, 2, False), (2.1, 5, False)])
def test_imbalance_is_found_when_all_meters_contradict_one_another_for_hours(import_kwh: float, hours: int, is_found: bool) -> None:
    found = balance.find_contradictions(_flows(import_kwh, hours=hours), {"home": {}})
    begin = START + timedelta(days=2)
    expected = [("imbalance", begin, begin + timedelta(hours=hours), hours * (1.0 + import_kwh), hours * 3.0)]
    assert found.select("kind", "starts_at", "ends_at", "observed", "expected").rows() == (expected if is_found else [])


@pytest.mark.parametrize(("import_kwh", "days", "is_found"), [(10.0, 2, True), (9.0, 2, False), (10.0, 1, True)])
def test_imbalance_is_found_when_single_hours_leave_a_day_open(import_kwh: float, days: int, is_found: bool) -> None:
    # 72 kWh go out a day. 8 more at noon, for 2, are a tenth of the 80 that came in then; 7 are less.
    hours, begin = _flows(2.0, hours=1), START + timedelta(days=3)
    for day in range(days):
        hours = put(hours, begin + timedelta(days=day, hours=12), 1, "grid_import_kwh", import_kwh + 0.01)
    found = balance.find_contradictions(hours, {"home": {}})
    assert found.select("kind", "starts_at", "ends_at").rows() == [("imbalance", begin, begin + timedelta(days=days))][:is_found]
    assert found["observed"].to_list() == pytest.approx([days * (70.0 + import_kwh + 0.01)][:is_found])


def test_imbalance_of_a_day_is_not_told_beside_that_of_its_hours_nor_of_half_a_day() -> None:
    hours = _flows(9.0, hours=5)
    assert balance.find_contradictions(hours, {"home": {}})["ends_at"].to_list() == [START + timedelta(days=2, hours=5)]
    half = _flows(30.0, hours=2).filter(pl.col("interval_start_at") < START + timedelta(days=2, hours=12))
    assert balance.find_contradictions(half, {"home": {}}).is_empty()


@pytest.mark.parametrize(("import_kwh", "is_found"), [(30.0, True), (24.0, False)])
def test_impossible_power_is_found_above_what_the_fuse_lets_pass(import_kwh: float, is_found: bool) -> None:
    hours = put(_flows(import_kwh, hours=1), START + timedelta(days=2), 1, "consumption_kwh", import_kwh + 0.5)
    found = balance.find_contradictions(hours, {"home": {"fuse_a": 35.0}})
    assert found["kind"].to_list() == (["impossible_power"] if is_found else [])


def _silver(device: str, values: np.ndarray, channel: str = "consumption", begin: datetime = START) -> pl.DataFrame:
    at = pl.datetime_range(begin, begin + QUARTER * (len(values) - 1), QUARTER, time_unit="us", eager=True)
    return pl.DataFrame({"interval_start_at": at, "energy_kwh": values}).select(
        pl.lit("home").alias("site_id"), pl.lit(device).alias("device_id"), pl.lit(channel).alias("channel"), "interval_start_at",
        "energy_kwh", pl.lit(900.0).alias("covered_seconds"), pl.lit(None, dtype=pl.Int64).alias("span_seconds"),
        pl.col("interval_start_at").dt.convert_time_zone(ZONE).dt.date().alias("local_date"), pl.lit(MONDAY).alias("week_start_date"),
    )  # fmt: skip


def _noise(quarters: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.4, quarters)


@pytest.mark.parametrize(("quarters", "is_found"), [(16, True), (11, False)])
def test_gap_is_found_from_three_hours_on(quarters: int, is_found: bool) -> None:
    silver = _silver("m", _noise(672))
    begin = START + timedelta(days=1)
    silver = silver.filter(~pl.col("interval_start_at").is_between(begin, begin + QUARTER * (quarters - 1)))
    spans = pl.DataFrame(
        {"site_id": ["home"], "device_id": ["m"], "channel": ["consumption"], "first_at": [START], "last_at": [START + timedelta(days=7)]}
    )
    weeks = pl.DataFrame(
        {"site_id": ["home"], "week_start_date": [MONDAY], "week_start_at": [START], "week_end_at": [START + timedelta(days=7)]}
    )
    found = devices.find_gaps(silver, weeks, spans).select("kind", "starts_at", "ends_at", "severity").rows()
    assert found == ([("gap", begin, begin + QUARTER * quarters, "warning")] if is_found else [])


def test_gaps_of_several_devices_are_the_stretches_between_what_each_covered() -> None:
    chance, right = np.random.default_rng(5), []
    devices_, ends = ("a", "b", "c"), (START + QUARTER * 40, START + timedelta(days=7))
    parts = [_silver(device, _noise(672)).with_columns(is_there=pl.Series(chance.random(672) < 0.08)) for device in devices_]
    for device, part in zip(devices_, parts, strict=True):
        covered = [at for at in part.filter("is_there")["interval_start_at"] if at >= ends[0]]
        edges = zip([ends[0], *(at + QUARTER for at in covered)], [*covered, ends[1]], strict=True)
        right += [(device, begin, end) for begin, end in edges if end - begin >= timedelta(hours=3)]
    silver = pl.concat(parts).with_columns(covered_seconds=pl.when("is_there").then(900.0).otherwise(0.0))
    silver = silver.filter((pl.col("interval_start_at") >= ends[0]) & ((pl.col("covered_seconds") > 0) | (pl.col("device_id") != "b")))
    spans = pl.DataFrame({"site_id": "home", "device_id": devices_, "channel": "consumption", "first_at": ends[0], "last_at": ends[1]})
    weeks = pl.DataFrame({"site_id": ["home"], "week_start_date": [MONDAY], "week_start_at": [START], "week_end_at": [ends[1]]})
    assert len(right) > 50
    assert devices.find_gaps(silver, weeks, spans).select("device_id", "starts_at", "ends_at").rows() == right


@pytest.mark.parametrize(("hours", "channel", "is_found"), [(25, "consumption", True), (20, "consumption", False), (7, "production", True)])
def test_flatline_is_found_when_a_value_stays_the_same_to_the_last_digit(hours: int, channel: str, is_found: bool) -> None:
    values = _noise(672)
    values[100 : 100 + 4 * hours] = 0.25
    found = devices.find_flatlines(_silver("m", values, channel)).select("starts_at", "ends_at").rows()
    begin = START + QUARTER * 100
    assert found == ([(begin, begin + timedelta(hours=hours))] if is_found else [])


@pytest.mark.parametrize(("seed", "is_found"), [(3, True), (4, False)])
def test_doubled_is_found_when_two_main_devices_say_the_same(seed: int, is_found: bool) -> None:
    both = pl.concat([_silver("a", _noise(192)), _silver("b", _noise(192, seed))])
    found = devices.find_doubles(both, ["a", "b"])
    assert found.select("device_id", "evidence").rows() == ([("b", "a")] if is_found else [])
    assert devices.find_doubles(both, ["a"]).is_empty()


def test_doubled_is_told_once_of_each_device_when_three_say_the_same() -> None:
    found = devices.find_doubles(pl.concat([_silver(name, _noise(192)) for name in "cab"]), ["a", "b", "c"])
    assert found.select("device_id", "evidence").rows() == [("b", "a"), ("c", "a")]


@pytest.mark.parametrize(("factor", "is_found"), [(1.2, True), (1.02, False)])
def test_disagreement_of_a_check_meter_is_found(factor: float, is_found: bool) -> None:
    both = pl.concat([_silver("a", _noise(96)), _silver("b", _noise(96) * factor)])
    roles = pl.DataFrame({"device_id": ["a", "b"], "role": ["main", "check"]})
    found = devices.find_disagreements(both, roles).select("device_id", "starts_at", "ends_at").rows()
    assert found == ([("b", START, START + timedelta(days=1))] if is_found else [])


@pytest.mark.parametrize(
    ("late", "duplicates", "kinds_found"), [(40, 0, ["late_data"]), (9, 0, []), (20, 0, []), (0, 300, ["duplicate_flood"]), (0, 90, [])]
)
def test_late_and_repeated_readings_are_found_when_they_are_many(late: int, duplicates: int, kinds_found: list[str]) -> None:
    row = {"site_id": "home", "device_id": "m", "local_date": MONDAY, "late": late, "duplicates": duplicates, "received": 96 + duplicates,
           "starts_at": START, "ends_at": START + timedelta(days=1)}  # fmt: skip
    assert devices.find_deliveries(pl.DataFrame([row]))["kind"].to_list() == kinds_found


@pytest.mark.parametrize("kind", ["reset", "rollover", "replacement", "dip", "glitch", "stuck", "unit_switch"])
def test_decision_about_a_meter_is_told_and_withdrawn_when_reversed(kind: str) -> None:
    row = {"kind": kind, "site_id": "home", "device_id": "m", "channel": "grid_import", "evidence": "5 kWh, then 1 kWh"}
    stands = row | {"at": START, "is_overruled": False, "energy_kwh_affected": 1.0}
    events = pl.DataFrame([stands, stands | {"at": START + QUARTER, "is_overruled": True}])
    assert devices.find_events(events).select("kind", "is_withdrawn").rows() == [(kind, False), (kind, True)]


def test_every_kind_is_described() -> None:
    assert len(kinds.KINDS) >= 20
    assert {one.categories.split(", ")[0] for one in kinds.KINDS.values()} <= kinds.CATEGORIES.keys()


NOW = datetime(2026, 6, 8, 12, tzinfo=UTC)


def _live(device: str, at: datetime, value: float) -> dict[str, Any]:
    return {"device_id": device, "channel": "consumption", "measure": "power_kw", "measured_at": at, "value": value}


def test_device_that_falls_silent_is_told_within_two_of_its_intervals_and_no_longer_when_it_is_back(neighbourhood: Any) -> None:
    neighbourhood.land([_live("berlin-meter", NOW, 1.0)], NOW + timedelta(seconds=1))

    def told(minutes: int) -> list[tuple[Any, ...]]:
        neighbourhood.refresh(NOW + timedelta(minutes=minutes))
        found = neighbourhood.table("gold/anomalies").filter(pl.col("kind") == "silent")
        return found.select("device_id", "starts_at", "status").rows()

    assert told(29) == []
    assert told(31) == [("berlin-meter", NOW, "open")]
    assert told(40) == [("berlin-meter", NOW, "open")]
    neighbourhood.land([_live("berlin-meter", NOW + timedelta(minutes=41), 1.0)], NOW + timedelta(minutes=41))
    assert told(42) == []


def test_clock_error_and_last_will_are_in_the_state_of_a_device(neighbourhood: Any) -> None:
    lines = [_live("berlin-meter", NOW + timedelta(minutes=4), 1.0), _live("sydney-meter", NOW - timedelta(hours=1), 1.0)]
    late = _live("sydney-meter", NOW - timedelta(hours=30), 1.0)
    prompt = [_live("kolkata-meter", NOW - timedelta(seconds=900 * n), 1.0) for n in range(4)]
    neighbourhood.land([*lines, late, *prompt], NOW)
    states = {"device_id": ["kolkata-meter", "kolkata-meter"], "state": ["online", "offline"], "at": [NOW, NOW + timedelta(seconds=5)]}
    words = pl.DataFrame(states).with_columns(received_at=pl.col("at"))
    neighbourhood.lake.land("bronze/device_status", words.to_arrow())
    neighbourhood.refresh(NOW + timedelta(minutes=1))
    found = {row["device_id"]: row for row in neighbourhood.table("gold/device_status").to_dicts()}
    assert found["berlin-meter"]["clock_error_seconds"] == pytest.approx(240)
    assert found["sydney-meter"]["clock_error_seconds"] == pytest.approx(-3600)
    assert found["kolkata-meter"]["clock_error_seconds"] == pytest.approx(0)
    assert found["kolkata-meter"]["state"] == "offline"
    neighbourhood.land([_live("kolkata-meter", NOW + timedelta(minutes=2), 1.0)], NOW + timedelta(minutes=2))
    neighbourhood.refresh(NOW + timedelta(minutes=3))
    found = {row["device_id"]: row for row in neighbourhood.table("gold/device_status").to_dicts()}
    assert (found["kolkata-meter"]["state"], found["berlin-meter"]["clock_error_seconds"]) == ("online", pytest.approx(240))
