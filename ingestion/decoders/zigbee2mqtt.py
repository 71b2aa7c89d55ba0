"""Decoder of Zigbee2MQTT: the JSON of a device's own topic, and its attributes one topic each.

It names no time unless `last_seen` is switched on; then the time of receipt counts, and what the broker had kept says nothing.
"""

import re
from datetime import datetime
from typing import Any

from ingestion.decoders.meters import Quantity, clock_time, epoch, number, presence, readings_of, receipt
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, DeviceState, Fault, Limits, Message, State, as_text, refuse

_MEASURED = {"power": ("W", False), "energy": ("kWh", False), "consumption": ("kWh", False), "produced_energy": ("kWh", True)}
_INPUT = re.compile(r"(power|energy|produced_energy)_(l\d{1,2}|left|right|center|top|bottom|phase_[abc]|[abc]|\d{1,2})")
_NO_CHANNEL = re.compile(r"(current|voltage|temperature|device_temperature|humidity|power_factor|ac_frequency|gas|water)(_\w{1,16})?")
_PRESENCE = {"online": "online", "offline": "offline"}


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message of a Zigbee2MQTT device says."""
    levels = message.topic.split("/")
    if levels[1:2] == ["bridge"] or levels[-1] in {"set", "get"}:
        return Decoded(ignored=1)
    if levels[-1] == "availability":
        return _availability(message)
    content, fault = parse_json(message.payload)
    if fault is not None:
        return _attribute(message, limits, state, levels[-1], as_text(message.payload[:64]).strip())
    if not isinstance(content, dict):
        return _attribute(message, limits, state, levels[-1], content)
    quantities = [quantity for name, value in content.items() for quantity in _of(name, value, content)]
    ignored = sum(value is not None and _NO_CHANNEL.fullmatch(name) is not None for name, value in content.items())
    if not quantities:
        return Decoded(ignored=ignored or 1)
    seen = content.get("last_seen")
    if message.is_retained and seen is None:
        return Decoded(ignored=ignored + len(quantities))
    return readings_of(message, limits, _time(seen, message), quantities, ignored=ignored, state=state)


def _attribute(message: Message, limits: Limits, state: State, name: str, value: Any) -> Decoded:
    """What a topic of one attribute says; a payload that is no attribute's is refused."""
    quantities = _of(name, value, {})
    if quantities:
        return Decoded(ignored=1) if message.is_retained else readings_of(message, limits, receipt(message), quantities, state=state)
    is_text = isinstance(value, str | int | float) and "/" in message.topic
    is_deep = message.topic.count("/") > 1
    return Decoded(ignored=1) if is_text and is_deep else refuse(message.payload, "not_json", "The payload is not a JSON object.")


def _of(name: str, value: Any, content: dict[str, Any]) -> list[Quantity]:
    """The quantity an attribute is; none for any other attribute, and for a part where the whole stands beside it."""
    if name == "consumption" and "energy" in content:
        return []
    if name in _MEASURED:
        unit, is_returned = _MEASURED[name]
        return [Quantity("energy" if unit == "kWh" else name, unit, value, is_returned, field=name)]
    part = _INPUT.fullmatch(name)
    if part is None or part[1] in content:
        return []
    unit, is_returned = _MEASURED[part[1]]
    source = name.removeprefix("produced_")
    return [Quantity(source, unit, value, is_returned, is_only=False, field=name)]


def _time(seen: Any, message: Message) -> datetime | Fault:
    """The time of `last_seen`, as a text or in milliseconds since 1970; that of receipt where it is not sent."""
    if seen is None:
        return receipt(message)
    if isinstance(seen, str):
        return clock_time(seen, "last_seen", message)
    milliseconds = number(seen)
    return epoch(None if milliseconds is None else milliseconds / 1000, "last_seen")


def _availability(message: Message) -> Decoded:
    """Whether a device is there; a gateway is not gone because one of those behind it is."""
    if message.device.kind == "gateway":
        return Decoded(ignored=1)
    content, _fault = parse_json(message.payload)
    if not isinstance(content, dict):
        return presence(message, _PRESENCE)
    state = content.get("state")
    known = _PRESENCE.get(state) if isinstance(state, str) else None
    return Decoded(states=(DeviceState(message.device.device_id, known, None),)) if known else Decoded(ignored=1)
