"""Judges the weeks a refresh touched and puts what it finds in `gold/anomalies`."""

import hashlib
import json
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from aurora.lake.manifest import Publication
from aurora.lake.store import Between
from transform.judge import wording
from transform.judge.anomalies import find_anomalies
from transform.judge.baselines import fit_baselines, reach, unfold_baselines
from transform.judge.hours import CHANNELS, unfold

WEEK = timedelta(weeks=1)
STILL_OPEN = timedelta(hours=1)
BASELINES = "meta/baselines"
ANOMALIES = "gold/anomalies"
HOURLY = "gold/energy_hourly"


def judge(publication: Publication, touched: pl.DataFrame, sites: pl.DataFrame, now: datetime) -> int:
    """Replace the anomalies of every week that holds a touched day or an open anomaly; returns how many there are in those weeks.

    Baselines that are missing are made first and never changed again; a week without one is not judged.

    Args:
        publication: The refresh, after its commit of `gold/energy_hourly`.
        touched: Distinct site_id, local_date.
        sites: One row per site: site_id, time_zone, and where known pv_capacity_kw, battery_power_kw, fuse_a, grid_limit_kw.
        now: Decides which anomalies are still open.
    """
    weeks = _weeks(publication, touched, sites)
    if weeks.is_empty():
        return 0
    zones = dict(sites.select("site_id", "time_zone").iter_rows())
    baselines = _baselines(publication, weeks, zones)
    found = find_anomalies(_hours(publication, weeks, zones, timedelta(0)), unfold_baselines(baselines))
    rows = _rows(found, sites, _only_devices(publication), now)
    scope = weeks.join(pl.DataFrame({"day": range(7)}), how="cross").select(
        "site_id", (pl.col("week_start_date") + pl.duration(days=pl.col("day"))).alias("local_date")
    )
    if rows.height or publication.scan(ANOMALIES).join(scope.lazy(), on=["site_id", "local_date"], how="semi").head(1).collect().height:
        publication.replace(ANOMALIES, rows, scope)
    return rows.height


def _weeks(publication: Publication, touched: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Distinct site_id, week_start_date to judge; an open anomaly is among them until it is closed."""
    still_open = publication.scan(ANOMALIES).filter(pl.col("status") == "open").select("site_id", "local_date").collect()
    return (
        pl.concat([touched.select("site_id", "local_date"), still_open])
        .select("site_id", pl.col("local_date").dt.truncate("1w").alias("week_start_date"))
        .unique()
        .join(sites.select("site_id"), on="site_id", how="semi")
        .sort("site_id", "week_start_date")
    )


def _span(weeks: pl.DataFrame) -> tuple[date, date]:
    """The earliest and the latest Monday."""
    return weeks.select(pl.col("week_start_date").min().alias("first"), pl.col("week_start_date").max().alias("last")).row(0)


def _hours(publication: Publication, weeks: pl.DataFrame, zones: dict[str, str], before: timedelta) -> pl.DataFrame:
    """Hours of the weeks, and of a time before the earliest of them."""
    first, last = _span(weeks)
    hourly = publication.scan(HOURLY, [Between("local_date", first - before, last + WEEK)])
    hourly = hourly.filter(pl.col("site_id").is_in(weeks.get_column("site_id").unique().to_list()))
    if not before:
        hourly = hourly.join(
            weeks.lazy(), left_on=["site_id", pl.col("local_date").dt.truncate("1w")], right_on=["site_id", "week_start_date"], how="semi"
        )
    columns = ["site_id", "interval_start_at", "interval_seconds", "local_date", "completeness_ratio"]
    return unfold(hourly.select(*columns, *[f"{channel}_kwh" for channel in CHANNELS]).collect(), zones)


def _baselines(publication: Publication, weeks: pl.DataFrame, zones: dict[str, str]) -> pl.DataFrame:
    """Rows of `meta/baselines` of the weeks; those that are missing are fitted and committed."""
    key = ["site_id", "channel", "week_start_date"]
    wanted = weeks.join(pl.DataFrame({"channel": CHANNELS}), how="cross")
    first, last = _span(weeks)
    known = publication.scan(BASELINES, [Between("week_start_date", first, last + timedelta(days=1))]).collect()
    known = known.join(wanted, on=key, how="semi").drop("refresh_id")
    missing = wanted.join(known, on=key, how="anti")
    if missing.is_empty():
        return known
    made = fit_baselines(_hours(publication, missing, zones, reach()), missing)
    if made.height:
        publication.add(BASELINES, made)
    return pl.concat([known, made.select(known.columns)])


def _only_devices(publication: Publication) -> dict[tuple[str, str], str]:
    """The device that measures a site's channel, where there is exactly one."""
    measured = publication.scan("dims/measured_channels").select("site_id", "channel", "device_id").unique().collect()
    alone = measured.group_by("site_id", "channel").agg(pl.col("device_id").first(), pl.len().alias("devices"))
    return {(site, channel): device for site, channel, device, devices in alone.iter_rows() if devices == 1}


def _rows(found: pl.DataFrame, sites: pl.DataFrame, devices: dict[tuple[str, str], str], now: datetime) -> pl.DataFrame:
    facts = {site["site_id"]: site for site in sites.to_dicts()}
    rows = [_row(anomaly, facts[anomaly["site_id"]], devices, now) for anomaly in found.to_dicts()]
    texts = ["anomaly_id", "device_id", "category", "status", "severity", "explanation", "message_key", "params"]
    made = pl.DataFrame(rows, schema=dict.fromkeys(texts, pl.String))
    names = ["site_id", "channel", "kind", "starts_at", "ends_at", "observed", "expected", "local_date", "baseline_version"]
    return pl.concat([found.select(names), made], how="horizontal")


def _row(anomaly: dict[str, Any], facts: dict[str, Any], devices: dict[tuple[str, str], str], now: datetime) -> dict[str, Any]:
    values, message_key = wording.params(anomaly), f"anomaly.{anomaly['kind']}"
    name = "|".join((anomaly["site_id"], anomaly["channel"], anomaly["kind"], anomaly["starts_at"].isoformat()))
    return {
        "anomaly_id": hashlib.sha256(name.encode()).hexdigest()[:16],
        "device_id": devices.get((anomaly["site_id"], anomaly["channel"])),
        "category": wording.category(anomaly, facts),
        "status": "open" if anomaly["ends_at"] > now - STILL_OPEN else "closed",
        "severity": wording.severity(anomaly),
        "explanation": wording.explain(message_key, values),
        "message_key": message_key,
        "params": json.dumps(values),
    }
