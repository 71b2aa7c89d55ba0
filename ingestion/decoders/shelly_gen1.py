"""Decoder of Shelly's first generation: one plain number a topic, or the JSON of `status`.

Its numbers name no time. Registers of `emeter` are Wh, those of everything else watt-minutes. The `timestamp` in the JSON is the
device's local clock written as if it were UTC, so only `unixtime` is taken.
"""

import re
from datetime import datetime
from typing import Any

from ingestion.decoders.meters import Quantity, epoch, presence, readings_of, receipt, undated
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, as_text, refuse

_TOPIC = re.compile(r"(?:.*/)?(?P<input>(?P<part>emeter|relay|meter|light|roller)/(?P<index>\d{1,2}))/(?P<what>[a-z_]{1,32})")
_MEASURED = {
    ("emeter", "power"): ("W", False),
    ("emeter", "total"): ("Wh", False),
    ("emeter", "total_returned"): ("Wh", True),
} | {(part, what): (unit, False) for part in ("relay", "meter", "light", "roller") for what, unit in (("power", "W"), ("energy", "Wmin"))}
_GAPS = frozenset({"", "null"})
_PRESENCE = {"true": "online", "false": "offline"}


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one message of a first-generation Shelly says."""
    if message.topic.endswith("/online"):
        return presence(message, _PRESENCE)
    if message.payload.lstrip()[:1] == b"{":
        return _status(message, limits, state)
    found = _TOPIC.fullmatch(message.topic)
    measured = _MEASURED.get((found["part"], found["what"])) if found else None
    if found is None or measured is None:
        return Decoded(ignored=1)
    unit, is_returned = measured
    text = as_text(message.payload[:64]).strip()
    if text in _GAPS:
        return Decoded(ignored=1)
    quantity = Quantity(found["input"], unit, text, is_returned, int(found["index"]) == 0)
    return undated(message) or readings_of(message, limits, receipt(message), [quantity], state=state)


def _status(message: Message, limits: Limits, state: State) -> Decoded:
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        return refuse(message.payload, "not_json", "The payload is not a JSON object.")
    quantities, ignored = _metered(content)
    if not quantities:
        return Decoded(ignored=ignored or 1)
    return readings_of(message, limits, _time(content, message), quantities, ignored=ignored, state=state)


def _time(content: dict[str, Any], message: Message) -> datetime | Fault:
    # 0 until the device has reached a time server.
    return epoch(content["unixtime"], "unixtime") if content.get("unixtime") else receipt(message)


def _metered(content: dict[str, Any]) -> tuple[list[Quantity], int]:
    """The numbers of all meters that are one, and how many others there are; a meter without `total` measures nothing."""
    found, ignored = [], 0
    for part, name, unit in (("emeter", "emeters", "Wh"), ("relay", "meters", "Wmin")):
        meters = content.get(name)
        for index, meter in enumerate(meters[:100] if isinstance(meters, list) else ()):
            if not isinstance(meter, dict) or meter.get("is_valid") is False or meter.get("total") is None:
                ignored += 1
                continue
            source, place = f"{part}/{index}", f"{name}[{index}]"
            for what, its_unit, is_returned in (("power", "W", False), ("total", unit, False), ("total_returned", unit, True)):
                found.append(Quantity(source, its_unit, meter.get(what), is_returned, index == 0, f"{place}.{what}"))
            ignored += sum(what in meter for what in ("voltage", "pf", "reactive", "current"))
    return found, ignored
