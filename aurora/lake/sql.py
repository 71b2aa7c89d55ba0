"""SQL over the published lake: DuckDB in memory, with every table as a view of one publication."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import re
from collections.abc import Sequence
from typing import Any

import duckdb
import polars as pl

from aurora.errors import Refused
from aurora.lake.manifest import MANIFEST, Snapshot
from aurora.lake.store import Between
from aurora.lake.tables import TABLES

# A text in quotes is passed over; a table's name may be written gold.energy_daily or "gold/energy_daily", in capitals too.
NAME = re.compile(r"""'(?:[^']|'')*'|"?\b(bronze|silver|gold|dims|meta)["]?[./]["]?([a-z0-9_]+)\b"?""", re.IGNORECASE)


def rows_of(snapshot: Snapshot, name: str, *, is_newest: bool, between: Sequence[Between] = ()) -> pl.LazyFrame:
    """Rows of a table as a publication has them.

    What is only appended to is read at its newest commit, or with an earlier publication as far as that had read it.
    """
    if name in snapshot.versions:
        return snapshot.scan(name, between)
    if name == MANIFEST or (name.startswith("bronze/") and is_newest):
        return snapshot.lake.scan(name, between=between)
    if name in snapshot.consumed:
        return snapshot.lake.scan(name, version=snapshot.consumed[name], between=between)
    return snapshot.scan(name)


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
    used = {f"{layer}/{name}".lower() for layer, name in NAME.findall(query)} & set(TABLES)
    with duckdb.connect(":memory:") as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name in sorted(used):
            connection.register(name.replace("/", "__"), rows_of(snapshot, name, is_newest=is_newest).collect().to_arrow())
        connection.execute("set enable_external_access = false")
        rewritten = NAME.sub(lambda match: _view(match, used), query)
        try:
            result = connection.execute(rewritten)
            return [column[0] for column in result.description or []], result.fetchall()
        except duckdb.Error as error:
            tables = ", ".join(sorted(name.replace("/", ".") for name in TABLES))
            raise Refused(f"The query cannot be run: {str(error).splitlines()[0]} Tables: {tables}.") from None


def _view(match: re.Match[str], used: set[str]) -> str:
    name = f"{match[1]}/{match[2]}".lower()
    return '"' + name.replace("/", "__") + '"' if name in used else match[0]
