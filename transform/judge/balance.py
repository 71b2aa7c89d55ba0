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
    apart = (pl.col("observed") - pl.col("expected")).abs()
    limit = pl.max_horizontal(IMBALANCE_RATIO * pl.max_horizontal("observed", "expected"), pl.lit(IMBALANCE_LEAST_KWH))
    rows = found.runs(whole, WEEK, apart > limit, IMBALANCE_LEAST_HOURS)
    is_gross = (pl.col("observed") - pl.col("expected")).abs() > CRITICAL_RATIO * pl.max_horizontal("observed", "expected")
    graded = rows.with_columns(pl.when(is_gross).then(pl.lit("critical")).otherwise(pl.lit("warning")).alias("severity"))
    return found.shaped(graded, kind="imbalance", category="meter")


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
