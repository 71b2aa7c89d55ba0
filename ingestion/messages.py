"""What travels from an entry point to the writer: readings, weather, device states, and what was refused with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from aurora.settings import Settings


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one channel of one device.

    Attributes:
        measured_at: UTC; the start of the interval where the measure has one.
        interval_seconds: Length of the interval; None for registers and power. [s]
        value: None withdraws the reading of the same key. [kWh or kW, by measure]
    """

    device_id: str
    channel: str
    measure: str
    measured_at: datetime
    interval_seconds: int | None
    value: float | None


class WeatherValue(msgspec.Struct, frozen=True, gc=False):
    """One weather quantity at one time; the unit is in the quantity's name."""

    station_id: str
    quantity: str
    measured_at: datetime
    value: float
    is_forecast: bool


class DeviceState(msgspec.Struct, frozen=True, gc=False):
    """What a device says about itself; `at` None means when it was received."""

    device_id: str
    state: str
    at: datetime | None


@dataclass(frozen=True)
class Fault:
    """Why a field was refused.

    Attributes:
        field: Where in the message; empty for the whole of it.
        reason: One short stable word.
        sentence: The same for people.
    """

    field: str
    reason: str
    sentence: str


@dataclass(frozen=True)
class Rejection:
    """A refused message, or one refused element of it.

    Attributes:
        payload: What was refused, as text.
        faults: Every bad field, the decisive one first.
    """

    payload: str
    faults: tuple[Fault, ...]

    @property
    def reason(self) -> str:
        """The decisive reason."""
        return self.faults[0].reason


@dataclass(frozen=True)
class Decoded:
    """All that one message says."""

    readings: Sequence[Reading] = ()
    weather: Sequence[WeatherValue] = ()
    states: Sequence[DeviceState] = ()
    rejections: Sequence[Rejection] = ()


@dataclass(frozen=True)
class DeviceFacts:
    """What a decoder must know about the sender."""

    device_id: str
    site_id: str
    kind: str
    decoder: str
    interval_seconds: int | None


@dataclass(frozen=True)
class Message:
    """A payload from a device that proved who it is.

    Attributes:
        kind: `readings`, `weather` or `status`.
        topic: Where it came from, kept for replays.
    """

    device: DeviceFacts
    kind: str
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Limits:
    """What is too much, too early or too late.

    Attributes:
        earliest: Older live readings are refused; None for no limit.
        latest: Readings further ahead are refused; None for no limit.
        max_bytes: Largest payload. [byte]
    """

    earliest: datetime | None
    latest: datetime | None
    max_bytes: int


def live_limits(settings: Settings, now: datetime) -> Limits:
    """The limits for readings that arrive from live devices at `now`."""
    return Limits(now - timedelta(days=settings.late_days), now + timedelta(seconds=settings.future_seconds), settings.max_message_bytes)


def refuse(payload: bytes, reason: str, sentence: str, keep_bytes: int | None = None) -> Decoded:
    """A message refused as a whole; at most `keep_bytes` of it are kept."""
    return Decoded(rejections=(Rejection(as_text(payload[:keep_bytes]), (Fault("", reason, sentence),)),))


def as_text(payload: bytes) -> str:
    """The payload as text that any table can hold; bytes that are not UTF-8 become escapes."""
    return payload.decode("utf-8", "backslashreplace")


def parse_time(text: str) -> datetime | None:
    """The instant an ISO 8601 text names, in UTC; naive where it names no offset; None where it is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
