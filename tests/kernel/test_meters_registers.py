"""Registers read by hand: what each fault comes to, with its arithmetic."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from aurora.domain import meters

BEGAN_AT = datetime(2026, 6, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FUSE_25_A = pl.DataFrame({"device_id": ["meter"], "channel": ["grid_import"], "most_kw": [17.25]})


def _readings(values: Sequence[float | None], spacing: timedelta = QUARTER) -> pl.DataFrame:
    """A register's readings at every `spacing`; None where none came."""
    rows = [(BEGAN_AT + spacing * place, value) for place, value in enumerate(values) if value is not None]
    return pl.DataFrame(
        {
            "device_id": "meter",
            "channel": "grid_import",
            "measure": "register_kwh",
            "measured_at": pl.Series([at for at, _ in rows], dtype=pl.Datetime("us", "UTC")),
            "interval_seconds": pl.Series([None] * len(rows), dtype=pl.Int64),
            "value": [value for _, value in rows],
            "source": "test",
            "received_at": pl.Series([BEGAN_AT] * len(rows), dtype=pl.Datetime("us", "UTC")),
            "sequence": range(len(rows)),
            "quality": pl.Series([None] * len(rows), dtype=pl.String),
        }
    )


def _read(values: Sequence[float | None], **how: Any) -> meters.MeterEnergy:
    spacing = how.pop("spacing", QUARTER)
    return meters.energy(_readings(values, spacing), bounds=how.pop("bounds", FUSE_25_A), **how)


def _events(found: meters.MeterEnergy) -> list[tuple[str, float | None]]:
    """Kind and place of each decision, and the energy it moved."""
    return [(kind, energy) for kind, energy in found.events.sort("at").select("kind", "energy_kwh_affected").iter_rows()]


def _sum(found: meters.MeterEnergy) -> float:
    return float(found.quarters["energy_kwh"].sum())


STEADY = [100.0, 100.5, 101.0, 101.5, 102.0]


def test_clean_register_comes_to_last_minus_first_without_a_decision() -> None:
    found = _read(STEADY)
    assert _sum(found) == pytest.approx(102.0 - 100.0)
    assert found.events.is_empty()
    assert found.quarters["quality"].unique().to_list() == ["measured"]


def test_reset_counts_from_zero() -> None:
    # 100 -> 101 is 1; counted anew from 0 to 0.4, to 1.4: 1.4; 2.4 in all.
    found = _read([100.0, 100.5, 101.0, 0.4, 0.9, 1.4])
    assert _sum(found) == pytest.approx(1.0 + 1.4)
    assert _events(found) == [("reset", pytest.approx(0.4))]


@pytest.mark.parametrize(("last", "modulus"), [(99_999.7, 100_000.0), (999_999.7, 1_000_000.0), (4_294_967.1, 2**32 / 1000)])
def test_rollover_counts_to_its_end_and_on(last: float, modulus: float) -> None:
    # last - 0.5 -> last is 0.5; last -> modulus -> 0.2; 0.2 -> 1.2 is 1.
    found = _read([last - 0.5, last, 0.2, 0.7, 1.2])
    assert _sum(found) == pytest.approx(0.5 + (modulus - last + 0.2) + 1.0)
    assert _events(found) == [("rollover", pytest.approx(modulus - last + 0.2))]


@pytest.mark.parametrize("start", [42.0, 5_000.0], ids=["lower", "higher"])
def test_replacement_leaves_the_energy_between_unknown(start: float) -> None:
    # 100 -> 101 is 1; unknown to the new meter; it counts 1.5.
    found = _read([100.0, 100.5, 101.0, start, start + 0.5, start + 1.0, start + 1.5])
    assert _sum(found) == pytest.approx(1.0 + 1.5)
    assert _events(found) == [("replacement", None)]
    assert found.quarters.height == 5


@pytest.mark.parametrize("low", [[0.0], [0.0, 0.0], [3.0, 0.0, 7.5]], ids=["one", "two", "three"])
def test_dip_is_left_out(low: list[float]) -> None:
    after = 101.0 + 0.5 * (len(low) + 1)
    found = _read([100.0, 100.5, 101.0, *low, after, after + 0.5])
    assert _sum(found) == pytest.approx(after + 0.5 - 100.0)
    assert _events(found) == [("dip", pytest.approx(101.0 - value)) for value in low]


@pytest.mark.parametrize("high", [[9999.0], [9999.0, 9999.5], [500.0, 9999.0, 700.0], [101.9]], ids=["one", "two", "three", "a little"])
def test_glitch_is_left_out(high: list[float]) -> None:
    after = 101.0 + 0.2 * (len(high) + 1)
    found = _read([100.0, 100.5, 101.0, *high, after, after + 0.2, after + 0.3, after + 0.4, after + 0.5, after + 0.6])
    assert _sum(found) == pytest.approx(after + 0.6 - 100.0)
    assert _events(found) == [("glitch", pytest.approx(value - 101.0)) for value in high]


