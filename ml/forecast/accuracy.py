"""Scores published forecasts against what came, once a local day is over and measured, into `gold/forecast_accuracy`."""

from datetime import date, datetime, timedelta

import polars as pl

from aurora import __version__
from aurora.accounts import leases
from aurora.accounts import sites as accounts_sites
from aurora.accounts.database import Accounts
from aurora.domain import calendar
from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between, Lake
from aurora.settings import Settings
from ml.forecast.history import CHANNELS, WHOLE_HOUR_RATIO

ACCURACY = "gold/forecast_accuracy"
BACK_DAYS = 3
SCALE_DAYS = 28
SEASON = timedelta(days=7)
WAIT_SECONDS = 600

_SERIES = ["site_id", "channel"]


def score_forecasts(lake: Lake, accounts: Accounts, settings: Settings, now: datetime) -> int:
    """Publish the accuracy of the last three ended local days that are measured and not yet scored; returns its number of rows.

    Raises:
        Busy: If the publish lease stays taken.
    """
    zones = {site.site_id: site.calendar for site in accounts_sites.all_sites(accounts)}
    snapshot = manifest.newest(lake)
    wanted = _days_to_score(snapshot, zones, now)
    actual = _actual(snapshot, wanted)
    measured = actual.join(wanted, on=["site_id", "local_date"], how="semi").filter(pl.col("energy_kwh").is_not_null())
    scope = measured.select("site_id", "local_date").unique()
    rows = score_days(_forecasts(snapshot, scope), actual, scope)
    if rows.is_empty():
        return 0
    with leases.hold(accounts, leases.PUBLISH, WAIT_SECONDS) as lease:
        publication = manifest.begin(lake, lease, "forecast", settings.code_version or __version__)
        publication.replace(ACCURACY, rows, rows.select("site_id", "local_date").unique())
        publication.finish()
    return rows.height


def score_days(forecasts: pl.DataFrame, actual: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Accuracy by site, channel, model, local day and lead.

    Args:
        forecasts: Rows of `gold/forecasts`.
        actual: One row per site, channel and hour: interval_start_at, local_date, energy_kwh (null where not wholly measured), reaching 35
            days back from the earliest day.
        days: Distinct site_id, local_date to score.

    Returns:
        Rows of `gold/forecast_accuracy`. mase is the mean absolute error over the mean |y(t) - y(t - 168 h)| of the 28 days before the day;
        null where that is 0 or unknown. bias is predicted minus actual.
    """
    error = pl.col("predicted_kwh") - pl.col("energy_kwh")
    scored = (
        forecasts.join(actual, on=[*_SERIES, "interval_start_at"])
        .filter(pl.col("energy_kwh").is_not_null())
        .join(days, on=["site_id", "local_date"], how="semi")
        .group_by(*_SERIES, "model_name", "local_date", pl.col("horizon_hours").alias("lead_hours"))
        .agg(
            error.abs().mean().alias("mae_kwh"),
            error.mean().alias("bias_kwh"),
            *[
                pl.col("energy_kwh").is_between(f"lower_{level}_kwh", f"upper_{level}_kwh").mean().alias(f"coverage_{level}_ratio")
                for level in ("80", "95")
            ],
            pl.len().cast(pl.Int64).alias("n"),
        )
    )
    scale = pl.col("scale_kwh")
    return (
        scored.join(_scales(actual, days), on=[*_SERIES, "local_date"], how="left")
        .with_columns(pl.when(scale > 0).then(pl.col("mae_kwh") / scale).alias("mase"))
        .drop("scale_kwh")
        .sort(*_SERIES, "model_name", "local_date", "lead_hours")
    )


def _scales(actual: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Mean |y(t) - y(t - 168 h)| over the 28 days before each day, by series. [kWh]"""
    week_ago = actual.select(*_SERIES, pl.col("interval_start_at") + SEASON, pl.col("energy_kwh").alias("week_ago_kwh"))
    moved = actual.join(week_ago, on=[*_SERIES, "interval_start_at"]).with_columns(
        (pl.col("energy_kwh") - pl.col("week_ago_kwh")).abs().alias("moved_kwh")
    )
    return (
        days.rename({"local_date": "day"})
        .join(moved, on="site_id")
        .filter(pl.col("local_date").is_between(pl.col("day") - pl.duration(days=SCALE_DAYS), "day", closed="left"))
        .group_by(*_SERIES, pl.col("day").alias("local_date"))
        .agg(pl.col("moved_kwh").mean().alias("scale_kwh"))
    )


def _days_to_score(snapshot: Snapshot, zones: dict[str, str], now: datetime) -> pl.DataFrame:
    """Distinct site_id, local_date of the last ended days without a score."""
    ended: list[tuple[str, date]] = [
        (site, calendar.local_date(now, zone) - timedelta(days=back)) for site, zone in zones.items() for back in range(1, BACK_DAYS + 1)
    ]
    days = pl.DataFrame(ended, schema={"site_id": pl.String, "local_date": pl.Date}, orient="row")
    known = snapshot.scan(ACCURACY).select("site_id", "local_date").unique().collect()
    return days.join(known, on=["site_id", "local_date"], how="anti")


def _actual(snapshot: Snapshot, days: pl.DataFrame) -> pl.DataFrame:
    """Hourly energy of the sites by channel, null where an hour was not wholly measured, as far back as scales need."""
    first = days.get_column("local_date").min() if days.height else None
    low = first - timedelta(days=SCALE_DAYS) - SEASON if isinstance(first, date) else date.max
    is_whole = pl.col("completeness_ratio") >= WHOLE_HOUR_RATIO
    return (
        snapshot.scan("gold/energy_hourly", [Between("local_date", low)])
        .filter(pl.col("site_id").is_in(days.get_column("site_id").unique().to_list()))
        .select("site_id", "interval_start_at", "local_date", *[pl.when(is_whole).then(f"{c}_kwh").alias(c) for c in CHANNELS])
        .unpivot(on=CHANNELS, index=["site_id", "interval_start_at", "local_date"], variable_name="channel", value_name="energy_kwh")
        .collect()
    )


def _forecasts(snapshot: Snapshot, days: pl.DataFrame) -> pl.DataFrame:
    """Forecasts of hours of the days and a little more."""
    first = days.get_column("local_date").min() if days.height else None
    low = calendar.day_start(first - timedelta(days=1), "UTC") if isinstance(first, date) else None
    rows = snapshot.scan("gold/forecasts", [Between("interval_start_at", low)] if low else [])
    return rows.filter(pl.col("site_id").is_in(days.get_column("site_id").unique().to_list())).drop("refresh_id").collect()
