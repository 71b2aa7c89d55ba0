"""Decoder of Home Assistant's MQTT statestream: `<base>/<domain>/<entity>/state` and one topic for each attribute of the entity.

The unit comes on a topic of its own and is kept. Home Assistant publishes it after the first state, which waits for it; what comes
meanwhile is refused, to be replayed. `last_updated` follows the state it belongs to; where a device's first topics come in the other order,
that order is taken. Entities whose unit is no energy and no power are ignored.
"""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from aurora.domain.inputs import UNITS
from ingestion.decoders.meters import LONGEST_REMEMBERED, Quantity, clock_time, meaning_of, number, readings_of, receipt, remembered
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, as_text, joined, refuse

GAPS = frozenset({"unavailable", "unknown", "none", ""})
_LEVELS = 3
_NO_UNIT = (
    "{entity}: its unit has not come, for which an earlier value waits. Let Home Assistant publish attributes, or say it:"
    " aurora device set {device} --input '{entity}=… kWh', or W, kW, Wh. `aurora replay-rejected` then takes it in."
)


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one topic of an entity says, with what its others said before."""
    levels = message.topic.split("/")
    if len(levels) < _LEVELS:
        return refuse(message.payload, "unknown_topic", "A topic of statestream ends with entity and attribute.")
    entity, attribute = levels[-2], levels[-1]
    text = as_text(message.payload[: LONGEST_REMEMBERED + 1]).strip()
    if attribute == "unit_of_measurement":
        return _released(message, limits, remembered(state, {f"unit:{entity}": _unquoted(text)}), entity)
    if attribute == "last_updated":
        return _updated(message, limits, state, entity, _unquoted(text))
    return _state(message, limits, state, entity, _unquoted(text)) if attribute == "state" else Decoded(ignored=1)


def _state(message: Message, limits: Limits, state: State, entity: str, text: str) -> Decoded:
    """A new state: a reading now, or one that waits for its `last_updated`."""
    order, waiting, updated = (state.get(f"{what}:{entity}") for what in ("order", "waiting", "updated"))
    if text.lower() in GAPS:
        return Decoded(ignored=1, state=remembered(state, {f"waiting:{entity}": None, f"updated:{entity}": None}))
    if message.is_retained:
        return Decoded(ignored=1)
    if state.get(f"held:{entity}") is not None:
        if _lacks_unit(message, state, entity):
            return refuse(message.payload, "unknown_unit", _NO_UNIT.format(entity=entity[:128], device=message.device.device_id))
        held = _released(message, limits, state, entity)
        now = _state(message, limits, held.state or state, entity, text)
        return replace(joined([held, now]), state=now.state or held.state)
    if order == "time_first" and updated is not None:
        changed = remembered(state, {f"updated:{entity}": None})
        return _reading(message, limits, changed, entity, text, clock_time(updated, "last_updated", message))
    if order == "state_first" and waiting is None:
        return Decoded(state=remembered(state, {f"waiting:{entity}": text}))
    # No time has come with the state before: times are not published, or not yet.
    changed = remembered(state, {f"order:{entity}": None, f"waiting:{entity}": None, f"states:{entity}": text})
    return _reading(message, limits, changed, entity, text, receipt(message))


def _updated(message: Message, limits: Limits, state: State, entity: str, text: str) -> Decoded:
    """The time of a state: of the one that waits for it, or of the next one."""
    if message.is_retained:
        return Decoded(ignored=1)
    waiting = state.get(f"waiting:{entity}")
    if waiting is not None:
        changed = remembered(state, {f"waiting:{entity}": None})
        return _reading(message, limits, changed, entity, waiting, clock_time(text, "last_updated", message))
    if state.get(f"states:{entity}") is not None and state.get(f"order:{entity}") is None:
        return Decoded(state=remembered(state, {f"order:{entity}": "state_first"}))
    if state.get(f"order:{entity}") == "state_first":
        return Decoded(ignored=1)
    return Decoded(state=remembered(state, {f"order:{entity}": "time_first", f"updated:{entity}": text}))


def _lacks_unit(message: Message, state: State, entity: str) -> bool:
    """Whether a number of the entity would count, were its unit known."""
    meaning = meaning_of(message.device, Quantity(entity, None, None, is_only=False))
    return state.get(f"unit:{entity}") is None and meaning is not None and not meaning.is_ignored and meaning.unit is None


def _released(message: Message, limits: Limits, state: State, entity: str) -> Decoded:
    """The value that waited for its unit, which is known by now."""
    held = state.get(f"held:{entity}")
    if held is None:
        return Decoded(state=state)
    text, at = held
    return _reading(message, limits, remembered(state, {f"held:{entity}": None}), entity, text, datetime.fromisoformat(at))


def _reading(message: Message, limits: Limits, state: State, entity: str, text: str, at: datetime | Fault) -> Decoded:
    unit = state.get(f"unit:{entity}")
    is_mapped = entity in message.device.inputs
    if unit is not None and unit not in UNITS:
        return Decoded(ignored=1, state=state)
    if number(text) is None and not is_mapped and unit is None:
        return Decoded(ignored=1, state=state)
    if message.may_wait and isinstance(at, datetime) and number(text) is not None and _lacks_unit(message, state, entity):
        return Decoded(state=remembered(state, {f"held:{entity}": [text, at.isoformat()]}))
    decoded = readings_of(message, limits, at, [Quantity(entity, unit, text, is_only=False)], state=state)
    return decoded if decoded.state is not None else replace(decoded, state=state)


def _unquoted(text: str) -> str:
    """An attribute, which comes as JSON, so that a text has quotes; one that comes bare stays as it is."""
    content, fault = parse_json(text.encode("utf-8", "replace"))
    value: Any = content if fault is None else text
    return value if isinstance(value, str) else text
