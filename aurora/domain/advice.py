"""Advice rules: what a site could save, from what it measured. Pure; `ml/advice` reads, words and publishes.

Savings are what would have been saved over the newest measured days, a year of them at most: nothing is extrapolated, so a rule never
promises more than what was seen. Every rule gives None where it has nothing to say.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

RECENT_DAYS = 28
WINDOW_DAYS = 365
LEAST_DAYS = 14
LEAST_COMPLETENESS_RATIO = 0.8

# Half of what stands above the best month is taken to be within reach; the rest is weather, guests and seasons.
ATTAINABLE_RATIO = 0.5
BASE_LOAD_LEAST_MONTHS = 3
BASE_LOAD_LEAST_MONTH_DAYS = 20
BASE_LOAD_LEAST_KW = 0.03
BASE_LOAD_LEAST_RATIO = 0.15

CLOSED_FROM_HOUR = 22
CLOSED_UNTIL_HOUR = 5
OPEN_HOURS = (9, 17)
BUSINESS_LEAST_RATIO = 1.8
CLOSED_QUIET_QUANTILE = 0.1
CLOSED_TOLERATED_RATIO = 1.25
OUT_OF_HOURS_LEAST_SHARE = 0.01

NOON_HOURS = (9, 16)
EVENING_HOURS = (17, 22)
# Of what an evening takes a third at most is a machine that could run at another time, and two runs of it a day.
SHIFTABLE_RATIO = 1 / 3
APPLIANCE_RUN_KWH = 1.0
MOST_SHIFTED_KWH_A_DAY = 2 * APPLIANCE_RUN_KWH
SHIFT_LEAST_KWH_A_DAY = 0.1

BATTERY_KWH = 5.0
BATTERY_EFFICIENCY = 0.9
NIGHT_FROM_HOUR = 17
NIGHT_UNTIL_HOUR = 7
BATTERY_LEAST_KWH_A_DAY = 0.5

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Prices:
    """What a kWh costs and brings at the margin; null where unknown."""

    import_per_kwh: Decimal | None = None
    export_per_kwh: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Measured:
    """What a site measured.

    Attributes:
        hours: One row per whole hour of the newest year: local_date, local_hour, is_off_day, consumption_kwh, production_kwh,
            grid_import_kwh, grid_export_kwh.
        days: One row per local day of the newest year: local_date, base_load_kw.
        has_battery: Whether there is a battery already.
    """

    hours: pl.DataFrame
    days: pl.DataFrame
    has_battery: bool


@dataclass(frozen=True)
class Advice:
    """What one rule found.

    Attributes:
        rule_id: Which rule; its texts are called by it.
        category: `behaviour`, `standby` or `investment`.
        effectiveness_score: How likely the saving is real. [0-1]
        saving_kwh: Energy from the grid saved over the days that `params["days"]` counts.
        saving_cost: Money saved over the same days; null where no price is known.
        params: Figures for the texts, units in their names.
    """

    rule_id: str
    category: str
    effectiveness_score: float
    saving_kwh: float
    saving_cost: Decimal | None
    params: dict[str, Any] = field(default_factory=dict)


def is_enough(hours: pl.DataFrame, today: date) -> bool:
    """Whether the newest days are known well enough to advise on: 14 days with data, and 0.8 of the time since the first of them measured.

    Args:
        hours: One row per hour of the newest 28 days, today's left out: local_date, completeness_ratio; hours may be missing.
        today: The site's.
    """
    known = hours.filter(pl.col("completeness_ratio") > 0)
    first = known.get_column("local_date").min()
    if not isinstance(first, date) or known.get_column("local_date").n_unique() < LEAST_DAYS:
        return False
    return known.get_column("completeness_ratio").sum() >= LEAST_COMPLETENESS_RATIO * 24 * (today - first).days


def advise(measured: Measured, prices: Prices) -> list[Advice]:
    """Everything the rules find, the greatest saving of energy first."""
    out_of_hours = cut_out_of_hours(measured, prices)
    # Out-of-hours use holds the base load of a business: one advice for one kilowatt-hour.
    found = [
        out_of_hours or cut_base_load(measured, prices),
        shift_to_solar(measured, prices),
        add_battery(measured, prices),
    ]
    return sorted((advice for advice in found if advice is not None), key=lambda advice: -advice.saving_kwh)


def cut_base_load(measured: Measured, prices: Prices) -> Advice | None:
    """The base load of the newest 28 days against that of the site's own best month."""
    days = measured.days.filter(pl.col("base_load_kw").is_not_null()).sort("local_date")
    recent = days.tail(RECENT_DAYS).get_column("base_load_kw")
    months = (
        days.group_by(pl.col("local_date").dt.truncate("1mo").alias("month"))
        .agg(pl.col("base_load_kw").median().alias("base_load_kw"), pl.len().alias("days"))
        .filter(pl.col("days") >= BASE_LOAD_LEAST_MONTH_DAYS)
        .sort("base_load_kw", "month")
    )
    if len(recent) < LEAST_DAYS or months.height < BASE_LOAD_LEAST_MONTHS:
        return None
    best_kw, best_month = months.get_column("base_load_kw")[0], months.get_column("month")[0]
    recent_kw = float(recent.median())  # pyright: ignore[reportArgumentType]
    excess_kw = recent_kw - best_kw
    if excess_kw < BASE_LOAD_LEAST_KW or excess_kw < BASE_LOAD_LEAST_RATIO * best_kw:
        return None
    known_days = min(days.height, WINDOW_DAYS)
    saving_kwh = excess_kw * ATTAINABLE_RATIO * 24 * known_days
    above = float((recent > best_kw).mean())  # pyright: ignore[reportArgumentType]
    return Advice(
        "base_load",
        "standby",
        round(0.7 * above, 2),
        saving_kwh,
        _cost(saving_kwh, prices.import_per_kwh),
        {"days": known_days, "recent_kw": recent_kw, "best_kw": best_kw, "best_month": best_month.isoformat(), "excess_kw": excess_kw},
    )


