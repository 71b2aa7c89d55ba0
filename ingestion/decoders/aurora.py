"""Decoder of Aurora's own payloads: readings, interval energies, weather and device states as JSON.

A well-formed single reading takes a typed path of about a microsecond; everything else is looked at field by field, so that every bad
field is named.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from aurora.domain.channels import CHANNELS, ESTIMATED, MEASURED, MEASURES, MOST_KW, MOST_KWH
from ingestion.json_text import UNREADABLE, elements_as_written, parse_json
from ingestion.messages import (
    NO_STATE,
    Block,
    Decoded,
    DeviceFacts,
    DeviceState,
    Fault,
    Limits,
    Message,
    Reading,
    State,
    WeatherValue,
    as_text,
    joined,
    parse_time,
    refuse,
    rejection_of,
)  # fmt: skip

DEFAULT_INTERVAL_SECONDS = 900
LONGEST_INTERVAL_SECONDS = 366 * 86_400
# Some label an interval that is still running; none that ends later than a day ahead has been measured.
MOST_AHEAD = timedelta(days=1)
EARLIEST_YEAR = 1970
LATEST_YEAR = 2200
# Weather services look at most 16 days ahead.
MOST_FORECAST_AHEAD = timedelta(days=16)
# What no weather station near the ground has measured is beyond these (World Meteorological Organization, records of extremes); a ratio of
# 87 is a percentage, and of 1.1 a sensor in fog.
QUANTITIES: dict[str, tuple[float, float]] = {
    "temperature_celsius": (-100, 70),
    "ghi_w_per_m2": (0, 2_000),
    "cloud_cover_ratio": (0, 1),
    "wind_m_per_s": (0, 150),
    "humidity_ratio": (0, 1.1),
    "precipitation_mm": (0, 2_000),
}
ENERGY_FIELDS = {f"{channel}_kwh": channel for channel in CHANNELS}
QUALITIES = (MEASURED, ESTIMATED)
STATE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")

_KNOWN_CHANNELS = frozenset(CHANNELS)
_KNOWN_MEASURES = frozenset(MEASURES)


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The form almost every message has."""

    measured_at: datetime
    channel: str
    measure: str
    value: float
    interval_seconds: int | None = None
    device_id: str | None = None
    quality: Literal["measured"] | None = None


class _Sent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The form almost every element of an array has; what it holds is checked as it is read."""

    measured_at: Annotated[datetime, msgspec.Meta(tz=True)]
    channel: Literal[CHANNELS]  # pyright: ignore[reportInvalidTypeForm] - the names are declared once, as a tuple
    measure: Literal[MEASURES]  # pyright: ignore[reportInvalidTypeForm]
    value: Annotated[float, msgspec.Meta(ge=0, le=MOST_KWH)]
    interval_seconds: Annotated[int, msgspec.Meta(gt=0, le=LONGEST_INTERVAL_SECONDS)] | None = None
    device_id: str | None = None
    quality: Literal["measured"] | None = None


_plain = msgspec.json.Decoder(_Plain)
_sent_array = msgspec.json.Decoder(list[_Sent])
_sent = msgspec.json.Decoder(_Sent)


def decode(message: Message, limits: Limits, _known: State = NO_STATE) -> Decoded:
    """What one message on Aurora's own topics says."""
    if message.kind == "readings":
        quick = _quick_array(message, limits) if message.payload[:1] == b"[" else _quick_reading(message, limits)
        return quick if quick is not None else _elements(message, limits)
    return _elements(message, limits) if message.kind == "weather" else _state(message, limits)


def _quick_reading(message: Message, limits: Limits) -> Decoded | None:
    """The reading of a well-formed message; None for anything that deserves a closer look."""
    try:
        plain = _plain.decode(message.payload)
    except UNREADABLE:
        return None
    measured_at, value, measure, interval = plain.measured_at, plain.value, plain.measure, plain.interval_seconds
    if measured_at.tzinfo is None or not 0 <= value <= MOST_KWH or plain.channel not in _KNOWN_CHANNELS or measure not in _KNOWN_MEASURES:
        return None
    if plain.device_id is not None and plain.device_id != message.device.device_id:
        return None
    if limits.latest is None or limits.earliest is None or not limits.earliest <= measured_at <= limits.latest:
        return None
    if measure != "interval_kwh":
        interval = None
    elif interval is None:
        interval = message.device.interval_seconds or DEFAULT_INTERVAL_SECONDS
    elif not 0 < interval <= LONGEST_INTERVAL_SECONDS:
        return None
    if interval is not None and (
        value * 3600 > MOST_KW * interval or measured_at + timedelta(seconds=interval) > limits.latest + MOST_AHEAD
    ):
        return None
    return Decoded((Reading(message.device.device_id, plain.channel, measure, measured_at.astimezone(UTC), interval, value),))


