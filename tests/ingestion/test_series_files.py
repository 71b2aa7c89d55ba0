"""Files whose every cell has its own time and length: Green Button, NEM12, Home Assistant; and files that come packed."""

import gzip
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.accounts import loads
from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.exports import read_export
from ingestion.exports.dst_rules import read_rule
from ingestion.exports.series import lengths
from ingestion.files import LoadSummary, import_file

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = 3600
FALL_END = datetime(2025, 11, 2, 9, tzinfo=UTC)


@pytest.fixture
def load(lake: Lake, accounts, settings, site, tmp_path: Path):
    """A function that imports a file, or a text as one."""

    def run(content: str | Path, **flags: Any) -> LoadSummary:
        file = content if isinstance(content, Path) else tmp_path / "file"
        if isinstance(content, str):
            file.write_text(content, newline="")
        return import_file(lake, accounts, settings, file, "Home", now=NOW, **flags)

    return run


def landed(lake: Lake) -> list[tuple]:
    columns = ["channel", "measure", "measured_at", "interval_seconds", "value"]
    return lake.scan(bronze.READINGS).sort("measured_at", "channel").select(columns).collect().rows()


def sums(lake: Lake) -> dict[str, tuple[int, float]]:
    found = lake.scan(bronze.READINGS).group_by("channel").agg(pl.len(), pl.col("value").sum()).collect()
    return {channel: (number, round(value, 6)) for channel, number, value in found.rows()}


def qualities_of(lake: Lake) -> dict[str | None, int]:
    return dict(lake.scan(bronze.READINGS).group_by("quality").len().collect().rows())


def refusals(done: LoadSummary) -> dict[str, int]:
    if done.rejected_file is None:
        return {}
    return dict(pl.read_csv(done.rejected_file).group_by("reason").len().rows())


def reading_type(flow: int = 1, uom: int = 72, scale: int = 0, name: str = "T1", **more: int) -> str:
    others = "".join(f"<{tag}>{value}</{tag}>" for tag, value in more.items())
    return entry(
        f"ReadingType/{name}",
        f"<ReadingType xmlns='http://naesb.org/espi'><flowDirection>{flow}</flowDirection>{others}"
        f"<powerOfTenMultiplier>{scale}</powerOfTenMultiplier><uom>{uom}</uom></ReadingType>",
    )


def entry(own: str, content: str, *related: str) -> str:
    links = "".join(f"<link rel='related' href='{href}'/>" for href in related)
    return f"<entry><link rel='self' href='https://utility.example/espi/resource/{own}'/>{links}<content>{content}</content></entry>"


def block(own: str, values: list[int], start: int = 1330578000, seconds: int = 900, starts: list[int] | None = None, cost: int = 0) -> str:
    costs = f"<cost>{cost}</cost>" if cost else ""
    rows = "".join(
        f"<IntervalReading>{costs}<timePeriod><duration>{seconds}</duration><start>{at}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>"
        for at, value in zip(starts or [start + seconds * n for n in range(len(values))], values, strict=True)
    )
    return entry(own, f"<IntervalBlock xmlns='http://naesb.org/espi'>{rows}</IntervalBlock>")


def meter(point: str, number: str, kind: str) -> str:
    own = f"UsagePoint/{point}/MeterReading/{number}"
    return entry(own, "<MeterReading xmlns='http://naesb.org/espi'/>", f"/espi/resource/{own}/IntervalBlock", f"ReadingType/{kind}")


def point(name: str, kind: int = 0) -> str:
    content = f"<UsagePoint xmlns='http://naesb.org/espi'><ServiceCategory><kind>{kind}</kind></ServiceCategory></UsagePoint>"
    return entry(f"UsagePoint/{name}", content)


def feed(*entries: str) -> str:
    return f"<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'>{''.join(entries)}</feed>"