def cut_out_of_hours(measured: Measured, prices: Prices) -> Advice | None:
    """What a business uses while closed, above what its own quiet closed hours show; None for a home."""
    hours = measured.hours.filter(pl.col("consumption_kwh").is_not_null())
    energy, hour, is_off = pl.col("consumption_kwh"), pl.col("local_hour"), pl.col("is_off_day")
    is_open_time = hour.is_between(*OPEN_HOURS, closed="left")
    working, resting = hours.filter(is_open_time & ~is_off), hours.filter(is_open_time & is_off)
    busy, idle = working.get_column("consumption_kwh").mean(), resting.get_column("consumption_kwh").mean()
    if not isinstance(busy, float) or not isinstance(idle, float) or busy < BUSINESS_LEAST_RATIO * idle:
        return None
    closed = hours.filter(is_off | (hour >= CLOSED_FROM_HOUR) | (hour < CLOSED_UNTIL_HOUR))
    quiet = closed.get_column("consumption_kwh").quantile(CLOSED_QUIET_QUANTILE, "linear") or 0.0
    above = closed.select((energy - quiet * CLOSED_TOLERATED_RATIO).clip(lower_bound=0)).to_series()
    saving_kwh = float(above.sum()) * ATTAINABLE_RATIO
    if saving_kwh < OUT_OF_HOURS_LEAST_SHARE * float(hours.get_column("consumption_kwh").sum()):
        return None
    params = {
        "days": hours.get_column("local_date").n_unique(),
        "closed_kwh": float(closed.get_column("consumption_kwh").sum()),
        "closed_mean_kw": float(closed.get_column("consumption_kwh").mean()),  # pyright: ignore[reportArgumentType]
        "quiet_kw": float(quiet),
    }
    score = round(0.8 * float((above > 0).mean()), 2)  # pyright: ignore[reportArgumentType]
    return Advice("out_of_hours", "behaviour", score, saving_kwh, _cost(saving_kwh, prices.import_per_kwh), params)


