"""Judges the weeks a refresh touched and puts what it finds in `gold/anomalies`."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from aurora.domain.channels import CHANNELS as ALL_CHANNELS
from aurora.lake.among import among
from aurora.lake.manifest import Publication
from aurora.lake.store import Between
from transform.judge import of_devices, wording
from transform.judge.anomalies import find_anomalies
from transform.judge.balance import find_contradictions
from transform.judge.baselines import CENTRE, fit_baselines, fit_centres, fittable, reach, unfold_baselines, unfold_centres
from transform.judge.devices import find_silent
from transform.judge.hours import CHANNELS, unfold
from transform.judge.sun import day_centres, find_clock_shifts, find_swaps
from transform.judge.usage import find_usage
from transform.status import WEATHER_STATION

WEEK = timedelta(weeks=1)
STILL_OPEN = timedelta(hours=1)
BASELINES = "meta/baselines"
ANOMALIES = "gold/anomalies"
HOURLY = "gold/energy_hourly"
SILENT = "silent"


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
    hourly = _hourly(publication, weeks, timedelta(0))
    hours = unfold(hourly, zones)
    baselines = _baselines(publication, weeks, zones)
    usual = unfold_baselines(baselines)
    found = find_anomalies(hours, usual)
    facts = {site["site_id"]: site for site in sites.to_dicts()}
    others = [
        find_usage(hours, usual),
        find_contradictions(hourly, facts),
        find_clock_shifts(hours, unfold_centres(baselines)),
        find_swaps(hourly, facts),
        of_devices.find(publication, weeks, zones),
    ]
    devices = _only_devices(publication)
    rows = pl.concat([_rows(found, facts, devices, now), _told(pl.concat(others), facts, devices, now)])
    scope = weeks.join(pl.DataFrame({"day": range(7)}), how="cross").select(
        "site_id", (pl.col("week_start_date") + pl.duration(days=pl.col("day"))).alias("local_date")
    )
    # What is silent is judged apart, after the state of devices is known; until then what was found stands.
    silent = publication.scan(ANOMALIES).filter(pl.col("kind") == SILENT).join(scope.lazy(), on=["site_id", "local_date"], how="semi")
    rows = pl.concat([rows, silent.select(rows.columns).collect()])
    if rows.height or publication.scan(ANOMALIES).join(scope.lazy(), on=["site_id", "local_date"], how="semi").head(1).collect().height:
        publication.replace(ANOMALIES, rows, scope)
    return rows.height


def judge_silence(publication: Publication, devices: pl.DataFrame, sites: pl.DataFrame, now: datetime) -> None:
    """Put a finding for each device that is not heard from now in `gold/anomalies`, in place of those that were.

    Args:
        publication: The refresh, after its commit of `gold/device_status`.
        devices: device_id, kind, is_import, retired_at.
        sites: One row per site, as for `judge`.
        now: Our clock.
    """
    is_retired = (pl.col("retired_at") <= now).fill_null(value=False)
    # A service of weather that does not answer is silent at every site at once; `gold/device_status` and `aurora status` tell of it.
    is_judged = ~pl.col("is_import") & ~is_retired & (pl.col("kind") != WEATHER_STATION)
    live = devices.filter(is_judged).select("device_id")
    facts = {site["site_id"]: site for site in sites.to_dicts()}
    status = publication.scan("gold/device_status").filter(among("site_id", facts)).collect()
    silent = of_devices.dated(
        find_silent(status.join(live, on="device_id", how="semi")), {site: known["time_zone"] for site, known in facts.items()}
    )
    rows = _told(silent, facts, {}, now)
    held = publication.scan(ANOMALIES).filter(pl.col("kind") == SILENT).collect()
    if set(held["anomaly_id"]) == set(rows["anomaly_id"]):
        return
    days = pl.concat([frame.select("site_id", "local_date") for frame in (held, rows)]).unique()
    others = publication.scan(ANOMALIES).join(days.lazy(), on=["site_id", "local_date"], how="semi").filter(pl.col("kind") != SILENT)
    kept = others.drop("refresh_id").collect()
    publication.replace(ANOMALIES, pl.concat([kept, rows.select(kept.columns)]), days)


def _weeks(publication: Publication, touched: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Distinct site_id, week_start_date to judge; an open anomaly is among them until it is closed."""
    is_open = (pl.col("status") == "open") & (pl.col("kind") != SILENT)
    still_open = publication.scan(ANOMALIES).filter(is_open).select("site_id", "local_date").collect()
    return (
        pl.concat([touched.select("site_id", "local_date"), still_open])
        .select("site_id", pl.col("local_date").dt.truncate("1w").alias("week_start_date"))
        .unique()
        .join(sites.select("site_id"), on="site_id", how="semi")
        .sort("site_id", "week_start_date")
    )


