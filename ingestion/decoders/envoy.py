"""Decoder of Enphase's Envoy: its `production.json`, with meters where they are installed, else the sum of the microinverters.

Where no meter is installed it answers the same sum at `/api/v1/production` too, without a time.
"""

from collections.abc import Iterator
from typing import Any

from ingestion.decoders.meters import Quantity, epoch, number, readings_of, receipt, undated
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, joined, refuse

_METERS = {"production": "production", "total-consumption": "consumption"}
_NET = "net-consumption"

Group = tuple[Any, list[Quantity]]


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one answer says. Parts that are not active, or have never been read, are not there."""
    content, fault = parse_json(message.payload)
    if isinstance(content, dict) and "wattHoursLifetime" in content:
        return _sum_alone(message, limits, content, state)
    if fault is not None or not isinstance(content, dict) or not isinstance(content.get("production"), list):
        return refuse(message.payload, "not_json", "The payload is not what an Envoy answers at /production.json.")
    parts = [
        readings_of(message, limits, epoch(read_at, "readingTime"), quantities, state=state) for read_at, quantities in _groups(content)
    ]
    ignored = sum(1 for entry in _entries(content, "storage") if _is_active(entry))
    if not parts:
        return Decoded(ignored=ignored or 1)
    return joined([*parts, Decoded(ignored=ignored)])


def _sum_alone(message: Message, limits: Limits, content: dict[str, Any], state: State) -> Decoded:
    entry = {"wNow": content.get("wattsNow"), "whLifetime": content.get("wattHoursLifetime")}
    return undated(message) or readings_of(message, limits, receipt(message), _group(entry, "production")[1], state=state)


def _groups(content: dict[str, Any]) -> Iterator[Group]:
    production = [entry for entry in _entries(content, "production") if _is_active(entry)]
    metered = [entry for entry in production if entry.get("measurementType") == "production"]
    for entry in metered or [entry for entry in production if entry.get("type") == "inverters"]:
        yield _group(entry, "production")
    for entry in _entries(content, "consumption"):
        kind = entry.get("measurementType")
        if not _is_active(entry):
            continue
        if kind == _NET:
            power = number(entry.get("wNow"))
            if power is not None:
                imported, exported = max(0.0, power), max(0.0, -power)
                yield (
                    entry.get("readingTime"),
                    [Quantity("grid_import", "W", imported, field="wNow"), Quantity("grid_export", "W", exported, field="wNow")],
                )
        elif isinstance(kind, str) and kind in _METERS:
            yield _group(entry, _METERS[kind])


def _group(entry: dict[str, Any], channel: str) -> Group:
    """A meter's power, of which its own draw at night is none, and its total."""
    power = number(entry.get("wNow"))
    quantities = [
        Quantity(channel, "W", entry.get("wNow") if power is None else max(0.0, power), field="wNow"),
        Quantity(channel, "Wh", entry.get("whLifetime"), field="whLifetime"),
    ]
    return entry.get("readingTime"), [quantity for quantity in quantities if quantity.value is not None]


def _entries(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    given = content.get(name)
    return [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []


def _is_active(entry: dict[str, Any]) -> bool:
    return bool(entry.get("activeCount")) and entry.get("readingTime") != 0
