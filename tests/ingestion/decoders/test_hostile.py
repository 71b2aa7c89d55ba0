"""No decoder raises, whatever comes: every payload ends as readings, as a state, as ignored or as refused, and refusals are counted."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora.domain.channels import CHANNELS, MEASURES
from ingestion import decoders
from ingestion.decoders import DECODERS
from ingestion.messages import NO_STATE, Decoded, DeviceFacts, Limits, Message, refuse

NOW = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)
LIMITS = Limits(None, None, 1 << 20)
NAMES = [
    "method", "params", "result", "ts", "emdata:0", "em:0", "em1:1", "switch:0", "aenergy", "ret_aenergy", "total", "apower", "total_act",
    "total_act_power", "unixtime", "meters", "emeters", "power", "is_valid", "Time", "ENERGY", "StatusSNS", "Power", "Total", "energy",
    "power_l1", "last_seen", "state", "state_topic", "stat_t", "unit_of_measurement", "value_template", "~", "name", "timestamp",
    "electricity_delivered_1", "electricity_delivered_2", "electricity_currently_delivered", "electricity_currently_returned", "time",
    "measured_at", "channel", "measure", "value", "consumption_kwh",
]  # fmt: skip
TEXTS = [
    "NotifyStatus", "2026-03-29T02:30:00", "2026-03-29T02:30:00Z", "kWh", "W", "unavailable", "{{ value_json.energy }}", "{{ value }}",
    "t/x", "12.5", "-3", "1e999", "nan", "9" * 50, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "grid_import", "power_kw",
]  # fmt: skip
TOPICS = [
    "shellies/x/emeter/0/power", "shellies/x/relay/1/energy", "shellies/x/online", "x/events/rpc", "x/status/switch:0", "tele/x/SENSOR",
    "tele/x/LWT", "zigbee2mqtt/x", "zigbee2mqtt/x/energy", "zigbee2mqtt/x/availability", "ha/sensor/grid_import/state",
    "ha/sensor/grid_import/last_updated", "ha/sensor/grid_import/unit_of_measurement", "homeassistant/sensor/x/config", "t/x", "config", "",
    "dsmr/json", "dsmr/reading/electricity_delivered_1", "emon/node", "emon/node/power", "/config", "aurora/v1/meter-1/readings",
]  # fmt: skip
DEVICES = [
    DeviceFacts("meter-1", "home", kind, "x", None, zone, None, role, "emon/#", inputs)
    for kind, role, zone, inputs in (
        ("meter", "main", "Europe/Berlin", {}), ("meter", "sub", None, {"node/power": "grid W", "power/1": "grid", "power/2": "grid"}),
        ("inverter", "main", "Australia/Lord_Howe", {"emeter/0": "nonsense", "grid_import": "reversed battery kWh"}),
        ("gateway", "check", "UTC", {"energy": "ignore"}),
    )
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TEXTS) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), inner, max_size=6),
    max_leaves=16,
)
payloads = st.binary(max_size=80) | st.sampled_from(TEXTS).map(str.encode) | json_values.map(lambda value: json.dumps(value).encode())
messages = st.tuples(st.sampled_from(TOPICS), payloads, st.sampled_from(DEVICES), st.booleans(), st.sampled_from([NOW, None]))


LONGEST_STATE = 512


def check(decoded: Decoded) -> None:
    for found in decoded.readings:
        assert found.channel in CHANNELS
        assert found.measure in MEASURES
        assert found.value is None or 0 <= found.value <= 1e9
        assert found.measured_at.utcoffset() is not None
    keys = [(r.channel, r.measure, r.measured_at) for r in decoded.readings]
    assert len(keys) == len(set(keys))
    for rejection in decoded.rejections:
        assert rejection.faults
        rejection.payload.encode("utf-8")
    if decoded.state is not None:
        assert len(decoded.state) <= LONGEST_STATE


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "aurora"])
@given(stream=st.lists(messages, min_size=1, max_size=5))
def test_any_stream_of_messages_ends_as_readings_or_reasons(name: str, stream: list) -> None:
    state = NO_STATE
    for topic, payload, device, is_retained, received_at in stream:
        decoded = DECODERS[name](Message(device, "foreign", topic, payload, received_at, is_retained), LIMITS, state)
        check(decoded)
        state = state if decoded.state is None else decoded.state
    assert len(state) <= LONGEST_STATE


BROKEN = [b"{", b"\xff\xfe\x00", b"[1,2", b'{"a":', b"\x00", b'"', b"}{", b"nul", b'{"ENERGY":{"Power":1', b"{'a': 1}"]
MALFORMED_TOPIC = {
    "aurora": "aurora/v1/meter-1/readings", "shelly_gen1": "shellies/x/emeter/0/power", "shelly_rpc": "x/events/rpc",
    "tasmota": "tele/x/SENSOR", "zigbee2mqtt": "zigbee2mqtt/x", "ha_discovery": "ha/sensor/x/config", "dsmr_reader": "dsmr/json",
    "p1": "p1", "emoncms": "emon/node",
}  # fmt: skip


@pytest.mark.parametrize("name", list(MALFORMED_TOPIC))
def test_malformed_payloads_are_counted_exactly(name: str, count) -> None:
    dice, rejected = random.Random(7), 0
    tries = count(200, 1_000_000 // len(MALFORMED_TOPIC) + 1)
    device = DeviceFacts("meter-1", "home", "meter", name, None, "Europe/Berlin")
    for _ in range(tries):
        payload = dice.choice(BROKEN) + dice.randbytes(dice.randrange(12)).replace(b",", b";") + b"\xc3"
        message = Message(device, "readings", MALFORMED_TOPIC[name], payload, NOW)
        rejected += len(DECODERS[name](message, LIMITS, NO_STATE).rejections)
    assert rejected == tries


PACKAGE = """
from ingestion.messages import Decoded, Reading

