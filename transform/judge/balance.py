"""Hours that contradict themselves: what comes in is not what goes out, or more came than the connection carries."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from aurora.domain.channels import CHANNELS
from transform.judge import found, wording

IN, OUT = ("production", "grid_import", "battery_discharge"), ("consumption", "grid_export", "battery_charge")
IMBALANCE_RATIO = 0.1
IMBALANCE_LEAST_KWH = 0.1
IMBALANCE_LEAST_HOURS = 3
# Of a day: what single hours leave open, such as a noon at which a derived channel is cut, adds up.
IMBALANCE_DAY_LEAST_KWH = 0.5
IMBALANCE_DAY_LEAST_HOURS = 20
POWER_MARGIN_RATIO = 1.1
CRITICAL_RATIO = 0.5
WEEK = ["site_id", "week_start_date"]


def find_contradictions(hourly: pl.DataFrame, facts: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    """Findings `imbalance impossible_power` of some whole local weeks, as `found.SCHEMA`.

    A derived channel that would have to be negative stands as 0 in gold: the balance of that hour is then open by what was cut.

    Args:
        hourly: Rows of `gold/energy_hourly`.
        facts: Facts by site: fuse_a, grid_limit_kw.
    """
    if hourly.is_empty():
        return found.none()
    hours = hourly.sort("site_id", "interval_start_at").with_columns(
        pl.col("interval_start_at").alias("starts_at"),
        (pl.col("interval_start_at") + pl.duration(seconds=pl.col("interval_seconds"))).alias("ends_at"),
        pl.col("local_date").dt.truncate("1w").alias("week_start_date"),
    )
    return pl.concat([_imbalances(hours), _impossible(hours, facts)])


def _imbalances(hours: pl.DataFrame) -> pl.DataFrame:
    energies = [f"{channel}_kwh" for channel in CHANNELS]
    supplied = pl.sum_horizontal([f"{channel}_kwh" for channel in IN])
    used = pl.sum_horizontal([f"{channel}_kwh" for channel in OUT])
    whole = (
        hours.drop_nulls(energies)
        .filter(pl.col("completeness_ratio") >= 0.9)
        .with_columns(supplied.alias("observed"), used.alias("expected"))
    )
    by_hour = found.runs(whole, WEEK, _is_open(IMBALANCE_LEAST_KWH), IMBALANCE_LEAST_HOURS)
    rows = pl.concat([by_hour, found.runs(_days_beside(whole, by_hour), WEEK, _is_open(IMBALANCE_DAY_LEAST_KWH), 1)])
    is_gross = _apart() > CRITICAL_RATIO * pl.max_horizontal("observed", "expected")
    graded = rows.with_columns(pl.when(is_gross).then(pl.lit("critical")).otherwise(pl.lit("warning")).alias("severity"))
    return found.shaped(graded, kind="imbalance", category="meter")


def _apart() -> pl.Expr:
    return (pl.col("observed") - pl.col("expected")).abs()


def _is_open(least_kwh: float) -> pl.Expr:
    """Whether what came in and what went out are further apart than meters may be."""
    return _apart() > pl.max_horizontal(IMBALANCE_RATIO * pl.max_horizontal("observed", "expected"), pl.lit(least_kwh))


def _days_beside(hours: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Sums of the days of which nearly every hour is known, in the columns of `hours`; without those that a run of hours tells of."""
    days = (
        hours.group_by("site_id", "week_start_date", "local_date", maintain_order=True)
        .agg(pl.col("starts_at").first(), pl.col("ends_at").last(), pl.col("observed", "expected").sum(), pl.len().alias("hours"))
        .filter(pl.col("hours") >= IMBALANCE_DAY_LEAST_HOURS)
    )
    runs = told.select(pl.col("site_id").alias("of"), pl.col("starts_at").alias("from_at"), pl.col("ends_at").alias("until_at"))
    reached = days.join_where(
        runs, pl.col("site_id") == pl.col("of"), pl.col("starts_at") < pl.col("until_at"), pl.col("ends_at") > pl.col("from_at")
    )
    return days.join(reached, on=["site_id", "local_date"], how="anti")


def _impossible(hours: pl.DataFrame, facts: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    limits = {site: limit for site, known in facts.items() if (limit := wording.connection_kw(known)) is not None}
    if not limits:
        return found.none()
    limited = hours.with_columns(pl.col("site_id").replace_strict(limits, default=None, return_dtype=pl.Float64).alias("limit_kw"))
    limited = limited.with_columns(
        pl.col("grid_import_kwh").alias("observed"), (pl.col("limit_kw") * pl.col("interval_seconds") / 3600).alias("expected")
    )
    rows = found.runs(limited, WEEK, pl.col("observed") > POWER_MARGIN_RATIO * pl.col("expected"), 1)
    return found.shaped(rows, kind="impossible_power", category="data", severity="critical", channel="grid_import")
