"""Keys of devices and gateways: 256 random bits each, shown once and kept as their SHA-256, and as Mosquitto's password files do."""

import base64
import hashlib
import os
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.models import Device, DeviceKey
from aurora.accounts.sites import existing_site
from aurora.errors import Conflict, Unknown

MOST_KEYS = 50
# Mosquitto's own count: rounds add nothing to a key of 256 random bits, and each reload checks every connection.
MOSQUITTO_ROUNDS = 101
MOSQUITTO_SALT_BYTES = 12


@dataclass(frozen=True)
class KeyHolder:
    """Whom a key speaks for: one device, or as a gateway's key every device of a site."""

    device: Device | None
    site_id: str


def new_key(accounts: Accounts, device_id: str, name: str | None = None, by: str | None = None) -> tuple[str, str]:
    """Make a key for a device and return (key_id, key); the key itself is not kept.

    Raises:
        Conflict: If the device is retired, or has as many keys as anything may have.
        Unknown: If there is no such device.
    """
    with accounts.transaction() as session:
        device = session.get(Device, device_id, with_for_update=True)
        if device is None:
            raise Unknown(f"There is no device {device_id}. `aurora device list` shows them.")
        if device.retired_at is not None and device.retired_at <= datetime.now(UTC):
            raise Conflict(f"{device_id} is retired. Take its retired_at away first.")
        return _make(session, DeviceKey(device_id=device_id, name=name), device.site_id, by)


def new_gateway_key(accounts: Accounts, site_id: str, name: str | None = None, by: str | None = None) -> tuple[str, str]:
    """Make a key that speaks for every device of a site and return (key_id, key). Raises Refused."""
    with accounts.transaction() as session:
        existing_site(session, site_id)
        return _make(session, DeviceKey(site_id=site_id, name=name), site_id, by)


def keys_of(accounts: Accounts, *, device_id: str | None = None, site_id: str | None = None) -> list[DeviceKey]:
    """The keys of a device, or the gateway keys of a site, that are still good; the newest first."""
    with accounts.reading() as session:
        return list(session.scalars(_held(device_id, site_id).order_by(DeviceKey.created_at.desc(), DeviceKey.key_id)))


def revoke_key(accounts: Accounts, key_id: str, *, device_id: str | None = None, site_id: str | None = None, by: str | None = None) -> None:
    """End a key, where named of that device or site alone. Raises Unknown where there is none."""
    with accounts.transaction() as session:
        key = session.get(DeviceKey, key_id)
        is_meant = key is not None and device_id in {None, key.device_id} and site_id in {None, key.site_id}
        if key is None or not is_meant:
            raise Unknown(f"There is no key {key_id}.")
        key.revoked_at = key.revoked_at or datetime.now(UTC)
        device = session.get(Device, key.device_id) if key.device_id else None
        of_site = device.site_id if device else key.site_id
        note(session, "key.revoke", user_id=by, subject=("key", key_id), site_id=of_site)


def holder_of(accounts: Accounts, key: str) -> KeyHolder | None:
    """Whom a key speaks for; None for an unknown or revoked key."""
    found = select(DeviceKey).where(DeviceKey.key_hash == _digest(key), DeviceKey.revoked_at.is_(None))
    with accounts.reading() as session:
        known = session.scalar(found)
        if known is None:
            return None
        device = session.get(Device, known.device_id) if known.device_id else None
        holder = KeyHolder(device, device.site_id) if device else KeyHolder(None, known.site_id or "")
    if known.device_id and known.mosquitto_hash is None:
        _learn(accounts, known.key_id, key)
    return holder


def mosquitto_hash(key: str, salt: bytes | None = None) -> str:
    """A key as Mosquitto's password file keeps it: PBKDF2 with SHA-512."""
    own = os.urandom(MOSQUITTO_SALT_BYTES) if salt is None else salt
    told = hashlib.pbkdf2_hmac("sha512", key.encode("utf-8", "surrogatepass"), own, MOSQUITTO_ROUNDS)
    return f"$7${MOSQUITTO_ROUNDS}${base64.b64encode(own).decode()}${base64.b64encode(told).decode()}"


def _learn(accounts: Accounts, key_id: str, key: str) -> None:
    """Keep Mosquitto's hash of a key made before there was one: only its use shows the key itself."""
    with accounts.transaction() as session:
        session.execute(update(DeviceKey).where(DeviceKey.key_id == key_id).values(mosquitto_hash=mosquitto_hash(key)))


def _held(device_id: str | None, site_id: str | None):
    mine = DeviceKey.device_id == device_id if device_id else DeviceKey.site_id == site_id
    return select(DeviceKey).where(mine, DeviceKey.revoked_at.is_(None))


def _make(session: Session, key: DeviceKey, site_id: str, by: str | None) -> tuple[str, str]:
    if len(session.scalars(_held(key.device_id, key.site_id)).all()) >= MOST_KEYS:
        raise Conflict(f"There are {MOST_KEYS} keys already. Revoke those that are no longer used.")
    key.key_id, secret = str(uuid.uuid4()), secrets.token_urlsafe(32)
    key.key_hash, key.created_at = _digest(secret), datetime.now(UTC)
    key.mosquitto_hash = mosquitto_hash(secret) if key.device_id else None
    session.add(key)
    note(session, "key.make", user_id=by, subject=("key", key.key_id), site_id=site_id)
    return key.key_id, secret


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
