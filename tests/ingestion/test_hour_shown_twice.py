"""The hour that autumn's clock shows twice, in files whose times have no offset: which of the two, and what is told where none can say."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from aurora.domain.mapping import Wishes, propose
from aurora.domain.wall_clocks import wall_times_to_utc
from aurora.lake.store import Lake
from ingestion.exports import filled, read_export
from ingestion.files import import_file
from ingestion.tables import Readout

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONE = "Europe/Berlin"


def told(*walls: str, zone: str = ZONE) -> tuple[list[str], list[int]]:
    """UTC of wall times of 25 October 2026, and the places of those that may be of either hour."""
    micros = np.array([np.datetime64(f"2026-10-25T{wall}", "us") for wall in walls]).astype(np.int64)
    found = wall_times_to_utc(micros, zone)
    return [str(moment.astype("datetime64[us]"))[11:16] for moment in found.utc], np.flatnonzero(found.is_unsure).tolist()


@pytest.mark.parametrize(
    ("walls", "utc", "unsure"),
    [
        ("01:30 02:00 02:30 02:00 02:30 03:00", "23:30 00:00 00:30 01:00 01:30 02:00", []),
        # A slot is missing in the first showing, in the second, in both.
        ("01:30 02:30 02:00 02:30 03:00", "23:30 00:30 01:00 01:30 02:00", []),
        ("01:45 02:00 02:15 02:45 02:00 02:30 03:00", "23:45 00:00 00:15 00:45 01:00 01:30 02:00", []),
        ("01:45 02:15 02:45 02:00 02:30 03:00", "23:45 00:15 00:45 01:00 01:30 02:00", []),
        # One showing alone: it joins on to what came before, or to what comes after.
        ("01:15 01:30 01:45 02:00 02:15 03:00 03:15", "23:15 23:30 23:45 00:00 00:15 02:00 02:15", []),
        ("01:15 01:30 01:45 02:30 02:45 03:00 03:15", "23:15 23:30 23:45 01:30 01:45 02:00 02:15", []),
        # It joins on to both, or to neither; or one of them came twice and nothing tells whether the file is sorted by the clock.
        ("01:00 02:00 03:00 04:00", "23:00 00:00 02:00 03:00", [1]),
        ("01:30 01:45 02:15 02:30 03:00 03:15", "23:30 23:45 00:15 00:30 02:00 02:15", [2, 3]),
        ("01:45 02:00 02:00 02:15 03:00", "23:45 00:00 01:00 00:15 02:00", [3]),
        # Sorted by the clock.
        ("01:30 02:00 02:00 02:30 02:30 03:00", "23:30 00:00 01:00 00:30 01:30 02:00", []),
        ("02:30", "00:30", [0]),
    ],
)
def test_order_and_neighbours_tell_the_hours_apart(walls: str, utc: str, unsure: list[int]) -> None:
    assert told(*walls.split()) == (utc.split(), unsure)


def test_times_in_no_order_at_all_are_told_by_their_second_coming() -> None:
    assert told("02:30", "01:00", "02:00", "04:00", "02:00")[0] == ["00:30", "23:00", "00:00", "03:00", "01:00"]


def test_half_an_hour_shown_twice_on_lord_howe() -> None:
    walls = np.array([np.datetime64(f"2026-04-05T{wall}", "us") for wall in ("01:15", "01:30", "01:45", "01:45", "02:00")]).astype(np.int64)
    found = wall_times_to_utc(walls, "Australia/Lord_Howe")
    assert [str(moment.astype("datetime64[us]"))[11:16] for moment in found.utc] == ["14:15", "14:30", "14:45", "15:15", "15:30"]


WALLS = ("01:30", "02:30", "02:00", "02:30", "03:00")
INSTANTS = ("23:30", "00:30", "01:00", "01:30", "02:00")
UNSURE = ("01:00", "01:30", "02:00", "02:30", "03:00")


def csv(walls: tuple[str, ...]) -> str:
    return "time,import_kwh\n" + "".join(f"2026-10-25 {wall},1\n" for wall in walls)


def newest_first(walls: tuple[str, ...]) -> str:
    return csv(walls[::-1])


def sma(walls: tuple[str, ...]) -> str:
    head = (
        "sep=,\nVersion CSV1|Tool SBFspot|Linebreaks LF|Delimiter comma|Decimalpoint dot|Precision 3\n\n,SN: 1,SN: 1\n,SB,SB\n,1,1\n"
        ",Total yield,Power\n,Counter,Analog\ndd/MM/yyyy HH:mm:ss,kWh,kW\n"
    )
    return head + "".join(f"25/10/2026 {wall}:00,{10 + place},1\n" for place, wall in enumerate(walls))


def fronius(walls: tuple[str, ...]) -> str:
    return "Date and time,PV production\n[dd.MM.yyyy HH:mm],[kWh]\n" + "".join(f"25.10.2026 {wall},1\n" for wall in walls)


def solaredge(walls: tuple[str, ...]) -> str:
    return "Time,System Production (Wh)\n" + "".join(f"10/25/2026 {wall},1000\n" for wall in walls)


def solaredge_answer(walls: tuple[str, ...]) -> str:
    values = ",".join(f'{{"date":"2026-10-25 {wall}:00","value":1000}}' for wall in walls)
    meters = f'[{{"type":"Production","values":[{values}]}}]'
    return f'{{"energyDetails":{{"timeUnit":"QUARTER_OF_AN_HOUR","unit":"Wh","meters":{meters}}}}}'


def enphase(walls: tuple[str, ...]) -> str:
    return "Date/Time,Energy Produced (Wh)\n" + "".join(f"10/25/2026 {wall},1000\n" for wall in walls)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Readout]:
    """A function that reads a text out by the clock of Berlin."""

    def run(text: str) -> Readout:
        file = tmp_path / "file"
        file.write_text(text, newline="")
        export = read_export(file)
        return export.read_out(propose(export.columns, filled(Wishes(time_zone=ZONE), export.wishes), may_add=export.may_add))

    return run


FORMS = [csv, newest_first, sma, fronius, solaredge, solaredge_answer, enphase]


@pytest.mark.parametrize("written", FORMS)
def test_file_with_a_hole_in_the_hour_is_told_by_its_order(written, read) -> None:
    found = read(written(WALLS))
    moments = found.readings.sort("measured_at").get_column("measured_at")
    assert moments.dt.strftime("%H:%M").to_list() == list(INSTANTS)
    assert (found.refused.height, found.ambiguous) == (0, [])


@pytest.mark.parametrize("written", FORMS)
def test_file_that_has_the_hour_once_takes_the_earlier_and_says_so(written, read) -> None:
    found = read(written(UNSURE))
    assert found.ambiguous == [{"first_at": "2026-10-25T00:00:00+00:00", "last_at": "2026-10-25T00:30:00+00:00", "values": 2}]
    assert found.readings.get_column("measured_at").max() == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_import_says_what_it_could_not_tell_apart(lake: Lake, accounts, settings, site, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text(csv(UNSURE))
    done = import_file(lake, accounts, settings, file, "Home", time_zone=ZONE, now=NOW, dry_run=True)
    assert [hour["values"] for hour in done.as_dict()["ambiguous"]] == [2]