def decode(message, limits, state):
    if message.payload == b"boom":
        raise RuntimeError("outside")
    seen = state.get("seen", 0) + 1
    found = Reading(message.device.device_id, "consumption", "register_kwh", message.received_at, None, float(seen))
    return Decoded((found,), state={"seen": seen})
"""


def test_decoder_of_an_installed_package_is_found_and_its_failure_is_a_reason(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "meters_of_others.py").write_text(PACKAGE)
    info = tmp_path / "meters_of_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: meters-of-others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[aurora.decoders]\nothers = meters_of_others:decode\nabsent = no_such_module:decode\np1 = meters_of_others:decode\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    decoders.known_decoders.cache_clear()
    try:
        device = DeviceFacts("meter-1", "home", "meter", "others", None)
        first = decoders.decode(Message(device, "foreign", "t", b"1", NOW), LIMITS)
        second = decoders.decode(Message(device, "foreign", "t", b"1", NOW), LIMITS, first.state or NO_STATE)
        assert [r.value for r in (*first.readings, *second.readings)] == [1.0, 2.0]
        failed = decoders.decode(Message(device, "foreign", "t", b"boom", NOW), LIMITS)
        assert [(r.reason, r.payload) for r in failed.rejections] == [("decoder_failed", "boom")]
        assert "absent" not in decoders.known_decoders()
        assert decoders.known_decoders()["p1"] is DECODERS["p1"]
    finally:
        decoders.known_decoders.cache_clear()


MOMENTS = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2026-01-01"))
values = st.none() | st.floats(min_value=0, max_value=1e6)


@given(
    st.lists(
        st.tuples(st.sampled_from(CHANNELS), st.sampled_from(MEASURES), MOMENTS, values),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_own_format_decodes_what_was_encoded(readings: list) -> None:
    device = DeviceFacts("meter-1", "home", "meter", "aurora", None)
    encoded = [
        {"measured_at": at.replace(tzinfo=UTC).isoformat(), "channel": channel, "measure": measure, "value": value, "interval_seconds": 900}
        for channel, measure, at, value in readings
    ]
    for payload in (encoded, encoded[0]):
        decoded = decoders.decode(Message(device, "readings", "aurora/v1/meter-1/readings", json.dumps(payload).encode()), LIMITS)
        expected = readings if payload is encoded else readings[:1]
        assert decoded.rejections in ((), [])
        assert [(r.channel, r.measure, r.measured_at, r.value, r.interval_seconds) for r in decoded.readings] == [
            (channel, measure, at.replace(tzinfo=UTC), value, 900 if measure == "interval_kwh" else None)
            for channel, measure, at, value in expected
        ]


def test_refusal_keeps_bytes_that_are_no_text() -> None:
    assert refuse(b"\xff\x00", "x", "y").rejections[0].payload == "\\xff\x00"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("nan", "not_finite"), ("inf", "not_finite"), ("1e999", "not_finite"), ("1e300", "implausible"), ("1_0", "wrong_type")],
)
def test_number_that_no_meter_shows_is_refused(sender, text: str, reason: str) -> None:
    assert sender("shelly_gen1").reasons("shellies/x/emeter/0/power", text) == [reason]


def test_state_of_a_device_stays_bounded(sender) -> None:
    home = sender("ha_statestream")
    for number in range(600):
        home.send(f"ha/sensor/s{number}/unit_of_measurement", '"kWh"')
    home.send("ha/sensor/long/unit_of_measurement", "x" * 100_000)
    assert (len(home.state), "unit:s599" in home.state, "unit:s0" in home.state, "unit:long" in home.state) == (512, True, False, False)
