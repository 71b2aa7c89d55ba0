"""Every payload becomes readings or a reason, never an exception."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora.domain.decoders import OWN
from ingestion.decoders import DECODERS, decode
from ingestion.messages import DeviceFacts, Limits, Message

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
DEVICE = DeviceFacts("meter-1", "home", "meter", "aurora", None)
LIMITS = Limits(NOW - timedelta(days=30), NOW + timedelta(seconds=300), 4096)
GOOD = {"measured_at": "2026-03-29T01:15:00Z", "channel": "consumption", "measure": "power_kw", "value": 1.5}


def said(payload: object, kind: str = "readings", device: DeviceFacts = DEVICE):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(Message(device, kind, f"aurora/v1/meter-1/{kind}", raw), LIMITS)


def reasons(payload: object, kind: str = "readings") -> list[str]:
    return [rejection.reason for rejection in said(payload, kind).rejections]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 3000, "not_json"),
        (b"3", "not_an_object"),
        (json.dumps(GOOD).replace("1.5", "NaN").encode(), "not_finite"),
        (json.dumps(GOOD).replace("1.5", "-Infinity").encode(), "not_finite"),
        (json.dumps(GOOD).replace("1.5", "1e400").encode(), "not_finite"),
        (GOOD | {"value": -0.1}, "negative"),
        (GOOD | {"value": "1.5"}, "wrong_type"),
        (GOOD | {"value": True}, "wrong_type"),
        (GOOD | {"channel": "gas"}, "unknown_channel"),
        (GOOD | {"measure": "power_w"}, "unknown_measure"),
        (GOOD | {"measured_at": "2026-03-29T01:15:00"}, "no_offset"),
        (GOOD | {"measured_at": "yesterday"}, "bad_time"),
        (GOOD | {"measured_at": "2026-02-30T00:00:00Z"}, "bad_time"),
        (GOOD | {"measured_at": 1774746900}, "wrong_type"),
        (GOOD | {"measured_at": "2026-03-29T01:35:01Z"}, "in_the_future"),
        (GOOD | {"measured_at": "2026-02-27T01:29:59Z"}, "too_late"),
        (GOOD | {"measure": "interval_kwh", "interval_seconds": 0}, "bad_interval"),
        (GOOD | {"measure": "interval_kwh", "interval_seconds": 365 * 86_400}, "in_the_future"),
        (GOOD | {"value": 1e13}, "implausible"),
        (GOOD | {"measure": "interval_kwh", "interval_seconds": 1, "value": 1e8}, "implausible"),
        (GOOD | {"device_id": "meter-2"}, "unknown_device"),
        ({name: GOOD[name] for name in ("measured_at", "channel", "measure")}, "missing_field"),
        ({"timestamp": "2026-03-29T01:00:00Z"}, "missing_field"),
        (GOOD | {"note": "x" * 5000}, "too_large"),
    ],
)
def test_reading_refused_with_its_reason(payload: object, reason: str) -> None:
    assert reasons(payload) == [reason]


def test_reading_decoded_in_utc_with_offset_other_than_utc() -> None:
    [found] = said(GOOD | {"measured_at": "2026-03-29T03:15:00.250+02:00"}).readings
    assert (found.measured_at, found.measured_at.tzinfo) == (datetime(2026, 3, 29, 1, 15, 0, 250_000, tzinfo=UTC), UTC)


def test_interval_length_taken_from_reading_then_device_then_default() -> None:
    energy = GOOD | {"measure": "interval_kwh"}
    hourly = DeviceFacts("meter-1", "home", "meter", "aurora", 3600)
    assert [r.interval_seconds for r in said(energy | {"interval_seconds": 300}, device=hourly).readings] == [300]
    assert [r.interval_seconds for r in said(energy, device=hourly).readings] == [3600]
    assert [r.interval_seconds for r in said(energy).readings] == [900]
    assert [r.interval_seconds for r in said(GOOD | {"interval_seconds": 60}).readings] == [None]


def test_null_value_withdraws() -> None:
    [found] = said(GOOD | {"value": None}).readings
    assert (found.value, found.channel) == (None, "consumption")


def test_interval_energies_become_one_reading_a_channel() -> None:
    found = said({"timestamp": "2026-03-29T01:00:00Z", "consumption_kwh": 0.4, "production_kwh": 0}).readings
    assert [(r.channel, r.measure, r.value, r.interval_seconds) for r in found] == [
        ("consumption", "interval_kwh", 0.4, 900),
        ("production", "interval_kwh", 0.0, 900),
    ]


def test_array_keeps_good_elements_and_refuses_each_bad_one() -> None:
    decoded = said([GOOD, GOOD | {"value": -1}, 7, GOOD | {"value": 2}])
    assert [r.value for r in decoded.readings] == [1.5, 2.0]
    assert [(r.reason, r.faults[0].field) for r in decoded.rejections] == [("negative", "[1].value"), ("not_an_object", "[2]")]
    assert json.loads(decoded.rejections[0].payload)["value"] == -1


def test_every_bad_field_named() -> None:
    [rejection] = said({"measured_at": "x", "channel": 3, "measure": "power_kw", "value": "y"}).rejections
    assert [(fault.field, fault.reason) for fault in rejection.faults] == [
        ("measured_at", "bad_time"),
        ("channel", "wrong_type"),
        ("value", "wrong_type"),
    ]


def test_weather_below_zero_taken_for_temperature_alone() -> None:
    decoded = said({"measured_at": "2026-03-29T01:00:00Z", "temperature_celsius": -4.5, "is_forecast": False}, "weather")
    assert [(v.quantity, v.value) for v in decoded.weather] == [("temperature_celsius", -4.5)]
    assert reasons({"measured_at": "2026-03-29T01:00:00Z", "ghi_w_per_m2": -4.5}, "weather") == ["negative"]


@pytest.mark.parametrize(("payload", "state"), [(b"offline", "offline"), (b'"online"', "online"), (b'{"state":"asleep"}', "asleep")])
def test_status_decoded(payload: bytes, state: str) -> None:
    assert [found.state for found in said(payload, "status").states] == [state]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "timestamp", "consumption_kwh"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(
    st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()), st.sampled_from(["readings", "weather", "status"])
)
def test_any_payload_ends_as_reading_or_reason(payload: bytes, kind: str) -> None:
    decoded = said(payload, kind)
    for found in decoded.readings:
        assert found.value is None or 0 <= found.value < float("inf")
        assert LIMITS.earliest <= found.measured_at <= LIMITS.latest  # type: ignore[operator]
    for rejection in decoded.rejections:
        rejection.payload.encode("utf-8")


def test_names_that_a_device_may_be_bound_to_are_those_of_the_decoders() -> None:
    assert set(OWN) == DECODERS.keys()
