"""CSV files that are not quite tables: lines above their names, rows with more cells than names, a name twice."""

from pathlib import Path

import pytest

from aurora.errors import Refused
from ingestion.files import import_file

TABLE = "time;grid_import_kwh\n2026-10-01T00:00:00Z;1\n2026-10-01T01:00:00Z;x\n2026-10-01T02:00:00Z;1,5\n"


@pytest.fixture
def load(lake, accounts, settings, site, tmp_path: Path):
    """A function that imports a text as a file."""

    def run(text: str, **flags):
        file = tmp_path / "file.csv"
        file.write_text(text)
        return import_file(lake, accounts, settings, file, "Home", **flags)

    return run


@pytest.mark.parametrize("above", ["", "Meter;123\n", "Name,Somebody, somewhere\n\nMeter;123;456\n", "time range: October\n"])
def test_lines_above_the_names_are_passed_over_and_lines_keep_their_number(load, above: str) -> None:
    done = load(above + TABLE)
    assert (done.read, done.new) == (3, 2)
    assert f"\n{3 + above.count(chr(10))},grid_import_kwh" in Path(done.rejected_file).read_text()


def test_line_of_names_is_known_by_the_time_column_that_was_said(load) -> None:
    assert load("Meter;123\n" + TABLE.replace("time", "wann"), time_column="wann").new == 2
    with pytest.raises(Refused, match="--time-column"):
        load("Meter;123\n" + TABLE.replace("time", "wann"))


def test_decimal_comma_between_commas_refused_with_its_line(load) -> None:
    with pytest.raises(Refused, match=r"Line 2 and 2 others .*2026-10-01T00:00Z,1,5.*decimal comma"):
        load("time,grid_import_kwh\n2026-10-01T00:00Z,1,5\n2026-10-01T01:00Z,2,75\n2026-10-01T02:00Z,3,25\n")


def test_row_with_more_cells_than_names_refused_and_empty_ones_are_not(load) -> None:
    rows = "2026-10-01T00:00Z,1,\n2026-10-01T01:00Z,2,75\n2026-10-01T02:00Z,3\n2026-10-01T03:00Z,4,,\n"
    done = load("time,grid_import_kwh\n" + rows)
    assert (done.read, done.new, done.rejected) == (4, 3, 1)
    assert '\n3,,,,,"2026-10-01T01:00Z,2,75",too_many_cells' in Path(done.rejected_file).read_text()


def test_two_columns_of_one_name_refused(load) -> None:
    with pytest.raises(Refused, match="Two columns are named grid_import_kwh"):
        load("time,grid_import_kwh,grid_import_kwh\n2026-10-01T00:00Z,1,2\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,load\nx,1\ny,1\n", "None of the times in time can be read, such as 'x'"),
        ("time,load\n2026-10-01T00:00Z,a\n2026-10-01T01:00Z,b\n", "None of the values is a number, such as 'a' in load, line 2"),
        ("time,load\n03/04/2026 00:00,1\n", "03/04/2026 can be read two ways"),
    ],
)
def test_what_cannot_be_read_is_named(load, text: str, told: str) -> None:
    with pytest.raises(Refused, match=told):
        load(text, time_zone="UTC")
