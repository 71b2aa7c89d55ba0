"""Decoder of Emoncms' MQTT input: `<base>/<node>/<name> 10`, `<base>/<node> 10,11,12`, `<base>/<node> {"power": 10, "time": …}`.

Inputs are named freely, so what each measures and its unit must be said, unless its name does, as `consumption_kwh`. Numbers of a list
are named 1, 2, 3. Where the pattern a device is bound to leaves levels open, they come before the name.
"""

from datetime import datetime
from typing import Any

from aurora.domain.topics import covers, patterns_of
from ingestion.decoders.meters import Quantity, clock_time, epoch, meaning_of, number, readings_of, receipt
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, DeviceFacts, Fault, Limits, Message, State, as_text, refuse

MOST_VALUES = 1_000
_NOT_MEASURED = frozenset({"time", "rssi", "node", "nodeid"})


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message to Emoncms' inputs says."""
    values, at = _values(message)
    if values is None:
        return refuse(message.payload, "not_inputs", "Expected a number, numbers with commas between them, or a JSON object of numbers.")
    known = inputs_of(message.device, values)
    if not known and not message.device.inputs and values:
        names = ", ".join(values)[:256]
        sentence = f"What do {names} measure? Say it with aurora device set {message.device.device_id} --input 'NAME=consumption kWh'."
        return refuse(message.payload, "unmapped_input", sentence)
    if not known or (message.is_retained and at is None):
        return Decoded(ignored=len(values) or 1)
    return readings_of(message, limits, receipt(message) if at is None else at, known, ignored=len(values) - len(known), state=state)


def inputs_of(device: DeviceFacts, values: dict[str, Any]) -> list[Quantity]:
    """The quantities among named numbers, wherever they came from."""
    found = [Quantity(name, None, value, is_only=False) for name, value in values.items()]
    return [quantity for quantity in found if meaning_of(device, quantity) is not None]


def _values(message: Message) -> tuple[dict[str, Any] | None, datetime | Fault | None]:
    """The inputs by name and their time; None for what holds none, and for a time that is not told."""
    open_levels = _open_levels(message)
    prefix = f"{open_levels}/" if open_levels else ""
    text = as_text(message.payload).strip()
    if text.startswith("{"):
        content, fault = parse_json(message.payload)
        if fault is not None or not isinstance(content, dict) or len(content) > MOST_VALUES:
            return None, None
        at = next((value for name, value in content.items() if name.lower() == "time"), None)
        values = {f"{prefix}{name}": value for name, value in content.items() if name.lower() not in _NOT_MEASURED}
        return values, None if at is None else _time(at, message)
    parts = text.split(",", MOST_VALUES)
    numbers = [number(part.strip()) for part in parts]
    if None in numbers or len(parts) > MOST_VALUES:
        return None, None
    if len(numbers) == 1 and open_levels:
        return {open_levels: numbers[0]}, None
    return {f"{prefix}{place}": value for place, value in enumerate(numbers, 1)}, None


def _open_levels(message: Message) -> str:
    """The levels of the topic that the device's pattern leaves open, but for a last one of `values`."""
    pattern = next((pattern for pattern in patterns_of(message.device.topic) if covers(pattern, message.topic)), message.topic)
    fixed = pattern.split("/")
    start = next((place for place, level in enumerate(fixed) if level in {"+", "#"}), len(fixed))
    levels = message.topic.split("/")[start:]
    return "/".join(levels[:-1] if levels[-1:] == ["values"] else levels)


def _time(given: Any, message: Message) -> datetime | Fault:
    """The time of an input: seconds since 1970, or a text."""
    return clock_time(given, "time", message) if isinstance(given, str) and number(given) is None else epoch(given, "time")
