"""The site-days of a large rebuild in pieces that memory holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from aurora.lake.layout import SITES_A_FILE

SITE_DAYS_A_CHUNK = 12_000


@dataclass
class _Chunk:
    """Rows that follow one another by slice and week.

    Attributes:
        slice: Number of its last slice of sites.
        first_week: Monday of the earliest week of each of its slices.
        last_week: Monday of the latest.
        rows: How many.
    """

    slice: int
    first_week: date
    last_week: date
    rows: int


def chunks(days: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """The days in pieces, each with how many are done after it.

    A piece holds whole weeks, which are judged whole, of slices of sites that share files, so that few files are written again; of a site
    the earlier weeks come first. All slices of a piece span the same weeks: what is read is every site between its first day and its last.

    Args:
        days: Distinct site_id, local_date.
    """
    if days.height <= SITE_DAYS_A_CHUNK:
        if days.height:
            yield days.height, days
        return
    by_slice = ((pl.col("site_id").rank("dense") - 1) // SITES_A_FILE).alias("slice")
    ordered = days.with_columns(by_slice, pl.col("local_date").dt.truncate("1w").alias("week")).sort(
        "slice", "week", "site_id", "local_date"
    )
    weeks = ordered.group_by("slice", "week", maintain_order=True).len()
    done = 0
    for chunk in _joined(_of_slices(weeks)):
        yield done + chunk.rows, ordered[done : done + chunk.rows].drop("slice", "week")
        done += chunk.rows


def _of_slices(weeks: pl.DataFrame) -> Iterator[_Chunk]:
    """Of each slice as many weeks as fit, one after the other."""
    chunk = None
    for number, week, rows in weeks.iter_rows():
        if chunk and chunk.slice == number and chunk.rows + rows <= SITE_DAYS_A_CHUNK:
            chunk.last_week, chunk.rows = week, chunk.rows + rows
            continue
        if chunk:
            yield chunk
        chunk = _Chunk(number, week, week, rows)
    if chunk:
        yield chunk


def _joined(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """Slices of the same weeks together, as many as fit."""
    chunk = next(chunks)
    for other in chunks:
        has_same_weeks = (chunk.first_week, chunk.last_week) == (other.first_week, other.last_week)
        if has_same_weeks and chunk.rows + other.rows <= SITE_DAYS_A_CHUNK:
            chunk.slice, chunk.rows = other.slice, chunk.rows + other.rows
            continue
        yield chunk
        chunk = other
    yield chunk
