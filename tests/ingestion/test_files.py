"""Files of energy data: every value is read, known or rejected, and lands as what it means."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from aurora.accounts import devices
from aurora.accounts.models import Load
from aurora.domain.mapping import Wishes, looks_like_totals, propose
from aurora.domain.wall_clocks import wall_times_to_utc
from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.files import LoadSummary, import_file
from ingestion.replay import replay_rejected
from ingestion.tables import read_out
from ingestion.withdrawals import undo_load
from orchestration.cli.commands import cli

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def load(lake: Lake, accounts, settings, site, tmp_path: Path):
    """A function that writes a file and imports it."""

    def run(content: str | pl.DataFrame, name: str = "file.csv", **flags) -> LoadSummary:
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content, encoding=flags.pop("encoding", "utf-8"))
        elif file.suffix == ".parquet":
            content.write_parquet(file)
        else:
            content.write_csv(file)
        return import_file(lake, accounts, settings, file, "Home", now=NOW, **flags)

    return run


def landed(lake: Lake) -> list[tuple]:
    frame = lake.scan(bronze.READINGS).sort("received_at", "measured_at", "channel", "sequence").collect()
    return frame.select("device_id", "channel", "measure", "measured_at", "interval_seconds", "value").rows()


def test_import_neither_reads_another_programs_settings_nor_loads_what_it_does_not_need(lake: Lake, site, tmp_path: Path) -> None:
    file, foreign = tmp_path / "file.csv", tmp_path / ".dlt"
    file.write_text("timestamp,consumption\n2026-10-01T00:00:00Z,1.5\n2026-10-01T00:15:00Z,2\n")
    foreign.mkdir()
    (foreign / "config.toml").write_text("this is somebody else's and no TOML")
    command = [sys.executable, "-X", "importtime", "-m", "orchestration.cli", "import", str(file), "--site", site.site_id, "--json"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert json.loads(done.stdout)["new"] == 2
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "dlt" in modules
    assert modules.isdisjoint({"pandas", "streamlit", "plotly"}), "each costs a second at every start"
    assert lake.scan(bronze.READINGS).collect().height == 2


def test_file_lands_once_and_is_known_the_second_time(load, lake: Lake, accounts) -> None:
    text = "timestamp,consumption,grid_import_kwh\n2026-10-01T00:00:00Z,1.5,0.5\n2026-10-01T00:15:00Z,2,\n2026-10-01T00:30:00Z,0,0.25\n"
    first, second = load(text), load(text)
    assert (first.read, first.new, first.known, first.rejected) == (5, 5, 0, 0)
    assert (second.read, second.new, second.known, second.rejected) == (5, 0, 5, 0)
    assert (first.first_at, first.last_at) == ("2026-10-01T00:00:00+00:00", "2026-10-01T00:30:00+00:00")
    at = datetime(2026, 10, 1, tzinfo=UTC)
    assert landed(lake)[:2] == [
        ("home-import", "consumption", "interval_kwh", at, 900, 1.5),
        ("home-import", "grid_import", "interval_kwh", at, 900, 0.5),
    ]
    assert lake.scan(bronze.READINGS).collect().get_column("source").unique().to_list() == [f"import:{first.load_id}"]
    with accounts.reading() as session:
        kept = session.get(Load, first.load_id)
    assert (kept.readings_new, kept.device_id, kept.file_name) == (5, "home-import", "file.csv")


def test_corrected_value_is_new_and_wins_by_its_later_stamp(load, lake: Lake) -> None:
    load("time,load_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,2\n")
    summary = load("time,load_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,3\n")
    assert (summary.new, summary.known) == (1, 1)
    assert [row[5] for row in landed(lake)] == [1.0, 2.0, 3.0]


def test_dry_run_changes_nothing(load, lake: Lake, accounts, tmp_path: Path) -> None:
    summary = load("time,load_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,-2\n", dry_run=True)
    assert (summary.load_id, summary.read, summary.new, summary.rejected, summary.rejected_file) == ("", 2, 1, 1, None)
    row = {"line": "3", "column": "load_kwh", "time": "2026-10-01T01:00:00Z", "value": "'-2", "reason": "negative"}
    assert summary.refused_rows == [row]
    assert landed(lake) == []
    assert devices.all_devices(accounts) == []
    assert [file.name for file in tmp_path.glob("*.csv")] == ["file.csv"]


def test_clock_hour_that_comes_twice_told_apart_by_order(load, lake: Lake) -> None:
    walls = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    rows = [f"25.10.2026 {wall};{number},5" for number, wall in enumerate(walls)]
    for name, order in (("up.csv", rows), ("down.csv", rows[::-1])):
        load("\n".join(["Zeit;Verbrauch (kWh)", *order]), name, time_zone="Europe/Berlin")
    first = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert [(row[3], row[5]) for row in landed(lake)] == [(first + timedelta(minutes=30 * n), n + 0.5) for n in range(6)]


def test_clock_hour_that_never_was_rejected(load) -> None:
    summary = load("time,load_kwh\n2026-03-29 01:00,1\n2026-03-29 02:00,1\n2026-03-29 03:00,1\n", time_zone="Europe/Berlin")
    assert (summary.new, summary.rejected) == (2, 1)


def test_end_labels_moved_to_the_start_of_their_interval(load, lake: Lake) -> None:
    load("interval_end,load_wh\n2026-10-01T00:30:00Z,1500\n2026-10-01T01:00:00Z,500\n")
    assert [(row[3].hour, row[3].minute, row[4], row[5]) for row in landed(lake)] == [(0, 0, 1800, 1.5), (0, 30, 1800, 0.5)]


def test_power_and_totals_land_as_their_measure(load, lake: Lake) -> None:
    load("time,pv_w\n2026-10-01T00:00:00Z,1500\n2026-10-01T00:05:00Z,500\n")
    load("time,reading\n2026-10-01T00:00:00Z,100\n2026-10-01T00:05:00Z,101\n", channels={"reading": "grid_import"}, measure="register_kwh")
    assert [(row[1], row[2], row[4], row[5]) for row in landed(lake)] == [
        ("production", "power_kw", None, 1.5),
        ("production", "power_kw", None, 0.5),
        ("grid_import", "register_kwh", None, 100.0),
        ("grid_import", "register_kwh", None, 101.0),
    ]


@pytest.mark.parametrize(
    ("text", "flags", "flag"),
    [
        ("time,load_kwh\n2026-10-01 00:00,1\n", {}, "--time-zone"),
        ("a,load_kwh\n2026-10-01T00:00:00Z,1\n", {}, "--time-column"),
        ("time,ts,load_kwh\n2026-10-01T00:00:00Z,1,1\n", {}, "--time-column"),
        ("time,x\n2026-10-01T00:00:00Z,1\n", {}, "--channel COLUMN=channel"),
        ("time,load,consumption\n2026-10-01T00:00:00Z,1,1\n", {}, "--channel COLUMN=consumption"),
        ("time,load_kw\n2026-10-01T00:00:00Z,1\n", {"measure": "interval_kwh"}, "--unit"),
        ("time,load\n2026-10-01T00:00:00Z,1\n", {"time_zone": "Europe/Nowhere"}, "--time-zone"),
        ("time,load\n2026-10-01T00:00:00Z,1\n", {"unit": "J"}, "--unit"),
        ("time,load\n" + "\n".join(f"2026-10-01T{h:02}:00:00Z,{500 + h}" for h in range(24)), {}, "--measure register_kwh"),
        ("time,load\n01/02/2026 00:00,1\n", {"time_zone": "UTC"}, "two ways"),
    ],
)
def test_doubtful_file_refused_with_the_flag_that_settles_it(load, lake: Lake, text: str, flags: dict, flag: str) -> None:
    with pytest.raises(Refused, match=flag):
        load(text, **flags)
    assert landed(lake) == []


@pytest.mark.parametrize("content", ["", "time,load\n", "\x00\x01\x02"])
def test_file_without_rows_refused(load, content: str) -> None:
    with pytest.raises(Refused, match="CSV"):
        load(content)


def test_bad_cells_rejected_with_reasons_in_a_harmless_file(load, lake: Lake) -> None:
    times = ["2026-10-01T00:00:00Z", "2026-10-01T00:15:00Z", "2026-10-01T00:30:00Z", "soon", "2026-10-01T01:00:00Z", "2026-10-01T01:15:00"]
    values = ["1", "=1+1", "-3", "4", "inf", "2"]
    text = "time,load_kwh\n" + "\n".join(f"{moment},{value}" for moment, value in zip(times, values, strict=True))
    summary = load(text)
    with Path(summary.rejected_file or "").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["value"], row["reason"]) for row in rows] == [
        ("3", "'=1+1", "wrong_type"),
        ("4", "'-3", "negative"),
        ("5", "4", "bad_time"),
        ("6", "inf", "not_finite"),
        ("7", "2", "no_offset"),
    ]
    assert (summary.read, summary.new, summary.rejected) == (6, 1, 5)
    assert sorted(lake.scan(bronze.REJECTED).collect().get_column("reason")) == sorted(row["reason"] for row in rows)


def test_import_refused_where_another_main_device_measures_the_same(load, lake: Lake, accounts, site) -> None:
    devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1")
    text = "time,load_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,2\n"
    load(text, device="meter-1")
    other = text.replace("Z,1", "Z,5")
    with pytest.raises(Refused, match="--device meter-1"):
        load(other, name="other.csv")
    assert [device.device_id for device in devices.all_devices(accounts)] == ["meter-1"]
    assert load(other, name="other.csv", role="check").new == 2
    assert {device.device_id: device.role for device in devices.all_devices(accounts)} == {"meter-1": "main", "home-import-check": "check"}
    later = text.replace("2026-10-01", "2026-10-02")
    assert load(later, name="later.csv").new == 2


def test_named_device_is_asked_for_rivals_as_well(load, lake: Lake, accounts, site) -> None:
    for name in ("meter-1", "meter-2"):
        devices.add_device(accounts, site.site_id, name=name, kind="meter", device_id=name)
    devices.add_device(accounts, site.site_id, name="Below", kind="meter", device_id="below", role="sub")
    text = _hours(0, 5)
    load(text, device="meter-1")
    for flags in ({}, {"dry_run": True}, {"role": "check"}):
        with pytest.raises(Refused, match=r"meter-1 already measures consumption .* --device meter-1, beside it .* with --role main"):
            load(text, device="meter-2", **flags)
    assert len(landed(lake)) == 5
    assert load(text, device="below").new == 5
    assert load(text.replace(",1\n", ",7\n"), device="meter-1").new == 1
    assert load(text, device="meter-2", role="main").new == 5
    assert load(text, device="meter-2").known == 5


def test_foreign_encodings_and_delimiters_read(load) -> None:
    rows = "2026-10-01T00:00:00Z{0}1,5\n2026-10-01T01:00:00Z{0}2,5\n"
    for name, delimiter, encoding in (("a", ";", "cp1252"), ("b", "\t", "utf-16"), ("c", ";", "utf-8-sig")):
        summary = load(f"Zeit{delimiter}Einspeisung für Süd\n" + rows.format(delimiter), f"{name}.csv", encoding=encoding, dry_run=True,
                       channels={"Einspeisung für Süd": "grid_export"})  # fmt: skip
        assert (summary.read, summary.new) == (2, 2)


def test_rejected_rows_replayed_once(load, lake: Lake, accounts, settings) -> None:
    load("time,load_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T00:15:00Z,1\nsoon,4\n")
    assert replay_rejected(lake, accounts, settings, now=NOW) == 0
    rows = lake.scan(bronze.REJECTED).collect()
    assert (rows.height, rows.get_column("rejected_id").n_unique(), rows.get_column("replayed_at").null_count()) == (2, 1, 1)
    replay_rejected(lake, accounts, settings, now=NOW)
    assert lake.scan(bronze.REJECTED).collect().height == 2


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_wall_times_of_both_dst_days_in_four_zones() -> None:
    for zone, wall, skipped, instant in (
        ("Europe/Berlin", naive("2026-03-29 02:30"), True, None),
        ("Europe/Berlin", naive("2026-10-25 02:30"), False, naive("2026-10-25 00:30")),
        ("Australia/Sydney", naive("2026-04-05 02:30"), False, naive("2026-04-04 15:30")),
        ("Australia/Sydney", naive("2026-10-04 02:30"), True, None),
        ("Asia/Kathmandu", naive("2026-01-01 00:00"), False, naive("2025-12-31 18:15")),
        ("America/New_York", naive("2026-03-08 01:59"), False, naive("2026-03-08 06:59")),
    ):
        epoch = naive("1970-01-01")
        found = wall_times_to_utc(np.array([int((wall - epoch).total_seconds()) * 10**6]), zone)
        assert found.is_skipped[0] == skipped
        assert instant is None or epoch + timedelta(microseconds=int(found.utc[0])) == instant


def test_totals_recognised_and_energies_not() -> None:
    assert looks_like_totals(np.arange(500.0, 600.0))
    assert not looks_like_totals(np.arange(0.0, 100.0))
    assert not looks_like_totals(np.random.default_rng(1).random(500))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("Zählerstand Bezug (kWh)", "1000|1010.5|1030", "register_kwh"),
        ("grid_import_meter_reading_kwh", "1|2", "register_kwh"),
        ("Register Einspeisung", "5|5", "register_kwh"),
        ("Zählerstand Bezug (kWh)", "1.5|0.5|1|0.25|2", "--measure interval_kwh if they are energies"),
        ("grid_import_kwh", "|".join(str(1003 + 3 * day) for day in range(19)), "--measure register_kwh if it is one"),
        ("grid_import_kwh", "1000|1010.5|1030", "--measure register_kwh if it is one"),
        ("Stand Bezug", "10|11", "--measure register_kwh if it is one"),
        ("consumption_reading_kwh", "1.5|0.5|1", "interval_kwh"),
        ("grid_import_kwh", "27|28|29|30|31", "interval_kwh"),
        ("total_consumption_kwh", "1|2|3", "interval_kwh"),
    ],
)
def test_totals_are_known_by_their_name_and_asked_for_by_their_values(load, name: str, values: str, expected: str) -> None:
    text = f"time,{name}\n" + "".join(f"2026-10-{day + 1:02}T00:00:00Z,{value}\n" for day, value in enumerate(values.split("|")))
    if "--" in expected:
        with pytest.raises(Refused, match=expected):
            load(text)
    else:
        assert load(text).mapping["columns"][name]["measure"] == expected


def test_mapping_is_shown_with_what_is_not_read(load) -> None:
    text = "Zeit;Energie;Verbrauch (Wh);Notiz\n01.10.2026 00:00;1;1500;a\n01.10.2026 01:00;2;500;b\n"
    shown = {
        "time_column": "Zeit", "time_zone": "Europe/Berlin", "label": "end", "decimal": None, "unread": ["Energie", "Notiz"],
        "columns": {"Verbrauch (Wh)": {"channel": "consumption", "unit": "Wh", "measure": "interval_kwh"}},
    }  # fmt: skip
    for dry_run in (True, False):
        assert load(text, time_zone="Europe/Berlin", label="end", dry_run=dry_run).as_dict()["mapping"] == shown


def test_command_shows_what_each_column_was_taken_for(lake: Lake, site) -> None:
    Path("a.csv").write_text("Zeit;Energie;Verbrauch (Wh);PV Zählerstand\n01.10.2026 00:00;1;1500;7\n01.10.2026 01:00;2;500;8\n")
    done = CliRunner().invoke(cli, ["import", "a.csv", "--site", site.site_id, "--time-zone", "Europe/Berlin", "--dry-run"])
    assert done.stdout.splitlines()[:4] == [
        "Zeit: the times, the start of each interval, in Europe/Berlin where they have no offset",
        "Verbrauch (Wh): consumption, interval_kwh in Wh",
        "PV Zählerstand: production, register_kwh in kWh",
        "Energie: not read",
    ]


REAL = [
    ("citylearn_fontana_hourly.parquet", "fontana_b01", "ts_utc", {"load_kwh": "consumption", "pv_kwh": "production"}, 3600),
    ("sgsc_nsw_30min.parquet", None, "ts_utc", {"load_kwh": "consumption"}, 1800),
    ("uk_electricity_sample_1.parquet", None, "ts_utc", {"load_kwh": "consumption"}, None),
    ("pvdaq_system50_15min.parquet", None, "ts_utc", {"pv_kwh": "production"}, 900),
]


@pytest.mark.needs("test_data")
@pytest.mark.parametrize(("name", "series", "time", "channels", "interval"), REAL, ids=[row[0].split(".")[0] for row in REAL])
def test_real_series_lands_as_it_was_written(
    load, lake: Lake, test_data: Path, name: str, series: str | None, time: str, channels: dict[str, str], interval: int | None
) -> None:
    frame = pl.read_parquet(test_data / "series" / name)
    series = series or frame.get_column("series_id")[0]
    frame = frame.filter(pl.col("series_id") == series).select(pl.col(time).alias("timestamp"), *channels)
    summary = load(frame.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S+00:00")), channels=channels)
    cells = frame.unpivot(index="timestamp").drop_nulls().filter(pl.col("value").is_finite())
    good = cells.filter(pl.col("value") >= 0)
    rows = lake.scan(bronze.READINGS).collect()
    assert summary.read == cells.height
    assert summary.rejected == cells.height - good.height
    assert rows.height == good.unique(["timestamp", "variable", "value"]).height == summary.new
    once = good.unique(["timestamp", "variable", "value"])
    assert rows.get_column("value").sum() == pytest.approx(once.get_column("value").sum(), rel=1e-6)
    assert interval is None or rows.get_column("interval_seconds").unique().to_list() == [interval]


@pytest.mark.needs("test_data")
def test_real_local_clock_gives_the_same_instants_as_the_utc_column(load, lake: Lake, test_data: Path) -> None:
    homes = pl.read_parquet(test_data / "series" / "citylearn_fontana_hourly.parquet")
    frame = homes.filter(pl.col("series_id") == "fontana_b01").sort("ts_utc")
    local = frame.select(pl.col("ts_local").dt.strftime("%m/%d/%Y %H:%M").alias("time"), "load_kwh")
    summary = load(local, time_zone="America/Los_Angeles")
    found = lake.scan(bronze.READINGS).sort("measured_at").collect()
    expected = set(frame.get_column("ts_utc"))
    different = set(found.get_column("measured_at")) ^ expected
    assert summary.rejected == 0
    assert len(different) <= 2, "the source leaves out one of the two hours that the clock shows twice"


def test_what_was_said_of_a_header_is_taken_over_until_that_import_is_undone(load, lake: Lake, accounts) -> None:
    first = load("wann,a\n2026-10-01 00:00,1500\n2026-10-01 01:00,500\n", time_column="wann", time_zone="Asia/Tokyo", unit="Wh",
                 channels={"a": "grid_import"})  # fmt: skip
    later = "wann,a\n2026-10-02 00:00,2500\n2026-10-02 01:00,500\n"
    second = load(later)
    assert (first.mapping_from, second.mapping_from) == (None, first.load_id)
    assert landed(lake)[2:3] == [("home-import", "grid_import", "interval_kwh", datetime(2026, 10, 1, 15, tzinfo=UTC), 3600, 2.5)]
    corrected = load(later, unit="kWh")
    assert corrected.mapping_from in {first.load_id, second.load_id}
    assert landed(lake)[4][5] == 2500.0
    for other in ("wann,b\n2026-10-02 00:00,1\n", "a,wann\n1,2026-10-02 00:00\n"):
        with pytest.raises(Refused, match="--time-column"):
            load(other)
    for load_id in (corrected.load_id, second.load_id, first.load_id):
        undo_load(lake, accounts, load_id)
    with pytest.raises(Refused, match="--time-column"):
        load(later)


def _at(hour: float) -> datetime:
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=hour)


def _hours(first: int, last: int) -> str:
    return "time,load_kwh\n" + "\n".join(f"{_at(hour).isoformat()},{hour + 1}" for hour in range(first, last)) + "\n"


def test_import_into_a_gap_of_another_main_device_lands(load, lake: Lake, accounts, site) -> None:
    devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1")
    load(_hours(0, 5), device="meter-1")
    load(_hours(10, 15), device="meter-1")
    assert load(_hours(5, 10), name="gap.csv").new == 5
    for first, last in ((4, 10), (5, 11), (0, 2), (2, 12)):
        with pytest.raises(Refused, match=f"meter-1 already measures consumption at {_at(10 if first == 5 else first).isoformat()[:13]}"):
            load(_hours(first, last), name="over.csv")


def test_withdrawn_readings_of_another_main_device_are_no_rivals(load, lake: Lake, accounts, site) -> None:
    devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1")
    load(_hours(0, 5), device="meter-1")
    columns = lake.scan(bronze.READINGS).select(bronze.READING_COLUMNS.names).with_columns(value=pl.lit(None, pl.Float64)).collect()
    bronze.land_readings(lake, bronze.stamps_above(lake), columns.to_arrow().cast(bronze.READING_COLUMNS), "test", NOW)
    assert load(_hours(0, 5), name="other.csv").new == 5


@pytest.mark.parametrize(("measure", "unit", "gap"), [("register_kwh", "kWh", True), ("power_kw", "kW", False)])
def test_register_measures_its_gaps_and_power_holds_for_a_while(load, accounts, site, measure: str, unit: str, gap: bool) -> None:
    devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1")
    text = "time,x\n" + "\n".join(f"{_at(hour).isoformat()},{100 + hour}" for hour in (0, 1, 2, 30, 31))
    load(text, device="meter-1", channels={"x": "consumption"}, measure=measure, unit=unit)
    with pytest.raises(Refused, match="meter-1"):
        load(_hours(1, 4), name="near.csv")
    if gap:
        with pytest.raises(Refused, match="meter-1"):
            load(_hours(10, 12), name="far.csv")
    else:
        assert load(_hours(10, 12), name="far.csv").new == 2


@pytest.mark.parametrize("ending", ["Z", "+00:00"])
@pytest.mark.parametrize(
    "written", ["2016-12-31T23:59:60", "2016-12-31T24:00:00", "2016-02-29T01:00:00", "2015-02-29T01:00:00", "2016-01-01 01:02:03"]
)
def test_time_says_the_same_alone_and_beside_one_of_another_form(written: str, ending: str) -> None:
    mapping = propose(["time", "consumption"], Wishes(measure="power_kw"))

    def read(*texts: str) -> list[object]:
        frame = pl.DataFrame({"time": [f"{text}{ending}" for text in texts], "consumption": ["1.0"] * len(texts)})
        return read_out(frame, mapping).readings["measured_at"].to_list()

    assert [*read(written), datetime(2016, 1, 1, microsecond=500_000, tzinfo=UTC)] == read(written, "2016-01-01T00:00:00.5")
