"""What travels from an entry point to the writer: readings, weather, device states, and what was refused with its reason."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, overload

import msgspec

from aurora.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_STEP = timedelta(microseconds=1)
State = Mapping[str, Any]
NO_STATE: State = MappingProxyType({})


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one channel of one device.

    Attributes:
        measured_at: UTC; the start of the interval where the measure has one.
        interval_seconds: Length of the interval; None for registers and power. [s]
        value: None withdraws the reading of the same key. [kWh or kW, by measure]
        quality: `estimated` where its sender says so; None: as measured.
    """

    device_id: str
    channel: str
    measure: str
    measured_at: datetime
    interval_seconds: int | None
    value: float | None
    quality: str | None = None


@dataclass
class Block(Sequence[Reading]):
    """Many measured readings column by column: each costs a quarter of what it costs as an object of its own.

    Attributes:
        device_ids: Of each reading, as the other columns.
        moments: When it was measured; aware, in whatever zone.
        interval_seconds: None for registers and power. [s]
        values: [kWh or kW, by measure]
    """

    device_ids: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    measures: list[str] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    interval_seconds: list[int | None] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Reading: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Reading]: ...

    def __getitem__(self, index: int | slice) -> Reading | Sequence[Reading]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        named = self.device_ids[index], self.channels[index], self.measures[index]
        return Reading(*named, self.moments[index].astimezone(UTC), self.interval_seconds[index], self.values[index])


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
        payload_base64: The bytes of what is no UTF-8; None where the text says them exactly.
    """

    payload: str
    faults: tuple[Fault, ...]
    payload_base64: str | None = None

    @property
    def reason(self) -> str:
        """The decisive reason."""
        return self.faults[0].reason

    @property
    def size_bytes(self) -> int:
        """About what it occupies. [byte]"""
        return len(self.payload) + len(self.payload_base64 or "")


class Decoded(msgspec.Struct, frozen=True):
    """All that one message says.

    Attributes:
        ignored: How many quantities it holds that have no channel here, such as a voltage.
        state: What is to be known of the device when its next message comes; None where that did not change.
    """

    readings: Sequence[Reading] = ()
    weather: Sequence[WeatherValue] = ()
    states: Sequence[DeviceState] = ()
    rejections: Sequence[Rejection] = ()
    ignored: int = 0
    state: State | None = None


@dataclass(frozen=True)
class DeviceFacts:
    """What a decoder must know about the sender.

    Attributes:
        time_zone: The site's, for formats whose times name no offset; None where it is not known.
        topic: Topic filters bound to it, with commas between them.
        inputs: What each input of its format measures, where its kind does not say; see `aurora.domain.inputs`.
    """

    device_id: str
    site_id: str
    kind: str
    decoder: str
    interval_seconds: int | None
    time_zone: str | None = None
    energy_source: str | None = None
    role: str = "main"
    topic: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict, hash=False)


class Message(msgspec.Struct, frozen=True):
    """A payload from a device that proved who it is.

    Attributes:
        kind: `readings`, `weather` or `status`.
        topic: Where it came from, kept for replays.
        received_at: When it came, for formats that name no time; None where that is not known.
        is_retained: Whether the broker had kept it, so that it is older than `received_at` says.
        may_wait: Whether what it lacks, such as a unit, may still come with another message; not so in a replay.
    """

    device: DeviceFacts
    kind: str
    topic: str
    payload: bytes
    received_at: datetime | None = None
    is_retained: bool = False
    may_wait: bool = True


class Limits(msgspec.Struct, frozen=True):
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
    return Decoded(rejections=(rejection_of(payload[:keep_bytes], (Fault("", reason, sentence),)),))


def rejection_of(payload: bytes, faults: tuple[Fault, ...]) -> Rejection:
    """Bytes refused for these faults, kept so that exactly they can be put through again."""
    try:
        return Rejection(payload.decode("utf-8"), faults)
    except UnicodeDecodeError:
        return Rejection(as_text(payload), faults, b64encode(payload).decode("ascii"))


def bytes_of(payload: str, payload_base64: str | None) -> bytes:
    """The bytes that were refused, from the two columns that hold them."""
    return payload.encode("utf-8") if payload_base64 is None else b64decode(payload_base64)


def joined(parts: Sequence[Decoded]) -> Decoded:
    """All that several messages say, apart from their states."""
    return Decoded(
        tuple(reading for part in parts for reading in part.readings),
        tuple(value for part in parts for value in part.weather),
        tuple(state for part in parts for state in part.states),
        tuple(rejection for part in parts for rejection in part.rejections),
        sum(part.ignored for part in parts),
    )


def as_text(payload: bytes) -> str:
    """The payload as text that any table can hold; bytes that are not UTF-8 become escapes."""
    return payload.decode("utf-8", "backslashreplace")


def parse_time(text: str) -> datetime | None:
    """The instant an ISO 8601 text names, in UTC; naive where it names no offset; None where it is no time."""
    if not (text.isascii() and text.isprintable()):
        return None
    try:
        # RFC 3339 (5.6) allows small letters.
        moment = datetime.fromisoformat(text.upper())
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
