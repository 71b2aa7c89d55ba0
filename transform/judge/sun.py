"""Production and export held against the sun: a clock that moved, meters whose directions are exchanged."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from transform.judge import found

SHIFT_LEAST_HOURS = 0.6
SHIFT_MOST_HOURS = 3.0
SHIFT_LEAST_DAYS = 3
SHIFT_MOST_SPREAD_HOURS = 0.5
DAY_LEAST_RATIO = 0.3
DARK_DEGREES = -6.0
BRIGHT_DEGREES = 15.0
SWAP_LEAST_HOURS = 4
SWAP_RATIO = 0.9
SWAP_NIGHT_LEAST_KWH = 0.2
SWAP_LEAST_DAYS = 2
WEEK = ["site_id", "week_start_date"]


def day_centres(hours: pl.DataFrame) -> pl.DataFrame:
    """When the middle of each day's production is, by the sun.

    Args:
        hours: Rows as `hours.unfold` makes them.

    Returns:
        One row per site and day with production: site_id, week_start_date, local_date, starts_at, ends_at, day_kwh, centre_hours (mean of
        its hours' middles after UTC midnight of the date, weighted by energy, and corrected by the equation of time: at one place the
        same all year while the clock is right). [h]
    """
    import pvlib.solarposition

    sunny = hours.filter((pl.col("channel") == "production") & pl.col("is_whole") & (pl.col("energy_kwh") > 0))
    middle = pl.col("interval_start_at") + (pl.col("interval_end_at") - pl.col("interval_start_at")) / 2
    offset = (middle - pl.col("local_date").cast(pl.Datetime("us", "UTC"))).dt.total_seconds() / 3600
    days = (
        sunny.sort("site_id", "interval_start_at")
        .group_by("site_id", "week_start_date", "local_date", maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            pl.col("interval_end_at").last().alias("ends_at"),
            pl.col("energy_kwh").sum().alias("day_kwh"),
            ((offset * pl.col("energy_kwh")).sum() / pl.col("energy_kwh").sum()).alias("middle_hours"),
        )
    )
    minutes = pvlib.solarposition.equation_of_time_spencer71(days.get_column("local_date").dt.ordinal_day().to_numpy())
    return days.with_columns((pl.col("middle_hours") + pl.Series(minutes, dtype=pl.Float64) / 60).alias("centre_hours")).drop(
        "middle_hours"
    )


def find_clock_shifts(hours: pl.DataFrame, centres: pl.DataFrame) -> pl.DataFrame:
    """Findings `clock_shift` of some whole local weeks, as `found.SCHEMA`.

    Args:
        hours: Rows as `hours.unfold` makes them.
        centres: Baselines of production: site_id, week_start_date, centre_hours, day_kwh, version.
    """
    known = centres.drop_nulls("centre_hours")
    if known.is_empty():
        return found.none()
    usual = known.select(*WEEK, pl.col("centre_hours").alias("expected"), pl.col("day_kwh").alias("usual_kwh"), "version")
    days = day_centres(hours).join(usual, on=WEEK).filter(pl.col("day_kwh") >= DAY_LEAST_RATIO * pl.col("usual_kwh"))
    moved = pl.col("centre_hours") - pl.col("expected")
    is_off = moved.abs().is_between(SHIFT_LEAST_HOURS, SHIFT_MOST_HOURS)
    marked = days.sort("site_id", "local_date").with_columns(moved.alias("moved"), is_off.alias("is_off"), moved.sign().alias("sign"))
    marked = marked.with_columns(
        (~pl.col("is_off") | (pl.col("sign") != pl.col("sign").shift(1).over(WEEK))).cum_sum().over(WEEK).alias("run")
    )
    rows = (
        marked.filter("is_off")
        .group_by([*WEEK, "run", "version"], maintain_order=True)
        .agg(
            pl.col("starts_at", "local_date", "expected").first(),
            pl.col("ends_at").last(),
            pl.col("centre_hours").median().alias("observed"),
            (pl.col("moved").max() - pl.col("moved").min()).alias("spread"),
            pl.len().alias("days"),
        )
        .filter((pl.col("days") >= SHIFT_LEAST_DAYS) & (pl.col("spread") <= SHIFT_MOST_SPREAD_HOURS))
    )
    told = rows.rename({"version": "baseline_version"})
    return found.shaped(told, kind="clock_shift", channel="production", category="meter", severity="warning")


def find_swaps(hourly: pl.DataFrame, facts: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    """Findings `sign_swap` of some whole local weeks, as `found.SCHEMA`.

    Args:
        hourly: Rows of `gold/energy_hourly`.
        facts: Facts by site: latitude, longitude, battery_capacity_kwh; a site whose place is unknown is not judged.
    """
    placed = {site: known for site, known in facts.items() if known.get("latitude") is not None and known.get("longitude") is not None}
    hours = hourly.filter(pl.col("site_id").is_in(list(placed))).sort("site_id", "interval_start_at")
    if hours.is_empty():
        return found.none()
    hours = _with_sun(hours, placed)
    no_battery = [site for site, known in placed.items() if not known.get("battery_capacity_kwh")]
    export = _swapped_days(hours.filter(pl.col("site_id").is_in(no_battery)), "grid_export_kwh", "grid_import_kwh")
    production = _swapped_days(hours, "production_kwh", None)
    both = pl.concat(
        [_by_week(production).with_columns(channel=pl.lit("production")), _by_week(export).with_columns(channel=pl.lit("grid_export"))]
    )
    return found.shaped(both, kind="sign_swap", category="meter", severity="warning")


def _with_sun(hours: pl.DataFrame, placed: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """The hours with the sun's elevation in their middle, right to two thirds of a degree and of all sites at once."""
    import numpy as np
    import pvlib.solarposition as sun

    places = pl.DataFrame({"site_id": list(placed), **{f: [one[f] for one in placed.values()] for f in ("latitude", "longitude")}})
    placed_hours = hours.join(places, on="site_id", maintain_order="left")
    latitude, longitude = (placed_hours[name].cast(pl.Float64).to_numpy() for name in ("latitude", "longitude"))
    middles = placed_hours["interval_start_at"].dt.offset_by("30m")
    days = middles.dt.ordinal_day().to_numpy()
    clock_hours = (middles.dt.hour().cast(pl.Float64) + middles.dt.minute() / 60).to_numpy()
    degrees = 15 * (clock_hours - 12) + longitude + sun.equation_of_time_spencer71(days) / 4
    zenith = sun.solar_zenith_analytical(np.radians(latitude), np.radians(degrees), sun.declination_spencer71(days))
    return hours.with_columns(pl.Series("elevation", 90 - np.degrees(zenith)))


