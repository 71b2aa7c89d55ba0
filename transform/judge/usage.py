"""Consumption by day and night against the frozen baseline: less than usual, more at night, more all day, more while closed."""

import polars as pl

from transform.judge import found

LEAST_HOURS_A_DAY = 20
DROP_LOW_RATIO = 0.5
DROP_LEAST_DAYS = 2
BASE_RATIO = 1.5
BASE_LEAST_KWH = 0.1
# On real homes 5 days and 3 nights made 2.9 findings of both a year, these 1.1; of what was switched on for two weeks as much is found.
BASE_LEAST_DAYS = 6
NIGHT_HOURS = (1, 4)
NIGHT_RATIO = 2.0
NIGHT_SCALES = 4.0
NIGHT_LEAST_KWH = 1.0
NIGHT_LEAST_NIGHTS = 5
CLOSED_RATIO = 0.5
CLOSED_TIMES = 2.0
CLOSED_SCALES = 4.0
CLOSED_OPEN_DAY_RATIO = 0.7
OFF_SLOT = 24
HOURS_A_DAY = 24

WEEK = ["site_id", "channel", "week_start_date"]
DAY = [*WEEK, "local_date"]


def find_usage(hours: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """Findings `drop night_load base_load out_of_hours` of some whole local weeks, as `found.SCHEMA`.

    Args:
        hours: Rows as `hours.unfold` makes them.
        baselines: Rows as `baselines.unfold_baselines` makes them.
    """
    judged = hours.filter(pl.col("channel") == "consumption").join(baselines, on=[*WEEK, "slot"])
    judged = judged.filter(pl.col("is_whole") & pl.col("energy_kwh").is_not_null()).sort("site_id", "interval_start_at")
    if judged.is_empty():
        return found.none()
    base, usual = _base_loads(judged, baselines), _days(judged)
    nights = _night_loads(judged).join(base, on=["site_id", "week_start_date"], how="anti")
    told = {
        "drop": found.runs(usual, [*WEEK, "version"], _is_drop(), DROP_LEAST_DAYS),
        "base_load": base,
        "night_load": nights,
        "out_of_hours": _out_of_hours(usual, baselines),
    }
    shaped = [found.shaped(rows.rename({"version": "baseline_version"}), kind=kind, category="behaviour", severity="info")
              for kind, rows in told.items()]  # fmt: skip
    return pl.concat(shaped)


def _days(judged: pl.DataFrame) -> pl.DataFrame:
    energy = pl.col("energy_kwh")
    return (
        judged.group_by(DAY, maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            pl.col("interval_end_at").last().alias("ends_at"),
            energy.sum().alias("observed"),
            pl.col("expected_kwh").sum().alias("expected"),
            pl.col("low_kwh").sum().alias("low"),
            pl.col("scale_kwh").sum().alias("scale"),
            pl.col("slot").min().alias("first_slot"),
            pl.len().alias("hours"),
            pl.col("version").first(),
        )
        .filter(pl.col("hours") >= LEAST_HOURS_A_DAY)
    )


def _is_drop() -> pl.Expr:
    return (pl.col("observed") < DROP_LOW_RATIO * pl.col("low")) & (pl.col("observed") > 0)


def _base_loads(judged: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """Weeks on nearly every day of which even the quietest hour is well above the quietest usual one."""
    usual = baselines.group_by(WEEK).agg(pl.col("expected_kwh").min().alias("base"))
    days = judged.group_by([*DAY, "version"], maintain_order=True).agg(
        pl.col("interval_start_at").first().alias("starts_at"),
        pl.col("interval_end_at").last().alias("ends_at"),
        pl.col("energy_kwh").min().alias("least"),
        pl.len().alias("hours"),
    )
    limit = pl.max_horizontal(BASE_RATIO * pl.col("base"), pl.col("base") + BASE_LEAST_KWH)
    raised = days.join(usual, on=WEEK).filter((pl.col("hours") >= LEAST_HOURS_A_DAY) & (pl.col("least") > limit))
    return _spanned(raised, BASE_LEAST_DAYS, pl.col("least").median(), pl.col("base").first())


def _night_loads(judged: pl.DataFrame) -> pl.DataFrame:
    nights = (
        judged.filter(pl.col("local_hour").is_between(*NIGHT_HOURS))
        .group_by([*DAY, "version"], maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            pl.col("interval_end_at").last().alias("ends_at"),
            pl.col("energy_kwh").sum().alias("night"),
            pl.col("expected_kwh").sum().alias("usual"),
            pl.col("scale_kwh").sum().alias("scale"),
        )
    )
    limit = pl.max_horizontal(
        NIGHT_RATIO * pl.col("usual"), pl.col("usual") + NIGHT_SCALES * pl.col("scale"), pl.col("usual") + NIGHT_LEAST_KWH
    )
    return _spanned(nights.filter(pl.col("night") > limit), NIGHT_LEAST_NIGHTS, pl.col("night").sum(), pl.col("usual").sum())


def _spanned(days: pl.DataFrame, least: int, observed: pl.Expr, expected: pl.Expr) -> pl.DataFrame:
    """One row per week with at least so many of the days."""
    return (
        days.group_by([*WEEK, "version"], maintain_order=True)
        .agg(
            pl.col("starts_at", "local_date").first(),
            pl.col("ends_at").last(),
            observed.alias("observed"),
            expected.alias("expected"),
            pl.len().alias("days"),
        )
        .filter(pl.col("days") >= least)
        .drop("days")
    )


def _out_of_hours(days: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """Saturdays and Sundays that are usually quiet and were nearly like a working day."""
    is_off = pl.col("slot") >= OFF_SLOT
    usual = baselines.group_by(WEEK).agg(
        (pl.col("expected_kwh").filter(~is_off).mean() * HOURS_A_DAY).alias("open_day"),
        (pl.col("expected_kwh").filter(is_off).mean() * HOURS_A_DAY).alias("closed_day"),
    )
    closed = days.filter(pl.col("first_slot") >= OFF_SLOT).join(usual, on=WEEK)
    closed = closed.filter(pl.col("closed_day") <= CLOSED_RATIO * pl.col("open_day"))
    busy = (
        (pl.col("observed") > CLOSED_TIMES * pl.col("expected"))
        & (pl.col("observed") > pl.col("expected") + CLOSED_SCALES * pl.col("scale"))
        & (pl.col("observed") > CLOSED_OPEN_DAY_RATIO * pl.col("open_day"))
    )
    return found.runs(closed, [*WEEK, "version"], busy, 1)