def test_dips_and_glitches_that_follow_each_other_are_each_left_out() -> None:
    found = _read([1000.0, 1000.1, 0.0, 1000.3, 0.0, 1000.5, 9e6, 1000.7, 1000.8])
    assert _sum(found) == pytest.approx(0.8)
    assert [kind for kind, _ in _events(found)] == ["dip", "dip", "glitch"]


def test_energy_that_a_stuck_register_missed_is_spread_and_estimated() -> None:
    # Five readings of 0.5 kWh each, six at which it stands, one that makes good 7 x 0.5 = 3.5, then 0.5 each again.
    values = [100.0, 100.5, 101.0, 101.5, 102.0] + [102.0] * 6 + [105.5, 106.0, 106.5, 107.0]
    found = _read(values)
    assert _events(found) == [("stuck", pytest.approx(3.5))]
    assert found.quarters["energy_kwh"].to_list() == pytest.approx([0.5] * 14)
    assert found.quarters["quality"].to_list() == ["measured"] * 4 + ["estimated"] * 7 + ["measured"] * 3


def test_register_that_rises_by_more_than_its_fuse_after_standing_still_was_stuck() -> None:
    # 17.25 kW let 4.6 kWh pass in a quarter; 6 kWh at once after two at which it stood.
    found = _read([100.0, 100.5, 100.5, 100.5, 106.5, 107.0])
    assert _events(found) == [("stuck", pytest.approx(6.0))]
    assert found.quarters["energy_kwh"].to_list() == pytest.approx([0.5, 2.0, 2.0, 2.0, 0.5])


def test_register_that_stands_still_at_night_is_believed() -> None:
    dusk = [100.0, 100.3, 100.5, 100.6]
    found = _read(dusk + [100.6] * 40 + [100.61, 100.65, 100.8, 101.2])
    assert found.events.is_empty()
    assert found.quarters["energy_kwh"].to_list()[3:43] == [0.0] * 40


def test_register_that_stands_still_longer_than_two_days_is_believed_before() -> None:
    values = [100.0, 101.0, 102.0, 103.0] + [103.0] * 60 + [163.0, 164.0, 165.0, 166.0]
    found = _read(values, spacing=timedelta(hours=1))
    spread = found.quarters.filter((pl.col("quality") == "estimated") & (pl.col("energy_kwh") > 0.26))
    assert spread["interval_start_at"].min() == BEGAN_AT + timedelta(hours=64 - 48)
    assert _sum(found) == pytest.approx(66.0)


@pytest.mark.parametrize(
    "values", [[0.567, 0.789, 0.0, 0.0, 1.0, 1.0, 2.0], [0.567, 0.789, 0.0, 1.012, 1.0, 1.0, 2.0]], ids=["for good", "at times"]
)
def test_lost_decimals_count_nothing_twice(values: list[float]) -> None:
    found = _read([1234.0 + value for value in values])
    assert _sum(found) == pytest.approx(2.0 - 0.567)
    assert {kind for kind, _ in _events(found)} == {"dip"}


def test_lost_decimal_point_is_a_glitch() -> None:
    found = _read([1234.067, 1234.567, 1_234_967.0, 1235.367, 1235.867])
    assert _sum(found) == pytest.approx(1.8)
    assert _events(found) == [("glitch", pytest.approx(1_234_967.0 - 1234.567))]


def test_switch_to_watt_hours_and_back_is_read_in_kwh() -> None:
    kwh = [1234.0 + 0.25 * place for place in range(12)]
    told = [*kwh[:4], *(value * 1000 for value in kwh[4:8]), *kwh[8:]]
    found = _read(told)
    assert found.quarters["energy_kwh"].to_list() == pytest.approx([0.25] * 11)
    assert [kind for kind, _ in _events(found)] == ["unit_switch", "unit_switch"]
    # 1235 kWh came as 1,235,000: 1,233,765 kWh that nobody used.
    assert found.events.sort("at")["energy_kwh_affected"][0] == pytest.approx(1_235_000.0 - 1235.0)


def test_declared_replacement_counts_from_what_the_new_meter_showed() -> None:
    # 100 -> 101 is 1; put in seven minutes later at 20.0, it has counted 0.2 by the next reading and 1.0 more by the last.
    told = pl.DataFrame({"device_id": ["meter"], "channel": [None], "at": [BEGAN_AT + timedelta(minutes=37)], "start_kwh": [20.0]})
    found = _read([100.0, 100.5, 101.0, 20.2, 20.7, 21.2], replacements=told.with_columns(pl.col("channel").cast(pl.String)))
    assert _sum(found) == pytest.approx(1.0 + 1.2)
    assert _events(found) == [("replacement", None)]


def test_register_that_goes_on_after_days_of_silence_loses_nothing() -> None:
    found = _read([100.0, 100.5, *([None] * 500), 160.0, 160.5])
    assert _sum(found) == pytest.approx(60.5)
    estimated = found.quarters.filter(pl.col("quality") == "estimated")
    assert estimated.height == 501
    # 501 quarters are more than two days: the energy is known, when it passed is not.
    assert estimated["covered_seconds"].unique().to_list() == [0.0]


