"""A lake of the first schema opens, is migrated once and says so; a later one is refused; columns change with their version."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from aurora.errors import NotReady, Refused
from aurora.lake import migrations
from aurora.lake.migrations import bring_up_to_date
from aurora.lake.schemas import schema_version_of
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES

FIRST: dict[str, Any] = json.loads((Path(__file__).parent / "schemas_1.json").read_text())
KINDS = {
    "double": pa.float64(), "int64": pa.int64(), "date32[day]": pa.date32(), "decimal128(18, 6)": pa.decimal128(18, 6),
    "list<item: string>": pa.list_(pa.string()), "bool": pa.bool_(), "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
    "string": pa.string(),
}  # fmt: skip


def first_schema(name: str) -> pa.Schema:
    """Columns of a table in the first schema."""
    return pa.schema([pa.field(column, KINDS[kind]) for column, kind in FIRST[name]["columns"].items()])


def lake_of_first_schema(folder: Path) -> Lake:
    """An empty lake as the first release made it."""
    for name, table in FIRST.items():
        DeltaTable.create(
            str(folder / name),
            first_schema(name),
            partition_by=table["partition"] or None,
            configuration={"aurora.schema_version": "1", "delta.checkpointInterval": "100"},
            raise_if_key_not_exists=False,
        )
    return open_lake(str(folder))


@pytest.fixture
def old_lake(tmp_path: Path) -> Lake:
    return lake_of_first_schema(tmp_path / "old")


def test_lake_of_the_first_schema_gains_every_column_once(old_lake: Lake) -> None:
    done = {one.name: one for one in bring_up_to_date(old_lake)}
    for name, table in TABLES.items():
        known = set(FIRST[name]["columns"]) if name in FIRST else set()
        opened = open_lake(old_lake.storage.uri).delta(name)
        assert {field.name for field in opened.schema().fields} == set(table.schema.names), name
        assert schema_version_of(opened) == table.schema_version
        assert table.properties.items() <= opened.metadata().configuration.items()
        assert set(done[name].columns if name in done else []) == set(table.schema.names) - known
    assert bring_up_to_date(open_lake(old_lake.storage.uri)) == []


def test_columns_never_change_without_their_schema_version() -> None:
    for name, table in FIRST.items():
        declared = TABLES[name]
        assert set(table["columns"]) <= set(declared.schema.names), f"{name} lost a column"
        has_grown = set(declared.schema.names) != set(table["columns"])
        has_changed = has_grown or bool(declared.properties)
        assert (declared.schema_version > 1) == has_changed, f"{name}: raise schema_version with its columns"


def test_rows_of_an_old_file_are_read_with_nulls_beside_new_ones(old_lake: Lake) -> None:
    name = "dims/devices"
    columns = {column: ["one"] if kind == "string" else [None] for column, kind in FIRST[name]["columns"].items()}
    from deltalake import write_deltalake

    write_deltalake(old_lake.storage.table_uri(name), pa.table(columns, schema=first_schema(name)), mode="append")
    bring_up_to_date(old_lake)
    new = pl.DataFrame([{"device_id": "two", "factor": 2.0}], schema=pl.DataFrame(TABLES[name].schema.empty_table()).schema)
    old_lake.land(name, new.to_arrow())
    rows = open_lake(old_lake.storage.uri).scan(name).sort("device_id").collect()
    assert rows["device_id"].to_list() == ["one", "two"]
    assert rows["factor"].to_list() == [None, 2.0]
    by_others = DeltaTable(old_lake.storage.table_uri(name)).to_pyarrow_table(columns=["device_id", "factor"])
    assert sorted(by_others.to_pylist(), key=lambda row: row["device_id"]) == rows.select("device_id", "factor").to_dicts()


def test_old_lake_is_read_as_it_is_and_a_writer_says_the_way_out(old_lake: Lake) -> None:
    assert old_lake.scan("dims/devices").collect().columns == TABLES["dims/devices"].file_schema.names
    with pytest.raises(NotReady, match="aurora init"):
        old_lake.land("dims/devices", TABLES["dims/devices"].schema.empty_table().slice(0))


def test_later_lake_is_refused(lake: Lake) -> None:
    name = "gold/energy_daily"
    version = TABLES[name].schema_version + 1
    lake.delta(name).alter.set_table_properties({"aurora.schema_version": str(version)}, raise_if_not_exists=False)
    with pytest.raises(Refused, match="a later one wrote it"):
        open_lake(lake.storage.uri).scan(name)


def test_numbered_step_runs_in_order_and_again_after_it_was_cut_short(old_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    name, ran = "dims/devices", list[int]()
    newest = TABLES[name].schema_version

    def step(number: int) -> Any:
        def run(_lake: Lake, _table: object) -> None:
            ran.append(number)
            if number == newest and ran.count(number) == 1:
                raise OSError("the power went")

        return run

    monkeypatch.setattr(migrations, "STEPS", {(name, number): step(number) for number in range(1, newest + 1)})
    with pytest.raises(OSError, match="power"):
        bring_up_to_date(old_lake)
    bring_up_to_date(open_lake(old_lake.storage.uri))
    assert ran == [*range(2, newest + 1)] * 2
