"""SQL over the published lake: DuckDB in memory, with every table as a view of its newest publication."""

import re
from typing import Any

import duckdb

from aurora.errors import Refused
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

# A text in quotes is passed over; a table's name may be written gold.energy_daily or "gold/energy_daily", in capitals too.
NAME = re.compile(r"""'(?:[^']|'')*'|"?\b(bronze|silver|gold|dims|meta)["]?[./]["]?([a-z0-9_]+)\b"?""", re.IGNORECASE)


def ask(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a query.

    Tables are named `gold.energy_daily` or `"gold/energy_daily"`; bronze and meta are read at their newest commit, the others as published.

    Raises:
        Refused: If the query cannot be run.
    """
    snapshot = manifest.newest(lake)
    if not query.strip():
        raise Refused('Give a query, such as: aurora sql "select * from gold.energy_daily".')
    used = {f"{layer}/{name}".lower() for layer, name in NAME.findall(query)} & set(TABLES)
    with duckdb.connect(":memory:") as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name in sorted(used):
            frame = lake.scan(name) if name.startswith(("bronze/", "meta/")) else snapshot.scan(name)
            connection.register(name.replace("/", "__"), frame.collect().to_arrow())
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
