"""Spikes and zeros: hours that a baseline says cannot be ordinary, joined to what a person should know.

An anomaly lies within one local week (Monday to Sunday), so that the rows of a week depend on that week and its baseline alone and any
rebuild of it gives the same rows. One that runs on past Sunday midnight goes on as another.
"""

import polars as pl

# Beside so many robust deviations a spike is well above nearly all hours of the last weeks, and above them by a kettle at least:
# tried on real homes, steelworks and inverters, see tests/transform/test_judge_real.py
SPIKE_DEVIATIONS = 8.0
SPIKE_HIGH_RATIO = 1.8
SPIKE_LEAST_EXCESS_KWH = 0.5
SPIKE_EXCESS_MEAN_RATIO = 2.0
ZERO_KWH = 1e-9
ZERO_LEAST_HOURS = {"consumption": 3, "production": 3}
# "Clearly more" than nothing: even the 5th percentile of that hour is above this share of the mean.
ZERO_LOW_RATIO = {"consumption": 0.1, "production": 0.25}

RUN = ["site_id", "channel", "kind", "week_start_date", "block"]


def find_anomalies(hours: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """Spikes and zeros of some whole local weeks.

    Args:
        hours: Rows as `hours.unfold` makes them, of whole weeks.
        baselines: Rows as `baselines.unfold_baselines` makes them.

    Returns:
        One row per anomaly: site_id, channel, kind (`spike zero`), starts_at, ends_at, local_date and local_hour of its start,
        last_local_date and last_local_hour of its last hour, hours, observed (sum over its hours) [kWh], expected (sum of the baseline's
        medians) [kWh], limit (sum of what would still have passed) [kWh], baseline_version.
    """
    judged = _marked(hours, baselines)
    longest = pl.col("channel").replace_strict(ZERO_LEAST_HOURS, default=1, return_dtype=pl.Int64)
    return (
        pl.concat([_spikes(judged), _zeros(judged)])
        .filter((pl.col("kind") == "spike") | (pl.col("hours") >= longest))
        .drop("block", "week_start_date")
        .sort("site_id", "starts_at", "channel", "kind")
    )


def _marked(hours: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """The hours with their baseline, whether they are a spike or a zero, and whether a run may go on from the hour before."""
    week = ["site_id", "channel", "week_start_date"]
    energy, mean = pl.col("energy_kwh"), pl.col("mean_kwh")
    excess = pl.max_horizontal(SPIKE_DEVIATIONS * pl.col("scale_kwh"), SPIKE_EXCESS_MEAN_RATIO * mean, pl.lit(SPIKE_LEAST_EXCESS_KWH))
    least = pl.col("channel").replace_strict(ZERO_LOW_RATIO, default=1.0, return_dtype=pl.Float64) * mean
    return (
        hours.join(baselines, on=[*week, "slot"], how="left")
        .sort("site_id", "channel", "interval_start_at")
        .with_columns(pl.max_horizontal(pl.col("expected_kwh") + excess, SPIKE_HIGH_RATIO * pl.col("high_kwh")).alias("limit_kwh"))
        .with_columns(
            (energy > pl.col("limit_kwh")).fill_null(value=False).alias("is_spike"),
            (pl.col("is_whole") & (energy.abs() <= ZERO_KWH) & (pl.col("low_kwh") > least)).fill_null(value=False).alias("is_zero"),
            (pl.col("interval_end_at").shift(1).over(week) != pl.col("interval_start_at")).fill_null(value=True).alias("is_apart"),
        )
    )


def _spikes(judged: pl.DataFrame) -> pl.DataFrame:
    """Consecutive hours above the limit, as one."""
    broken = ~pl.col("is_spike") | pl.col("is_apart")
    return _runs(judged, "spike", broken, pl.col("is_spike"))


def _zeros(judged: pl.DataFrame) -> pl.DataFrame:
    """Hours of exactly nothing, as one until energy comes in two hours running: a plant that is off stays off over night.

    An empty home whose water heater wakes for an hour now and then was 19 findings in a week, and is one (tests/transform/test_rarity.py).
    """
    week = ["site_id", "channel", "week_start_date"]
    is_up = (pl.col("energy_kwh").abs() > ZERO_KWH).fill_null(value=True)
    broken = (is_up & is_up.shift(1).over(week).fill_null(value=True)) | pl.col("is_apart")
    return _runs(judged, "zero", broken, pl.col("is_zero"))


def _runs(judged: pl.DataFrame, kind: str, broken: pl.Expr, chosen: pl.Expr) -> pl.DataFrame:
    return (
        judged.with_columns(pl.lit(kind).alias("kind"), broken.cum_sum().over("site_id", "channel", "week_start_date").alias("block"))
        .filter(chosen)
        .group_by(RUN, maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            pl.col("interval_end_at").last().alias("ends_at"),
            pl.col("local_date", "local_hour").first(),
            pl.col("local_date", "local_hour").last().name.prefix("last_"),
            pl.len().cast(pl.Int64).alias("hours"),
            pl.col("energy_kwh").sum().alias("observed"),
            pl.col("expected_kwh").sum().alias("expected"),
            pl.col("limit_kwh").sum().alias("limit"),
            pl.col("version").first().alias("baseline_version"),
        )
    )