def _quick_array(message: Message, limits: Limits) -> Decoded | None:
    """The readings of a message that is a well-formed array; None for anything that deserves a closer look."""
    device = message.device
    found = quick_readings(message.payload, limits, lambda named: device if named in {None, device.device_id} else None)
    return Decoded(found) if found else None


def quick_readings(
    payload: bytes, limits: Limits, find: Callable[[str | None], DeviceFacts | None], *, are_lines: bool = False
) -> Block | None:
    """The readings of a well-formed array, in less than half a microsecond each; None where anything deserves a closer look.

    Args:
        payload: JSON text.
        limits: What is too early or too late; without both every array is looked at closely.
        find: The device an element is of, by what it names (None: nothing); None where that is not for the sender to say.
        are_lines: Whether the elements stand one a line instead of in an array.
    """
    if limits.earliest is None or limits.latest is None:
        return None
    try:
        sent = _sent.decode_lines(payload) if are_lines else _sent_array.decode(payload)
    except UNREADABLE:
        return None
    moments = [one.measured_at for one in sent]
    # Most are in order already, where sorting looks at each once.
    by_time = sorted(moments)
    if not by_time or by_time[0] < limits.earliest or by_time[-1] > limits.latest:
        return None
    devices = {named: find(named) for named in {one.device_id for one in sent}}
    ids = {named: device.device_id for named, device in devices.items() if device is not None}
    measures = [one.measure for one in sent]
    lengths = _lengths(sent, measures, devices, limits.latest + MOST_AHEAD)
    if len(ids) < len(devices) or lengths is None:
        return None
    return Block(
        [ids[one.device_id] for one in sent] if len(ids) > 1 else [*ids.values()] * len(sent),
        [one.channel for one in sent],
        measures,
        moments,
        lengths,
        [one.value for one in sent],
    )


def _lengths(
    sent: list[_Sent], measures: list[str], devices: Mapping[str | None, DeviceFacts | None], latest_end: datetime
) -> list[int | None] | None:
    """The length of each reading's interval, None for one that has none; None for all where one cannot have been measured."""
    none: list[int | None] = [None]
    if "interval_kwh" not in measures:
        return none * len(sent)
    usual = {named: (device.interval_seconds if device else None) or DEFAULT_INTERVAL_SECONDS for named, device in devices.items()}
    lengths = [(one.interval_seconds or usual[one.device_id]) if one.measure == "interval_kwh" else None for one in sent]
    for one, length in zip(sent, lengths, strict=True):
        if length is not None and (one.value * 3600 > MOST_KW * length or one.measured_at + timedelta(seconds=length) > latest_end):
            return None
    return lengths


def _elements(message: Message, limits: Limits) -> Decoded:
    """All elements of a message, the good ones beside the refused."""
    content, fault = parse_json(message.payload)
    if fault is not None:
        return Decoded(rejections=(rejection_of(message.payload, (fault,)),))
    if not isinstance(content, list):
        return decode_element(message, limits, content, "", message.payload)
    written = elements_as_written(message.payload, content)
    parts = [decode_element(message, limits, element, f"[{index}]", written[index]) for index, element in enumerate(content)]
    return joined(parts)


def decode_element(message: Message, limits: Limits, element: Any, place: str, written: bytes | None = None) -> Decoded:
    """What one element of a message says.

    Args:
        message: Where it came from.
        limits: What is too early or too late.
        element: Its content.
        place: Prefix of the field names in its faults, such as `[3]`.
        written: What was sent; None to write it again.
    """
    look = _Look(message, limits, place)
    (look.weather if message.kind == "weather" else look.readings)(element)
    if look.faults:
        return Decoded(rejections=(rejection_of(json.dumps(element).encode() if written is None else written, tuple(look.faults)),))
    return Decoded(look.found, look.found_weather, ignored=look.ignored)


