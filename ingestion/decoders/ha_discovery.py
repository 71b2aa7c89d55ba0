"""Decoder of devices that announce themselves by Home Assistant's MQTT discovery: a retained `config`, then numbers on its `state_topic`.

The config tells the unit and where in a payload the number stands. Of templates those are read that name a field or the whole value,
with `float`, `int` or `round` and one multiplication or division; nothing a device sends is ever run.
"""

import re
from typing import Any

from aurora.domain.inputs import UNITS
from ingestion.decoders.ha_statestream import GAPS
from ingestion.decoders.meters import LONGEST_REMEMBERED, Quantity, number, readings_of, receipt, remembered
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, as_text, refuse

SHORT = {
    "dev_cla": "device_class", "stat_cla": "state_class", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
    "stat_t": "state_topic", "uniq_id": "unique_id", "obj_id": "object_id",
}  # fmt: skip
WHOLE = "{{ value }}"
DEEPEST_FIELD = 8
_NAME = r"(?:\.[A-Za-z_]\w{0,63}|\[\s*(?:'[^'\]]{1,64}'|\"[^\"\]]{1,64}\"|\d{1,3})\s*\])"
_FILTERS = r"(?:\s*\|\s*(?:float|int|round)(?:\(\s*[\w., -]{0,32}\))?)*"
_VALUE = rf"(?:value_json(?P<path>{_NAME}{{1,8}})|value)"
_TEMPLATE = re.compile(
    rf"\s*\{{\{{-?\s*\(?\s*(?:(?:float|int)\(\s*)?{_VALUE}{_FILTERS}\s*\)?\s*\)?\s*"
    rf"(?:(?P<sign>[*/])\s*(?P<factor>\d{{1,12}}(?:\.\d{{1,12}})?))?\s*\)?{_FILTERS}\s*-?\}}\}}\s*"
)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[\s*'([^']*)'\s*\]|\[\s*\"([^\"]*)\"\s*\]|\[\s*(\d+)\s*\]")


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message says: what a sensor is, or its state."""
    if message.topic.endswith("/config"):
        return _config(message, state)
    sensors = [value for name, value in state.items() if name.startswith("sensor:") and value["topic"] == message.topic]
    if not sensors:
        return refuse(message.payload, "unknown_sensor", f"No config has named the state topic {message.topic[:128]} yet.")
    if message.is_retained:
        return Decoded(ignored=len(sensors))
    content, fault = parse_json(message.payload)
    text = as_text(message.payload[:64]).strip()
    found = [_quantity(sensor, text, content if fault is None else None) for sensor in sensors]
    quantities = [quantity for quantity in found if quantity is not None]
    if not quantities:
        return Decoded(ignored=len(found))
    ignored = len(found) - len(quantities)
    return readings_of(message, limits, receipt(message), _distinct(quantities), ignored=ignored, state=state)


def _quantity(sensor: dict[str, Any], text: str, content: Any) -> Quantity | None:
    """What a sensor says in a payload; None for a gap, and for a unit that is no energy and no power."""
    value = text if sensor["path"] == "" else _field(content, sensor["path"])
    if sensor["unit"] not in UNITS or value is _MISSING or (isinstance(value, str) and value.lower() in GAPS):
        return None
    known = number(value)
    return Quantity(sensor["name"], sensor["unit"], value if known is None else known * sensor["factor"])


def _distinct(quantities: list[Quantity]) -> list[Quantity]:
    """The quantities, each of which may be taken for what the device measures if no other is in its unit's measure."""
    measures = [UNITS[quantity.unit or "kWh"][0] for quantity in quantities]
    return [
        Quantity(quantity.source, quantity.unit, quantity.value, is_only=measures.count(measure) == 1)
        for quantity, measure in zip(quantities, measures, strict=True)
    ]


def _config(message: Message, state: State) -> Decoded:
    """Keep what a config says of a sensor; an empty one takes it away."""
    place = f"sensor:{message.topic}"
    if not message.payload.strip():
        return Decoded(state=remembered(state, {place: None}))
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        return refuse(message.payload, "not_json", "The payload is not a JSON object.")
    config: dict[str, Any] = {SHORT.get(str(name), str(name)): value for name, value in content.items()}
    unit, topic, template = config.get("unit_of_measurement"), config.get("state_topic"), config.get("value_template") or WHOLE
    if not isinstance(topic, str) or not topic or len(topic) > LONGEST_REMEMBERED:
        return Decoded(ignored=1)
    if not isinstance(unit, str) or unit not in UNITS:
        return Decoded(ignored=1, state=remembered(state, {place: _sensor(message, config, "", "", 1.0)}))
    found = _TEMPLATE.fullmatch(template) if isinstance(template, str) and len(template) <= LONGEST_REMEMBERED else None
    factor = _factor(found) if found else None
    if found is None or factor is None:
        return refuse(
            message.payload, "unknown_template", "value_template is none that is understood: name a field, as {{ value_json.energy }}."
        )
    return Decoded(state=remembered(state, {place: _sensor(message, config, unit, found["path"] or "", factor)}))


def _sensor(message: Message, config: dict[str, Any], unit: str, path: str, factor: float) -> dict[str, Any]:
    base = config.get("~")
    topic = config["state_topic"]
    if isinstance(base, str):
        topic = base + topic[1:] if topic.startswith("~") else topic[:-1] + base if topic.endswith("~") else topic
    names = [config.get(name) for name in ("object_id", "unique_id", "name")] + [message.topic.split("/")[-2]]
    name = next((name for name in names if isinstance(name, str) and 0 < len(name) <= 128), "")
    return {"topic": topic[:LONGEST_REMEMBERED], "name": name, "unit": unit, "path": path, "factor": factor}


def _factor(found: re.Match[str]) -> float | None:
    """By what the number is multiplied; None for a division by zero."""
    if found["factor"] is None:
        return 1.0
    factor = float(found["factor"])
    if found["sign"] == "*":
        return factor
    return 1 / factor if factor else None


_MISSING: Any = object()


def _field(content: Any, path: str) -> Any:
    """What stands at a path such as `.ENERGY['Total']`; `_MISSING` where there is nothing."""
    for step in list(_STEP.finditer(path))[:DEEPEST_FIELD]:
        name = step[1] or step[2] or step[3]
        if step[4] is not None:
            content = content[int(step[4])] if isinstance(content, list) and int(step[4]) < len(content) else None
        else:
            content = content.get(name) if isinstance(content, dict) else None
        if content is None:
            return _MISSING
    return content