def test_green_button_joins_by_links_scales_and_tells_both_directions(load, lake: Lake) -> None:
    text = feed(
        block("UsagePoint/P/MeterReading/2/IntervalBlock/1", [5, 7]),
        block("UsagePoint/P/MeterReading/1/IntervalBlock/1", [282, 300], cost=974),
        point("P"),
        meter("P", "1", "in"), meter("P", "2", "out"),
        reading_type(19, scale=1, name="out", commodity=1),
        reading_type(1, name="in", commodity=1, currency=840),
    )  # fmt: skip
    done = load(text)
    first, second = datetime(2012, 3, 1, 5, tzinfo=UTC), datetime(2012, 3, 1, 5, 15, tzinfo=UTC)
    assert landed(lake) == [
        ("grid_export", "interval_kwh", first, 900, pytest.approx(0.05)),
        ("grid_import", "interval_kwh", first, 900, pytest.approx(0.282)),
        ("grid_export", "interval_kwh", second, 900, pytest.approx(0.07)),
        ("grid_import", "interval_kwh", second, 900, pytest.approx(0.3)),
    ]
    assert done.format == "green_button"
    assert done.costs == {"USD": 0.01948}


def test_green_button_without_links_takes_the_reading_type_before_its_blocks(load, lake: Lake) -> None:
    text = feed(reading_type(1), block("", [1000]), reading_type(19), block("", [250])).replace("rel='self'", "rel='other'")
    load(text)
    assert [(row[0], row[4]) for row in landed(lake)] == [("grid_export", 0.25), ("grid_import", 1.0)]


@pytest.mark.parametrize(("behaviour", "is_asked"), [(4, False), (0, True)])
def test_green_button_deltas_that_grow_are_not_asked_for(load, lake: Lake, behaviour: int, is_asked: bool) -> None:
    text = feed(
        point("P"), meter("P", "1", "T1"), meter("P", "2", "T2"),
        reading_type(1, accumulationBehaviour=behaviour), reading_type(19, name="T2", accumulationBehaviour=1),
        block("UsagePoint/P/MeterReading/1/IntervalBlock/1", [100, 101, 102, 103]),
        block("UsagePoint/P/MeterReading/2/IntervalBlock/1", [5000, 5001, 5002, 5003]),
    )  # fmt: skip
    if is_asked:
        with pytest.raises(Refused, match=r"P forward .* only ever grows"):
            load(text)
        return
    load(text)
    assert [row[1] for row in landed(lake) if row[0] == "grid_import"] == ["interval_kwh"] * 4
    assert [row[1] for row in landed(lake) if row[0] == "grid_export"] == ["register_kwh"] * 4


def test_green_button_deltas_of_two_directions_and_of_two_meters_are_not_asked_for(load, lake: Lake) -> None:
    net = feed(reading_type(accumulationBehaviour=4), block("", [-100, -101, -102, -103]))
    assert load(net).new == 8
    several = feed(
        point("A"), point("B"), meter("A", "1", "T1"), meter("B", "1", "T1"), reading_type(accumulationBehaviour=4),
        block("UsagePoint/A/MeterReading/1/IntervalBlock/1", [100, 101, 102, 103], start=1330664400),
        block("UsagePoint/B/MeterReading/1/IntervalBlock/1", [200, 201, 202, 203], start=1330664400),
    )  # fmt: skip
    assert load(several, channels={"A forward [Wh]": "grid_import", "B forward [Wh]": "grid_import"}).new == 4


def test_green_button_demand_and_gas_beside_energy_refused_by_cell(load, lake: Lake) -> None:
    text = feed(
        point("E"), point("G", kind=1), meter("E", "1", "wh"), meter("E", "2", "w"), meter("G", "1", "therm"),
        reading_type(1, name="wh"), reading_type(0, 38, name="w", kind=8), reading_type(1, 169, name="therm", commodity=7),
        block("UsagePoint/E/MeterReading/1/IntervalBlock/1", [1000, 500]),
        block("UsagePoint/E/MeterReading/2/IntervalBlock/1", [4000]),
        block("UsagePoint/G/MeterReading/1/IntervalBlock/1", [3, 4, 5]),
    )  # fmt: skip
    done = load(text)
    assert sums(lake) == {"grid_import": (2, 1.5)}
    assert refusals(done) == {"gas": 3, "not_energy": 1}


