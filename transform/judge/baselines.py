"""Baselines: what a site's channel usually does at an hour of the week, worked out once a week and then frozen.

A week is judged against the eight weeks before its Monday. What arrives later for those weeks changes neither the baseline nor, with it,
what was found: a rebuild judges as the first build did.
"""

import hashlib
import json
from datetime import timedelta

import polars as pl

from transform.judge.hours import CHANNELS

TRAILING_WEEKS = 8
LEAST_DAYS = 14
LEAST_VALUES_A_SLOT = 2
SLOTS = 48
METHOD = "hourly-median-mad-1"
CENTRE = "production_centre"
CENTRE_METHOD = "sun-centre-1"
# 1.4826 median absolute deviations are one standard deviation of a normal distribution.
MAD_TO_DEVIATION = 1.4826
# Half of the hours of a quiet home differ by less than its meter's resolution; their deviation is not 0 for that.
LEAST_SCALE_RATIO = 0.1
LEAST_SCALE_KWH = 0.02
LOW_QUANTILE = 0.05
HIGH_QUANTILE = 0.995
DIGITS = 6

_KEY = ["site_id", "channel", "week_start_date"]
_PARAMETERS = pl.Struct(
    {
        "days": pl.Int64,
        "mean_kwh": pl.Float64,
        "high_kwh": pl.Float64,
        "expected_kwh": pl.List(pl.Float64),
        "scale_kwh": pl.List(pl.Float64),
        "low_kwh": pl.List(pl.Float64),
    }
)


