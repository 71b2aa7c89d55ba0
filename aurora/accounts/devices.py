"""Devices: what may send readings, and until when."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.facts import DeviceChanges, NewDevice, checked
from aurora.accounts.models import Device, DeviceKey, Site
from aurora.accounts.sites import claim_identifier, existing_site
from aurora.errors import Conflict, Unknown, WrongFacts

OWN_BRANCH = "aurora/v1/"
LONGEST_TOPIC = 256


def add_device(
    accounts: Accounts,
    site_id: str,
    *,
    name: str,
    kind: str,
    device_id: str | None = None,
    topic: str | None = None,
    is_import: bool = False,
    by: str | None = None,
    **facts: Any,
) -> Device:
    """Make a device at a site; without a `topic` it gets Aurora's own.

    Raises:
        WrongFacts: If a fact cannot be true.
        Refused: If the id cannot be given, or there is no such site.
    """
    given = checked(NewDevice, {"name": name, "kind": kind, **facts})
    with accounts.transaction() as session:
        existing_site(session, site_id)
        identifier = claim_identifier(session, device_id, name, "device")
        device = Device(
            device_id=identifier, site_id=site_id, topic=_topic(topic, identifier), is_import=is_import, created_at=datetime.now(UTC),
            **({"role": "main"} | given),
        )  # fmt: skip
        session.add(device)
        note(session, "device.add", user_id=by, subject=("device", identifier), site_id=site_id)
    return device


def change_device(accounts: Accounts, device_id: str, by: str | None = None, *, topic: str | None = None, **facts: Any) -> Device:
    """Change facts of a device and return it; `site_id` moves it, `retired_at` says when it stops, an empty `topic` is Aurora's own again.

    Raises:
        WrongFacts: If a fact cannot be true.
        Unknown: If there is no such device.
    """
    changes = checked(DeviceChanges, facts)
    with accounts.transaction() as session:
        device = _existing(session.get(Device, device_id, with_for_update=True), device_id)
        if "site_id" in changes and session.get(Site, changes["site_id"], with_for_update=True) is None:
            raise WrongFacts([("site_id", "names no site")])
        if topic is not None:
            changes["topic"] = _topic(topic or None, device_id)
        for column, value in changes.items():
            setattr(device, column, value)
        what = "device.change" if "retired_at" not in changes else "device.retire"
        note(session, what, user_id=by, subject=("device", device_id), site_id=device.site_id, details={"changed": sorted(changes)})
    return device


def delete_device(accounts: Accounts, device_id: str, *, has_readings: bool, by: str | None = None) -> None:
    """Forget a device that never sent anything, and its keys; its id is never given again.

    Args:
        accounts: The database.
        device_id: Which.
        has_readings: Whether the lake holds anything of it; see `aurora.lake.history`.
        by: Who does it.

    Raises:
        Conflict: If it has readings.
        Unknown: If there is no such device.
    """
    with accounts.transaction() as session:
        device = _existing(session.get(Device, device_id, with_for_update=True), device_id)
        if has_readings:
            raise Conflict(f"{device_id} has readings, which would belong to nothing. Retire it instead: set retired_at.")
        session.execute(delete(DeviceKey).where(DeviceKey.device_id == device_id))
        session.execute(update(Site).where(Site.weather_station_id == device_id).values(weather_station_id=None))
        session.delete(device)
        note(session, "device.delete", user_id=by, subject=("device", device_id), site_id=device.site_id)


def is_retired(device: Device, now: datetime) -> bool:
    """Whether a device no longer sends; one that retires later still does."""
    return device.retired_at is not None and device.retired_at <= now


def import_device(accounts: Accounts, site: Site) -> Device:
    """The site's own device for imported files, made at its first use."""
    with accounts.reading() as session:
        known = session.scalar(select(Device).where(Device.site_id == site.site_id, Device.is_import.is_(True)))
    return known or add_device(accounts, site.site_id, name=f"{site.name[:120]} import", kind="meter", is_import=True)


def all_devices(accounts: Accounts, site_id: str | None = None) -> list[Device]:
    """Every device (of a site), by id."""
    chosen = select(Device).order_by(Device.device_id)
    with accounts.reading() as session:
        return list(session.scalars(chosen if site_id is None else chosen.where(Device.site_id == site_id)))


def find_device(accounts: Accounts, device_id: str) -> Device:
    """The device with that id. Raises Refused."""
    with accounts.reading() as session:
        # PostgreSQL refuses to look for a text that holds a zero byte.
        return _existing(None if "\x00" in device_id else session.get(Device, device_id), device_id)


def _existing(device: Device | None, device_id: str) -> Device:
    if device is None:
        raise Unknown(f"There is no device {device_id}. `aurora device list` shows them.")
    return device


def _topic(wish: str | None, device_id: str) -> str:
    if wish is None:
        return f"{OWN_BRANCH}{device_id}/readings"
    if len(wish) > LONGEST_TOPIC or not wish.isprintable() or not wish.strip():
        raise WrongFacts([("topic", f"has 1 to {LONGEST_TOPIC} characters, each of which can be seen")])
    if wish.startswith(OWN_BRANCH) and not wish.startswith(f"{OWN_BRANCH}{device_id}/"):
        raise WrongFacts([("topic", f"lies in another device's branch; its own is {OWN_BRANCH}{device_id}/")])
    for pattern in wish.split(","):
        _refuse_bad_pattern(pattern.strip(), device_id)
    return wish


def _refuse_bad_pattern(pattern: str, device_id: str) -> None:
    """Raise WrongFacts for what is no topic filter, and for one that would take in what others send."""
    levels = pattern.split("/")
    is_own = pattern.startswith(f"{OWN_BRANCH}{device_id}/")
    if not pattern or (levels[0] in {"", "+", "#", OWN_BRANCH.split("/", 1)[0]} and not is_own) or pattern.startswith("$"):
        raise WrongFacts([("topic", "begins with a level of its own, such as shellies or tele; # and + may follow")])
    if any(("#" in level or "+" in level) and len(level) > 1 for level in levels) or "#" in levels[:-1]:
        raise WrongFacts([("topic", "is no topic filter: + stands for a whole level, # for all that follow and comes last")])