class _Look:
    """A closer look at one element: collects what it says and every fault in it, and counts what belongs with the other kind."""

    def __init__(self, message: Message, limits: Limits, place: str) -> None:
        self.device = message.device
        self.limits = limits
        self.place = place
        self.faults: list[Fault] = []
        self.found: list[Reading] = []
        self.found_weather: list[WeatherValue] = []
        self.ignored = 0

    def fault(self, field: str, reason: str, sentence: str) -> None:
        """Note a bad field."""
        path = f"{self.place}.{field}" if self.place and field else self.place or field
        self.faults.append(Fault(path, reason, sentence))

    def readings(self, element: Any) -> None:
        """Look at one reading or one set of interval energies."""
        if not self._is_object(element):
            return
        self.ignored = sum(name in element for name in QUANTITIES)
        self._sender(element, "device_id")
        for field in ENERGY_FIELDS if "value" in element else ():
            if field in element:
                self.fault(field, "mixed_forms", f"An object has a value or energies such as {field}; send them as two objects.")
        if "timestamp" in element and "measured_at" not in element:
            self._interval_energies(element)
        else:
            self._reading(element)

    def _is_object(self, element: Any) -> bool:
        if not isinstance(element, dict):
            self.fault("", "not_an_object", "Expected an object with the fields of a reading.")
        return isinstance(element, dict)

    def _sender(self, element: dict[str, Any], field: str) -> None:
        named = element.get(field)
        if named is not None and named != self.device.device_id:
            self.fault(field, "unknown_device", f"The key and topic belong to {self.device.device_id}; it cannot speak for others.")

    def _interval_energies(self, element: dict[str, Any]) -> None:
        measured_at = self.time(element, "timestamp")
        interval = self._interval(element)
        quality = self._quality(element)
        present = [name for name in ENERGY_FIELDS if name in element]
        if not present:
            self.fault("consumption_kwh", "missing_field", f"Expected at least one of {', '.join(ENERGY_FIELDS)}.")
        for name in present:
            value, is_good = self.number(element, name, is_null_good=True)
            if is_good and measured_at is not None and interval is not None and self._is_possible(name, measured_at, interval, value):
                self.found.append(
                    Reading(self.device.device_id, ENERGY_FIELDS[name], "interval_kwh", measured_at, interval, value, quality)
                )

    def _reading(self, element: dict[str, Any]) -> None:
        measured_at = self.time(element, "measured_at")
        channel = self._word(element, "channel", CHANNELS, "unknown_channel")
        measure = self._word(element, "measure", MEASURES, "unknown_measure")
        value, is_good = self.number(element, "value", is_null_good=True)
        interval = self._interval(element) if measure == "interval_kwh" else None
        quality = self._quality(element)
        if measured_at and channel and measure and is_good and self._is_possible("value", measured_at, interval, value):
            self.found.append(Reading(self.device.device_id, channel, measure, measured_at, interval, value, quality))

    def _quality(self, element: dict[str, Any]) -> str | None:
        """`estimated` where it is said; None: as measured."""
        said = self._word(element, "quality", QUALITIES, "unknown_quality") if element.get("quality") is not None else None
        return said if said == ESTIMATED else None

    def _is_possible(self, field: str, measured_at: datetime, interval: int | None, value: float | None) -> bool:
        """Whether an interval has been measured by now, and its mean power can be."""
        if interval is None:
            return True
        if value is not None and value * 3600 > MOST_KW * interval:
            self.fault(field, "implausible", f"{field} is more than any meter can pass in {interval} s.")
            return False
        if self.limits.latest is not None and measured_at + timedelta(seconds=interval) > self.limits.latest + MOST_AHEAD:
            self.fault("interval_seconds", "in_the_future", "The interval ends more than a day ahead, so it cannot have been measured.")
            return False
        return True

    def weather(self, element: Any) -> None:
        """Look at the weather quantities of one time."""
        if not self._is_object(element):
            return
        self.ignored = sum(name in element for name in ("value", *ENERGY_FIELDS))
        self._sender(element, "station_id")
        is_forecast = element.get("is_forecast", False)
        if not isinstance(is_forecast, bool):
            self.fault("is_forecast", "wrong_type", "is_forecast is true or false.")
        field = "measured_at" if "measured_at" in element or "timestamp" not in element else "timestamp"
        measured_at = self.time(element, field, MOST_FORECAST_AHEAD if is_forecast is True else timedelta(0))
        present = [name for name in QUANTITIES if element.get(name) is not None]
        if not present:
            self.fault("temperature_celsius", "missing_field", f"Expected at least one of {', '.join(QUANTITIES)}.")
        for name in present:
            least, most = QUANTITIES[name]
            value, is_good = self.number(element, name, is_null_good=False, is_negative_good=least < 0)
            if is_good and value is not None and not least <= value <= most:
                self.fault(name, "implausible", f"{name} is between {least:g} and {most:g}; {value:g} may be in another unit.")
            elif is_good and value is not None and measured_at is not None:
                self.found_weather.append(WeatherValue(self.device.device_id, name, measured_at, value, bool(is_forecast)))

    def time(self, element: dict[str, Any], field: str, ahead: timedelta = timedelta(0)) -> datetime | None:
        """The instant of a field within the limits, or so far ahead of them."""
        text = element.get(field)
        if text is None:
            return self.fault(field, "missing_field", f"{field} is missing; expected a time such as 2026-01-31T12:00:00Z.")
        if not isinstance(text, str):
            return self.fault(field, "wrong_type", f"{field} is a text such as 2026-01-31T12:00:00Z.")
        moment = parse_time(text)
        if moment is None or not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
            return self.fault(field, "bad_time", f"{field} is not a time; expected one such as 2026-01-31T12:00:00Z.")
        if moment.tzinfo is None:
            return self.fault(field, "no_offset", f"{field} names no offset from UTC; end it with Z or +01:00.")
        if self.limits.latest is not None and moment > self.limits.latest + ahead:
            return self.fault(field, "in_the_future", f"{field} is later than our clock allows ({self.limits.latest:%Y-%m-%dT%H:%M:%SZ}).")
        if self.limits.earliest is not None and moment < self.limits.earliest:
            return self.fault(field, "too_late", f"{field} is too old for a live reading; import older ones as a file.")
        return moment

    def number(
        self, element: dict[str, Any], field: str, *, is_null_good: bool, is_negative_good: bool = False
    ) -> tuple[float | None, bool]:
        """The number of a field and whether it can be taken."""
        if field not in element:
            self.fault(field, "missing_field", f"{field} is missing; expected a number.")
            return None, False
        value = element[field]
        if value is None and is_null_good:
            return None, True
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(field, "wrong_type", f"{field} is a number.")
            return None, False
        if abs(value) > 1.7e308 or not math.isfinite(value):
            self.fault(field, "not_finite", f"{field} is not a finite number; leave the reading out, or send null to withdraw it.")
        elif value < 0 and not is_negative_good:
            self.fault(field, "negative", f"{field} is never negative; each direction has a channel of its own.")
        elif value > MOST_KWH:
            self.fault(field, "implausible", f"{field} is more than any meter of a site can show ({MOST_KWH:g}).")
        else:
            return float(value), True
        return None, False

    def _word(self, element: dict[str, Any], field: str, known: tuple[str, ...], reason: str) -> str | None:
        word = element.get(field)
        if word is None:
            return self.fault(field, "missing_field", f"{field} is missing; expected one of {', '.join(known)}.")
        if not isinstance(word, str):
            return self.fault(field, "wrong_type", f"{field} is a text, one of {', '.join(known)}.")
        return word if word in known else self.fault(field, reason, f"{field} is one of {', '.join(known)}.")

    def _interval(self, element: dict[str, Any]) -> int | None:
        given = element.get("interval_seconds")
        if given is None:
            return self.device.interval_seconds or DEFAULT_INTERVAL_SECONDS
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= LONGEST_INTERVAL_SECONDS:
            sentence = f"interval_seconds is a whole number of seconds above zero, at most {LONGEST_INTERVAL_SECONDS}."
            return self.fault("interval_seconds", "bad_interval", sentence)
        return given


def _state(message: Message, limits: Limits) -> Decoded:
    """A device's state: plain text such as `offline`, a JSON text, or `{"state", "at"?}`."""
    content, fault = parse_json(message.payload)
    if fault is not None:
        content = as_text(message.payload).strip()
    look = _Look(message, limits, "")
    at = None
    if isinstance(content, dict):
        at = look.time(content, "at") if content.get("at") is not None else None
        content = content.get("state")
    if look.faults:
        return Decoded(rejections=(rejection_of(message.payload, tuple(look.faults)),))
    if not isinstance(content, str) or not STATE.fullmatch(content):
        return refuse(message.payload, "bad_state", "A state is a short word such as online or offline.")
    return Decoded(states=(DeviceState(message.device.device_id, content, at),))
