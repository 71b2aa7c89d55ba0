"""Files as vendors export them are recognised by their content and mean what their vendor means by them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.exports import FORMATS
from ingestion.files import LoadSummary, import_file

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SMA_MONTH = """sep=;
Version CSV1|Tool SE|Linebreaks CR/LF|Delimiter semicolon|Decimalpoint comma|Precision 3

;SN: 1234567890;SN: 1234567890
;SB 4000TL-20;SB 4000TL-20
;1234567890;1234567890
;Gesamtertrag;Tagesertrag
;Counter;Analog
dd.MM.yyyy;kWh;kWh
27.09.2011;0,457;0,321
28.09.2011;23,282;22,825
29.09.2011;1.044,5;21,218
"""
SMA_DAY = """sep=,
Version CSV1|Tool SBFspot|Linebreaks LF|Delimiter comma|Decimalpoint dot|Precision 3

,SN: 1234567890,SN: 1234567890
,SB 4000TL-20,SB 4000TL-20
,1234567890,1234567890
,Total yield,Power
,Counter,Analog
dd/MM/yyyy HH:mm:ss,kWh,kW
02/07/2026 12:00:00,1523.482,3.120
02/07/2026 12:05:00,1523.742,3.060
"""
OCTOPUS = """Consumption (kwh), Estimated Cost Inc. Tax (p), Start, End
"""
OCTOPUS_ROWS = """Consumption (kwh), Start, End
0.579000, 2025-10-26T01:30:00+01:00, 2025-10-26T01:00:00+00:00
0E-20, 2025-10-26T01:00:00+00:00, 2025-10-26T01:30:00+00:00
0.25, 2025-10-26T02:30:00+00:00, 2025-10-26T03:00:00+00:00
"""


@pytest.fixture
def load(lake: Lake, accounts, settings, site, tmp_path: Path):
    """A function that writes a file and imports it."""

    def run(content: str, **flags) -> LoadSummary:
        file = tmp_path / "file.csv"
        file.write_text(content, newline="")
        return import_file(lake, accounts, settings, file, "Home", now=NOW, **flags)

    return run


def landed(lake: Lake) -> list[tuple]:
    frame = lake.scan(bronze.READINGS).sort("received_at", "measured_at", "channel").collect()
    times = frame.get_column("measured_at").dt.strftime("%Y-%m-%dT%H:%M")
    return list(zip(frame["channel"], frame["measure"], times, frame["interval_seconds"], frame["value"], strict=True))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_sma_months_total_is_read_at_the_end_of_its_day(load, lake: Lake, line_end: str) -> None:
    summary = load(SMA_MONTH.replace("\n", line_end), time_zone="Europe/Berlin")
    assert (summary.format, summary.read, summary.new) == ("sma", 3, 3)
    assert landed(lake) == [
        ("production", "register_kwh", "2011-09-27T22:00", None, 0.457),
        ("production", "register_kwh", "2011-09-28T22:00", None, 23.282),
        ("production", "register_kwh", "2011-09-29T22:00", None, 1044.5),
    ]


def test_sma_months_daily_yield_belongs_to_its_day(load, lake: Lake) -> None:
    load(SMA_MONTH, time_zone="Europe/Berlin", channels={"1234567890 Analog [kWh]": "production"}, measure="interval_kwh")
    assert landed(lake)[1] == ("production", "interval_kwh", "2011-09-27T22:00", 86_400, 22.825)


def test_sma_day_file_obeys_what_it_declares(load, lake: Lake) -> None:
    load(SMA_DAY, time_zone="Europe/Berlin")
    load(SMA_DAY, time_zone="Europe/Berlin", channels={"1234567890 Analog [kW]": "production"}, measure="power_kw", unit="kW", role="check")
    assert [row[1:] for row in landed(lake)] == [
        ("register_kwh", "2026-07-02T10:00", None, 1523.482),
        ("register_kwh", "2026-07-02T10:05", None, 1523.742),
        ("power_kw", "2026-07-02T10:00", None, 3.12),
        ("power_kw", "2026-07-02T10:05", None, 3.06),
    ]


def test_sma_file_of_two_inverters_has_each_named(load, lake: Lake) -> None:
    lines = SMA_MONTH.splitlines()
    twice = (line + line[line.index(";") :].replace("1234567890", "99") if ";" in line else line for line in lines[2:])
    wide = "\n".join([*lines[:2], *twice])
    with pytest.raises(Refused, match=r"--channel COLUMN=production"):
        load(wide, time_zone="UTC")
    assert load(wide, time_zone="UTC", channels={"99 Counter [kWh]": "production"}).new == 3


def test_sma_refused_row_names_its_line_of_the_file(load) -> None:
    summary = load(SMA_MONTH.replace("23,282", "broken"), time_zone="UTC")
    assert "11,1234567890 Counter [kWh]" in Path(summary.rejected_file or "").read_text()


def test_octopus_half_hour_that_is_left_out_is_zero(load, lake: Lake) -> None:
    summary = load(OCTOPUS_ROWS)
    assert (summary.format, summary.new, summary.rejected) == ("octopus", 5, 0)
    assert landed(lake) == [
        ("grid_import", "interval_kwh", "2025-10-26T00:30", 1800, 0.579),
        ("grid_import", "interval_kwh", "2025-10-26T01:00", 1800, 0.0),
        ("grid_import", "interval_kwh", "2025-10-26T01:30", 1800, 0.0),
        ("grid_import", "interval_kwh", "2025-10-26T02:00", 1800, 0.0),
        ("grid_import", "interval_kwh", "2025-10-26T02:30", 1800, 0.25),
    ]


def test_octopus_file_with_costs_and_of_an_export_meter_read(load, lake: Lake) -> None:
    text = OCTOPUS + "0.5, 12.25, 2026-07-01T00:00:00+01:00, 2026-07-01T00:30:00+01:00\n"
    text += "0.75, 18.4, 2026-07-01T00:30:00+01:00, 2026-07-01T01:00:00+01:00\n"
    load(text, channels={"Consumption (kwh)": "grid_export"})
    assert [row[0] + row[2] for row in landed(lake)] == ["grid_export2026-06-30T23:00", "grid_export2026-06-30T23:30"]


def test_octopus_wrong_date_fills_no_centuries(load) -> None:
    summary = load(OCTOPUS_ROWS + "1, 0101-01-01T00:00:00+00:00, 0101-01-01T00:30:00+00:00\n")
    assert summary.read == 4


def test_enphase_report_with_offsets_and_with_four_columns(load, lake: Lake) -> None:
    old = "Date/Time,Energy Produced (Wh)\n2016-07-29 00:00:00 -0500,2956\n2016-07-29 00:15:00 -0500,0\n"
    assert load(old).format == "enphase"
    new = (
        "Date/Time,Energy Produced (Wh),Energy Consumed (Wh),Exported to Grid (Wh),Imported from Grid (Wh)\n"
        "07/12/2026 10:00,1000,250,750,0\n07/12/2026 10:15,900,1000,0,100\n"
    )
    with pytest.raises(Refused, match="--time-zone"):
        load(new)
    load(new, time_zone="America/Chicago")
    assert landed(lake)[:6] == [
        ("production", "interval_kwh", "2016-07-29T05:00", 900, 2.956),
        ("production", "interval_kwh", "2016-07-29T05:15", 900, 0.0),
        ("consumption", "interval_kwh", "2026-07-12T15:00", 900, 0.25),
        ("grid_export", "interval_kwh", "2026-07-12T15:00", 900, 0.75),
        ("grid_import", "interval_kwh", "2026-07-12T15:00", 900, 0.0),
        ("production", "interval_kwh", "2026-07-12T15:00", 900, 1.0),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "\x00", "sep=;\nVersion CSV1|", "Version CSV1|Delimiter |\ndd", "Version CSV1\n" * 30 + "dd.MM.yyyy;kWh", "Date/Time,Date/Time\n",
     "Date/Time,x\n",
     "time,load_kwh\n2026-10-01T00:00:00Z,1\n"],
)  # fmt: skip
def test_other_files_are_nobodys_export(text: str) -> None:
    assert [read(text) for read in FORMATS] == [None] * len(FORMATS)


def test_export_with_a_field_beyond_every_limit_refused_in_words(load) -> None:
    with pytest.raises(Refused):
        load(OCTOPUS_ROWS + "9" * 200_000 + ', "\n')


def test_enphase_thousands_are_marked_by_commas(load, lake: Lake) -> None:
    load('Date/Time,Energy Produced (Wh)\n2016-07-29 00:00:00 -0500,"1,005"\n2016-07-29 00:15:00 -0500,6\n')
    assert [row[4] for row in landed(lake)] == pytest.approx([1.005, 0.006])


FRONIUS_GERMAN = """Datum und Uhrzeit;PV Produktion;Energie vom Netz bezogen;Energie ins Netz eingespeist;Verbrauch;Wetter
[dd.MM.yyyy HH:mm];[Wh];[Wh];[Wh];[Wh];[]
01.10.2026 12:00;1000,5;200;300;900,5;heiter
01.10.2026 12:15;1000;200;300;900;trüb
"""


def test_fronius_in_german_is_read_whole_and_tells_what_it_left_out(load, lake: Lake) -> None:
    done = load(FRONIUS_GERMAN, time_zone="Europe/Berlin")
    assert (done.format, done.new) == ("fronius", 8)
    assert {row[0]: row[4] for row in landed(lake) if row[2].endswith("10:00")} == pytest.approx(
        {"production": 1.0005, "grid_import": 0.2, "grid_export": 0.3, "consumption": 0.9005}
    )
    assert done.mapping["unread"] == ["Wetter []"]


@pytest.mark.parametrize(("other", "read"), [("Consumption", "Energy | Symo 8.2 (1) [Wh]"), ("Total production", "Total production [Wh]")])
def test_fronius_inverter_is_the_production_where_no_column_names_it(load, other: str, read: str) -> None:
    done = load(f"Date and time,Energy | Symo 8.2 (1),{other}\n[dd.MM.yyyy HH:mm],[Wh],[Wh]\n01.10.2026 12:00,5,6\n01.10.2026 12:15,7,8\n",
                time_zone="UTC")  # fmt: skip
    assert done.mapping["columns"][read] == {"channel": "production", "unit": "Wh", "measure": "interval_kwh"}
