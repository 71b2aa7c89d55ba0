"""Many files of the same days made into few, sorted ones, as part of a publication."""

# pyarrow ships no types, so what comes from it is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator
from datetime import date

import polars as pl
import pyarrow as pa

from aurora.lake.layout import block_of, blocks, site_column
from aurora.lake.manifest import Publication
from aurora.lake.tables import TABLES, LakeTable

MOST_FILES = 4


def fold(publication: Publication, name: str) -> int:
    """Put the files of each crowded block of a published table into as few as they need; returns how many were replaced.

    Rows stay as they are, and who wrote them too. A block is what shares a file: a recent day, a half month, a month (see `layout`). It is
    crowded where its files hold the same sites.
    """
    table = TABLES[name]
    gone = _crowded(publication, table)
    if gone.is_empty():
        return 0
    publication.exchange(name, gone.drop("block"), _folded(publication, table, gone))
    return gone.height


def _crowded(publication: Publication, table: LakeTable) -> pl.DataFrame:
    files = publication.lake.files(table.name, publication.base(table.name))
    if files.height < 2 or not _has_statistics(files, table):
        return files.head(0).with_columns(pl.lit("").alias("block"))
    marked = files.with_columns(block_of(table, publication.started_at.date(), "min.").alias("block"))
    site = site_column(table)
    if site is None or f"min.{site}" not in files.columns:
        return marked.filter(pl.len().over("block") > MOST_FILES)
    ordered = marked.sort(f"min.{site}", nulls_last=False)
    before = pl.col(f"max.{site}").cum_max().shift(1).over("block")
    overlapping = ordered.filter((pl.col(f"min.{site}") <= before).fill_null(value=False))
    return marked.filter(pl.col("block").is_in(overlapping["block"].unique().to_list()))


def _has_statistics(files: pl.DataFrame, table: LakeTable) -> bool:
    return set(block_of(table, date.max, "min.").meta.root_names()) <= set(files.columns)


def _folded(publication: Publication, table: LakeTable, gone: pl.DataFrame) -> Iterator[pa.Table]:
    for _, files in gone.group_by("block"):
        rows = publication.lake.scan(table.name, paths=files["path"].to_list()).collect()
        yield from blocks(rows, table, publication.started_at)