def _hourly(publication: Publication, weeks: pl.DataFrame, before: timedelta) -> pl.DataFrame:
    """Hourly gold of the weeks, and of a time before the earliest of them."""
    first, last = of_devices.span_of(weeks)
    hourly = publication.scan(HOURLY, [Between("local_date", first - before, last + WEEK)])
    hourly = hourly.filter(among("site_id", weeks["site_id"].unique()))
    if not before:
        hourly = hourly.join(
            weeks.lazy(), left_on=["site_id", pl.col("local_date").dt.truncate("1w")], right_on=["site_id", "week_start_date"], how="semi"
        )
    columns = ["site_id", "interval_start_at", "interval_seconds", "local_date", "completeness_ratio"]
    return hourly.select(*columns, *[f"{channel}_kwh" for channel in ALL_CHANNELS]).collect()


def _baselines(publication: Publication, weeks: pl.DataFrame, zones: dict[str, str]) -> pl.DataFrame:
    """Rows of `meta/baselines` of the weeks; those that are missing are fitted and committed."""
    key = ["site_id", "channel", "week_start_date"]
    wanted = weeks.join(pl.DataFrame({"channel": [*CHANNELS, CENTRE]}), how="cross")
    first, last = of_devices.span_of(weeks)
    known = publication.scan(BASELINES, [Between("week_start_date", first, last + timedelta(days=1))]).collect()
    known = known.join(wanted, on=key, how="semi").drop("refresh_id")
    missing = fittable(wanted.join(known, on=key, how="anti"), _daily(publication, weeks))
    if missing.is_empty():
        return known
    hours = unfold(_hourly(publication, missing, reach()), zones)
    centred = missing.filter(pl.col("channel") == CENTRE).drop("channel")
    made = pl.concat([fit_baselines(hours, missing), fit_centres(day_centres(hours), centred)])
    if made.height:
        publication.add(BASELINES, made)
    return pl.concat([known, made.select(known.columns)])


def _daily(publication: Publication, weeks: pl.DataFrame) -> pl.DataFrame:
    """Daily gold of the weeks' sites, as far back as baselines look."""
    first, last = of_devices.span_of(weeks)
    daily = publication.scan("gold/energy_daily", [Between("local_date", first - reach(), last)])
    return daily.filter(among("site_id", weeks["site_id"].unique())).collect()


def _only_devices(publication: Publication) -> dict[tuple[str, str], str]:
    """The device that measures a site's channel, where there is exactly one."""
    measured = publication.scan("dims/measured_channels").select("site_id", "channel", "device_id").unique().collect()
    alone = measured.group_by("site_id", "channel").agg(pl.col("device_id").first(), pl.len().alias("devices"))
    return {(site, channel): device for site, channel, device, devices in alone.iter_rows() if devices == 1}


TEXTS = ("anomaly_id", "device_id", "category", "status", "severity", "explanation", "message_key", "params")


def _rows(found: pl.DataFrame, facts: dict[str, dict[str, Any]], devices: dict[tuple[str, str], str], now: datetime) -> pl.DataFrame:
    rows = [_row(anomaly, facts[anomaly["site_id"]], devices, now) for anomaly in found.to_dicts()]
    return _with_texts(found, rows)


def _with_texts(found: pl.DataFrame, rows: list[dict[str, Any]]) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema=dict.fromkeys(TEXTS, pl.String))
    names = ["site_id", "channel", "kind", "starts_at", "ends_at", "observed", "expected", "local_date", "baseline_version"]
    return pl.concat([found.select(names), made], how="horizontal")


def _told(found: pl.DataFrame, facts: dict[str, dict[str, Any]], devices: dict[tuple[str, str], str], now: datetime) -> pl.DataFrame:
    """Findings of `found.SCHEMA` as rows of `gold/anomalies`."""
    zoned = found.sort("site_id", "starts_at", "kind", "channel", "device_id", "ends_at", "evidence")
    rows, twins = list[dict[str, Any]](), Counter[str]()
    for finding in zoned.to_dicts():
        finding["device_id"] = finding["device_id"] or devices.get((finding["site_id"], finding["channel"]))
        name = "|".join(str(finding[part]) for part in ("site_id", "device_id", "channel", "kind")) + "|" + finding["starts_at"].isoformat()
        twins[name] += 1
        rows.append(_told_row(finding, name if twins[name] == 1 else f"{name}|{twins[name]}", facts[finding["site_id"]]["time_zone"], now))
    return _with_texts(zoned, rows)


def _told_row(finding: dict[str, Any], name: str, zone_name: str, now: datetime) -> dict[str, Any]:
    kind = finding["kind"]
    message_key = f"anomaly.{kind}_{finding['channel']}" if kind == "sign_swap" else f"anomaly.{kind}"
    values = wording.told_params(finding, zone_name)
    is_open = finding["ends_at"] is None or finding["ends_at"] > now - STILL_OPEN
    return {
        "anomaly_id": hashlib.sha256(name.encode()).hexdigest()[:16],
        "device_id": finding["device_id"],
        "category": finding["category"],
        "status": "withdrawn" if finding["is_withdrawn"] else "open" if is_open else "closed",
        "severity": finding["severity"],
        "explanation": wording.told(message_key, values),
        "message_key": message_key,
        "params": json.dumps(values),
    }


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
