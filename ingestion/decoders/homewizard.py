"""Decoder of HomeWizard's local API (version 1): what its P1 and kWh meters answer at `/api/v1/data`. It names no time."""

from typing import Any

from ingestion.decoders.meters import Quantity, number, readings_of, receipt, undated
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, refuse

_SOURCE = "meter"
_TARIFFS = ("t1", "t2", "t3", "t4")
_NO_CHANNEL = ("gas", "water", "voltage", "current", "frequency", "reactive", "apparent")


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one answer says."""
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        return refuse(message.payload, "not_json", "The payload is not a JSON object.")
    found = [
        Quantity(_SOURCE, "W", content.get("active_power_w"), field="active_power_w"),
        Quantity(_SOURCE, "kWh", _total(content, "import"), field="total_power_import_kwh"),
        Quantity(_SOURCE, "kWh", _total(content, "export"), is_returned=True, field="total_power_export_kwh"),
    ]
    quantities = [quantity for quantity in found if quantity.value is not None]
    ignored = sum(value is not None and any(word in name for word in _NO_CHANNEL) for name, value in content.items())
    if not quantities:
        return Decoded(ignored=ignored or 1)
    return undated(message) or readings_of(message, limits, receipt(message), quantities, ignored=ignored, state=state)


def _total(content: dict[str, Any], direction: str) -> Any:
    """The total, or the sum of the tariffs where older firmware tells only those."""
    whole = content.get(f"total_power_{direction}_kwh")
    if whole is not None:
        return whole
    parts = [number(content.get(f"total_power_{direction}_{tariff}_kwh")) for tariff in _TARIFFS]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
