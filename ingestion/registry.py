"""Who may send: devices and keys as the accounts have them, at most two seconds old."""

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from paho.mqtt.matcher import MQTTMatcher
from sqlalchemy.exc import SQLAlchemyError

from aurora import logs
from aurora.accounts import devices, keys, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Device
from aurora.domain.calendar import local_date, zone_on
from aurora.domain.topics import patterns_of
from ingestion.messages import DeviceFacts

FRESH_SECONDS = 2.0
LEAST_PAUSE_SECONDS = 0.25
MOST_KEYS = 10_000
MOST_TOPICS = 10_000

log = logs.logger(__name__)


def facts_of(device: Device, time_zone: str | None = None) -> DeviceFacts:
    """What decoders must know of a device at a site in that time zone."""
    return DeviceFacts(
        device.device_id, device.site_id, device.kind, device.decoder or "aurora", device.interval_seconds, time_zone, device.energy_source,
        device.role, device.topic, device.inputs or {},
    )  # fmt: skip


def bound_devices(known: dict[str, DeviceFacts]) -> dict[str, tuple[str, ...]]:
    """Device ids by the topic filters bound to them."""
    found: dict[str, tuple[str, ...]] = {}
    for device in known.values():
        for pattern in patterns_of(device.topic):
            found[pattern] = (*found.get(pattern, ()), device.device_id)
    return found


class Bindings:
    """Whose a foreign topic is. Made anew where a binding changes; answers are remembered.

    Attributes:
        devices: Device ids by topic filter.
    """

    def __init__(self, devices: dict[str, tuple[str, ...]]) -> None:
        self.devices = devices
        self._matcher = MQTTMatcher()
        self._answers: dict[str, tuple[str, ...]] = {}
        for pattern, device_ids in devices.items():
            self._matcher[pattern] = device_ids

    def of(self, topic: str) -> tuple[str, ...]:
        """Ids of the devices bound to a topic; none where nobody is."""
        answer = self._answers.get(topic)
        if answer is None:
            found = (device_id for device_ids in self._matcher.iter_match(topic) for device_id in device_ids)
            answer = tuple(sorted(set(found)))
            if len(self._answers) >= MOST_TOPICS:
                self._answers.clear()
            self._answers[topic] = answer
        return answer


class DeviceRegistry:
    """The devices that are in use, read again every two seconds, and at once for one not seen before. Safe to share between threads."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = threading.Lock()
        self._known: dict[str, DeviceFacts] = {}
        self._bindings = Bindings({})
        self._read_at = float("-inf")
        self._again = threading.Lock()
        self._again_at = float("-inf")

    def find(self, device_id: str) -> DeviceFacts | None:
        """The device with that id; None where there is none in use."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._read()
        if device_id not in self._known:
            self._read_again()
        return self._known.get(device_id)

    @property
    def bindings(self) -> "Bindings":
        """Which devices foreign topics are bound to, at most two seconds old."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._read()
        return self._bindings

    def bound_to(self, topic: str) -> tuple[DeviceFacts, ...]:
        """The devices that read a foreign topic, read again at once where none does.

        A gateway that publishes for others is bound to their topics too, and reads those alone that nobody else does.
        """
        if not (found := self.bindings.of(topic)):
            self._read_again()
            found = self._bindings.of(topic)
        known = self._known
        devices = tuple(known[device_id] for device_id in found if device_id in known)
        return tuple(device for device in devices if device.kind != "gateway") or devices

    def _read_again(self) -> None:
        """Read at once for what is not known, however fresh the rest is, but not again and again for one that does not exist."""
        with self._again:
            if time.monotonic() - self._again_at <= LEAST_PAUSE_SECONDS:
                return
            self._again_at = time.monotonic()
            self._read(least_age_seconds=0.0)

    def _read(self, least_age_seconds: float = LEAST_PAUSE_SECONDS) -> None:
        with self._lock:
            if time.monotonic() - self._read_at < least_age_seconds:
                return
            self._read_at = time.monotonic()
            try:
                now = datetime.now(UTC)
                zones = {site.site_id: zone_on(local_date(now, site.calendar), site.calendar) for site in sites.all_sites(self._accounts)}
                used = [device for device in devices.all_devices(self._accounts) if not devices.is_retired(device, now)]
            except SQLAlchemyError as error:
                log.error("the devices cannot be read; those known so far stay in use", error=str(error))  # noqa: TRY400 - an expected failure; its text says all
                return
            self._known = {device.device_id: facts_of(device, zones.get(device.site_id)) for device in used}
            if self._bindings.devices != (bound := bound_devices(self._known)):
                self._bindings = Bindings(bound)


@dataclass(frozen=True)
class Sender:
    """Whom a key, or a person, may speak for.

    Attributes:
        device: The device whose key it is; None where the sender must name one.
        site_ids: Sites whose devices it may name.
        is_person: Whether somebody logged in sends, who is told of nobody else's devices.
        who: Tells senders apart: a key's hash, or a person's id.
    """

    device: DeviceFacts | None
    site_ids: frozenset[str]
    is_person: bool = False
    who: str = ""


@dataclass(frozen=True)
class _Answer:
    sender: Sender | None
    at: float


class KeyRing:
    """Whom a key speaks for, remembered for two seconds. Safe to share between threads."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._answers: dict[bytes, _Answer] = {}

    def device_of(self, key: str) -> DeviceFacts | None:
        """The device whose key this is; None for an unknown, revoked or gateway key and for a retired device."""
        sender = self.sender_of(key)
        return sender.device if sender is not None else None

    def sender_of(self, key: str) -> Sender | None:
        """Whom a key speaks for: a device, or a gateway for every device of its site; None where it is not good."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        answer = self._answers.get(digest)
        if answer is None or time.monotonic() - answer.at > FRESH_SECONDS:
            answer = _Answer(self._ask(key), time.monotonic())
            if len(self._answers) >= MOST_KEYS:
                self._answers.clear()
            self._answers[digest] = answer
        return answer.sender

    def _ask(self, key: str) -> Sender | None:
        holder = keys.holder_of(self._accounts, key)
        if holder is None or (holder.device is not None and devices.is_retired(holder.device, datetime.now(UTC))):
            return None
        if holder.device is None:
            return Sender(None, frozenset({holder.site_id}))
        is_gateway = holder.device.kind == "gateway"
        return Sender(facts_of(holder.device), frozenset({holder.site_id} if is_gateway else ()))
