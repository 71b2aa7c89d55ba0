"""Rows of gold for one site, as a refresh, a forecast and an advice run would publish them."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.domain.calendar import local_date, local_hour, quarters
from aurora.domain.channels import CHANNELS
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES

PRICE = Decimal("0.32")
FEED_IN = Decimal("0.08")
MEASURED = ("production", "grid_import", "grid_export")


def quarter_energy(hour: float) -> dict[str, float]:
    """Energy of a quarter hour of a home with PV and battery at a local hour; the balance closes."""
    sun = max(math.sin((hour - 6) / 12 * math.pi), 0.0) if 6 <= hour <= 18 else 0.0
    used = 0.08 + 0.10 * math.exp(-((hour - 7.5) ** 2) / 2) + 0.22 * math.exp(-((hour - 19) ** 2) / 5)
    made = 1.1 * sun
    surplus = made - used
    charge = min(max(surplus, 0.0), 0.35)
    discharge = min(max(-surplus, 0.0), 0.12) if 17 <= hour <= 22 else 0.0
    rest = made + discharge - used - charge
    return {
        "consumption": used,
        "production": made,
        "grid_import": max(-rest, 0.0),
        "grid_export": max(rest, 0.0),
        "battery_charge": charge,
        "battery_discharge": discharge,
    }


def gold_quarters(site: Site, first: date, last: date, until: datetime) -> pl.DataFrame:
    """gold/energy_15min with the calendar's columns, up to `until`."""
    clock = quarters([site.time_zone], first, last).filter(pl.col("quarter_start_at") < until)
    rows = []
    for quarter in clock.to_dicts():
        energy = quarter_energy(local_hour(quarter["quarter_start_at"], site.time_zone) + quarter["quarter_start_at"].minute / 60)
        rows.append(
            {
                "site_id": site.site_id,
                "interval_start_at": quarter["quarter_start_at"],
                **{f"{channel}_kwh": value for channel, value in energy.items()},
                "self_consumed_kwh": max(energy["production"] - energy["grid_export"], 0.0),
                "cost": round(Decimal(energy["grid_import"]) * PRICE, 6),
                "export_revenue": round(Decimal(energy["grid_export"]) * FEED_IN, 6),
                "currency": site.currency,
                "completeness_ratio": 1.0,
                "derived_channels": ["consumption"],
                **{name: quarter[name] for name in ("local_date", "local_month", "hour_start_at", "day_seconds", "month_seconds")},
            }
        )
    return pl.DataFrame(rows)