def test_green_button_of_gas_alone_refused_with_the_way_out(load) -> None:
    text = feed(point("G", kind=1), meter("G", "1", "T"), reading_type(name="T"), block("UsagePoint/G/MeterReading/1/IntervalBlock/1", [3]))
    with pytest.raises(Refused, match="gas alone"):
        load(text)


def test_green_button_negative_on_one_meter_is_export_but_not_where_reverse_is_counted_apart(load, lake: Lake) -> None:
    alone = feed(reading_type(1, name="T"), block("x", [700, -300]))
    load(alone)
    assert sums(lake) == {"grid_import": (2, 0.7), "grid_export": (2, 0.3)}
    both = feed(
        point("P"), meter("P", "1", "in"), meter("P", "2", "out"), reading_type(1, name="in"), reading_type(19, name="out"),
        block("UsagePoint/P/MeterReading/1/IntervalBlock/1", [900, -1], start=1400000400),
        block("UsagePoint/P/MeterReading/2/IntervalBlock/1", [0, 20], start=1400000400),
    )  # fmt: skip
    assert refusals(load(both)) == {"negative": 1}


def test_green_button_overlapping_blocks_count_once_and_a_correction_counts_last(load, lake: Lake) -> None:
    text = feed(reading_type(1), block("x/IntervalBlock/1", [100, 200, 300]), block("x/IntervalBlock/2", [200, 999], start=1330578900))
    done = load(text)
    newest = lake.scan(bronze.READINGS).sort("received_at", "sequence").unique("measured_at", keep="last").collect()
    assert sorted(newest["value"].to_list()) == pytest.approx([0.1, 0.2, 0.999])
    assert (done.read, done.new, done.known) == (5, 4, 1)


def test_green_button_second_hour_of_autumn_written_under_the_first_is_the_later_one(load, lake: Lake) -> None:
    zone = (
        "<LocalTimeParameters xmlns='http://naesb.org/espi'><dstEndRule>B40E2000</dstEndRule><dstOffset>3600</dstOffset>"
        "<dstStartRule>360E2000</dstStartRule><tzOffset>-28800</tzOffset></LocalTimeParameters>"
    )
    end = int(FALL_END.timestamp())
    starts = [end - 2 * HOUR, end - HOUR, end - HOUR, end + HOUR]
    load(feed(entry("L/1", zone), reading_type(1), block("x", [1, 2, 3, 4], seconds=HOUR, starts=starts)))
    got = {row[2]: row[4] for row in landed(lake)}
    assert got[FALL_END] == pytest.approx(0.003)
    assert len(got) == 4


@pytest.mark.parametrize(
    ("digits", "offset", "year", "end"),
    [
        ("B40E2000", -18000, 2025, datetime(2025, 11, 2, 6, tzinfo=UTC)),
        ("B40E2000", -28800, 2012, datetime(2012, 11, 4, 9, tzinfo=UTC)),
        ("AE0E3000", 3600, 2026, datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("A11E2000", 0, 2026, datetime(2026, 10, 17, 1, tzinfo=UTC)),
        ("A2122000", 0, 2026, datetime(2026, 10, 5, 1, tzinfo=UTC)),
    ],
)
def test_dst_rule_names_the_moment(digits: str, offset: int, year: int, end: datetime) -> None:
    rule = read_rule(digits, offset, 3600)
    assert rule is not None
    assert rule.end(year) == int(end.timestamp())


def test_several_green_button_meters_are_asked_for_and_added_when_named(load, lake: Lake) -> None:
    text = feed(
        point("A"), point("B"), meter("A", "1", "T"), meter("B", "1", "T"), reading_type(1, name="T"),
        block("UsagePoint/A/MeterReading/1/IntervalBlock/1", [100, 200, 300]),
        block("UsagePoint/B/MeterReading/1/IntervalBlock/1", [10, 20]),
    )  # fmt: skip
    with pytest.raises(Refused, match=r"A forward \[Wh\], B forward \[Wh\]"):
        load(text)
    done = load(text, channels={"A forward [Wh]": "grid_import", "B forward [Wh]": "grid_import"})
    assert sums(lake) == {"grid_import": (2, 0.33)}
    assert refusals(done) == {"incomplete_sum": 1}


def test_hostile_xml_refused_in_words(load) -> None:
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">&b;</feed>'
    )
    with pytest.raises(Refused, match="not a Green Button"):
        load(bomb)
    with pytest.raises(Refused, match="not a Green Button"):
        load(feed(reading_type(1))[:-20])
    with pytest.raises(Refused, match="no interval data"):
        load(feed(reading_type(1)))
    with pytest.raises(Refused, match="--unit"):
        load(feed(block("UsagePoint/P/MeterReading/Z/IntervalBlock/1", [1])), channels={"Z": "grid_import"})


