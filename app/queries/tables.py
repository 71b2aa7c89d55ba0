"""Whole tables of the lake, row group by row group, with the rows that a person may see."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aurora.lake.manifest import MANIFEST, Snapshot
from aurora.lake.store import Between
from aurora.lake.tables import TABLES

ROWS_AT_ONCE = 60_000


@dataclass(frozen=True)
class Seen:
    """What of the lake a person may see.

    Attributes:
        sites: Ids of their sites.
        devices: Ids of the devices there.
        zones: Price and carbon zones of their sites.
        tariffs: Contracts of their sites.
    """

    sites: frozenset[str]
    devices: frozenset[str]
    zones: frozenset[str]
    tariffs: frozenset[str]


def _of(column: str, kind: Callable[[Seen], frozenset[str]]) -> tuple[str, Callable[[Seen], frozenset[str]]]:
    return column, kind


_OTHERS = {
    "bronze/readings": _of("device_id", lambda seen: seen.devices),
    "bronze/device_status": _of("device_id", lambda seen: seen.devices),
    "silver/sealed": _of("device_id", lambda seen: seen.devices),
    "bronze/weather": _of("station_id", lambda seen: seen.devices),
    "bronze/prices": _of("zone", lambda seen: seen.zones),
    "bronze/carbon": _of("zone", lambda seen: seen.zones),
    "dims/tariff_prices": _of("tariff_id", lambda seen: seen.tariffs),
}
_TIMES = (
    "interval_start_at", "local_date", "local_month", "measured_at", "issued_at", "at", "generated_at", "finished_at", "received_at",
    "week_start_date", "starts_at",
)  # fmt: skip


def is_for_admins(name: str) -> bool:
    """Whether a table speaks of the whole installation: everything in meta, and what nobody's rule names."""
    return name.startswith("meta/") or _rule(name) is None


def _rule(name: str) -> tuple[str, Callable[[Seen], frozenset[str]]] | None:
    if name in _OTHERS:
        return _OTHERS[name]
    return _of("site_id", lambda seen: seen.sites) if "site_id" in TABLES[name].file_schema.names else None


def time_column(name: str) -> str | None:
    """The column that a table's range of time is about; None where it has none."""
    known = TABLES[name].file_schema.names
    return next((column for column in _TIMES if column in known), None)


def columns_of(name: str) -> list[str]:
    """Names of a table's columns as they stand in its files."""
    return list(TABLES[name].file_schema.names)


def schema_of(name: str, columns: Sequence[str]) -> pa.Schema:
    """Arrow schema of some columns of a table."""
    return pa.schema([TABLES[name].file_schema.field(column) for column in columns])


def version_of(snapshot: Snapshot, name: str, *, is_newest: bool) -> int | None:
    """The version to read: the published one; of what is only appended to the newest, or with `as_of` what went in. None: nothing yet."""
    if name in snapshot.versions:
        return snapshot.versions[name]
    if name.startswith("bronze/") or name == MANIFEST:
        return snapshot.lake.version(name) if is_newest else snapshot.consumed.get(name)
    return None


@dataclass(frozen=True)
class Question:
    """What is asked of a table.

    Attributes:
        name: The table.
        version: Its version.
        columns: In this order.
        low: First instant or day; None for no bound.
        high: End, not included; None for no bound.
        seen: Whose rows; None for all.
    """

    name: str
    version: int
    columns: tuple[str, ...]
    low: date | datetime | None
    high: date | datetime | None
    seen: Seen | None

    @property
    def limits(self) -> list[Between]:
        """The range of time."""
        column = time_column(self.name)
        return [Between(column, self.low, self.high)] if column and (self.low or self.high) else []


def rows(snapshot: Snapshot, question: Question) -> Iterator[pl.DataFrame]:
    """The rows that are asked for, a row group at a time, so that a table of any size takes the memory of one.

    Raises:
        FileNotFoundError: Where files of that version were cleaned up; before the first row.
    """
    files = snapshot.lake.files(question.name, question.version)
    for limit in question.limits:
        files = files.filter(limit.files(files.columns))
    paths = [f"{question.name}/{path}" for path in files.get_column("path").sort().to_list()] if files.height else []
    system = snapshot.lake.storage.filesystem
    if gone := [info.path for info in system.get_file_info(paths) if not info.is_file]:
        raise FileNotFoundError(gone[0])
    keep = _kept(question)
    return (found for path in paths for found in _file(system, path, question, keep))


def _file(system: Any, path: str, question: Question, keep: pl.Expr) -> Iterator[pl.DataFrame]:
    schema = pl.Schema(TABLES[question.name].file_schema)
    rule = _rule(question.name)
    needed = {*question.columns, *(limit.column for limit in question.limits), *([rule[0]] if rule else [])}
    with system.open_input_file(path) as file:
        parquet = pq.ParquetFile(file)
        held = [name for name in parquet.schema_arrow.names if name in needed]
        groups = [n for n in range(parquet.num_row_groups) if _may_hold(parquet.metadata.row_group(n), question, rule)]
        for batch in parquet.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=held):
            frame = pl.DataFrame(pa.Table.from_batches([batch]))
            missing = [pl.lit(None, dtype=schema[name]).alias(name) for name in needed if name not in frame.columns]
            found = frame.with_columns(missing).filter(keep).select(question.columns)
            if found.height:
                yield found


def _kept(question: Question) -> pl.Expr:
    keep = pl.lit(value=True)
    if question.seen is not None:
        rule = _rule(question.name)
        assert rule is not None, "a table without a rule is for admins"
        keep = pl.col(rule[0]).is_in(sorted(rule[1](question.seen)))
    for limit in question.limits:
        keep = keep & limit.rows()
    return keep


def _may_hold(group: Any, question: Question, rule: Any) -> bool:
    """Whether a row group's statistics allow a row of what may be seen."""
    if question.seen is None:
        return True
    wanted = rule[1](question.seen)
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == rule[0] and column.is_stats_set and column.statistics.has_min_max:
            return any(column.statistics.min <= one <= column.statistics.max for one in wanted)
    return bool(wanted)
