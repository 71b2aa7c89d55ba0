"""Numbers in files with marks between thousands and with either decimal mark: read as they are meant, or asked for, never guessed."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.files import import_file
from ingestion.numerals import read_numbers

HEAD = {",": "time,grid_import_wh\n", ";": "time;grid_import_wh\n"}


@pytest.fixture
def read(lake: Lake, accounts, settings, site, tmp_path: Path):
    """A function that imports cells of hours of a day and gives what landed of them. [Wh]"""

    def run(delimiter: str, *cells: str, **flags: Any) -> list[float]:
        rows = (f"2026-10-01T{hour:02}:00:00Z{delimiter}{cell}\n" for hour, cell in enumerate((*cells, "7")))
        file = tmp_path / "file.csv"
        file.write_text(HEAD[delimiter] + "".join(rows))
        import_file(lake, accounts, settings, file, "Home", **flags)
        values = lake.scan(bronze.READINGS).sort("received_at", "measured_at").collect().get_column("value")
        return [round(value * 1000, 6) for value in values]

    return run


@pytest.mark.parametrize(
    ("delimiter", "cells", "expected"),
    [
        (",", ('"1,234.5"', '"2,000"', "450.5"), [1234.5, 2000.0, 450.5]),
        (",", ('"1,234,567"', '"2,000"'), [1_234_567.0, 2000.0]),
        (",", ("1.234", "2.345"), [1.234, 2.345]),
        (",", ('"1,5"', '"2,000"'), [1.5, 2.0]),
        (";", ("1.234.567", "2.000"), [1_234_567.0, 2000.0]),
        (";", ("1.234,5", "2.000", "450,5"), [1234.5, 2000.0, 450.5]),
        (";", ("1'234.5", "2’000"), [1234.5, 2000.0]),
        (";", ("1 234,5", "2\u202f000", "3\u00a0000,25"), [1234.5, 2000.0, 3000.25]),
        (";", ("0.123", "2.345"), [0.123, 2.345]),
        (";", ("1.2345", "2.345", "-0"), [1.2345, 2.345, 0.0]),
        (";", ("1e3", "2.5E-1"), [1000.0, 0.25]),
    ],
)
def test_marks_that_only_one_reading_allows_are_read_so(read, delimiter: str, cells: tuple[str, ...], expected: list[float]) -> None:
    assert read(delimiter, *cells) == [*expected, 7.0]


@pytest.mark.parametrize(("delimiter", "cells"), [(";", ("1.234", "2.345")), (";", ("1,234", "2,345")), (",", ('"1,005"', "6"))])
def test_marks_that_can_be_either_are_asked_for(read, delimiter: str, cells: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=r"two ways\. Say --decimal point or --decimal comma"):
        read(delimiter, *cells)


def test_what_is_said_of_the_mark_decides_and_is_taken_over(read) -> None:
    assert read(";", "1.234", "2.345", decimal="comma") == [1234.0, 2345.0, 7.0]
    assert read(";", "1.234", "3.456")[3:] == [3456.0]
    assert read(";", "1.234", "3.456", decimal="point")[4:] == [1.234, 3.456]


def test_marks_that_contradict_each_other_are_asked_for_and_the_odd_one_is_refused(read) -> None:
    with pytest.raises(Refused, match=r"450\.5 in grid_import_wh has a decimal point and 1,5 in grid_import_wh a decimal comma"):
        read(";", "450.5", "1,5")
    assert read(";", "450.5", "1,5", decimal="point") == [450.5, 7.0]


def test_marks_out_of_place_are_no_number(read) -> None:
    assert read(";", "12.34.5", "1,23,4", "1 23", "1 2345", ".", "5") == [5.0, 7.0]


def test_column_without_a_number_beside_others_is_nothing() -> None:
    found = read_numbers({"a": pl.Series([], dtype=pl.String), "b": pl.Series(["1,5", "2,5"])}, None, ";")
    assert {name: numbers.to_list() for name, numbers in found.items()} == {"a": [], "b": [1.5, 2.5]}


def test_numbers_of_parquet_are_what_they_are(lake: Lake, accounts, settings, site, tmp_path: Path) -> None:
    hours = pl.datetime_range(pl.datetime(2026, 10, 1, time_zone="UTC"), pl.datetime(2026, 10, 1, 1, time_zone="UTC"), "1h", eager=True)
    pl.DataFrame({"time": hours, "load_kwh": [1.234, 2.345]}).write_parquet(tmp_path / "file.parquet")
    import_file(lake, accounts, settings, tmp_path / "file.parquet", "Home")
    assert lake.scan(bronze.READINGS).sort("measured_at").collect().get_column("value").to_list() == [1.234, 2.345]