NEM12 = """100,NEM12,202606010000,MDP,RET
200,4001234567,B1E1,E1,E1,N1,S1,kWh,30,
300,20260401,{e1},A,,,20260402000000,
200,4001234567,B1E1,B1,B1,N1,S1,Wh,30,
300,20260401,{b1},V,,,20260402000000,
400,1,20,A,,
400,21,48,N,,
200,4001234567,B1E1,Q1,Q1,N1,S1,kVArh,30,
300,20260401,{e1},A,,,20260402000000,
900
"""


def test_green_button_says_what_the_utility_estimated(load, lake: Lake) -> None:
    qualities = iter((8, 0, 9, 17, 8))
    text = re.sub("<timePeriod>", lambda _: f"<ReadingQuality><quality>{next(qualities)}</quality></ReadingQuality><timePeriod>",
                  feed(reading_type(1), block("x", [282, 300, -5, 40, 50])))  # fmt: skip
    done = load(text)
    assert done.qualities == {"estimated using linear interpolation": 2, "estimated using reference day": 4}
    assert qualities_of(lake) == {"estimated": 6, None: 4}
    assert sums(lake) == {"grid_import": (5, 0.672), "grid_export": (5, 0.005)}


def test_nem12_says_what_was_estimated_or_substituted_by_day_and_by_interval(load, lake: Lake, accounts) -> None:
    day = ",".join(["0.5"] * 48)
    text = NEM12.format(e1=day, b1=day).replace("300,20260401", "300,20260402", 2).replace(f"{day},A", f"{day},S14", 1)
    done = load(text.replace("400,1,20,A,,", "400,1,5,E52,,\n400,6,20,A,,"))
    assert done.qualities == {"estimated": 5, "substituted": 48}
    assert qualities_of(lake)["estimated"] == 53
    assert sums(lake) == {"grid_import": (48, 24.0), "grid_export": (20, 0.01)}
    assert loads.notes(loads.find_load(accounts, done.load_id))["qualities"] == done.qualities


def test_sum_of_registers_is_estimated_where_one_of_them_is(load, lake: Lake) -> None:
    two = NEM12.replace(",B1,B1,N1,S1,Wh,", ",E2,E2,N1,S1,kWh,").replace("400,1,20,A,,", "400,1,5,E52,,\n400,6,20,A,,")
    load(two.format(e1=",".join(["0.5"] * 48), b1=",".join(["0.25"] * 48)))
    assert qualities_of(lake) == {"estimated": 5, None: 15}


def test_file_of_actuals_ends_what_was_estimated_with_the_same_values_and_the_reverse(load, lake: Lake) -> None:
    day = ",".join(["0.5"] * 48)
    actual = NEM12.format(e1=day, b1=day)
    estimated = actual.replace("400,1,20,A,,", "400,1,5,E52,,\n400,6,20,A,,")

    def newest() -> int:
        rows = lake.scan(bronze.READINGS).sort("received_at", "sequence").unique(["channel", "measured_at"], keep="last").collect()
        return rows["quality"].count()

    assert (load(estimated).new, newest()) == (68, 5)
    assert (load(estimated).new, newest()) == (0, 5)
    assert (load(actual).new, newest()) == (5, 0)
    assert (load(estimated).new, newest()) == (5, 5)


