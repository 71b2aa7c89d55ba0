"""Decoder of Tasmota: `ENERGY` of `tele/<device>/SENSOR` and of `STATUS8` and `STATUS10`, wherever its FullTopic puts them.

Firmware before 5.11 has a topic `ENERGY` of its own that holds the same. `Time` is the device's own clock without an offset. A device
with several meters sends arrays, whose elements are the inputs `power/1`, `power/2`, `total/1` and so on.
"""

from datetime import datetime
from typing import Any

from ingestion.decoders.meters import Quantity, clock_time, presence, readings_of, receipt
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, refuse

_MEASURED = {"Power": ("W", False), "Total": ("kWh", False), "ExportActive": ("kWh", True)}
# The same energy once more, over other times.
_REPEATED = frozenset({"Time", "TotalStartTime", "Yesterday", "Today", "Period", "Load"})
_PRESENCE = {"online": "online", "offline": "offline"}


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message of a Tasmota device says."""
    if message.topic.endswith("/LWT"):
        return presence(message, _PRESENCE)
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        is_command = not message.topic.endswith(("/SENSOR", "/STATUS8", "/STATUS10"))
        return Decoded(ignored=1) if is_command else refuse(message.payload, "not_json", "The payload is not a JSON object.")
    telemetry = content.get("StatusSNS", content)
    is_old = message.topic.endswith("/ENERGY") and "ENERGY" not in content
    energy = telemetry if is_old else telemetry.get("ENERGY") if isinstance(telemetry, dict) else None
    if not isinstance(energy, dict):
        return Decoded(ignored=1)
    quantities = [quantity for name in _MEASURED if name in energy for quantity in _split(name, energy[name])]
    ignored = sum(name not in _MEASURED and name not in _REPEATED for name in energy)
    if telemetry.get("Time") is None and message.is_retained:
        return Decoded(ignored=ignored + len(quantities) or 1)
    return readings_of(message, limits, _time(telemetry.get("Time"), message), quantities, ignored=ignored, state=state)


def _time(given: Any, message: Message) -> datetime | Fault:
    """When it was measured; a device without a clock names no time."""
    return receipt(message) if given is None else clock_time(given, "Time", message)


def _split(name: str, value: Any) -> list[Quantity]:
    """The quantity of a number, or one for each element of an array, none of which can be taken for the whole."""
    unit, is_returned = _MEASURED[name]
    source = "total" if is_returned else name.lower()
    if not isinstance(value, list):
        return [Quantity(source, unit, value, is_returned, field=f"ENERGY.{name}")]
    return [
        Quantity(f"{source}/{place}", unit, element, is_returned, is_only=False, field=f"ENERGY.{name}[{place - 1}]")
        for place, element in enumerate(value[:16], 1)
    ]
