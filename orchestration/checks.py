"""Checks that can fail, beside the assets they guard; an operator reads in Dagster's page what is wrong and since when."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.assets import asset_key
from orchestration.services import of_run

FRESH_WITHIN = timedelta(hours=1)
TOLERANCE_KWH = 1e-6


@dg.asset_check(asset=asset_key("gold/energy_daily"), name="energy_daily_equals_hourly")
def energy_daily_equals_hourly() -> dg.AssetCheckResult:
    """Whether the hours of each of the last 40 days add up to the day, channel by channel."""
    import polars as pl

    from aurora.domain.channels import CHANNELS
    from aurora.lake import manifest
    from aurora.lake.store import Between

    services = of_run("check")
    snapshot = manifest.newest(services.lake)
    since = [Between("local_date", datetime.now(UTC).date() - timedelta(days=40))]
    columns = [f"{channel}_kwh" for channel in CHANNELS]
    key = ["site_id", "local_date"]
    hourly = snapshot.scan("gold/energy_hourly", since).group_by(key).agg(pl.col(columns).sum())
    daily = snapshot.scan("gold/energy_daily", since).select(*key, pl.col(columns).fill_null(0))
    apart = pl.any_horizontal([(pl.col(c) - pl.col(f"{c}_hourly").fill_null(0)).abs() > TOLERANCE_KWH for c in columns])
    wrong = daily.join(hourly, on=key, how="left", suffix="_hourly").filter(apart).select(key).collect()
    days = [f"{site} {day}" for site, day in wrong.head(20).iter_rows()]
    return dg.AssetCheckResult(passed=wrong.is_empty(), metadata={"days_apart": wrong.height, "first": days})


@dg.asset_check(asset=asset_key("bronze/readings"), name="readings_freshness")
def readings_freshness() -> dg.AssetCheckResult:
    """Whether any reading arrived within the last hour."""
    services = of_run("check")
    files = services.lake.files("bronze/readings")
    newest = files["max.received_at"].max() if files.height else None
    age = datetime.now(UTC) - newest if isinstance(newest, datetime) else None
    minutes = round(age.total_seconds() / 60, 1) if age is not None else "no reading yet"
    return dg.AssetCheckResult(passed=age is not None and age <= FRESH_WITHIN, metadata={"newest_is_minutes_old": minutes})


@dg.asset_check(asset=asset_key("gold/forecasts"), name="forecasts_cover_next_hours")
def forecasts_cover_next_hours() -> dg.AssetCheckResult:
    """Whether a forecast of the coming hours is published."""
    import polars as pl

    from aurora.lake import manifest

    services = of_run("check")
    now = datetime.now(UTC)
    ahead = (
        manifest.newest(services.lake).scan("gold/forecasts").filter(pl.col("interval_start_at") > now).select(pl.len()).collect().item()
    )
    return dg.AssetCheckResult(passed=ahead > 0, metadata={"hours_ahead": ahead})


@dg.asset_check(asset=asset_key("gold/energy_hourly"), name="energy_follows_from_readings")
def energy_follows_from_readings() -> dg.AssetCheckResult:
    """Whether 100 random cells of hourly and daily energy are what the raw readings come to, worked out without dbt."""
    import secrets

    from aurora.lake import manifest
    from transform.rechecking import recheck

    services, seed = of_run("check"), secrets.randbelow(2**31)
    since = datetime.now(UTC).date() - timedelta(days=services.settings.silver_days)
    done = recheck(manifest.newest(services.lake), seed, since)
    metadata = {"seed": seed, "compared": done.compared, "skipped": done.skipped, "apart": done.apart}
    return dg.AssetCheckResult(passed=not done.apart, metadata=metadata)
