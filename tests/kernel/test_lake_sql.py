"""SQL over the lake: tables by their names, texts left alone, refusals in one line."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from aurora.errors import Refused
from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.sql import Questions, ask, files_of
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _land(lake: Lake, value: float) -> None:
    row = {
        "device_id": "m",
        "channel": "consumption",
        "measure": "power_kw",
        "measured_at": NOW,
        "value": value,
        "received_at": NOW,
        "sequence": 0,
    }
    table = pa.Table.from_pylist([row | {"measured_date": NOW.date()}], schema=TABLES["bronze/readings"].schema)
    lake.land("bronze/readings", table)


@pytest.fixture
def filled(lake: Lake) -> Snapshot:
    _land(lake, 1.5)
    return manifest.newest(lake)


@pytest.mark.parametrize("name", ["bronze.readings", '"bronze/readings"', "BRONZE.READINGS", '"bronze"."readings"'])
def test_table_is_found_by_each_way_to_write_it(filled: Snapshot, name: str) -> None:
    assert ask(filled, f"select device_id, value from {name}") == (["device_id", "value"], [("m", 1.5)])


def test_text_that_looks_like_a_table_is_left_alone(filled: Snapshot) -> None:
    assert ask(filled, "select 'bronze.readings' as t from bronze.readings") == (["t"], [("bronze.readings",)])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "select",
        "select * from gold.nothing",
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to '/tmp/x'",
        "select 1; select 2",
        "insert into bronze.readings select * from bronze.readings",
        "set enable_external_access = true",
    ],
)
def test_query_that_cannot_be_run_is_one_line_with_the_way_out(filled: Snapshot, query: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(filled, query)
    assert "\n" not in str(refused.value)
    assert "gold.energy_daily" in str(refused.value)


def test_file_of_the_lake_that_is_no_table_of_the_query_cannot_be_read(filled: Snapshot) -> None:
    [path] = files_of(filled, "bronze/readings", is_newest=True)
    for query in (f"copy (select 1) to '{path}'", f"select * from read_parquet('{path}')"):
        with pytest.raises(Refused):
            ask(filled, f"{query} -- gold.energy_daily")


def test_column_that_older_files_lack_is_null(filled: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES["bronze/readings"]
    grown = replace(table, schema=table.schema.append(pa.field("added", pa.string())))
    monkeypatch.setitem(TABLES, "bronze/readings", grown)
    assert ask(filled, "select value, added from bronze.readings") == (["value", "added"], [(1.5, None)])


def test_questions_of_one_publication_open_one_connection_for_the_same_tables(filled: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = list[str](), duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda place: opened.append(place) or connect(place))
    questions = Questions(filled)
    for query in ("select value from bronze.readings", "select count(*) from gold.energy_daily", "select sum(value) from bronze.readings"):
        questions.ask(query)
    assert len(opened) == 2


def test_questions_see_readings_that_landed_since_the_last_one(filled: Snapshot) -> None:
    questions = Questions(filled)
    assert questions.ask("select sum(value) from bronze.readings")[1] == [(1.5,)]
    _land(filled.lake, 2.0)
    assert questions.ask("select sum(value) from bronze.readings")[1] == [(3.5,)]


@pytest.mark.parametrize(
    "query",
    [
        "explain analyze drop view bronze__readings",
        "explain analyze drop view temp.bronze__readings__empty",
        "explain analyze create temp view bronze__readings as select 7 as value",
        "explain analyze set TimeZone = 'Asia/Kathmandu'",
        "explain analyze commit",
        "select * from bronze.nothing",
    ],
)
def test_no_question_changes_the_answer_to_the_next(filled: Snapshot, query: str) -> None:
    questions = Questions(filled)
    asked = "select value, strftime(measured_at, '%H') from bronze.readings"
    before = questions.ask(asked)
    with contextlib.suppress(Refused):
        questions.ask(query)
    assert questions.ask(asked) == before == (["value", "strftime(measured_at, '%H')"], [(1.5, "00")])


def test_column_that_is_a_word_of_sql_is_named_where_its_quotes_are_missing(filled: Snapshot) -> None:
    with pytest.raises(Refused, match='column at is a word of SQL: write it as "at", in quotes'):
        ask(filled, "select at from gold.meter_events order by at")
    assert ask(filled, 'select "at" from gold.meter_events order by "at"') == (["at"], [])
    with pytest.raises(Refused) as refused:
        ask(filled, 'select "at" form gold.meter_events')
    assert "word of SQL" not in str(refused.value)
