"""Who may log in to a broker that keeps its own list of passwords and rights, and what is bound to each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Device, DeviceKey


@dataclass(frozen=True)
class BrokerLogin:
    """A device that may log in.

    Attributes:
        password_hash: Of its newest key, as Mosquitto keeps it.
        topic: What it is bound to.
    """

    device_id: str
    password_hash: str
    topic: str | None


def broker_logins(accounts: Accounts, now: datetime) -> list[BrokerLogin]:
    """The devices in use that have a key, by id, each with its newest one: such a broker knows one password a user."""
    held = (
        select(Device.device_id, DeviceKey.mosquitto_hash, Device.topic)
        .join(DeviceKey, DeviceKey.device_id == Device.device_id)
        .where(DeviceKey.revoked_at.is_(None), DeviceKey.mosquitto_hash.is_not(None))
        .where(or_(Device.retired_at.is_(None), Device.retired_at > now))
        .order_by(Device.device_id, DeviceKey.created_at, DeviceKey.key_id)
    )
    with accounts.reading() as session:
        newest = {device_id: BrokerLogin(device_id, told or "", topic) for device_id, told, topic in session.execute(held)}
    return list(newest.values())
