"""The state of one site's data: devices, what was refused of them, open findings. The caller asks only for sites its user may see."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from app.queries.reader import LakeReader, rows_of_site
from aurora.accounts.acknowledgements import all_acknowledgements
from aurora.accounts.database import Accounts
from aurora.accounts.devices import all_devices
from aurora.accounts.memberships import members_of
from aurora.accounts.models import Acknowledgement, Device, Site
from aurora.domain.topics import patterns_of, sole_reader, split_topic
from aurora.lake.store import Between, Lake

REJECTED = "bronze/rejected"
REFUSED_DAYS = 30
# The worst first.
STATES = ("offline", "silent", "unknown", "online", "files", "retired")
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class DeviceState:
    """A device, and whether it is heard from.

    Attributes:
        state: One of `STATES`: what `gold/device_status` says, `files` of a device that imports made, `retired`.
        interval_seconds: How often it is to be heard from; None where nobody said and it is not learned yet.
        is_interval_said: Whether a person said so; else it is the rhythm of its own readings.
    """

    device_id: str
    name: str
    kind: str
    state: str
    last_reading_at: datetime | None
    interval_seconds: float | None
    is_interval_said: bool


@dataclass(frozen=True)
class Refusals:
    """What was refused for one reason and not put through again: how much, when last, and of which devices."""

    reason: str
    count: int
    last_at: datetime
    device_names: list[str]


@dataclass(frozen=True)
class Finding:
    """An open finding, with what a person said of it.

    Attributes:
        said_by: User name of who said something last; None for nobody, or for whoever is no member here.
        reason: What they know of it, in their words.
    """

    anomaly_id: str
    kind: str
    severity: str
    device_name: str | None
    starts_at: datetime
    explanation: str
    is_acknowledged: bool
    said_by: str | None
    reason: str | None


def device_states(reader: LakeReader, accounts: Accounts, site: Site, now: datetime) -> list[DeviceState]:
    """The devices of a site, those that are not heard from first."""
    rows = reader.answer(("device_states", site.site_id), lambda found: rows_of_site(found, "gold/device_status", site.site_id).to_dicts())
    known = {row["device_id"]: row for row in rows}
    states = [_device(device, known.get(device.device_id, {}), now) for device in all_devices(accounts, site.site_id)]
    return sorted(states, key=lambda one: (STATES.index(one.state), one.name, one.device_id))


def _device(device: Device, row: dict[str, Any], now: datetime) -> DeviceState:
    state = row.get("state") or "unknown"
    if device.retired_at is not None and device.retired_at <= now:
        state = "retired"
    elif device.is_import:
        state = "files"
    interval = device.interval_seconds or row.get("spacing_seconds")
    named = device.device_id, device.name, device.kind
    return DeviceState(*named, state, row.get("last_reading_at"), interval, device.interval_seconds is not None)


def refusals(reader: LakeReader, accounts: Accounts, site: Site, now: datetime) -> list[Refusals]:
    """What was refused of a site's devices in the last 30 days and waits for a replay, by reason, the newest first.

    A message of an unknown device, or of a topic that several devices read, is no site's.
    """
    lake, since = reader.lake, now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=REFUSED_DAYS)
    version = lake.version(REJECTED)
    waiting = reader.answer_of(reader.snapshot(), ("refused", version, since), lambda: _waiting(lake, version, since))
    owners = _owners(accounts, site, {row["topic"] for row in waiting})
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for row in waiting:
        if row["topic"] in owners:
            by_reason.setdefault(row["reason"], []).append(row)
    found = [
        Refusals(
            reason,
            sum(row["count"] for row in rows),
            max(row["last_at"] for row in rows),
            sorted({owners[row["topic"]] for row in rows}),
        )
        for reason, rows in by_reason.items()
    ]
    return sorted(found, key=lambda one: one.last_at, reverse=True)


def _waiting(lake: Lake, version: int, since: datetime) -> list[dict[str, Any]]:
    """What was refused on each topic for each reason, without what was replayed: topic, reason, count, last_at."""
    rows = lake.scan(REJECTED, version=version, between=[Between("received_at", since)])
    replayed = rows.filter(pl.col("replayed_at").is_not_null()).select("rejected_id")
    left = rows.filter(pl.col("replayed_at").is_null() & pl.col("topic").is_not_null()).join(replayed, on="rejected_id", how="anti")
    return left.group_by("topic", "reason").agg(pl.len().alias("count"), pl.col("received_at").max().alias("last_at")).collect().to_dicts()


def _owners(accounts: Accounts, site: Site, topics: set[str]) -> dict[str, str]:
    """Name of the site's device that each topic is of; topics of others are left out."""
    own = {device.device_id: device.name for device in all_devices(accounts, site.site_id)}
    routes = {topic: route[0] if (route := split_topic(topic)) else None for topic in topics}
    every = all_devices(accounts) if None in routes.values() else []
    readers = [(pattern, device.device_id) for device in every for pattern in patterns_of(device.topic)]
    gateways = {device.device_id for device in every if device.kind == "gateway"}
    named = {topic: device or sole_reader(topic, readers, gateways) for topic, device in routes.items()}
    return {topic: own[device] for topic, device in named.items() if device in own}


def open_findings(reader: LakeReader, accounts: Accounts, site: Site) -> list[Finding]:
    """The open findings of a site: those nobody knows of first, then the worst, then the newest."""
    rows = reader.answer(("open_findings", site.site_id), lambda found: rows_of_site(found, "gold/anomalies", site.site_id).to_dicts())
    said = all_acknowledgements(accounts, [site.site_id])
    names = {device.device_id: device.name for device in all_devices(accounts, site.site_id)}
    people = {member["user_id"]: member["username"] for member in members_of(accounts, site.site_id)}
    found = [_finding(row, said.get(row["anomaly_id"]), names, people) for row in rows if row["status"] == "open"]
    newest_first = sorted(found, key=lambda one: one.starts_at, reverse=True)
    return sorted(newest_first, key=lambda one: (one.is_acknowledged, SEVERITIES.index(one.severity)))


def _finding(row: dict[str, Any], said: Acknowledgement | None, names: dict[str, str], people: dict[str, str]) -> Finding:
    return Finding(
        anomaly_id=row["anomaly_id"],
        kind=row["kind"],
        severity=row["severity"],
        device_name=names.get(row["device_id"] or ""),
        starts_at=row["starts_at"],
        explanation=row["explanation"] or "",
        is_acknowledged=said is not None and said.is_acknowledged,
        said_by=people.get(said.user_id or "") if said else None,
        reason=said.reason if said else None,
    )
