"""Writes the files of the lake's tables: sorted rows as Parquet with chosen encodings, each under a name that proves its content."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false, reportArgumentType=false

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from aurora.lake.actions import statistics_of, told_columns
from aurora.lake.checksums import checked_name
from aurora.lake.storage import Storage
from aurora.lake.tables import LakeTable

AT_ONCE = 4
BRONZE_ROW_GROUP = 60_000
# A question of one site reads little more than its rows.
GOLD_ROW_GROUP = 8_192
RISING = frozenset({"sequence"})


@dataclass(frozen=True)
class Writer:
    """Writes files that no commit names yet.

    Attributes:
        storage: Where to.
        sync: Whether a file is on disk before its action is given.
    """

    storage: Storage
    sync: bool

    def all_of(self, table: LakeTable, parts: Iterable[pa.Table]) -> list[AddAction]:
        """Write a file of each part, some at once; no more parts are asked for meanwhile than are being written."""
        adds, writing = list[AddAction](), deque[Future[list[AddAction]]]()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for part in parts:
                writing.append(pool.submit(self.parts_of, table, part))
                if len(writing) == AT_ONCE:
                    adds += writing.popleft().result()
            return adds + [add for one in writing for add in one.result()]

    def parts_of(self, table: LakeTable, rows: pa.Table) -> list[AddAction]:
        """Write a file of each partition that the rows are of; `rows` have its column."""
        if rows.num_rows == 0:
            return []
        if not table.partition:
            return [self.file_of(table, rows, {})]
        column = table.partition[0]
        ordered = rows if _is_sorted(rows[column]) else rows.sort_by(column)
        runs = pc.run_end_encode(ordered[column].combine_chunks())
        ends = runs.run_ends.to_pylist()
        values, starts = runs.values.to_pylist(), [0, *ends[:-1]]
        bare = ordered.drop_columns(list(table.partition))

        def write(run: tuple[Any, int, int]) -> AddAction:
            value, start, end = run
            return self.file_of(table, bare.slice(start, end - start), {column: str(value)})

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(write, zip(values, starts, ends, strict=True)))

    def file_of(self, table: LakeTable, rows: pa.Table, partition: dict[str, str | None]) -> AddAction:
        """Write rows of one partition, without its column, as one file; returns the action that puts it into the table."""
        folder = "".join(f"{column}={value}/" for column, value in partition.items())
        # What rises from row to row is kept as differences: instants, and places in a commit.
        rising = [f.name for f in rows.schema if pa.types.is_timestamp(f.type) or f.name in RISING]
        others = [f.name for f in rows.schema if f.name not in rising and not pa.types.is_nested(f.type)]
        content = pa.BufferOutputStream()
        pq.write_table(
            rows,
            content,
            compression="zstd",
            compression_level=3,
            use_dictionary=others,
            column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
            row_group_size=BRONZE_ROW_GROUP if table.name.startswith("bronze/") else GOLD_ROW_GROUP,
            write_statistics=told_columns(rows, table),
            # Types of Parquet say all that readers need; Arrow's own would be a tenth of a small file.
            store_schema=False,
        )
        whole = memoryview(content.getvalue())
        path = f"{folder}{checked_name(whole)}"
        target = f"{table.name}/{path}"
        self.storage.write_bytes(target, whole)
        if self.sync:
            self.storage.sync(target)
        return AddAction(path, len(whole), partition, int(time.time() * 1000), True, statistics_of(rows, table))


def _is_sorted(days: pa.ChunkedArray) -> bool:
    return not pc.any(pc.less(days.slice(1), days.slice(0, len(days) - 1))).as_py()
