"""SQL over the published lake: DuckDB in memory, with every table as a view of one publication."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
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
    """Columns and rows of one query; see `Questions`."""
    questions = Questions(snapshot, is_newest)
    try:
        return questions.ask(query)
    finally:
        questions.close()


@dataclass
class Questions:
    """Queries of one publication by a DuckDB that stays open, so that files' footers are read once. Safe to share between threads.

    Attributes:
        snapshot: The publication that answers.
        is_newest: Whether it is the newest one; see `version_of`.
    """

    snapshot: Snapshot
    is_newest: bool = True
    _opened: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)
    _shown: dict[str, int | None] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def ask(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows of a query.

        Args:
            query: Tables are named `gold.energy_daily` or `"gold/energy_daily"`.

        Raises:
            Refused: If the query cannot be run.
        """
        if not query.strip():
            raise Refused('Give a query, such as: aurora sql "select * from gold.energy_daily".')
        used = sorted({f"{layer}/{name}".lower() for layer, name in NAME.findall(query)} & set(TABLES))
        with self._lock:
            connection = self._showing(used)
            try:
                return _answer(connection, NAME.sub(lambda match: _view(match, used), query))
            except duckdb.Error as error:
                self.close()
                tables = ", ".join(sorted(name.replace("/", ".") for name in TABLES))
                hint = _to_be_quoted(query, used) if isinstance(error, duckdb.ParserException) else ""
                raise Refused(f"The query cannot be run: {str(error).splitlines()[0]}{hint} Tables: {tables}.") from None
            finally:
                # Rows of a bucket are held in memory, whole tables of them.
                if not self.snapshot.lake.storage.is_local:
                    self.close()

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened, self._shown = None, {}

    def _showing(self, used: list[str]) -> duckdb.DuckDBPyConnection:
        """A connection with these tables as views, and those of earlier questions: what it may read is settled when it is opened."""
        if self._opened is not None and self._versions(used).items() <= self._shown.items():
            return self._opened
        shown = self._versions({*used, *self._shown})
        self.close()
        self._opened, self._shown = _opened(self.snapshot, shown, is_newest=self.is_newest), shown
        return self._opened

    def _versions(self, names: Iterable[str]) -> dict[str, int | None]:
        return {name: version_of(self.snapshot, name, is_newest=self.is_newest) for name in names}


def _opened(snapshot: Snapshot, names: Iterable[str], *, is_newest: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("set TimeZone = 'UTC'; set parquet_metadata_cache = true")
        for name in names:
            _show(connection, snapshot, name, is_newest=is_newest)
        return connection.execute("set enable_external_access = false; set lock_configuration = true")
    except BaseException:
        connection.close()
        raise


def _answer(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    # What EXPLAIN ANALYZE explains it does: nothing of that may reach the next question.
    connection.execute("begin transaction read only")
    try:
        result = connection.execute(_only_asking(connection, query))
        return [column[0] for column in result.description or []], result.fetchall()
    finally:
        connection.rollback()


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


def _to_be_quoted(query: str, used: Collection[str]) -> str:
    """That columns of the tables are words of SQL, where a query has them without quotes."""
    with duckdb.connect() as connection:
        words = connection.sql("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'").fetchall()
    columns = {column for name in used for column in TABLES[name].schema.names} & {word for (word,) in words}
    bare = sorted(column for column in columns if re.search(rf"""(?<!["'])\b{column}\b(?!["'])""", query, re.IGNORECASE))
    return "".join(f' The column {column} is a word of SQL: write it as "{column}", in quotes.' for column in bare)


def _only_asking(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query, where it is one and changes nothing: the files that it may read are those of the lake."""
    found = connection.extract_statements(query)
    if len(found) != 1 or found[0].type not in ASKING:
        raise duckdb.InvalidInputException("One statement that only asks is run, such as a select.")
    return query


def _view(match: re.Match[str], used: Collection[str]) -> str:
    name = f"{match[1]}/{match[2]}".lower()
    return '"' + name.replace("/", "__") + '"' if name in used else match[0]
