"""Decoder of Enphase's Envoy: its `production.json`, with meters where they are installed, else the sum of the microinverters.

Where no meter is installed it answers the same sum at `/api/v1/production` too, without a time. The answer of `/ivp/meters/readings` has
both directions of each meter, but says by number alone which that is: `/ivp/meters` tells what each measures and is kept, or the device's
`inputs` do (`meter/<eid>`).
"""

from collections.abc import Iterator
from typing import Any

from ingestion.decoders.meters import Quantity, epoch, number, readings_of, receipt, remembered, undated
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, joined, refuse

_METERS = {"production": "production", "total-consumption": "consumption"}
_NET = "net-consumption"
_DISABLED = "disabled"

Group = tuple[Any, list[Quantity]]


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one answer says. Parts that are not active, or have never been read, are not there."""
    content, fault = parse_json(message.payload)
    if isinstance(content, list) and all(isinstance(entry, dict) and "eid" in entry for entry in content):
        is_readings = any("activePower" in entry or "actEnergyDlvd" in entry for entry in content)
        return _meter_readings(message, limits, content, state) if is_readings else _meters(content, state)
    if isinstance(content, dict) and "wattHoursLifetime" in content:
        return _sum_alone(message, limits, content, state)
    if fault is not None or not isinstance(content, dict) or not isinstance(content.get("production"), list):
        return refuse(message.payload, "not_json", "The payload is not what an Envoy answers at /production.json or /ivp/meters/readings.")
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


def _meters(content: list[dict[str, Any]], state: State) -> Decoded:
    """Keep what each meter is said to measure."""
    kinds = {_key(entry): entry["measurementType"] for entry in content if isinstance(entry.get("measurementType"), str)}
    off = {_key(entry): _DISABLED for entry in content if entry.get("state", "enabled") != "enabled"}
    return Decoded(ignored=not content, state=remembered(state, kinds | off))


def _meter_readings(message: Message, limits: Limits, content: list[dict[str, Any]], state: State) -> Decoded:
    """Both registers and the power of each meter, by the time it was read."""
    by_time: dict[Any, list[Quantity]] = {}
    ignored = 0
    for entry in content:
        found = _metered(entry, state.get(_key(entry))) if entry.get("timestamp") != 0 else []
        ignored += not found
        by_time.setdefault(number(entry.get("timestamp")), []).extend(found)
    parts = [readings_of(message, limits, epoch(at, "timestamp"), found, state=state) for at, found in by_time.items() if found]
    return joined([*parts, Decoded(ignored=ignored)])


def _metered(entry: dict[str, Any], kind: str | None) -> list[Quantity]:
    """What a meter of this kind says, None being one nobody told of: nothing where its kind has no channel."""
    power, delivered, received = (entry.get(name) for name in ("activePower", "actEnergyDlvd", "actEnergyRcvd"))
    if kind is None:
        source = f"meter/{entry['eid']}"[:128]
        return [
            Quantity(source, "W", power, is_only=False, field=f"{source}/activePower"),
            Quantity(source, "Wh", delivered, is_only=False, field=f"{source}/actEnergyDlvd"),
            Quantity(source, "Wh", received, is_returned=True, is_only=False, field=f"{source}/actEnergyRcvd"),
        ]
    if kind == _NET:
        return [*_net_power(power, "activePower"), Quantity("grid_import", "Wh", delivered), Quantity("grid_export", "Wh", received)]
    return _group({"wNow": power, "whLifetime": delivered}, _METERS[kind])[1] if kind in _METERS else []


def _key(entry: dict[str, Any]) -> str:
    return f"meter:{entry['eid']}"


def _net_power(power: Any, field: str) -> list[Quantity]:
    """A signed power of the grid's meter as its two directions; nothing where it is none."""
    watts = number(power)
    if watts is None:
        return []
    return [Quantity("grid_import", "W", max(0.0, watts), field=field), Quantity("grid_export", "W", max(0.0, -watts), field=field)]


def _groups(content: dict[str, Any]) -> Iterator[Group]:
    production = [entry for entry in _entries(content, "production") if _is_active(entry)]
    metered = [entry for entry in production if entry.get("measurementType") == "production"]
    for entry in metered or [entry for entry in production if entry.get("type") == "inverters"]:
        yield _group(entry, "production")
    for entry in _entries(content, "consumption"):
        kind = entry.get("measurementType")
        if not _is_active(entry):
            continue
        if kind == _NET and (found := _net_power(entry.get("wNow"), "wNow")):
            yield entry.get("readingTime"), found
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
