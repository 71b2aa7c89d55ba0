"""Lands one file's readings through a dlt pipeline whose destination is the same landing code as everybody's."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aurora import metrics
from aurora.domain.channels import ESTIMATED
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.messages import Fault, Rejection

# Few enough that one commit holds few days, many enough that a commit's fixed cost does not show.
COMMIT_ROWS = 100_000
SWITCHES = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "EXTRACT__WORKERS": "1",
    "LOAD__WORKERS": "1",
    # Its state stays in its folder; it would be landed as a table of its own, for which dlt imports pandas.
    "RESTORE_FROM_DESTINATION": "false",
}


def land_load(lake: Lake, stamps: bronze.Stamps, state: Path, load_id: str, device_id: str, readings: pl.DataFrame, now: datetime) -> None:
    """Land the readings of one load in a few commits, each of which can be repeated.

    Args:
        lake: Where to.
        stamps: Give each commit its stamp.
        state: Folder of dlt's state.
        load_id: Becomes the source `import:<load_id>`.
        device_id: Whose readings they are.
        readings: channel, measure, measured_at, interval_seconds, value, is_estimated, in the file's order.
        now: Our clock.
    """
    if readings.is_empty():
        return
    with dlt_switches(state):
        _run_pipeline(lake, stamps, state, load_id, device_id, readings, now)


def _run_pipeline(
    lake: Lake, stamps: bronze.Stamps, state: Path, load_id: str, device_id: str, readings: pl.DataFrame, now: datetime
) -> None:
    import dlt

    source = f"import:{load_id}"
    ordered = readings.sort("measured_at", maintain_order=True)
    rows_before: dict[str, int] = {}

    @dlt.destination(batch_size=0, loader_file_format="parquet", name="bronze", loader_parallelism_strategy="sequential")
    def bronze_readings(path: Any, _table: Any) -> None:
        # A commit's number is how many rows of the load are in bronze after it: a withdrawal can tell by it whether some have gone.
        landed = rows_before.setdefault(path, sum(pq.read_metadata(known).num_rows for known in rows_before))
        tables = (bronze.readings_table(columns, source, stamps.next(now)) for columns in _row_groups(path))
        for rows in _ahead(tables):
            landed += rows.num_rows
            bronze.land_table(lake, rows, source, (source, landed))

    @dlt.resource(name="readings", max_table_nesting=0)
    def chunks() -> Iterator[pa.Table]:
        for first in range(0, ordered.height, COMMIT_ROWS):
            yield _columns(ordered.slice(first, COMMIT_ROWS), device_id)

    name = f"file_{load_id}".replace("-", "_")
    pipeline = dlt.pipeline(pipeline_name=name, destination=bronze_readings(), pipelines_dir=str(state))
    try:
        pipeline.run(chunks()).raise_on_failed_jobs()
    finally:
        # One pipeline a load: what a load that was cut short left behind must never be landed as part of another.
        shutil.rmtree(state / name, ignore_errors=True)


def _row_groups(path: str) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, bronze.READING_COLUMNS.names).cast(bronze.READING_COLUMNS)


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The tables, each being made while the one before is committed."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, tables, None)
        while (table := coming.result()) is not None:
            coming = pool.submit(next, tables, None)
            yield table


def _columns(readings: pl.DataFrame, device_id: str) -> pa.Table:
    quality = pl.when("is_estimated").then(pl.lit(ESTIMATED)).alias("quality")
    frame = readings.with_columns(pl.lit(device_id).alias("device_id"), quality).select(bronze.READING_COLUMNS.names)
    return frame.to_arrow().cast(bronze.READING_COLUMNS)


def land_refused(lake: Lake, stamps: bronze.Stamps, load_id: str, device_id: str, refused: pl.DataFrame, now: datetime) -> None:
    """Land what was refused in `bronze/rejected`, as the readings they would have been."""
    if refused.is_empty():
        return
    source, topic = f"import:{load_id}", f"aurora/v1/{device_id}/readings"
    rows = [
        bronze.Refused(Rejection(_payload(row), (Fault(row["column"], row["reason"], ""),)), source, topic)
        for row in refused.iter_rows(named=True)
    ]
    lake.land(bronze.REJECTED, bronze.rejected_table(rows, stamps.next(now)), (source, 1))
    for reason, number in refused.get_column("reason").value_counts().iter_rows():
        metrics.READINGS_REJECTED.labels(reason).inc(number)


def _payload(row: dict[str, Any]) -> str:
    return json.dumps(
        {"measured_at": row["time"], "channel": row["channel"], "measure": row["measure"], "value": row["value"], "line": row["line"]}
    )


@contextmanager
def dlt_switches(state: Path) -> Iterator[None]:
    """dlt's settings for the block: nothing is reported, one worker, plain files, a folder of its own instead of ours."""
    # Where dlt finds no file of secrets it imports Streamlit to ask for some, which takes longer than a small load.
    (state / ".dlt").mkdir(parents=True, exist_ok=True)
    (state / ".dlt" / "secrets.toml").touch()
    switches = SWITCHES | {"DLT_PROJECT_DIR": str(state)}
    before = {name: os.environ.get(name) for name in switches}
    os.environ.update(switches)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
