"""Many small bronze files of a day made into one sorted file. Only the holder of the publish lease may do it: two at once double rows."""

import polars as pl

from aurora.lake.store import Lake

FILES_A_DAY = 100
SMALL_ROWS = 20_000


def compact_bronze(lake: Lake, most_files: int = FILES_A_DAY) -> int:
    """Put the small files of every day that has more than `most_files` of them into one; returns how many files were replaced.

    Large files stay, so that a day is not rewritten again and again while it fills. The commit moves rows and adds none, so readers of
    changes pass over it.
    """
    listed = lake.files("bronze/readings")
    if listed.is_empty():
        return 0
    listed = listed.filter(pl.col("num_records") < SMALL_ROWS)
    crowded = listed.group_by("partition.measured_date").len().filter(pl.col("len") > most_files)
    gone = listed.join(crowded, on="partition.measured_date", how="semi")
    for (_,), files in gone.group_by("partition.measured_date"):
        lake.rewrite("bronze/readings", files)
    return gone.height
