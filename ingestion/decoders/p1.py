"""Decoder of P1 telegrams as Dutch, Belgian and other smart meters send them, read by dsmr-parser with their CRC16 checked.

Registers of both tariffs are added: 1.8.1 is the low tariff in the Netherlands and the high one in Belgium. The input is `p1`.
"""

import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from ingestion.decoders.meters import Quantity, readings_of, receipt
from ingestion.messages import NO_STATE, Decoded, Fault, Limits, Message, State, refuse

INPUT = "p1"
LARGEST_TELEGRAM_BYTES = 16_384
_LINES = {
    "time": r"^0-0:1\.0\.0\([0-9]{12}[SW]\)",
    "import_all": r"^1-0:1\.8\.0\([0-9.]{1,16}\*k?Wh\)",
    "import_1": r"^1-0:1\.8\.1\([0-9.]{1,16}\*k?Wh\)",
    "import_2": r"^1-0:1\.8\.2\([0-9.]{1,16}\*k?Wh\)",
    "export_all": r"^1-0:2\.8\.0\([0-9.]{1,16}\*k?Wh\)",
    "export_1": r"^1-0:2\.8\.1\([0-9.]{1,16}\*k?Wh\)",
    "export_2": r"^1-0:2\.8\.2\([0-9.]{1,16}\*k?Wh\)",
    "power_in": r"^1-0:1\.7\.0\([0-9.]{1,16}\*kW\)",
    "power_out": r"^1-0:2\.7\.0\([0-9.]{1,16}\*kW\)",
}
_NO_CHANNEL = re.compile(r"^(?:0-\d:24\.[23]\.\d|1-0:(?:32|52|72|31|51|71)\.7\.0)\(", re.MULTILINE)
_CHECKSUM = re.compile(r"^![0-9A-F]{4}\s*\Z", re.MULTILINE)
_WITH_CHECKSUM = re.compile(r"^[01]-[0-9]:(?:0\.2\.8|96\.1\.4)\(", re.MULTILINE)


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:  # noqa: ARG001 - every telegram is whole
    """What one telegram says."""
    if len(message.payload) > LARGEST_TELEGRAM_BYTES or not message.payload.isascii():
        return refuse(message.payload, "not_a_telegram", "The payload is not a P1 telegram.")
    # The CRC is over lines that end as the meter sends them, which some gateways shorten.
    text = message.payload.decode("ascii").strip().replace("\r\n", "\n")
    values, fault = _read(text)
    if fault is not None:
        return refuse(message.payload, fault.reason, fault.sentence)
    quantities = [*_register(values, "import", is_returned=False), *_register(values, "export", is_returned=True), *_power(values)]
    if not quantities:
        return refuse(message.payload, "not_a_telegram", "The telegram holds no energy and no power.")
    at = _time(values["time"], message) if "time" in values else receipt(message)
    return readings_of(message, limits, at, quantities, ignored=len(_NO_CHANNEL.findall(text)))


def _read(text: str) -> tuple[dict[str, Any], Fault | None]:
    """The values of a telegram's lines by name, or why they cannot be trusted."""
    from dsmr_parser.exceptions import InvalidChecksumError, ParseError

    if not text.startswith("/") or "\n!" not in text:
        return {}, Fault("", "not_a_telegram", "A P1 telegram begins with / and ends with ! and its checksum.")
    has_checksum = _CHECKSUM.search(text) is not None
    if not has_checksum and (_WITH_CHECKSUM.search(text) or not text.endswith("!")):
        return {}, Fault("", "bad_checksum", "The checksum of the telegram is missing.")
    try:
        if has_checksum:
            _parser().validate_checksum(text.replace("\n", "\r\n"))
        telegram = _parser().parse(text, throw_ex=True)
        return {name: _value(getattr(telegram, name)) for name in _LINES if hasattr(telegram, name)}, None
    except InvalidChecksumError:
        return {}, Fault("", "bad_checksum", "The checksum of the telegram is not that of its lines.")
    except (ParseError, ArithmeticError, ValueError, TypeError):
        return {}, Fault("", "not_a_telegram", "A line of the telegram cannot be read.")


def _value(line: Any) -> Any:
    """A line's value; energy in kWh."""
    return line.value / 1000 if line.unit == "Wh" else line.value


@cache
def _parser() -> Any:
    from dsmr_parser.parsers import CosemParser, TelegramParser, ValueParser

    # What it cannot read is refused with its reason; its own log would hold the telegram.
    logging.getLogger("dsmr_parser").setLevel(logging.CRITICAL)

    def line(name: str) -> dict[str, Any]:
        value = CosemParser(ValueParser(str if name == "time" else Decimal))
        return {
            "obis_reference": _LINES[name],
            "value_parser": value,
            "value_name": name,
        }

    return TelegramParser({"checksum_support": False, "objects": [line(name) for name in _LINES]})


def _register(values: dict[str, Any], name: str, *, is_returned: bool) -> list[Quantity]:
    """The register of a direction: the sum of its tariffs, or the one of all tariffs."""
    tariffs = [float(values[key]) for key in (f"{name}_1", f"{name}_2") if key in values]
    if not tariffs and f"{name}_all" in values:
        tariffs = [float(values[f"{name}_all"])]
    return [Quantity(INPUT, "kWh", sum(tariffs), is_returned, field=name)] if tariffs else []


def _power(values: dict[str, Any]) -> list[Quantity]:
    if "power_in" not in values:
        return []
    return [Quantity(INPUT, "kW", float(values["power_in"]) - float(values.get("power_out", 0)), field="1-0:1.7.0")]


def _time(text: str, message: Message) -> datetime | Fault:
    """The instant of a telegram: W is winter time, S summer time; central European, or eastern where the site's clock is that."""
    try:
        local = datetime.strptime(text[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return Fault("0-0:1.0.0", "bad_time", "The time of the telegram is none.")
    return local - _winter_offset(message.device.time_zone) - timedelta(hours=1 if text[12:] == "S" else 0)


def _winter_offset(time_zone: str | None) -> timedelta:
    eastern = timedelta(hours=2)
    is_eastern = time_zone is not None and ZoneInfo(time_zone).utcoffset(datetime(2026, 1, 15)) == eastern  # noqa: DTZ001 - a local day
    return eastern if is_eastern else timedelta(hours=1)
