"""How rows are laid out in files: which rows share one, in which order and with which columns."""

# pyarrow ships no types, so what comes from it is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa

from aurora.lake.tables import LakeTable

FOLD_AFTER = timedelta(days=14)
SITES_A_FILE = 500
DAY_COLUMNS = ("local_date", "local_month", "issued_at", "week_start_date", "measured_date")
BY_MONTH = frozenset(
    {
        "gold/energy_daily",
        "gold/cost_lines",
        "gold/meter_events",
        "gold/anomalies",
        "gold/data_quality",
        "gold/revisions",
        "gold/forecast_accuracy",
        "meta/baselines",
    }
)


def blocks(rows: pa.Table, table: LakeTable, now: datetime) -> Iterable[pa.Table]:
    """Split rows into the files they go to: a recent day, an older half month or a year, each for up to 500 sites."""
    if rows.num_rows == 0:
        return
    frame = pl.DataFrame(rows)
    block, site = block_of(table, now.date()), site_column(table)
    frame = frame.with_columns(block.alias("_block"))
    if site is not None:
        frame = frame.with_columns(((pl.col(site).rank("dense").over("_block") - 1) // SITES_A_FILE).alias("_slice"))
    ordered = frame.sort(table.sort, maintain_order=True) if table.sort else frame
    for _, part in ordered.group_by(["_block", *(["_slice"] if site else [])], maintain_order=True):
        yield conform(part.drop("_block", "_slice", strict=False), table)


def block_of(table: LakeTable, today: date, side: str = "") -> pl.Expr:
    """Which file a row goes to by its day: the day while it is recent, then its half month, its month or year.

    Args:
        table: Whose rows.
        today: Decides which days are recent.
        side: Prefix of the column's name, `min.` or `max.` where files are asked by their statistics.
    """
    name = next((column for column in DAY_COLUMNS if column in table.schema.names), None)
    if name is None:
        return pl.lit("all")
    column = pl.col(f"{side}{name}").cast(pl.Date)
    if name == "local_month":
        return column.dt.strftime("%Y")
    if table.name in BY_MONTH:
        return column.dt.strftime("%Y-%m")
    half = pl.when(column.dt.day() < 15).then(pl.lit("a")).otherwise(pl.lit("b"))
    return pl.when(column > today - FOLD_AFTER).then(column.dt.strftime("%Y-%m-%d")).otherwise(column.dt.strftime("%Y-%m-") + half)


def site_column(table: LakeTable) -> str | None:
    """The column by whose values a block is cut into files; None where it is not."""
    return next((column for column in ("site_id", "device_id") if column in table.schema.names), None)


def conform_frame(frame: pl.DataFrame, table: LakeTable) -> pl.DataFrame:
    """The columns of the table's files, null where `frame` has none."""
    schema = pl.Schema(table.file_schema)
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).select([pl.col(name).cast(kind) for name, kind in schema.items()])


def conform(frame: pl.DataFrame, table: LakeTable) -> pa.Table:
    """The columns of the table's files as Arrow."""
    return conform_frame(frame, table).to_arrow().cast(table.file_schema)
