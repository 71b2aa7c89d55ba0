"""SQL over the lake: tables by their names, texts left alone, refusals in one line."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from aurora.errors import Refused
from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.sql import ask, files_of
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def filled(lake: Lake) -> Snapshot:
    row = {
        "device_id": "m",
        "channel": "consumption",
        "measure": "power_kw",
        "measured_at": NOW,
        "value": 1.5,
        "received_at": NOW,
        "sequence": 0,
    }
    table = pa.Table.from_pylist([row | {"measured_date": NOW.date()}], schema=TABLES["bronze/readings"].schema)
    lake.land("bronze/readings", table)
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
