"""What any device may say on its own branch, and which numbers are none of a weather station's or an inverter's."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion import decoders
from ingestion.messages import Decoded, DeviceFacts, Limits, Message

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = Limits(NOW - timedelta(days=30), NOW + timedelta(seconds=300), 1 << 20)


def said(kind: str, payload: Any, decoder: str = "aurora") -> Decoded:
    device = DeviceFacts("meter-1", "home", "meter", decoder, None, "Europe/Berlin")
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decoders.decode(Message(device, kind, f"aurora/v1/meter-1/{kind}", body, NOW), LIMITS)


def reasons(decoded: Decoded) -> list[str]:
    return [fault.reason for one in decoded.rejections for fault in one.faults]


@pytest.mark.parametrize("decoder", ["shelly_gen1", "homewizard", "p1", "tasmota", "zigbee2mqtt", "fronius", "emoncms"])
def test_device_of_another_format_has_its_own_branch(decoder: str) -> None:
    assert [one.state for one in said("status", b"offline", decoder).states] == ["offline"]
    reading = {"measured_at": NOW.isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5}
    assert [one.value for one in said("readings", reading, decoder).readings] == [1.5]
    assert [one.quantity for one in said("weather", {"measured_at": NOW.isoformat(), "ghi_w_per_m2": 5}, decoder).weather] == [
        "ghi_w_per_m2"
    ]
    assert said("readings", reading | {"value": -1}, decoder).readings == ()


@pytest.mark.parametrize(
    ("hours", "is_forecast", "expected"),
    [(2, True, []), (2, False, ["in_the_future"]), (24 * 15, True, []), (24 * 17, True, ["in_the_future"]), (0, True, [])],
)
def test_only_a_forecast_is_of_the_future(hours: int, expected: list[str], *, is_forecast: bool) -> None:
    at = NOW + timedelta(hours=hours)
    decoded = said("weather", {"measured_at": at.isoformat(), "temperature_celsius": 4, "is_forecast": is_forecast})
    assert (reasons(decoded), len(decoded.weather)) == (expected, 0 if expected else 1)


@pytest.mark.parametrize(
    ("quantity", "good", "bad"),
    [
        ("temperature_celsius", -60, -300), ("temperature_celsius", 54.4, 999), ("cloud_cover_ratio", 0.87, 87),
        ("humidity_ratio", 1.0, 87),
        ("precipitation_mm", 305, 1e6), ("wind_m_per_s", 113.3, 1_000), ("ghi_w_per_m2", 1_500, 20_000),
    ],
)  # fmt: skip
def test_weather_that_no_station_measured_is_refused(quantity: str, good: float, bad: float) -> None:
    at = {"measured_at": NOW.isoformat()}
    assert [one.value for one in said("weather", at | {quantity: good}).weather] == [good]
    assert reasons(said("weather", at | {quantity: bad})) == ["implausible"]


def test_length_of_an_interval_may_be_written_with_a_point() -> None:
    reading = {"measured_at": NOW.isoformat(), "channel": "consumption", "measure": "interval_kwh", "value": 1.5}
    assert [one.interval_seconds for one in said("readings", reading | {"interval_seconds": 900.0}).readings] == [900]
    for wrong in (900.5, 10**9, 0):
        assert reasons(said("readings", reading | {"interval_seconds": wrong})) == ["bad_interval"]


@pytest.mark.parametrize(
    ("written", "is_time"),
    [
        ("2026-11-20t11:00:00z", True),
        ("2026-11-20T12:00:00+01:00", True),
        ("2026-11-20T11:00:00Z\0", False),
        ("2026-11-20T11:00:00Z\u0662", False),
    ],
)
def test_time_is_what_rfc_3339_has(written: str, *, is_time: bool) -> None:
    decoded = said("readings", {"measured_at": written, "channel": "consumption", "measure": "power_kw", "value": 1.5})
    assert ([one.measured_at for one in decoded.readings], reasons(decoded)) == (
        ([NOW - timedelta(hours=1)], []) if is_time else ([], ["bad_time"])
    )


def test_number_has_digits_of_ascii_alone() -> None:
    device = DeviceFacts("em-1", "home", "meter", "shelly_gen1", None)
    texts = [b"12.5", "\u0661\u0662".encode()]
    found = [decoders.decode(Message(device, "foreign", "shellies/em-1/emeter/0/power", text, NOW), LIMITS) for text in texts]
    assert [bool(one.readings) for one in found] == [True, False]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [("W", 1190, 1.19), ("kW", 1.19, 1.19), (None, 1190, 1.19), ("V", 1, None), ("kWh", 1, None), (7, 1, None)],
)
def test_unit_that_a_fronius_inverter_names_counts(unit: Any, value: float, expected: float | None) -> None:
    entry = {"Values": {"1": value}} | ({} if unit is None else {"Unit": unit})
    decoded = said("readings", {"Head": {"Status": {"Code": 0}}, "Body": {"Data": {"PAC": entry}}}, "fronius")
    assert [round(one.value or 0, 9) for one in decoded.readings] == ([] if expected is None else [expected])
    assert reasons(decoded) == (["unknown_unit"] if expected is None else [])


def test_registers_of_a_telegram_may_be_in_watt_hours() -> None:
    telegram = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(1234567*Wh)\r\n1-0:1.8.2(000001.000*kWh)\r\n!"
    assert [(one.channel, round(one.value or 0, 9)) for one in said("readings", telegram, "p1").readings] == [("grid_import", 1235.567)]


@pytest.mark.parametrize("is_array", [False, True])
def test_reading_says_whether_it_was_measured(*, is_array: bool) -> None:
    reading = {"measured_at": NOW.isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5}
    energies = {"timestamp": (NOW - timedelta(hours=1)).isoformat(), "consumption_kwh": 0.4, "production_kwh": 0.1}

    def of(element: dict[str, Any]) -> Decoded:
        return said("readings", [element] if is_array else element)

    for told, expected in ((None, None), ("measured", None), ("estimated", "estimated")):
        assert [one.quality for one in of(reading | {"quality": told}).readings] == [expected]
        assert [one.quality for one in of(energies | {"quality": told}).readings] == [expected] * 2
    assert [one.quality for one in of(reading).readings] == [None]
    for wrong, reason in (("good", "unknown_quality"), (192, "wrong_type")):
        assert reasons(of(reading | {"quality": wrong})) == [reason]


@pytest.mark.parametrize("is_array", [False, True])
@pytest.mark.parametrize("moment", ["measured_at", "timestamp"])
def test_object_with_a_value_and_energies_is_refused_and_nothing_of_it_lost(moment: str, *, is_array: bool) -> None:
    element = {moment: NOW.isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5, "grid_export_kwh": 0.25}
    decoded = said("readings", [element] if is_array else element)
    assert (reasons(decoded), list(decoded.readings)) == (["mixed_forms"], [])
    assert json.loads(decoded.rejections[0].payload) == element


def test_field_that_means_nothing_here_is_passed_over() -> None:
    element = {"measured_at": NOW.isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5, "unit": "kW"}
    assert [len(said("readings", one).readings) for one in (element, [element, element])] == [1, 2]


def test_quantities_that_belong_on_the_other_topic_are_counted_as_ignored() -> None:
    at = NOW.isoformat()
    energies = said("readings", {"timestamp": (NOW - timedelta(hours=1)).isoformat(), "consumption_kwh": 0.4, "temperature_celsius": 8.5})
    assert ([one.channel for one in energies.readings], energies.ignored) == (["consumption"], 1)
    weather = said("weather", [{"measured_at": at, "temperature_celsius": 8.5, "production_kwh": 0.1, "value": 3}] * 2)
    assert (len(weather.weather), weather.ignored) == (2, 4)
    reading = {"measured_at": at, "channel": "consumption", "measure": "power_kw", "value": 1.5}
    assert [said("readings", one).ignored for one in (reading, [reading], reading | {"unit": "kW"})] == [0, 0, 0]
