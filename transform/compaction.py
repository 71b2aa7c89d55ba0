"""Many small bronze files made into few sorted ones. Only the holder of the publish lease may do it: two at once double rows."""

from datetime import date

import polars as pl

from aurora.lake.manifest import MANIFEST
from aurora.lake.store import Lake

READINGS = "bronze/readings"
GROWING = ("bronze/weather", "bronze/prices", "bronze/carbon", "bronze/device_status", "bronze/rejected", MANIFEST)
FILES_A_DAY = 100
FILES_A_CLOSED_DAY = 4
FILES_A_TABLE = 50
SMALL_ROWS = 20_000
MOST_ROWS_A_FILE = 5_000_000


def compact_bronze(lake: Lake, most_files: int = FILES_A_DAY) -> int:
    """Put the small files of every day that has more than `most_files` of them into one; returns how many files were replaced.

    Large files stay, so that a day is not rewritten again and again while it fills. The commit moves rows and adds none, so readers of
    changes pass over it.
    """
    listed = lake.files(READINGS)
    if listed.is_empty():
        return 0
    return _rewrite_days(lake, listed.filter(pl.col("num_records") < SMALL_ROWS), most_files)


def compact_closed_days(lake: Lake, today: date, most_files: int = FILES_A_CLOSED_DAY) -> int:
    """Put all files of every UTC day that is over into one where it has more than `most_files`; returns how many were replaced."""
    listed = lake.files(READINGS)
    if listed.is_empty():
        return 0
    closed = listed.filter(pl.col("partition.measured_date").cast(pl.Date) < today)
    fits = pl.col("num_records").sum().over("partition.measured_date") <= MOST_ROWS_A_FILE
    return _rewrite_days(lake, closed.filter(fits | (pl.col("num_records") < SMALL_ROWS)), most_files)


def compact_growing(lake: Lake, most_files: int = FILES_A_TABLE) -> int:
    """Put the small files of the other tables that only grow into one each; returns how many were replaced.

    The newest publication's own file stays: whoever looks for the newest reads that one alone.
    """
    replaced = 0
    for name in GROWING:
        listed = lake.files(name).filter(pl.col("num_records") < SMALL_ROWS)
        if name == MANIFEST and listed.height:
            listed = listed.sort("max.finished_at", "path").head(-1)
        if listed.height > most_files:
            lake.rewrite(name, listed)
            replaced += listed.height
    return replaced


def _rewrite_days(lake: Lake, listed: pl.DataFrame, most_files: int) -> int:
    crowded = listed.group_by("partition.measured_date").len().filter(pl.col("len") > most_files)
    gone = listed.join(crowded, on="partition.measured_date", how="semi")
    for (_,), files in gone.group_by("partition.measured_date"):
        lake.rewrite(READINGS, files)
    return gone.height
