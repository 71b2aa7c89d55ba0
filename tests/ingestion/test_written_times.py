"""Times as files write them: two columns, half days, 24:00, abbreviations, days of 23 and 25 hours; and what one time says twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.accounts import devices
from aurora.domain.mapping import Wishes, propose
from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.exports import filled, read_export
from ingestion.files import import_file
from ingestion.tables import Readout

BERLIN = "Europe/Berlin"
HOUR, DAY = 3600, 86_400


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Readout]:
    """A function that reads a text out, by the clock of Berlin unless a zone is named."""

    def run(text: str, zone: str | None = BERLIN, **wishes: Any) -> Readout:
        file = tmp_path / "file.csv"
        file.write_text(text)
        export = read_export(file, wishes.get("time_column"))
        return export.read_out(propose(export.columns, filled(Wishes(time_zone=zone, **wishes), export.wishes)))

    return run


def starts(found: Readout) -> list[str]:
    return found.readings.get_column("measured_at").dt.strftime("%d %H:%M").to_list()


def refusals(found: Readout) -> list[tuple[int, str]]:
    return found.refused.select("line", "reason").rows()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Datum;Uhrzeit;load\n01.10.2026;00:00;1\n01.10.2026;00:15;2\n02.10.2026;00:00;3\n", ["30 22:00", "30 22:15", "01 22:00"]),
        ("Date,Time,load\n2026-10-01,12:00 AM,1\n2026-10-01,1:00 p.m.,2\n", ["30 22:00", "01 11:00"]),
        ("Date,Hour,load\n2026-10-01,0,1\n2026-10-01,1,2\n", ["30 22:00", "30 23:00"]),
        ("DATE,START TIME,END TIME,load\n10/13/2026,00:00,00:59,1\n10/13/2026,01:00,01:59,2\n", ["12 22:00", "12 23:00"]),
        # Hours that count from 1 to 24 name the ends of their intervals.
        ("Date,Hour,load\n" + "".join(f"2026-10-01,{hour},1\n" for hour in range(1, 25)), None),
        # A column of hours beside whole times says nothing new.
        ("timestamp,hour,load\n2026-10-01 00:00,24,1\n2026-10-01 01:00,1,2\n", ["30 22:00", "30 23:00"]),
        ("date,hour,load\n2026-10-01 00:00,0,1\n2026-10-01 01:00,1,2\n", ["30 22:00", "30 23:00"]),
    ],
)
def test_date_and_clock_in_two_columns_are_one_time(read, text: str, expected: list[str] | None) -> None:
    found = read(text)
    assert starts(found) == (expected or ["30 22:00", "30 23:00", *(f"01 {hour:02}:00" for hour in range(22))])
    assert found.refused.is_empty()


def test_two_columns_of_other_names_are_said_by_a_plus(read) -> None:
    assert starts(read("Tag;Wann;load\n2026-10-01;1:00;1\n2026-10-01;2:00;1\n", time_column="Tag + Wann")) == ["30 23:00", "01 00:00"]
    with pytest.raises(Refused, match="no column Tag \\+ Wo"):
        read("Tag;Wann;load\n2026-10-01;1:00;1\n", time_column="Tag + Wo")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10/13/2026 12:00 AM|10/13/2026 1:00 pm|10/13/2026 2:00:00 p.m.", ["12 22:00", "13 11:00", "13 12:00"]),
        ("1/5/2026 9:00|1/13/2026 9:00", ["05 08:00", "13 08:00"]),
        ("01.10.26 02:00|01.10.26 03:00", ["01 00:00", "01 01:00"]),
        ("2026-10-25 02:00 CEST|2026-10-25 02:00 CET|2026-10-25 03:00 CET", ["25 00:00", "25 01:00", "25 02:00"]),
        ("2026-10-25 02:00 UTC|2026-10-25 03:00 UTC", ["25 02:00", "25 03:00"]),
        ("2026-10-01T23:00:00Z|2026-10-01T24:00:00Z", ["01 23:00", "02 00:00"]),
        ("2026-10-25 00:00|2026-10-25 23:00|2026-10-25 24:00", ["24 22:00", "25 22:00", "25 23:00"]),
    ],
)
def test_forms_of_time_read(read, written: str, expected: list[str]) -> None:
    found = read("time,load\n" + "".join(f"{time},1\n" for time in written.split("|")))
    assert (starts(found), found.refused.height) == (expected, 0)


def test_abbreviation_that_contradicts_its_zone_or_its_season_refused(read) -> None:
    with pytest.raises(Refused, match="no time of America/New_York"):
        read("time,load\n2026-10-25 02:00 CEST,1\n", "America/New_York")
    assert refusals(read("time,load\n2026-10-25 01:00 CEST,1\n2026-10-25 03:00 CET,1\n2026-07-25 03:00 CET,1\n")) == [(4, "bad_time")]


def test_a_zeroth_year_of_a_spreadsheet_is_refused(read) -> None:
    assert refusals(read("time,load\n30.12.1899 00:15,1\n01.10.2026 00:15,1\n01.10.2026 00:30,1\n")) == [(2, "before_1970")]


@pytest.mark.parametrize("edge", ["0000-01-01 00:00", "0001-01-01 00:00", "9999-12-31 00:00", "9999-12-31 24:00"])
def test_times_at_the_edges_of_the_calendar_are_refused(read, edge: str) -> None:
    found = read(f"time,load\n{edge},1\n2026-10-01 00:15,1\n2026-10-01 00:30,1\n").refused
    assert found.get_column("line").to_list() == [2]


def test_days_that_end_at_24_name_the_ends_of_their_intervals(read) -> None:
    found = read("time;load\n01.10.2026 23:45;1\n01.10.2026 24:00;2\n02.10.2026 00:15;3\n")
    assert starts(found) == ["01 21:30", "01 21:45", "01 22:00"]
    assert starts(read("time;load\n01.10.2026 23:45;1\n01.10.2026 24:00;2\n", label="start")) == ["01 21:45", "01 22:00"]


@pytest.mark.parametrize(
    ("text", "zone", "wishes", "expected"),
    [
        ("2026-03-28|2026-03-29|2026-03-30", BERLIN, {}, [("27 23:00", 24), ("28 23:00", 23), ("29 22:00", 24)]),
        ("2026-10-25 00:00|2026-10-26 00:00", BERLIN, {}, [("24 22:00", 25), ("25 23:00", 24)]),
        ("2026-10-25", BERLIN, {}, [("24 22:00", 25)]),
        ("2026-03-29|2026-03-30|2026-03-31", BERLIN, {"label": "end"}, [("27 23:00", 24), ("28 23:00", 23), ("29 22:00", 24)]),
        # Midnight is skipped there.
        ("2026-03-08|2026-03-09", "America/Havana", {}, [("08 05:00", 23), ("09 04:00", 24)]),
        ("2026-03-01|2026-04-01", BERLIN, {}, [("28 23:00", 31 * 24 - 1), ("31 22:00", 30 * 24)]),
        ("2026-03-23|2026-03-30|2026-04-06", BERLIN, {}, [("22 23:00", 7 * 24 - 1), ("29 22:00", 7 * 24), ("05 22:00", 7 * 24)]),
    ],
)
def test_dates_stand_for_local_days_of_their_own_length(read, text: str, zone: str, wishes: dict, expected: list) -> None:
    found = read("date,load\n" + "".join(f"{day},1\n" for day in text.split("|")), zone, **wishes)
    assert list(zip(starts(found), (found.readings["interval_seconds"] // HOUR).to_list(), strict=True)) == expected


def test_registers_of_days_are_read_at_midnight(read) -> None:
    found = read("date,load\n2026-03-29,1\n2026-03-30,2\n", measure="register_kwh")
    assert (starts(found), found.readings["interval_seconds"].null_count()) == (["28 23:00", "29 22:00"], 2)


@pytest.mark.parametrize(
    ("walls", "label", "expected"),
    [
        ("01:00 02:00 03:00 03:00 04:00", "end", ["24 22:00", "24 23:00", "25 00:00", "25 01:00", "25 02:00"]),
        ("01:00 02:00 02:00 03:00 04:00", "end", ["24 22:00", "24 23:00", "25 00:00", "25 01:00", "25 02:00"]),
        ("02:30 03:00 02:30 03:00 03:30", "end", ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]),
        ("02:30 02:00 02:30 03:00 03:30", "end", ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]),
        ("01:00 02:00 02:00 03:00 04:00", "start", ["24 23:00", "25 00:00", "25 01:00", "25 02:00", "25 03:00"]),
    ],
)
def test_ends_by_either_clock_on_the_day_of_25_hours(read, walls: str, label: str, expected: list[str]) -> None:
    text = "time;load\n" + "".join(f"2026-10-25 {wall};{number}\n" for number, wall in enumerate(walls.split()))
    found = read(text, label=label)
    assert (starts(found), found.refused.height) == (expected, 0)


def test_two_values_of_one_time_are_refused_and_the_same_one_twice_is_not(read) -> None:
    rows = "00:00,1|01:00,2|01:00,3|02:00,3|02:00,3|03:00,3|04:00,0"
    found = read("time,load\n" + "".join(f"2026-10-01 {row}\n" for row in rows.split("|")))
    assert refusals(found) == [(3, "two_values"), (4, "two_values")]
    assert (found.read, found.readings.height) == (7, 5)


def test_values_without_their_clock_are_refused_with_the_way_out(read) -> None:
    text = "Datum;Uhrzeit;load\n01.10.2026;00:00;1\n01.10.2026;00:15;2\n02.10.2026;00:00;3\n02.10.2026;00:15;4\n"
    with pytest.raises(Refused, match=r"line 2.*--time-column"):
        read(text, time_column="Datum")


def test_several_series_beside_each_other_refused_by_name(read) -> None:
    rows = "".join(f"{name},2026-10-01 {hour}:00,0\n" for hour in range(3) for name in "ab")
    with pytest.raises(Refused, match=r"2 series beside each other, told apart by series_id \(a, b\)"):
        read("series_id,time,load\n" + rows)
    assert read("series_id,time,load\na,2026-10-01 00:00,1\nb,2026-10-01 01:00,1\n").readings.height == 2


def test_month_of_days_is_whole_over_the_change_of_the_clock(lake: Lake, accounts, settings, site, home, tmp_path: Path) -> None:
    from transform.refresh import Refresher

    days = {month: [datetime(2026, month, day, tzinfo=UTC) for day in range(1, 32)] for month in (3, 10)}
    file = tmp_path / "days.csv"
    rows = [f"{day:%Y-%m-%d},{day.day}" for month in days.values() for day in month]
    file.write_text("date,grid_import_kwh\n" + "\n".join(rows) + "\n")
    import_file(lake, accounts, settings, file, "Home", time_zone=BERLIN)
    assert len(devices.all_devices(accounts)) == 1
    assert lake.scan(bronze.READINGS).collect()["interval_seconds"].unique().sort().to_list() == [DAY - HOUR, DAY, DAY + HOUR]
    Refresher(lake, accounts, home, settings).run()
    daily = lake.scan("gold/energy_daily").filter(pl.col("grid_import_kwh").is_not_null()).sort("local_date").collect()
    assert daily["grid_import_kwh"].to_list() == pytest.approx([float(day) for _ in range(2) for day in range(1, 32)], abs=1e-9)
    assert daily["completeness_ratio"].to_list() == [1.0] * 62
    monthly = lake.scan("gold/energy_monthly").filter(pl.col("grid_import_kwh") > 0).collect()
    assert monthly["grid_import_kwh"].to_list() == pytest.approx([496.0, 496.0], abs=1e-9)
