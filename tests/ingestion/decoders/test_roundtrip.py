"""What is written in a format and read again is the same: Aurora's own payloads, and foreign ones whose numbers can be written exactly."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora.domain.channels import CHANNELS
from ingestion import decoders
from ingestion.decoders.aurora import QUANTITIES, quick_readings
from ingestion.messages import Decoded, DeviceFacts, Limits, Message
from tests.ingestion.decoders.mutations import crc16

OPEN = Limits(None, None, 1 << 20)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
LIVE = Limits(EARLIEST - timedelta(days=1), LATEST + timedelta(days=400), 1 << 20)
moments = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC))
seconds = moments.map(lambda at: at.replace(microsecond=0))
offsets = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
amounts = st.floats(0, 1e6, allow_subnormal=False)
thousandths = st.integers(0, 999_999_999).map(lambda number: number / 1000)


def decode(name: str, topic: str, payload: Any, kind: str = "foreign", limits: Limits = OPEN, **facts: Any) -> Decoded:
    device = DeviceFacts("meter-1", "home", "meter", name, None, "Europe/Berlin", **facts)
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decoders.decode(Message(device, kind, topic, body, LATEST), limits)


def values(decoded: Decoded) -> dict[tuple[str, str], float | None]:
    assert decoded.rejections in ((), [])
    return {(one.channel, one.measure): one.value for one in decoded.readings}


def shifted(at: datetime, offset: timedelta) -> str:
    """The same instant by a clock that is `offset` ahead of UTC."""
    sign, minutes = "+" if offset >= timedelta(0) else "-", abs(offset) // timedelta(minutes=1)
    return f"{(at + offset).replace(tzinfo=None).isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"


@given(st.lists(st.tuples(moments, offsets, amounts, st.integers(1, 86_400)), min_size=1, max_size=4))
def test_readings_of_any_offset_come_back_on_both_ways(sent: list) -> None:
    same = {"channel": "consumption", "measure": "interval_kwh"}
    elements = [
        {"measured_at": shifted(at, offset), **same, "value": value % 1, "interval_seconds": length} for at, offset, value, length in sent
    ]
    expected = [(at, value % 1, length) for at, _offset, value, length in sent]
    topic = "aurora/v1/meter-1/readings"
    for limits in (OPEN, LIVE):
        found = decode("aurora", topic, elements, "readings", limits).readings
        assert [(one.measured_at, one.value, one.interval_seconds) for one in found] == expected
    device = DeviceFacts("meter-1", "home", "meter", "aurora", None)
    quick = quick_readings(json.dumps(elements).encode(), LIVE, lambda _named: device)
    assert quick is not None
    assert [one.measured_at for one in quick] == [at for at, *_ in expected]


@given(moments, st.dictionaries(st.sampled_from([f"{channel}_kwh" for channel in CHANNELS]), st.none() | st.floats(0, 100), min_size=1))
def test_interval_energies_come_back(at: datetime, energies: dict) -> None:
    decoded = decode("aurora", "aurora/v1/meter-1/readings", {"timestamp": at.isoformat(), **energies}, "readings")
    assert values(decoded) == {(name.removesuffix("_kwh"), "interval_kwh"): value for name, value in energies.items()}
    assert {one.measured_at for one in decoded.readings} == {at}


@given(moments, st.dictionaries(st.sampled_from([*QUANTITIES]), st.floats(0, 1), min_size=1), st.booleans())
def test_weather_comes_back(at: datetime, quantities: dict, is_forecast: bool) -> None:
    sent = {name: QUANTITIES[name][0] + share * (QUANTITIES[name][1] - QUANTITIES[name][0]) for name, share in quantities.items()}
    decoded = decode(
        "aurora", "aurora/v1/meter-1/weather", {"measured_at": at.isoformat(), "is_forecast": is_forecast, **sent}, "weather"
    )  # fmt: skip
    assert {one.quantity: one.value for one in decoded.weather} == sent
    assert {(one.measured_at, one.is_forecast) for one in decoded.weather} == {(at, is_forecast)}


@given(st.from_regex(r"\A[A-Za-z][A-Za-z0-9_ -]{0,63}\Z"), moments)
def test_state_comes_back(word: str, at: datetime) -> None:
    for payload in (word.encode(), json.dumps(word).encode(), json.dumps({"state": word, "at": at.isoformat()}).encode()):
        found = decode("aurora", "aurora/v1/meter-1/status", payload, "status").states
        assert [one.state for one in found] in ([word], [word.strip()])


@given(seconds, thousandths, thousandths, thousandths, thousandths, st.integers(0, 99_999))
def test_p1_telegram_comes_back(at: datetime, low: float, high: float, back_low: float, back_high: float, watts: int) -> None:
    lines = [
        "/XMX5LGBBFG1009325446", "", "1-3:0.2.8(42)", f"0-0:1.0.0({at + timedelta(hours=1):%y%m%d%H%M%S}W)",
        f"1-0:1.8.1({low:010.3f}*kWh)", f"1-0:1.8.2({high:010.3f}*kWh)", f"1-0:2.8.1({back_low:010.3f}*kWh)",
        f"1-0:2.8.2({back_high:010.3f}*kWh)", f"1-0:1.7.0({watts / 1000:06.3f}*kW)", "1-0:2.7.0(00.000*kW)",
    ]  # fmt: skip
    body = ("\r\n".join(lines) + "\r\n!").encode()
    decoded = decode("p1", "p1", body + f"{crc16(body):04X}\r\n".encode())
    found = values(decoded)
    assert found["grid_import", "register_kwh"] == pytest.approx(low + high, abs=1e-9)
    assert found["grid_export", "register_kwh"] == pytest.approx(back_low + back_high, abs=1e-9)
    assert (found["grid_import", "power_kw"], found["grid_export", "power_kw"]) == (pytest.approx(watts / 1000, abs=1e-9), 0.0)
    assert {one.measured_at for one in decoded.readings} == {at}


@given(seconds, thousandths, thousandths, thousandths, st.integers(0, 99_999))
def test_dsmr_readers_json_comes_back(at: datetime, low: float, high: float, back: float, watts: int) -> None:
    sent = {
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", "electricity_delivered_1": f"{low:.3f}", "electricity_delivered_2": f"{high:.3f}",
        "electricity_returned_1": f"{back:.3f}", "electricity_returned_2": "0.000",
        "electricity_currently_delivered": f"{watts / 1000:.3f}", "electricity_currently_returned": "0.000",
    }  # fmt: skip
    found = values(decode("dsmr_reader", "dsmr/json", sent))
    assert found["grid_import", "register_kwh"] == pytest.approx(low + high, abs=1e-9)
    assert found["grid_export", "register_kwh"] == pytest.approx(back, abs=1e-9)
    assert found["grid_import", "power_kw"] == pytest.approx(watts / 1000, abs=1e-9)


@given(thousandths, thousandths, st.integers(-99_999, 99_999))
def test_homewizards_answer_comes_back(bought: float, sold: float, watts: int) -> None:
    sent = {"total_power_import_kwh": bought, "total_power_export_kwh": sold, "active_power_w": watts}
    assert values(decode("homewizard", "homewizard/data", sent)) == {
        ("grid_import", "register_kwh"): bought, ("grid_export", "register_kwh"): sold,
        ("grid_import", "power_kw"): pytest.approx(max(watts, 0) / 1000), ("grid_export", "power_kw"): pytest.approx(max(-watts, 0) / 1000),
    }  # fmt: skip


@given(seconds, st.integers(0, 10**9), thousandths)
def test_emoncms_inputs_come_back(at: datetime, watt_hours: int, watts: float) -> None:
    inputs = {"power": "consumption W", "total": "consumption Wh"}
    decoded = decode("emoncms", "emon/node", {"power": watts, "total": watt_hours, "time": at.timestamp()}, inputs=inputs)
    assert values(decoded) == {
        ("consumption", "power_kw"): pytest.approx(watts / 1000), ("consumption", "register_kwh"): pytest.approx(watt_hours / 1000)
    }  # fmt: skip
    assert {one.measured_at for one in decoded.readings} == {at}