def test_green_button_that_corrects_itself_says_nothing_new_when_it_comes_again(load, lake: Lake) -> None:
    text = feed(reading_type(1), block("x/IntervalBlock/1", [100, 200]), block("x/IntervalBlock/2", [100, 999]))
    assert [(done.new, done.known) for done in (load(text), load(text))] == [(3, 1), (0, 4)]


def test_nem12_counts_market_time_units_and_null_quality(load, lake: Lake) -> None:
    text = NEM12.format(e1=",".join(["0.5"] * 48), b1=",".join(["100"] * 48))
    done = load(text)
    assert sums(lake) == {"grid_import": (48, 24.0), "grid_export": (20, 2.0)}
    assert landed(lake)[0][2:4] == (datetime(2026, 3, 31, 14, tzinfo=UTC), 1800)
    assert (done.format, done.read, done.rejected) == ("nem12", 68, 0)


def test_nem12_registers_of_one_connection_point_are_added_where_both_have_a_value(load, lake: Lake) -> None:
    two = NEM12.replace(",B1,B1,N1,S1,Wh,", ",E2,E2,N1,S1,kWh,")
    done = load(two.format(e1=",".join(["0.5"] * 48), b1=",".join(["0.25"] * 48)))
    assert sums(lake) == {"grid_import": (20, 15.0)}
    assert refusals(done) == {"incomplete_sum": 28}


def test_nem12_day_cut_short_and_wrong_values_refused_by_cell(load, lake: Lake) -> None:
    e1 = ",".join(["0.5"] * 46 + ["-1", "abc"])
    done = load(NEM12.format(e1=e1, b1="1,2,3").replace(",V,,,20260402000000,", ""))
    assert sums(lake) == {"grid_import": (46, 23.0)}
    assert refusals(done) == {"cut_short": 1, "negative": 1, "wrong_type": 1}


DASHBOARD = (
    "entity_id,type,unit,2026-03-28T23:00:00.000Z,2026-03-29T22:00:00.000Z,2026-03-30T22:00:00.000Z\n"
    "sensor.t1,grid_consumption,kWh,1,2,3\nsensor.t2,grid_consumption,kWh,0.5,0.5,0.5\nsensor.pv,solar_production,Wh,4000,,6000\n"
    "sensor.cost,grid_consumption_cost,EUR,1,1,1\nsensor.gas,gas,m³,1,1,1\n"
)


def test_home_assistants_dashboard_days_have_the_hours_they_had(load, lake: Lake) -> None:
    load(DASHBOARD)
    assert [(row[0], row[3], row[4]) for row in landed(lake)] == [
        ("grid_import", 23 * HOUR, 1.5),
        ("production", 23 * HOUR, 4.0),
        ("grid_import", 24 * HOUR, 2.5),
        ("grid_import", 24 * HOUR, 3.5),
        ("production", 24 * HOUR, 6.0),
    ]


def test_home_assistants_history_is_read_once_its_unit_is_said(load, lake: Lake) -> None:
    text = (
        "entity_id,state,last_changed\nsensor.p,1500,2026-10-01T10:00:00.000Z\nsensor.p,unavailable,2026-10-01T10:01:00.000Z\n"
        "sensor.p,250,2026-10-01T10:02:00.000Z\nsensor.t,20.5,2026-10-01T10:02:00.000Z\n"
    )
    with pytest.raises(Refused, match="--unit and --measure"):
        load(text)
    done = load(text, unit="W", measure="power_kw", channels={"sensor.p": "consumption"})
    assert [(row[1], row[4]) for row in landed(lake)] == [("power_kw", 1.5), ("power_kw", 0.25)]
    assert (done.read, done.new) == (2, 2)


def test_row_of_units_below_the_names_is_obeyed(load, lake: Lake) -> None:
    text = (
        "Date and time,Energy from grid,Energy to grid,PV production,State of charge\n[dd.MM.yyyy HH:mm],[Wh],[Wh],[kWh],[%]\n"
        "01.10.2026 00:00,1200,0,0.5,80\n01.10.2026 00:15,800,50,0.25,81\n"
    )
    done = load(text, time_zone="Europe/Vienna")
    assert sums(lake) == {"grid_import": (2, 2.0), "grid_export": (2, 0.05), "production": (2, 0.75)}
    assert done.format == "fronius"


