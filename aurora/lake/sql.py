"""SQL over the published lake: DuckDB in memory, with every table as a view of one publication."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import re
from collections.abc import Collection, Sequence
from typing import Any

import duckdb
import polars as pl

from aurora.errors import Refused
from aurora.lake.manifest import MANIFEST, Snapshot
from aurora.lake.store import Between
from aurora.lake.tables import TABLES

# A text in quotes is passed over; a table's name may be written gold.energy_daily or "gold/energy_daily", in capitals too.
NAME = re.compile(r"""'(?:[^']|'')*'|"?\b(bronze|silver|gold|dims|meta)["]?[./]["]?([a-z0-9_]+)\b"?""", re.IGNORECASE)


ASKING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


def version_of(snapshot: Snapshot, name: str, *, is_newest: bool) -> int | None:
    """The version of a table that a publication has; None where it has none.

    What is only appended to is read at its newest commit, or with an earlier publication as far as that had read it.
    """
    if name in snapshot.versions:
        return snapshot.versions[name]
    if name == MANIFEST or (name.startswith("bronze/") and is_newest):
        return snapshot.lake.version(name)
    return snapshot.consumed.get(name)


def files_of(snapshot: Snapshot, name: str, *, is_newest: bool) -> list[str]:
    """Paths on this machine of the files that hold a table's rows as a publication has them. Raises Damaged as `Lake.local_files` does."""
    version = version_of(snapshot, name, is_newest=is_newest)
    if version is None:
        return []
    return snapshot.lake.local_files(name, snapshot.lake.files(name, version).get_column("path").to_list())


def rows_of(snapshot: Snapshot, name: str, *, is_newest: bool, between: Sequence[Between] = ()) -> pl.LazyFrame:
    """Rows of a table as a publication has them, of the version that `version_of` names."""
    version = version_of(snapshot, name, is_newest=is_newest)
    return snapshot.scan(name) if version is None else snapshot.lake.scan(name, version=version, between=between)


def ask(snapshot: Snapshot, query: str, *, is_newest: bool = True) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a query.

    Args:
        snapshot: The publication that answers.
        query: Tables are named `gold.energy_daily` or `"gold/energy_daily"`.
        is_newest: Whether it is the newest one; see `rows_of`.

    Raises:
        Refused: If the query cannot be run.
    """
    if not query.strip():
        raise Refused('Give a query, such as: aurora sql "select * from gold.energy_daily".')
    used = sorted({f"{layer}/{name}".lower() for layer, name in NAME.findall(query)} & set(TABLES))
    with duckdb.connect(":memory:") as connection:
        # Files' footers are read when a view is made, for their columns, and again by the query.
        connection.execute("set TimeZone = 'UTC'; set parquet_metadata_cache = true")
        for name in used:
            _show(connection, snapshot, name, is_newest=is_newest)
        connection.execute("set enable_external_access = false; set lock_configuration = true")
        try:
            result = connection.execute(_only_asking(connection, NAME.sub(lambda match: _view(match, used), query)))
            return [column[0] for column in result.description or []], result.fetchall()
        except duckdb.Error as error:
            tables = ", ".join(sorted(name.replace("/", ".") for name in TABLES))
            raise Refused(f"The query cannot be run: {str(error).splitlines()[0]} Tables: {tables}.") from None


def _show(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, *, is_newest: bool) -> None:
    """Make a table's rows a view: of its files themselves where they are on this machine, which is as fast as DuckDB reads."""
    view, empty = name.replace("/", "__"), TABLES[name].file_schema.empty_table()
    files = files_of(snapshot, name, is_newest=is_newest) if snapshot.lake.storage.is_local else None
    if not files:
        rows = rows_of(snapshot, name, is_newest=is_newest).collect().to_arrow() if files is None else empty
        connection.register(view, rows)
        return
    connection.register(f"{view}__empty", empty)
    listed = "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in files) + "]"
    connection.execute(f"set allowed_paths = list_concat(current_setting('allowed_paths'), {listed})")
    # A file that was written before a column was added has none of it.
    connection.execute(
        f"create view {view} as from {view}__empty union all by name"
        f" select * from read_parquet({listed}, union_by_name = true, hive_partitioning = false)"
    )


def _only_asking(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query, where it is one and changes nothing: the files that it may read are those of the lake."""
    found = connection.extract_statements(query)
    if len(found) != 1 or found[0].type not in ASKING:
        raise duckdb.InvalidInputException("One statement that only asks is run, such as a select.")
    return query


def _view(match: re.Match[str], used: Collection[str]) -> str:
    name = f"{match[1]}/{match[2]}".lower()
    return '"' + name.replace("/", "__") + '"' if name in used else match[0]
