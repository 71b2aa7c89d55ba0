"""Decoder of Fronius' Solar API (version 1): the power flow of a site, and the data of an inverter, as `solar_api` answers them."""

from typing import Any

from aurora.domain.inputs import UNITS
from ingestion.decoders.meters import Quantity, clock_time, number, readings_of, receipt
from ingestion.json_text import parse_json
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, refuse

_INVERTER = {"PAC": "W", "TOTAL_ENERGY": "Wh"}
_NO_CHANNEL = frozenset(
    {"DAY_ENERGY", "YEAR_ENERGY", "E_Day", "E_Year", "rel_Autonomy", "rel_SelfConsumption", "UAC", "UDC", "IAC", "IDC", "FAC"}
)


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What one answer says. Power is null where there is none to tell of, which is not zero; the load is told as negative."""
    content, fault = parse_json(message.payload)
    if fault is not None or not isinstance(content, dict):
        return refuse(message.payload, "not_json", "The payload is not a JSON object.")
    head, body = _dict(content.get("Head")), _dict(content.get("Body"))
    code = _dict(head.get("Status")).get("Code", 0)
    if code != 0:
        return refuse(message.payload, "device_error", f"The inverter reported the error {str(code)[:20]} instead of data.")
    data = _dict(body.get("Data")) or content
    site = _dict(data.get("Site"))
    quantities = _flow(site) if site else _inverter(data)
    ignored = sum(given is not None and name in _NO_CHANNEL for name, given in (site or data).items())
    if not quantities:
        return Decoded(ignored=ignored or 1)
    at = clock_time(head["Timestamp"], "Head.Timestamp", message) if head.get("Timestamp") is not None else receipt(message)
    return readings_of(message, limits, at, quantities, ignored=ignored, state=state)


def _flow(site: dict[str, Any]) -> list[Quantity]:
    found = [
        Quantity("production", "W", site.get("P_PV"), field="P_PV"),
        Quantity("production", "Wh", site.get("E_Total"), field="E_Total"),
    ]
    for name, plus, minus in (("P_Grid", "grid_import", "grid_export"), ("P_Akku", "battery_discharge", "battery_charge")):
        found += _directions(name, site.get(name), plus, minus)
    load = number(site.get("P_Load"))
    found.append(Quantity("consumption", "W", site.get("P_Load") if load is None else max(0.0, -load), field="P_Load"))
    return [quantity for quantity in found if quantity.value is not None]


def _directions(name: str, value: Any, plus: str, minus: str) -> list[Quantity]:
    """A signed power as two; what is no number stays as it is, to be refused."""
    power = number(value)
    if power is None:
        return [Quantity(plus, "W", value, field=name)]
    return [Quantity(plus, "W", max(0.0, power), field=name), Quantity(minus, "W", max(0.0, -power), field=name)]


def _inverter(data: dict[str, Any]) -> list[Quantity]:
    """An inverter's own data; of several inverters in one answer the sums, where each of them has a value."""
    found: list[Quantity] = []
    for name, unit in _INVERTER.items():
        entry = _dict(data.get(name))
        values = list(_dict(entry.get("Values")).values()) or [entry.get("Value")]
        numbers = [number(value) for value in values]
        is_whole = all(one is not None for one in numbers)
        value = sum(one for one in numbers if one is not None) if is_whole else next((one for one in values if one is not None), None)
        if is_whole or len(values) == 1:
            found.append(Quantity("production", _unit(entry, unit), value, field=name))
    return [quantity for quantity in found if quantity.value is not None]


def _unit(entry: dict[str, Any], usual: str) -> str | None:
    """The unit that an entry names, or the usual one; None where that is none of its kind, so that it is refused."""
    named = entry.get("Unit", usual)
    is_known = isinstance(named, str) and named in UNITS and UNITS[named][0] == UNITS[usual][0]
    return named if is_known else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