def _swapped_days(hours: pl.DataFrame, dark_column: str, bright_column: str | None) -> pl.DataFrame:
    """Days on which the one channel works in the dark, and by day nothing does what should."""
    dark, bright = pl.col("elevation") < DARK_DEGREES, pl.col("elevation") > BRIGHT_DEGREES
    at_night = pl.col(dark_column).filter(dark)
    by_day = pl.col(dark_column).filter(bright)
    opposite = pl.col(bright_column).filter(dark).sum() if bright_column else pl.lit(0.0)
    days = (
        hours.drop_nulls(dark_column)
        .group_by("site_id", "local_date", maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            (pl.col("interval_start_at").last() + pl.duration(seconds=pl.col("interval_seconds").last())).alias("ends_at"),
            at_night.sum().alias("observed"),
            (at_night > 0).mean().alias("dark_ratio"),
            dark.sum().alias("dark_hours"),
            bright.sum().alias("bright_hours"),
            by_day.sum().alias("by_day"),
            opposite.alias("opposite"),
        )
    )
    works_in_dark = (pl.col("dark_ratio") >= SWAP_RATIO) & (pl.col("observed") >= SWAP_NIGHT_LEAST_KWH)
    idle = pl.col("by_day") < (1 - SWAP_RATIO) * pl.col("observed") if bright_column is None else pl.col("opposite") <= 1e-9
    # What runs in the dark is held against the day only where no other channel is at rest then: in winter the sun may stay low all day.
    by_day_too = pl.lit(value=True) if bright_column else pl.col("bright_hours") >= SWAP_LEAST_HOURS
    return days.filter(works_in_dark & idle & (pl.col("dark_hours") >= SWAP_LEAST_HOURS) & by_day_too)


def _by_week(days: pl.DataFrame) -> pl.DataFrame:
    return (
        days.with_columns(pl.col("local_date").dt.truncate("1w").alias("week_start_date"))
        .sort("site_id", "local_date")
        .group_by(WEEK, maintain_order=True)
        .agg(pl.col("starts_at", "local_date").first(), pl.col("ends_at").last(), pl.col("observed").sum(), pl.len().alias("days"))
        .filter(pl.col("days") >= SWAP_LEAST_DAYS)
        .with_columns(expected=pl.lit(0.0))
        .drop("days")
    )
