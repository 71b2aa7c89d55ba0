"""How rows are laid out in files: which rows share one, in which order and with which columns."""

# pyarrow ships no types, so what comes from it is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

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


def blocks(rows: pl.DataFrame, table: LakeTable, now: datetime) -> Iterator[pa.Table]:
    """Split rows into the files they go to: a recent day, an older half month or a year, each for up to 500 sites."""
    if rows.is_empty():
        return
    site = site_column(table)
    order = ["_block", *([site] if site else []), *(column for column in table.sort if column != site)]
    ordered = rows.with_columns(_numbered(rows, table, now.date()).alias("_block")).sort(order, maintain_order=True)
    # As one table: cut before it, each piece of a column of lists would be copied with the whole column behind it.
    arrow = conform(ordered, table)
    for begin, end in pairwise(_cuts(ordered["_block"], ordered[site] if site else None)):
        yield arrow.slice(begin, end - begin)


def _numbered(rows: pl.DataFrame, table: LakeTable, today: date) -> pl.Series:
    """Which block each row goes to, as a number that rises with the day."""
    day = day_column(table)
    if day is None:
        return pl.zeros(rows.height, pl.UInt32, eager=True)
    days = rows.select(pl.col(day).unique().sort())
    numbers = days.select(block_of(table, today).rle_id()).to_series()
    return rows[day].replace_strict(days[day], numbers)


def _cuts(block: pl.Series, site: pl.Series | None) -> list[int]:
    """Where files begin among sorted rows, and the end: with each block, and within one with every 500th site."""
    begins = block.rle().struct.field("len").cum_sum().to_list()
    if site is None:
        return [0, *begins]
    cuts = [0]
    for begin, end in pairwise([0, *begins]):
        sites = site[begin:end].rle().struct.field("len").cum_sum().gather_every(SITES_A_FILE, SITES_A_FILE - 1)
        cuts += [begin + last for last in sites if begin + last < end] + [end]
    return cuts


def block_of(table: LakeTable, today: date, side: str = "") -> pl.Expr:
    """Which file a row goes to by its day: the day while it is recent, then its half month, its month or year.

    Args:
        table: Whose rows.
        today: Decides which days are recent.
        side: Prefix of the column's name, `min.` or `max.` where files are asked by their statistics.
    """
    name = day_column(table)
    if name is None:
        return pl.lit("all")
    column = pl.col(f"{side}{name}").cast(pl.Date)
    if name == "local_month":
        return column.dt.strftime("%Y")
    if table.name in BY_MONTH:
        return column.dt.strftime("%Y-%m")
    half = pl.when(column.dt.day() < 15).then(pl.lit("a")).otherwise(pl.lit("b"))
    return pl.when(column > today - FOLD_AFTER).then(column.dt.strftime("%Y-%m-%d")).otherwise(column.dt.strftime("%Y-%m-") + half)


def day_column(table: LakeTable) -> str | None:
    """The column by whose days a table is cut into files; None where it is not."""
    return next((column for column in DAY_COLUMNS if column in table.schema.names), None)


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
