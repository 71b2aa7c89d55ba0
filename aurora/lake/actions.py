"""Actions of Delta's log: how a file comes into a table and leaves it."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false, reportArgumentType=false

import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties
from deltalake.transaction import AddAction, RemoveAction

from aurora.domain.calendar import EPOCH
from aurora.lake.checksums import COMMIT_CHECKSUM, commit_checksum
from aurora.lake.tables import LakeTable

STATISTICS = frozenset(
    {"interval_seconds", "received_at", "finished_at", "issued_at", "local_date", "measured_date", "measured_at", "interval_start_at", "at"}
)


def told_columns(rows: pa.Table, table: LakeTable) -> list[str]:
    """Columns by whose least and greatest values files and groups of rows are left out."""
    wanted = STATISTICS | set(table.key) | set(table.scope)
    return [name for name in rows.schema.names if name in wanted]


def statistics_of(rows: pa.Table, table: LakeTable) -> str:
    """Statistics of a file as Delta keeps them, by which readers leave files out: the rows, least and greatest values, nulls."""
    columns = {name: rows[name] for name in told_columns(rows, table)}
    ends = {name: _ends(column) for name, column in columns.items()}
    valued = [name for name, (least, _) in ends.items() if least is not None]
    return json.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {name: ends[name][0] for name in valued},
            "maxValues": {name: ends[name][1] for name in valued},
            "nullCount": {name: column.null_count for name, column in columns.items()},
        }
    )


def _ends(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """The least and the greatest value as JSON has them; None where there is none."""
    if not pa.types.is_timestamp(column.type):
        found = pc.min_max(column).as_py()
        return _as_json(found["min"]), _as_json(found["max"])
    # Arrow's own scalars of time import pandas when they become Python's, which costs a starting process more than a second.
    found = pc.min_max(column.cast(pa.int64())).as_py()
    moments = [None if us is None else EPOCH + timedelta(microseconds=us) for us in (found["min"], found["max"])]
    return _as_json(moments[0]), _as_json(moments[1])


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value


def with_checksum(properties: CommitProperties, actions: list[Any]) -> CommitProperties:
    """The properties of a commit, with a checksum of what it does."""
    marks = properties.custom_metadata or {}
    digest = commit_checksum(
        [(one.path, one.size, one.partition_values, one.data_change, one.stats) for one in actions if isinstance(one, AddAction)],
        [(one.path, one.data_change) for one in actions if isinstance(one, RemoveAction)],
        [(one.app_id, one.version) for one in properties.app_transactions or []],
        marks,
    )
    return CommitProperties(custom_metadata=marks | {COMMIT_CHECKSUM: digest}, app_transactions=properties.app_transactions)


def add_again(row: dict[str, Any]) -> AddAction:
    """The action that brings back a file of an earlier version, from its row of `Lake.files`."""
    columns = {prefix: {k.removeprefix(f"{prefix}."): _as_json(v) for k, v in row.items() if k.startswith(f"{prefix}.") and v is not None}
               for prefix in ("min", "max", "null_count")}  # fmt: skip
    stats = {"numRecords": row["num_records"], "minValues": columns["min"], "maxValues": columns["max"], "nullCount": columns["null_count"]}
    return AddAction(row["path"], row["size_bytes"], partition_of(row), int(time.time() * 1000), True, json.dumps(stats))


def remove(row: dict[str, Any]) -> RemoveAction:
    """The action that takes a file out of the table, from its row of `Lake.files`."""
    return RemoveAction(row["path"], True, int(time.time() * 1000), row["size_bytes"], partition_of(row))


def partition_of(row: dict[str, Any]) -> dict[str, str | None]:
    """The partition values of a row of `Lake.files`."""
    return {k.removeprefix("partition."): None if v is None else str(v) for k, v in row.items() if k.startswith("partition.")}


def may_hold(files: pl.DataFrame, table: LakeTable, scope: pl.DataFrame) -> pl.Series:
    """Whether each file's statistics allow a row of `scope`, column by column."""
    keep = pl.Series([True] * files.height, dtype=pl.Boolean)
    for column in table.scope:
        least, greatest = f"min.{column}", f"max.{column}"
        if least not in files.columns or greatest not in files.columns:
            continue
        wanted = scope.select(pl.col(column).alias("value")).unique().sort("value").with_columns(pl.col("value").set_sorted())
        low = files.select(pl.col(least).cast(wanted.schema["value"]).alias("value"), pl.col(greatest).alias("greatest")).with_row_index()
        next_wanted = (
            low.sort("value")
            .join_asof(wanted.with_columns(pl.col("value").alias("next")), on="value", strategy="forward", check_sortedness=False)
            .sort("index")
        )
        keep = keep & (next_wanted.get_column("next") <= next_wanted.get_column("greatest")).fill_null(value=False)
        unknown = files.get_column(least).is_null()
        keep = keep | unknown if column == table.scope[0] else keep
    return keep
