"""Decoder of Shelly's later generations: `events/rpc` notifications, which say what changed, and `status/<component>` topics.

A notification names no attribute that stayed as it was, and null for one that went away. Where a component has `ret_aenergy`, its
`aenergy` counts both directions, so the last known one of both is kept.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from ingestion.decoders.meters import Quantity, epoch, number, presence, readings_of, receipt, remembered
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, refuse

_COMPONENT = re.compile(r"(em|emdata|em1|em1data|switch|pm1|cover|light|cct|rgb|rgbw):(\d{1,3})")
_NOTIFICATIONS = frozenset({"NotifyStatus", "NotifyFullStatus"})
_METERS = {
    "em": ("em", (("total_act_power", "W", False),)),
    "emdata": ("em", (("total_act", "Wh", False), ("total_act_ret", "Wh", True))),
    "em1": ("em1", (("act_power", "W", False),)),
    "em1data": ("em1", (("total_act_energy", "Wh", False), ("total_act_ret_energy", "Wh", True))),
}
_NO_CHANNEL = re.compile(r"(?:(?:total|[abcn])_)?(?:voltage|current|pf|freq|temperature|aprt_power)")
_PRESENCE = {"true": "online", "false": "offline"}


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message of a Shelly of generation 2 or later says, over its last state."""
    if message.topic.endswith("/online"):
        return presence(message, _PRESENCE)
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        return refuse(message.payload, "not_json", "The payload is not a JSON object.")
    status = _status(content, message.topic)
    if not isinstance(status, dict):
        return Decoded(ignored=1)
    quantities, changes, ignored = _quantities(status, state)
    kept = remembered(state, changes) if changes else state
    if not quantities:
        return Decoded(ignored=ignored or 1, state=kept if changes else None)
    if message.is_retained and status.get("ts") is None and _clock(status) is None:
        return Decoded(ignored=len(quantities) + ignored, state=kept if changes else None)
    decoded = readings_of(message, limits, _time(status, message), quantities, ignored=ignored, state=kept)
    if not changes or decoded.state is not None:
        return decoded
    return replace(decoded, state=kept)


def _status(content: dict[str, Any], topic: str) -> Any:
    """The components the message tells of, by name; None where it tells of none."""
    component = topic.rsplit("/", 1)[-1]
    if _COMPONENT.fullmatch(component):
        return {component: content}
    method = content.get("method")
    if isinstance(method, str) and method in _NOTIFICATIONS:
        return content.get("params")
    return content if any(_COMPONENT.fullmatch(name) for name in content) else content.get("result")


def _time(status: dict[str, Any], message: Message) -> datetime | Fault:
    """When it was so: as a notification says, or a whole status by its clock, which is null until the device has reached a time server."""
    if status.get("ts") is not None:
        return epoch(status["ts"], "params.ts")
    clock = _clock(status)
    return receipt(message) if clock is None else epoch(clock, "sys.unixtime")


def _clock(status: dict[str, Any]) -> Any:
    system = status.get("sys")
    return system.get("unixtime") if isinstance(system, Mapping) else None


def _quantities(status: dict[str, Any], state: State) -> tuple[list[Quantity], dict[str, Any], int]:
    """The numbers of all components, what is to be remembered, and how many numbers have no channel."""
    found: list[Quantity] = []
    changes: dict[str, Any] = {}
    ignored = 0
    for name, component in status.items():
        known = _COMPONENT.fullmatch(name)
        if known is None or not isinstance(component, dict):
            continue
        part, index = known[1], int(known[2])
        ignored += sum(value is not None and _NO_CHANNEL.fullmatch(what) is not None for what, value in component.items())
        if part in _METERS:
            source, attributes = _METERS[part]
            found += [
                Quantity(f"{source}:{index}", unit, component.get(what), is_returned, index == 0, f"{name}.{what}")
                for what, unit, is_returned in attributes
                if what in component
            ]
        else:
            found.append(Quantity(name, "W", component.get("apower"), is_only=index == 0, field=f"{name}.apower"))
            found += _energies(name, component, index, state, changes)
    return [quantity for quantity in found if quantity.value is not None], changes, ignored


def _energies(name: str, component: dict[str, Any], index: int, state: State, changes: dict[str, Any]) -> list[Quantity]:
    """Both registers of a component; notes in `changes` what it says of them."""
    both, returned = _register(name, component, "aenergy", state, changes), _register(name, component, "ret_aenergy", state, changes)
    if "aenergy" not in component and "ret_aenergy" not in component:
        return []
    are_numbers = isinstance(both, float) and isinstance(returned, float)
    forward = both - returned if are_numbers else both  # pyright: ignore[reportOperatorIssue]
    return [
        Quantity(name, "Wh", forward, is_only=index == 0, field=f"{name}.aenergy"),
        Quantity(name, "Wh", returned, is_returned=True, is_only=index == 0, field=f"{name}.ret_aenergy"),
    ]


def _register(name: str, component: dict[str, Any], what: str, state: State, changes: dict[str, Any]) -> Any:
    """A register's total as it is by now; None where there is none; what is no number comes back as it is."""
    key = f"{name}.{what}"
    if what not in component:
        return state.get(key)
    given = component[what]
    total = given.get("total", state.get(key)) if isinstance(given, Mapping) else given
    value = number(total) if isinstance(total, int | float) else None
    changes[key] = value
    return total if value is None else value
