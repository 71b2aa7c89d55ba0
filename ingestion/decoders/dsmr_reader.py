"""Decoder of DSMR-reader: its JSON, by default on `dsmr/json`, and its topics of one number each under `dsmr/reading/`.

Numbers are texts; power is in kW, one number a direction, registers in kWh, one a tariff. The input is `p1`.
"""

from typing import Any

from msgspec.structs import replace

from ingestion.decoders.meters import Quantity, clock_time, number, readings_of, receipt, remembered, undated
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, as_text, refuse, rejection_of

INPUT = "p1"
_REGISTERS = (
    (("electricity_delivered_1", "electricity_delivered_2"), False),
    (("electricity_returned_1", "electricity_returned_2"), True),
)
_POWERS = ("electricity_currently_delivered", "electricity_currently_returned")
_TAKEN = frozenset({name for names, _ in _REGISTERS for name in names} | set(_POWERS))
_NO_CHANNEL = ("extra_device_delivered", "power_current", "voltage", "phase_")


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message of DSMR-reader says; for topics of one number each, over the last ones."""
    content, fault = parse_json(message.payload)
    if isinstance(content, dict):
        return _telegram(message, limits, content)
    levels = message.topic.split("/")
    if levels[-2:-1] == ["reading"] or levels[-1] in _TAKEN:
        return _single(message, limits, state, levels[-1])
    is_other = fault is None or levels[-1] != "json"
    return Decoded(ignored=1) if is_other and len(levels) > 2 else refuse(message.payload, "not_json", "The payload is not a JSON object.")


def _telegram(message: Message, limits: Limits, content: dict[str, Any]) -> Decoded:
    ignored = sum(value is not None and name.startswith(_NO_CHANNEL) for name, value in content.items())
    if not _TAKEN & content.keys():
        return Decoded(ignored=ignored or 1)
    quantities = _quantities(content)
    if content.get("timestamp") is None and message.is_retained:
        return Decoded(ignored=ignored + len(quantities) or 1)
    at = receipt(message) if content.get("timestamp") is None else clock_time(content["timestamp"], "timestamp", message)
    found = readings_of(message, limits, at, quantities, ignored=ignored)
    faults = [*(fault for rejection in found.rejections for fault in rejection.faults), *_lacking(content)]
    return replace(found, rejections=(rejection_of(message.payload, tuple(faults)),) if faults else ())


def _single(message: Message, limits: Limits, state: State, name: str) -> Decoded:
    """One number, with the last one of its partner: the other tariff, which it waits for, or the other direction of power."""
    partners = next((names for names in (*(names for names, _ in _REGISTERS), _POWERS) if name in names), None)
    if partners is None:
        return Decoded(ignored=1)
    text = as_text(message.payload[:64]).strip().strip('"')
    kept = remembered(state, {name: text})
    waits = partners != _POWERS and number(text) is not None and any(kept.get(partner) is None for partner in partners)
    if message.is_retained or waits:
        return Decoded(ignored=int(message.is_retained), state=kept)
    decoded = undated(message) or readings_of(message, limits, receipt(message), _quantities({one: kept.get(one) for one in partners}))
    return replace(decoded, state=state if decoded.rejections else kept)


def _quantities(content: dict[str, Any]) -> list[Quantity]:
    """Both registers, each the sum of its tariffs, and the power in the direction of import, or of the one direction that is there."""
    found = []
    for names, is_returned in _REGISTERS:
        given = _given(content, names)
        if len(given) == len(names) or not _are_numbers(given):
            found.append(Quantity(INPUT, "kWh", _combined(content, names, 1.0), is_returned, field=names[0]))
    powers = _given(content, _POWERS)
    if len(powers) == len(_POWERS):
        found.append(Quantity(INPUT, "kW", _combined(content, _POWERS, -1.0), field=_POWERS[0]))
    else:
        found += [Quantity(INPUT, "kW", value, name == _POWERS[1], is_one_way=True, field=name) for name, value in powers.items()]
    return found


def _lacking(content: dict[str, Any]) -> list[Fault]:
    """Of each register of which one tariff is a number, the other one that is not there."""
    pairs = [(_given(content, names), names) for names, _ in _REGISTERS]
    missing = [name for given, names in pairs for name in names if len(given) == 1 and name not in given and _are_numbers(given)]
    return [Fault(name, "missing_field", f"{name} is missing; the register is the sum of both tariffs.") for name in missing]


def _given(content: dict[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    return {name: content[name] for name in names if content.get(name) is not None}


def _are_numbers(given: dict[str, Any]) -> bool:
    return all(number(value) is not None for value in given.values())


def _combined(content: dict[str, Any], names: tuple[str, str], sign: float) -> Any:
    """The first number plus `sign` times the second; an empty text, which is no number, where one of them is none."""
    first, second = (number(content.get(name)) for name in names)
    return "" if first is None or second is None else first + sign * second
