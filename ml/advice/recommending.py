"""Publishes recommendations to `gold/recommendations`, each site's as a whole."""

import hashlib
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from aurora import __version__, logs
from aurora.accounts import leases
from aurora.accounts import sites as accounts_sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.domain import advice, calendar
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between, Lake
from aurora.settings import Settings
from ml.advice import wording

VALID_DAYS = 30
WAIT_SECONDS = 600
SATURDAY = 6
WHOLE_HOUR_RATIO = 0.9
CHANNELS = ("consumption", "production", "grid_import", "grid_export", "battery_discharge")
SCHEMA = {
    "recommendation_id": pl.String, "site_id": pl.String, "rule_id": pl.String, "title": pl.String, "description": pl.String,
    "category": pl.String, "suggested_action": pl.String, "effectiveness_score": pl.Float64, "expected_saving_kwh": pl.Float64,
    "expected_saving_cost": pl.Decimal(18, 6), "currency": pl.String, "valid_from": pl.Datetime("us", "UTC"),
    "valid_until": pl.Datetime("us", "UTC"), "generated_at": pl.Datetime("us", "UTC"), "status": pl.String, "message_key": pl.String,
    "params": pl.String,
}  # fmt: skip


def recommend(lake: Lake, accounts: Accounts, home: Home, settings: Settings, now: datetime) -> int:  # noqa: ARG001
    """Replace the recommendations of every site by what the rules find today; returns their number.

    A site with fewer than 14 measured days, or less than 0.8 of its time measured, gets none.

    Raises:
        Busy: If the publish lease stays taken.
    """
    sites = accounts_sites.all_sites(accounts)
    snapshot = manifest.newest(lake)
    rows = [row for site in sites for row in _site_rows(snapshot, site, now)]
    log = logs.logger(__name__)
    known = snapshot.scan("gold/recommendations").head(1).collect()
    if not rows and known.is_empty():
        log.warning("nothing to recommend", sites=len(sites), least_days=advice.LEAST_DAYS)
        return 0
    with leases.hold(accounts, leases.PUBLISH, WAIT_SECONDS) as lease:
        publication = manifest.begin(lake, lease, "advice", settings.code_version or __version__)
        scope = pl.DataFrame({"site_id": [site.site_id for site in sites]}, schema={"site_id": pl.String})
        publication.replace("gold/recommendations", pl.DataFrame(rows, schema=SCHEMA), scope)
        refresh_id = publication.finish()
    log.info("recommendations published", refresh_id=refresh_id, rows=len(rows))
    return len(rows)


def _site_rows(snapshot: Snapshot, site: Site, now: datetime) -> list[dict[str, Any]]:
    today = calendar.local_date(now, site.calendar)
    first = today - timedelta(days=advice.WINDOW_DAYS)
    hours = _hours(snapshot, site, first, today)
    if not advice.is_enough(hours.filter(pl.col("local_date") >= today - timedelta(days=advice.RECENT_DAYS)), today):
        return []
    days = snapshot.scan("gold/energy_daily", [Between("local_date", first, today)]).filter(pl.col("site_id") == site.site_id)
    whole = hours.filter(pl.col("completeness_ratio") >= WHOLE_HOUR_RATIO)
    discharged = whole.get_column("battery_discharge_kwh").sum()
    measured = advice.Measured(
        whole, days.select("local_date", "base_load_kw").collect(), bool(site.battery_capacity_kwh) or discharged > 0
    )
    prices = _prices(snapshot, site, now)
    return [_row(site, found, prices.currency, now) for found in advice.advise(measured, prices)]


def _hours(snapshot: Snapshot, site: Site, first: date, today: date) -> pl.DataFrame:
    """Hours of the ended local days since `first`, with the site's clock."""
    clock = calendar.quarters([site.calendar], first, today).select(
        pl.col("hour_start_at").alias("interval_start_at"), pl.col("local_hour").cast(pl.Int64)
    )
    return (
        snapshot.scan("gold/energy_hourly", [Between("local_date", first, today)])
        .filter(pl.col("site_id") == site.site_id)
        .select("interval_start_at", "local_date", "completeness_ratio", *[f"{channel}_kwh" for channel in CHANNELS])
        .collect()
        .join(clock.unique(), on="interval_start_at")
        .with_columns((pl.col("local_date").dt.weekday() >= SATURDAY).alias("is_off_day"))
        .sort("interval_start_at")
    )


def _prices(snapshot: Snapshot, site: Site, now: datetime) -> advice.Prices:
    """What a kWh costs and brings at this site now, all parts of its tariff together."""
    valid = (
        snapshot.scan("dims/tariff_prices")
        .filter(
            pl.col("tariff_id") == (site.tariff_id or ""),
            pl.col("quantity_unit") == "kWh",
            pl.col("valid_from") <= now,
            (pl.col("valid_until") > now).fill_null(value=True),
        )
        .collect()
    )
    paid, received = valid.filter(direction="import"), valid.filter(direction="export")
    if paid.is_empty():
        return advice.Prices(currency=site.currency)
    return advice.Prices(_sum(paid), _sum(received), paid.get_column("currency")[0])


def _sum(prices: pl.DataFrame) -> Decimal:
    return sum((Decimal(str(price)) for price in prices.get_column("unit_price")), Decimal(0))


def _row(site: Site, found: advice.Advice, currency: str | None, now: datetime) -> dict[str, Any]:
    message_key = f"advice.{found.rule_id}"
    figures = {"saving_kwh": found.saving_kwh, "saving_cost": found.saving_cost, "currency": currency}
    params = wording.plain(found.params | figures)
    told = wording.tell(message_key, found.params | figures)
    today = calendar.local_date(now, site.calendar)
    name = f"{site.site_id}|{found.rule_id}|{today:%Y-%m}"
    valid_from = calendar.day_start(today, site.calendar)
    return {
        "recommendation_id": hashlib.sha256(name.encode()).hexdigest()[:16],
        "site_id": site.site_id,
        "rule_id": found.rule_id,
        "title": told["title"],
        "description": told["description"],
        "category": found.category,
        "suggested_action": told["action"],
        "effectiveness_score": found.effectiveness_score,
        "expected_saving_kwh": found.saving_kwh,
        "expected_saving_cost": found.saving_cost,
        "currency": currency if found.saving_cost is not None else None,
        "valid_from": valid_from,
        "valid_until": valid_from + timedelta(days=VALID_DAYS),
        "generated_at": now,
        "status": "open",
        "message_key": message_key,
        "params": json.dumps(params),
    }