def test_register_that_goes_on_within_two_days_covers_them() -> None:
    found = _read([100.0, 100.5, *([None] * 190), 160.0, 160.5])
    assert found.quarters["covered_seconds"].unique().to_list() == [900.0]


def test_rise_beyond_physics_is_unknown_and_said() -> None:
    # 17.25 kW for a quarter and the minute of its stamp, and one step of a register in whole kWh: 4.6 + 1 kWh.
    found = _read([100.0, 100.5, 101.0, 150.0, 150.5, 151.0, 151.5])
    assert _sum(found) == pytest.approx(1.0 + 1.5)
    (evidence,) = found.events["evidence"].to_list()
    assert evidence == (
        "101.000 kWh was followed by 150.000 kWh, not within the 5.600 kWh that can have passed since; the energy between is unknown"
    )


def test_register_beyond_any_number_of_digits_is_read() -> None:
    found = _read([1e12, 1e12 + 0.5, 1e12 + 1, 3.0, 3.5, 4.0])
    assert _events(found) == [("reset", pytest.approx(3.0))]


def test_rise_of_a_large_business_is_believed_where_nobody_knows_its_fuse() -> None:
    found = _read([0.0, 200.0, 400.0], bounds=None)
    assert _sum(found) == pytest.approx(400.0)


FAULTS = {
    "reset": [100.0, 100.5, 101.0, 0.4, 0.9, 1.4, 1.9],
    "rollover": [99_999.2, 99_999.7, 0.2, 0.7, 1.2],
    "replacement": [100.0, 100.5, 101.0, 5000.0, 5000.5, 5001.0, 5001.5],
    "dip": [100.0, 100.5, 101.0, 0.2, 102.0, 102.5],
    "glitch": [100.0, 100.5, 101.0, 9999.0, 102.0, 102.5],
    "stuck": [100.0, 100.5, 101.0, 101.5] + [101.5] * 6 + [105.0, 105.5, 106.0, 106.5],
    "unit_switch": [1233.0, 1233.5, 1234.0, 1234.5, 1_235_000.0, 1_235_500.0, 1_236_000.0, 1_236_500.0],
}
REVERSED_KWH = {
    # What it shows was not counted from zero: unknown what passed, 0.4 less.
    "reset": 1.0 + 1.5,
    # Counted from zero after all: 0.2 for 0.5.
    "rollover": 0.5 + 0.2 + 1.0,
    # One meter that did rise by 4899.
    "replacement": 1.0 + 4899.0 + 1.5,
    # It did fall to 0.2 (counted from zero), and its rise to 102 is beyond the fuse: unknown.
    "dip": 1.0 + 0.2 + 0.5,
    # It did rise to 9999; that it then showed 102 is another meter: unknown.
    "glitch": 1.0 + 9898.0 + 0.5,
    # The same energy, all in one quarter.
    "stuck": 6.5,
    # Still kWh: the rise is beyond physics, unknown, and so is each 500 kWh in a quarter.
    "unit_switch": 1.5,
}


@pytest.mark.parametrize("kind", list(FAULTS))
def test_reversed_decision_stays_listed_and_its_energy_follows(kind: str) -> None:
    values = FAULTS[kind]
    (event,) = _read(values).events.iter_rows(named=True)
    assert (event["kind"], event["is_overruled"]) == (kind, False)
    reversed_ = _read(values, overruled={event["event_id"]})
    assert reversed_.events.filter(pl.col("event_id") == event["event_id"])["is_overruled"].to_list() == [True]
    assert _sum(reversed_) == pytest.approx(REVERSED_KWH[kind])
    assert _sum(_read(values, overruled={"another"})) == pytest.approx(_sum(_read(values)))


def test_reversed_loss_of_decimals_is_listed_once_and_counts_from_the_whole_number() -> None:
    # 1234.789 fell to 1234 and went on to 1234.9: 0.111 kWh from what was shown before, 0.9 from what the register fell to.
    values = [1234.567, 1234.789, 1234.0, 1234.9, 1235.4]
    (event,) = _read(values).events.iter_rows(named=True)
    assert (event["kind"], event["energy_kwh_affected"]) == ("dip", pytest.approx(0.789))
    found = _read(values, overruled={event["event_id"]})
    assert found.events.select("event_id", "is_overruled").rows() == [(event["event_id"], True)]
    assert _sum(found) - _sum(_read(values)) == pytest.approx(0.789)


def test_reversed_stuck_register_keeps_its_rise_where_it_came() -> None:
    (event,) = _read(FAULTS["stuck"]).events.iter_rows(named=True)
    found = _read(FAULTS["stuck"], overruled={event["event_id"]})
    assert found.quarters["energy_kwh"].to_list() == pytest.approx([0.5] * 3 + [0.0] * 6 + [3.5] + [0.5] * 3)


def test_reading_that_no_later_one_confirms_is_left_out_so_far() -> None:
    found = _read([100.0, 100.5, 101.0, 9999.0])
    assert _sum(found) == pytest.approx(1.0)
    assert found.events["evidence"].to_list()[0].endswith("left out so far")
