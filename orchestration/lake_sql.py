"""SQL over the published lake: DuckDB in memory, with every table as a view of its newest publication."""

import re
from typing import Any

import duckdb

from aurora.errors import Refused
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

NAME = re.compile(r'"?\b(bronze|silver|gold|dims|meta)["]?[./]["]?([a-z0-9_]+)\b"?')


def ask(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a query.

    Tables are named `gold.energy_daily` or `"gold/energy_daily"`; bronze and meta are read at their newest commit, the others as published.

    Raises:
        Refused: If the query cannot be run.
    """
    snapshot = manifest.newest(lake)
    used = {f"{layer}/{name}" for layer, name in NAME.findall(query) if f"{layer}/{name}" in TABLES}
    with duckdb.connect(":memory:") as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name in sorted(used):
            frame = lake.scan(name) if name.startswith(("bronze/", "meta/")) else snapshot.scan(name)
            connection.register(name.replace("/", "__"), frame.collect().to_arrow())
        connection.execute("set enable_external_access = false")
        rewritten = NAME.sub(lambda match: _view(match, used), query)
        try:
            result = connection.execute(rewritten)
        except duckdb.Error as error:
            raise Refused(f"The query cannot be run: {str(error).splitlines()[0]}") from None
        return [column[0] for column in result.description or []], result.fetchall()


def _view(match: re.Match[str], used: set[str]) -> str:
    name = f"{match[1]}/{match[2]}"
    return f'"{match[1]}__{match[2]}"' if name in used else match[0]
