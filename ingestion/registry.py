"""Who may send: devices and keys as the accounts have them, at most two seconds old."""

import hashlib
import threading
import time
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from aurora import logs
from aurora.accounts import devices
from aurora.accounts.database import Accounts
from aurora.accounts.models import Device
from ingestion.messages import DeviceFacts

FRESH_SECONDS = 2.0
LEAST_PAUSE_SECONDS = 0.25
MOST_KEYS = 10_000

log = logs.logger(__name__)


def facts_of(device: Device) -> DeviceFacts:
    """What decoders must know of a device."""
    return DeviceFacts(device.device_id, device.site_id, device.kind, device.decoder or "aurora", device.interval_seconds)


class DeviceRegistry:
    """The devices that are in use, read again every two seconds, and at once for one not seen before. Safe to share between threads."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = threading.Lock()
        self._known: dict[str, DeviceFacts] = {}
        self._read_at = float("-inf")

    def find(self, device_id: str) -> DeviceFacts | None:
        """The device with that id; None where there is none in use."""
        age = time.monotonic() - self._read_at
        if age > FRESH_SECONDS or (device_id not in self._known and age > LEAST_PAUSE_SECONDS):
            self._read()
        return self._known.get(device_id)

    def _read(self) -> None:
        with self._lock:
            if time.monotonic() - self._read_at <= LEAST_PAUSE_SECONDS:
                return
            self._read_at = time.monotonic()
            try:
                used = [device for device in devices.all_devices(self._accounts) if device.retired_at is None]
            except SQLAlchemyError as error:
                log.error("the devices cannot be read; those known so far stay in use", error=str(error))  # noqa: TRY400 - an expected failure; its text says all
                return
            self._known = {device.device_id: facts_of(device) for device in used}


@dataclass(frozen=True)
class _Answer:
    device: DeviceFacts | None
    at: float


class KeyRing:
    """Which device a key belongs to, remembered for two seconds. Safe to share between threads."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._answers: dict[bytes, _Answer] = {}

    def device_of(self, key: str) -> DeviceFacts | None:
        """The device whose key this is; None for an unknown or revoked key or a retired device."""
        digest = hashlib.sha256(key.encode()).digest()
        answer = self._answers.get(digest)
        if answer is None or time.monotonic() - answer.at > FRESH_SECONDS:
            found = devices.device_of_key(self._accounts, key)
            answer = _Answer(facts_of(found) if found is not None and found.retired_at is None else None, time.monotonic())
            if len(self._answers) >= MOST_KEYS:
                self._answers.clear()
            self._answers[digest] = answer
        return answer.device