def fittable(missing: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Those of some missing baselines before which enough days have energy: nothing comes of the others, however often they are tried.

    Args:
        missing: Distinct site_id, channel, week_start_date.
        daily: Rows of `gold/energy_daily`, reaching 8 weeks back from the earliest week.
    """
    has_energy = {channel: pl.col(f"{channel}_kwh").is_not_null() for channel in CHANNELS} | {CENTRE: pl.col("production_kwh") > 0}
    week = pl.col("local_date").dt.truncate("1w").alias("week_start_date")
    trailing = (
        daily.select("site_id", week, *[held.alias(channel) for channel, held in has_energy.items()])
        .unpivot(index=["site_id", "week_start_date"], variable_name="channel", value_name="has_energy")
        .group_by(_KEY)
        .agg(pl.col("has_energy").sum().alias("days"))
        .join(pl.DataFrame({"weeks_later": range(1, TRAILING_WEEKS + 1)}), how="cross")
        .with_columns(pl.col("week_start_date") + pl.duration(weeks=pl.col("weeks_later")))
    )
    enough = trailing.group_by(_KEY).agg(pl.col("days").sum()).filter(pl.col("days") >= LEAST_DAYS)
    return missing.join(enough, on=_KEY, how="semi")


def fit_baselines(hours: pl.DataFrame, weeks: pl.DataFrame) -> pl.DataFrame:
    """Baselines of the weeks that have at least 14 measured days in the 8 weeks before.

    Args:
        hours: Rows as `hours.unfold` makes them, reaching 8 weeks back from the earliest week.
        weeks: Distinct site_id, channel, week_start_date.

    Returns:
        Rows of `meta/baselines`: site_id, channel, week_start_date, parameters (JSON; lists by slot, null where fewer than two hours
        were measured), version (the method and a hash of the parameters).
    """
    # Each wanted week asks for the weeks before it: to hand on every hour to all weeks after it took gigabytes in a large rebuild.
    before = weeks.join(pl.DataFrame({"weeks_earlier": range(1, TRAILING_WEEKS + 1)}), how="cross").select(
        *_KEY, (pl.col("week_start_date") - pl.duration(weeks=pl.col("weeks_earlier"))).alias("measured_week")
    )
    measured = hours.filter(pl.col("is_whole") & pl.col("energy_kwh").is_not_null()).select(
        "site_id", "channel", pl.col("week_start_date").alias("measured_week"), "local_date", "slot", "energy_kwh"
    )
    trailing = measured.join(before, on=["site_id", "channel", "measured_week"], maintain_order="left")
    whole = trailing.group_by(_KEY).agg(
        pl.col("local_date").n_unique().alias("days"),
        pl.col("energy_kwh").mean().alias("mean_kwh"),
        pl.col("energy_kwh").quantile(HIGH_QUANTILE, "linear").alias("high_kwh"),
    )
    whole = whole.filter(pl.col("days") >= LEAST_DAYS)
    return _as_rows(_slots(trailing, whole))


def _slots(trailing: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """One row per baseline, its slots as lists of 48."""
    energy = pl.col("energy_kwh")
    by_slot = (
        trailing.group_by([*_KEY, "slot"])
        .agg(
            energy.median().alias("expected_kwh"),
            ((energy - energy.median()).abs().median() * MAD_TO_DEVIATION).alias("deviation_kwh"),
            energy.quantile(LOW_QUANTILE, "linear").alias("low_kwh"),
            energy.len().alias("values"),
        )
        .filter(pl.col("values") >= LEAST_VALUES_A_SLOT)
    )
    return (
        whole.join(pl.DataFrame({"slot": range(SLOTS)}), how="cross")
        .join(by_slot, on=[*_KEY, "slot"], how="left")
        .with_columns(
            pl.when(pl.col("values").is_not_null())
            .then(pl.max_horizontal("deviation_kwh", pl.col("mean_kwh") * LEAST_SCALE_RATIO, pl.lit(LEAST_SCALE_KWH)))
            .alias("scale_kwh")
        )
        .sort([*_KEY, "slot"])
        .group_by([*_KEY, "days", "mean_kwh", "high_kwh"], maintain_order=True)
        .agg(pl.col("expected_kwh", "scale_kwh", "low_kwh").round(DIGITS))
        .with_columns(pl.col("mean_kwh", "high_kwh").round(DIGITS))
    )


def _as_rows(slots: pl.DataFrame) -> pl.DataFrame:
    names = [field.name for field in _PARAMETERS.fields]
    texts = [json.dumps(row) for row in slots.select(names).to_dicts()]
    versions = [f"{METHOD}-{hashlib.sha256(text.encode()).hexdigest()[:12]}" for text in texts]
    return slots.select(_KEY).with_columns(pl.Series("parameters", texts, dtype=pl.String), pl.Series("version", versions, dtype=pl.String))


def fit_centres(days: pl.DataFrame, weeks: pl.DataFrame) -> pl.DataFrame:
    """Where production stands against the sun in the 8 weeks before each week, as rows of `meta/baselines` of channel `production_centre`.

    Args:
        days: Rows as `sun.day_centres` makes them, reaching 8 weeks back from the earliest week.
        weeks: Distinct site_id, week_start_date.
    """
    trailing = (
        days.join(pl.DataFrame({"weeks_later": range(1, TRAILING_WEEKS + 1)}), how="cross")
        .with_columns(pl.col("week_start_date") + pl.duration(weeks=pl.col("weeks_later")))
        .join(weeks, on=["site_id", "week_start_date"], how="semi")
    )
    usual = trailing.group_by("site_id", "week_start_date").agg(
        pl.len().alias("days"), pl.col("day_kwh").median().round(DIGITS), pl.col("centre_hours").median().round(DIGITS)
    )
    usual = usual.filter(pl.col("days") >= LEAST_DAYS).sort("site_id", "week_start_date")
    texts = [json.dumps(row) for row in usual.select("days", "day_kwh", "centre_hours").to_dicts()]
    versions = [f"{CENTRE_METHOD}-{hashlib.sha256(text.encode()).hexdigest()[:12]}" for text in texts]
    return usual.select(
        "site_id",
        pl.lit(CENTRE).alias("channel"),
        "week_start_date",
        pl.Series("parameters", texts, dtype=pl.String),
        pl.Series("version", versions, dtype=pl.String),
    )


def unfold_centres(rows: pl.DataFrame) -> pl.DataFrame:
    """Baselines of `fit_centres` as numbers: site_id, week_start_date, day_kwh, centre_hours, version."""
    numbers = pl.Struct({"day_kwh": pl.Float64, "centre_hours": pl.Float64})
    told = rows.filter(pl.col("version").str.starts_with(CENTRE_METHOD)).with_columns(pl.col("parameters").str.json_decode(numbers))
    return told.unnest("parameters").select("site_id", "week_start_date", "day_kwh", "centre_hours", "version")


def unfold_baselines(rows: pl.DataFrame) -> pl.DataFrame:
    """Baselines as numbers.

    Args:
        rows: Rows of `meta/baselines`.

    Returns:
        One row per site, channel, week and slot that can be judged: those columns, mean_kwh, high_kwh (99.5th percentile of all hours),
        expected_kwh (median), scale_kwh (robust deviation), low_kwh (5th percentile), version.
    """
    return (
        rows.filter(pl.col("version").str.starts_with(METHOD))
        .with_columns(pl.col("parameters").str.json_decode(_PARAMETERS))
        .unnest("parameters")
        .with_columns(pl.lit(list(range(SLOTS))).alias("slot"))
        .explode("slot", "expected_kwh", "scale_kwh", "low_kwh")
        .filter(pl.col("expected_kwh").is_not_null())
        .select(*_KEY, pl.col("slot").cast(pl.Int64), "mean_kwh", "high_kwh", "expected_kwh", "scale_kwh", "low_kwh", "version")
    )


def reach() -> timedelta:
    """How far before a week's Monday its baseline looks."""
    return timedelta(weeks=TRAILING_WEEKS)