def shift_to_solar(measured: Measured, prices: Prices) -> Advice | None:
    """A third of the evening import, where the same day's surplus at noon could have served it; two appliance runs a day at most."""
    hour = pl.col("local_hour")
    days = (
        measured.hours.filter(pl.col("grid_import_kwh").is_not_null() & pl.col("grid_export_kwh").is_not_null())
        .group_by("local_date")
        .agg(
            pl.col("grid_export_kwh").filter(hour.is_between(*NOON_HOURS, closed="left")).sum().alias("surplus_kwh"),
            pl.col("grid_import_kwh").filter(hour.is_between(*EVENING_HOURS, closed="left")).sum().alias("evening_kwh"),
        )
        .with_columns(
            pl.min_horizontal("surplus_kwh", pl.col("evening_kwh") * SHIFTABLE_RATIO, pl.lit(MOST_SHIFTED_KWH_A_DAY)).alias("shifted_kwh")
        )
    )
    gain = _gain(prices, 1.0)
    saving_kwh = float(days.get_column("shifted_kwh").sum())
    if days.height < LEAST_DAYS or saving_kwh < SHIFT_LEAST_KWH_A_DAY * days.height or (gain is not None and gain <= 0):
        return None
    useful = int((days.get_column("surplus_kwh") >= APPLIANCE_RUN_KWH).sum())
    params = {
        "days": days.height,
        "useful_days": useful,
        "surplus_kwh": float(days.get_column("surplus_kwh").sum()),
        "evening_kwh": float(days.get_column("evening_kwh").sum()),
    }
    return Advice("shift_to_solar", "behaviour", round(0.8 * useful / days.height, 2), saving_kwh, _cost(saving_kwh, gain), params)


def add_battery(measured: Measured, prices: Prices) -> Advice | None:
    """Export that a battery of 5 kWh would have kept for the following evening and night; None where there is a battery."""
    if measured.has_battery:
        return None
    hour, day = pl.col("local_hour"), pl.col("local_date")
    hours = measured.hours.filter(pl.col("grid_import_kwh").is_not_null() & pl.col("grid_export_kwh").is_not_null())
    night = (
        hours.filter((hour >= NIGHT_FROM_HOUR) | (hour < NIGHT_UNTIL_HOUR))
        .group_by(pl.when(hour < NIGHT_UNTIL_HOUR).then(day - pl.duration(days=1)).otherwise(day).alias("local_date"))
        .agg(pl.col("grid_import_kwh").sum().alias("night_kwh"))
    )
    days = (
        hours.group_by("local_date")
        .agg(pl.col("grid_export_kwh").sum().alias("export_kwh"))
        .join(night, on="local_date")
        .with_columns(
            pl.min_horizontal(pl.col("export_kwh") * BATTERY_EFFICIENCY, "night_kwh", pl.lit(BATTERY_KWH * BATTERY_EFFICIENCY)).alias(
                "served_kwh"
            )
        )
    )
    gain = _gain(prices, BATTERY_EFFICIENCY)
    saving_kwh = float(days.get_column("served_kwh").sum())
    if days.height < LEAST_DAYS or saving_kwh < BATTERY_LEAST_KWH_A_DAY * days.height or (gain is not None and gain <= 0):
        return None
    useful = int((days.get_column("served_kwh") >= BATTERY_KWH * BATTERY_EFFICIENCY / 2).sum())
    params = {
        "days": days.height,
        "useful_days": useful,
        "battery_kwh": BATTERY_KWH,
        "export_kwh": float(days.get_column("export_kwh").sum()),
        "night_kwh": float(days.get_column("night_kwh").sum()),
    }
    return Advice("add_battery", "investment", round(0.9 * useful / days.height, 2), saving_kwh, _cost(saving_kwh, gain), params)


def _gain(prices: Prices, efficiency: float) -> Decimal | None:
    """What a kWh of avoided import is worth when `1 / efficiency` kWh of export are given up for it."""
    if prices.import_per_kwh is None:
        return None
    return prices.import_per_kwh - (prices.export_per_kwh or Decimal(0)) / Decimal(str(efficiency))


def _cost(energy_kwh: float, price_per_kwh: Decimal | None) -> Decimal | None:
    return None if price_per_kwh is None else (Decimal(str(round(energy_kwh, 6))) * price_per_kwh).quantize(CENT)