def summed(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Quarters added up by site and `by`."""
    added = [*(f"{channel}_kwh" for channel in CHANNELS), "self_consumed_kwh", "cost", "export_revenue"]
    used, bought = pl.col("consumption_kwh"), pl.col("grid_import_kwh")
    return (
        rows.group_by("site_id", *by, maintain_order=True)
        .agg(
            pl.col(added).sum(),
            pl.col("currency", "derived_channels", "day_seconds", "month_seconds").first(),
            pl.col("local_date").first().alias("_day"),
            (pl.col("grid_import_kwh") * 4).max().alias("peak_kw"),
            pl.col("interval_start_at").sort_by("grid_import_kwh", descending=True).first().alias("peak_at"),
            (pl.col("consumption_kwh") * 4).quantile(0.05).alias("base_load_kw"),
            pl.len().alias("_quarters"),
        )
        .with_columns(
            *((pl.col("_quarters") * 900.0).alias(f"{channel}_covered_seconds") for channel in MEASURED),
            (1 - bought / used).clip(lower_bound=0).alias("self_sufficiency_ratio"),
            (pl.col("self_consumed_kwh") / pl.col("production_kwh")).alias("self_consumption_ratio"),
        )
    )


def publish(lake: Lake, accounts: Accounts, kind: str, tables: dict[str, pl.DataFrame], now: datetime) -> str:
    """Publish whole tables; returns the refresh_id."""
    with leases.hold(accounts, leases.PUBLISH, wait_seconds=10) as lease:
        publication = manifest.begin(lake, lease, kind, "test", now)
        for name, rows in tables.items():
            known = set(TABLES[name].schema.names)
            publication.add(name, rows.select([column for column in rows.columns if column in known]))
        return publication.finish(readings_in=1)


def republish(lake: Lake, accounts: Accounts, tables: dict[str, pl.DataFrame], now: datetime) -> str:
    """Publish rows in place of what was published of their days, as a refresh does; returns the refresh_id."""
    with leases.hold(accounts, leases.PUBLISH, wait_seconds=10) as lease:
        publication = manifest.begin(lake, lease, "refresh", "test", now)
        for name, rows in tables.items():
            publication.replace(name, rows, rows.select(TABLES[name].scope).unique())
        return publication.finish(readings_in=1)


def publish_energy(lake: Lake, accounts: Accounts, site: Site, now: datetime, days: int = 10) -> str:
    """Publish the energy of the last days of a site up to `now`."""
    today = local_date(now, site.time_zone)
    rows = gold_quarters(site, today - timedelta(days=days - 1), today, now)
    hours = summed(rows, ["hour_start_at"]).rename({"hour_start_at": "interval_start_at", "_day": "local_date"})
    daily = summed(rows, ["local_date"]).with_columns(
        (pl.col("production_covered_seconds") / pl.col("day_seconds")).alias("completeness_ratio")
    )
    monthly = summed(rows, ["local_month"]).with_columns(
        (pl.col("production_covered_seconds") / pl.col("month_seconds")).alias("completeness_ratio")
    )
    hours = hours.with_columns(pl.lit(1.0).alias("completeness_ratio"), pl.lit(3600).alias("interval_seconds"))
    tables = {"gold/energy_15min": rows, "gold/energy_hourly": hours, "gold/energy_daily": daily, "gold/energy_monthly": monthly}
    return publish(lake, accounts, "refresh", tables, now)


def forecast_rows(site: Site, issued_at: datetime, hours: int = 48) -> pl.DataFrame:
    """gold/forecasts of consumption and production from the hour of `issued_at` on."""
    first = issued_at.replace(minute=0, second=0, microsecond=0)
    rows: list[dict[str, Any]] = []
    for step in range(hours):
        start = first + timedelta(hours=step)
        energy = quarter_energy(local_hour(start, site.time_zone) + 0.5)
        for channel in ("consumption", "production"):
            value = energy[channel] * 4
            rows.append(
                {
                    "site_id": site.site_id,
                    "channel": channel,
                    "issued_at": issued_at,
                    "interval_start_at": start,
                    "horizon_hours": step + 1,
                    "predicted_kwh": value,
                    "lower_80_kwh": value * 0.75,
                    "upper_80_kwh": value * 1.3,
                    "lower_95_kwh": value * 0.6,
                    "upper_95_kwh": value * 1.5,
                    "model_name": "aurora",
                    "model_version": "1",
                }
            )
    return pl.DataFrame(rows)


def recommendation_rows(site: Site, now: datetime) -> pl.DataFrame:
    """gold/recommendations: two that hold and one that is over."""
    facts = [
        ("r1", "Run big appliances at noon", "Between 11 and 15 h you feed in 4.1 kWh a day and buy 2.6 kWh back in the evening.",
         "Start dishwasher and washing machine between 11 and 14 h.", 0.82, 560.0, Decimal("134.40"), now + timedelta(days=20)),
        ("r2", "Find what runs all night", "Your base load is 310 W; homes of this size need about 180 W.",
         "Switch off one device after the other at night and watch the tile.", 0.64, 1140.0, Decimal("364.80"), now + timedelta(days=20)),
        ("r3", "Over", "Over.", "Nothing.", 0.5, 1.0, Decimal("1"), now - timedelta(days=1)),
    ]  # fmt: skip
    return pl.DataFrame(
        [
            {
                "recommendation_id": identifier,
                "site_id": site.site_id,
                "rule_id": "rule",
                "title": title,
                "description": description,
                "category": "behaviour",
                "suggested_action": action,
                "effectiveness_score": score,
                "expected_saving_kwh": kwh,
                "expected_saving_cost": cost,
                "currency": site.currency,
                "valid_from": now - timedelta(days=5),
                "valid_until": until,
                "generated_at": now,
                "status": "open",
                "message_key": "advice.x",
                "params": '{"days": 365}',
            }
            for identifier, title, description, action, score, kwh, cost, until in facts
        ]
    )


def anomaly_rows(site: Site, now: datetime) -> pl.DataFrame:
    """gold/anomalies: one open spike."""
    return pl.DataFrame(
        [
            {
                "anomaly_id": "a1",
                "site_id": site.site_id,
                "channel": "consumption",
                "kind": "spike",
                "category": "behaviour",
                "status": "open",
                "starts_at": now - timedelta(hours=6),
                "observed": 7.2,
                "expected": 1.1,
                "severity": "warning",
                "explanation": "7.2 kWh were used between 08:00 and 10:00; 1.1 kWh are usual at that time.",
                "message_key": "anomaly.spike",
                "params": "{}",
                "local_date": local_date(now, site.time_zone),
            }
        ]
    )


def publish_all(lake: Lake, accounts: Accounts, site: Site, now: datetime, days: int = 10) -> str:
    """Publish energy, a forecast, recommendations and an anomaly of a site."""
    publish_energy(lake, accounts, site, now, days)
    publish(lake, accounts, "forecast", {"gold/forecasts": forecast_rows(site, now.astimezone(UTC))}, now)
    return publish(
        lake, accounts, "advice", {"gold/recommendations": recommendation_rows(site, now), "gold/anomalies": anomaly_rows(site, now)}, now
    )
