"""Devices and their keys: what may send readings, and what proves it."""

import hashlib
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from aurora.accounts.database import Accounts, changed_rows
from aurora.accounts.models import Device, DeviceKey, Site
from aurora.accounts.sites import claim_identifier
from aurora.errors import Refused

KINDS = ("meter", "inverter", "battery", "ev_charger", "heat_pump", "weather_station", "gateway")
ROLES = ("main", "sub", "check")
ENERGY_SOURCES = ("pv", "wind", "hydro", "chp", "other")


def add_device(
    accounts: Accounts, site_id: str, *, name: str, kind: str, device_id: str | None = None, role: str = "main", **facts: Any
) -> Device:
    """Make a device at a site; without a `topic` it gets Aurora's own.

    Raises:
        Refused: If the kind, role, source or id cannot be taken, or there is no such site.
    """
    for label, value, known in (
        ("kind", kind, KINDS),
        ("role", role, ROLES),
        ("energy source", facts.get("energy_source"), ENERGY_SOURCES),
    ):
        if value is not None and value not in known:
            raise Refused(f"The {label} must be one of {', '.join(known)}.")
    if any(facts.get(column) is not None and facts[column] <= 0 for column in ("interval_seconds", "max_gap_seconds")):
        raise Refused("An interval is a positive number of seconds.")
    with accounts.transaction() as session:
        if session.get(Site, site_id) is None:
            raise Refused(f"There is no site {site_id}. `aurora site list` shows them.")
        given = claim_identifier(session, device_id, name, "device")
        topic = facts.pop("topic", None) or f"aurora/v1/{given}/readings"
        device = Device(
            device_id=given, site_id=site_id, name=name, kind=kind, role=role, topic=topic, created_at=datetime.now(UTC), **facts
        )
        session.add(device)
    return device


def import_device(accounts: Accounts, site: Site) -> Device:
    """The site's own device for imported files, made at its first use."""
    with accounts.reading() as session:
        known = session.scalar(select(Device).where(Device.site_id == site.site_id, Device.is_import.is_(True)))
    return known or add_device(accounts, site.site_id, name=f"{site.name} import", kind="meter", is_import=True)


def all_devices(accounts: Accounts, site_id: str | None = None) -> list[Device]:
    """Every device (of a site), by id."""
    chosen = select(Device).order_by(Device.device_id)
    with accounts.reading() as session:
        return list(session.scalars(chosen if site_id is None else chosen.where(Device.site_id == site_id)))


def find_device(accounts: Accounts, device_id: str) -> Device:
    """The device with that id. Raises Refused."""
    with accounts.reading() as session:
        device = session.get(Device, device_id)
    if device is None:
        raise Refused(f"There is no device {device_id}. `aurora device list` shows them.")
    return device


def new_key(accounts: Accounts, device_id: str) -> tuple[str, str]:
    """Make a key for a device and return (key_id, key); the key itself is not kept. Raises Refused."""
    find_device(accounts, device_id)
    key_id, key = str(uuid.uuid4()), secrets.token_urlsafe(32)
    with accounts.transaction() as session:
        session.add(DeviceKey(key_id=key_id, device_id=device_id, key_hash=_digest(key), created_at=datetime.now(UTC)))
    return key_id, key


def revoke_key(accounts: Accounts, key_id: str) -> None:
    """End a key. Raises Refused where there is none."""
    with accounts.transaction() as session:
        result = session.execute(update(DeviceKey).where(DeviceKey.key_id == key_id).values(revoked_at=datetime.now(UTC)))
        if changed_rows(result) != 1:
            raise Refused(f"There is no key {key_id}.")


def device_of_key(accounts: Accounts, key: str) -> Device | None:
    """The device a key belongs to; None for an unknown or revoked key."""
    with accounts.reading() as session:
        return session.scalar(
            select(Device)
            .join(DeviceKey, DeviceKey.device_id == Device.device_id)
            .where(DeviceKey.key_hash == _digest(key), DeviceKey.revoked_at.is_(None))
        )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