def test_solaredges_columns_are_known_by_name(load, lake: Lake) -> None:
    text = (
        "Time,Consumption (Wh),Export (Wh),Import (Wh),Self Consumption (Wh),System Production (Wh)\n"
        "03/18/2026 16:45,300,0,149,151,151\n03/18/2026 17:00,200,10,100,89,99\n03/18/2026 17:15,,,,,\n"
    )
    load(text, time_zone="America/New_York")
    assert sums(lake) == {"consumption": (2, 0.5), "grid_export": (2, 0.01), "grid_import": (2, 0.249), "production": (2, 0.25)}


def test_lengths_follow_the_calendar_but_not_gaps() -> None:
    assert lengths([0, 3600, 7200, 18000]) == [3600] * 4
    assert lengths([0, 86400, 86400 + 90000, 86400 * 2 + 90000]) == [86400, 90000, 86400, 86400]
    assert lengths([0, 86400, 86400 * 2, 86400 * 10]) == [86400] * 4
    assert lengths([5]) == [None]
    assert lengths([0, 31 * 86400, 59 * 86400]) == [31 * 86400, 28 * 86400, None]


def test_packed_files_are_unpacked_and_bad_ones_refused(load, lake: Lake, tmp_path: Path) -> None:
    text = "time,production_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,2\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    load(tmp_path / "a.csv.gz")
    assert sums(lake) == {"production": (2, 3.0)}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("in.csv", text.replace("production", "consumption"))
    load(tmp_path / "b.zip")
    assert sums(lake)["consumption"] == (2, 3.0)
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr("more.csv", text)
    with pytest.raises(Refused, match=r"2 files \(in.csv, more.csv\)"):
        load(tmp_path / "b.zip")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(Refused, match="cannot be unpacked"):
        load(tmp_path / "c.csv.gz")


def test_packed_file_larger_than_allowed_is_not_unpacked_whole(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.packing.MOST_BYTES", 1_000_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 50_000_000))
    with pytest.raises(Refused, match="too large"):
        load(tmp_path / "bomb.gz")


@pytest.mark.needs("test_data")
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("greenbutton/sdge_electric_hourly_2011_02__2012_01.xml.gz", {"grid_import": (8727, 5089.595)}),
        ("greenbutton/puc_ontario_utilityapi_electric_60min.xml.gz", {"grid_import": (300, 248.53)}),
        ("greenbutton/espi_sample_15min_cost_5days.xml.gz", {"grid_import": (480, 511.688)}),
        ("payloads/nem12_month_solar_5min.csv.gz", {"grid_export": (8928, 589.172), "grid_import": (8928, 270.738)}),
        ("payloads/nem12_two_interval_lengths.csv", {"grid_import": (48, 374.0)}),
    ],
)
def test_real_files_read_whole(load, lake: Lake, test_data: Path, tmp_path: Path, name: str, channels: dict[str, Any]) -> None:
    file = tmp_path / Path(name).name
    file.write_bytes((test_data / name).read_bytes())
    done = load(file)
    assert sums(lake) == channels
    assert (done.rejected, done.new) == (0, sum(number for number, _ in channels.values()))


@pytest.mark.needs("test_data")
def test_real_file_without_its_unit_is_asked_for(load, test_data: Path) -> None:
    names = read_export_columns(test_data / "greenbutton" / "pge_gbc_interval_blocks.xml.gz")
    with pytest.raises(Refused, match="--unit"):
        load(test_data / "greenbutton" / "pge_gbc_interval_blocks.xml.gz", channels={names[0]: "grid_import"}, dry_run=True)


def read_export_columns(file: Path) -> list[str]:
    from ingestion.packing import unpacked

    with unpacked(file) as plain:
        return read_export(plain).columns[1:]
