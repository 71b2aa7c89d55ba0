"""What every judging hands back: one row a finding, before it is told in words."""

from typing import Any

import polars as pl

TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "site_id": pl.String,
    "device_id": pl.String,
    "channel": pl.String,
    "kind": pl.String,
    "starts_at": TIME,
    "ends_at": TIME,
    "local_date": pl.Date,
    "observed": pl.Float64,
    "expected": pl.Float64,
    "severity": pl.String,
    "category": pl.String,
    "is_withdrawn": pl.Boolean,
    "evidence": pl.String,
    "baseline_version": pl.String,
}


def none() -> pl.DataFrame:
    """No findings."""
    return pl.DataFrame(schema=SCHEMA)


def shaped(rows: pl.DataFrame, **constants: Any) -> pl.DataFrame:
    """The rows with every column of `SCHEMA`; what neither they nor `constants` have is null."""
    filled = rows.with_columns(**{name: pl.lit(value) for name, value in constants.items()})
    missing = [pl.lit(None).alias(name) for name in SCHEMA if name not in filled.columns]
    return filled.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def runs(rows: pl.DataFrame, by: list[str], chosen: pl.Expr, least: int) -> pl.DataFrame:
    """Consecutive chosen rows of each group as one row, where at least so many follow one another without a break in time.

    Args:
        rows: starts_at, ends_at, local_date, observed, expected and the columns of `by`, sorted by time in each group.
        by: What a run stays within.
        chosen: Which rows belong to one.
        least: How many rows a run has at least.

    Returns:
        One row per run: `by`, starts_at, ends_at, local_date of its start, observed and expected (sums), rows.
    """
    apart = (pl.col("ends_at").shift(1).over(by) != pl.col("starts_at")).fill_null(value=True)
    # A window inside a window takes time by the square of their number: a minute of a rebuild of a hundred sites.
    marked = rows.with_columns(chosen.fill_null(value=False).alias("is_chosen"), apart.alias("is_apart")).with_columns(
        (~pl.col("is_chosen") | pl.col("is_apart")).cum_sum().over(by).alias("run")
    )
    return (
        marked.filter("is_chosen")
        .group_by([*by, "run"], maintain_order=True)
        .agg(
            pl.col("starts_at", "local_date").first(),
            pl.col("ends_at").last(),
            pl.col("observed", "expected").sum(),
            pl.len().alias("rows"),
        )
        .filter(pl.col("rows") >= least)
        .drop("run")
    )
