"""How a method would have done over the last 28 days: each day predicted from what was known before it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from ml.forecast.bands import coverage, fit_bands

BACK_DAYS = 28
LEAST_KNOWN_DAYS = 6
SEASON = timedelta(days=7)

Predictor = Callable[[pl.DataFrame, pl.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Score:
    """Errors of a method over its backtest; null where they cannot be told.

    Attributes:
        mae_kwh: Mean absolute error of an hour.
        mase: That error over the mean |y(t) - y(t - 168 h)| before the backtest.
        bias_kwh: Mean of predicted minus actual.
        coverage_80_ratio: Share of the newest week inside bands made from the weeks before it.
        coverage_95_ratio: The same of the wide band.
        hours: How many hours were predicted.
    """

    mae_kwh: float
    mase: float | None
    bias_kwh: float
    coverage_80_ratio: float | None
    coverage_95_ratio: float | None
    hours: int


def backtest(history: pl.DataFrame, predict: Predictor) -> pl.DataFrame:
    """Past predictions beside what came.

    Args:
        history: Rows as `history.load_history` gives them.
        predict: From (what was known, hours of a day to predict) to energy, NaN where it has nothing to say. [kWh]

    Returns:
        The predicted rows of `history` with predicted_kwh; none where the history is too short.
    """
    starts = history.get_column("interval_start_at")
    parts = []
    for back in range(BACK_DAYS):
        until = starts.max() - timedelta(days=back)  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        since = until - timedelta(days=1)
        first, behind = starts.search_sorted(since, "right"), starts.search_sorted(until, "right")
        if first < behind and since - starts[0] >= timedelta(days=LEAST_KNOWN_DAYS):
            asked = history.slice(first, behind - first)
            parts.append(asked.with_columns(pl.Series("predicted_kwh", predict(history.head(first), asked))))
    empty = history.head(0).with_columns(pl.lit(0.0).alias("predicted_kwh"))
    return pl.concat(parts or [empty]).filter(pl.col("predicted_kwh").is_not_nan()).sort("interval_start_at")


def score(history: pl.DataFrame, tried: pl.DataFrame) -> Score:
    """The score of a backtest of at least one hour."""
    error = (tried.get_column("predicted_kwh") - tried.get_column("energy_kwh")).to_numpy()
    scale = seasonal_scale_kwh(history.filter(pl.col("interval_start_at") < tried.get_column("interval_start_at").min()))
    held = _coverages(tried)
    mae = float(np.abs(error).mean())
    return Score(mae, mae / scale if scale else None, float(error.mean()), held.get("80"), held.get("95"), tried.height)


def seasonal_scale_kwh(history: pl.DataFrame) -> float | None:
    """Mean |y(t) - y(t - 168 h)|, the scale of MASE; None where no hour has one a week before it. [kWh]"""
    week_ago = history.select(pl.col("interval_start_at") + SEASON, pl.col("energy_kwh").alias("week_ago_kwh"))
    pairs = history.join(week_ago, on="interval_start_at")
    moved = (pairs.get_column("energy_kwh") - pairs.get_column("week_ago_kwh")).abs().to_numpy()
    return float(moved.mean()) if len(moved) else None


def _coverages(tried: pl.DataFrame) -> dict[str, float]:
    start = pl.col("interval_start_at")
    is_newest = start > start.max() - SEASON
    before, newest = tried.filter(~is_newest), tried.filter(is_newest)
    if before.is_empty() or newest.is_empty():
        return {}
    made = fit_bands(*[before.get_column(name).to_numpy() for name in ("energy_kwh", "predicted_kwh", "local_hour")])
    bounds = made.around(newest.get_column("predicted_kwh").to_numpy(), newest.get_column("local_hour").to_numpy())
    actual = newest.get_column("energy_kwh").to_numpy()
    return {level: coverage(actual, bounds, level) for level in ("80", "95")}
