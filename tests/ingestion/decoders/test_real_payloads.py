"""Payloads that real devices sent, read whole: what has a channel counts, what has none is counted as ignored."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

IMPORT, EXPORT = ("grid_import", "register_kwh"), ("grid_export", "register_kwh")
IMPORT_KW, EXPORT_KW = ("grid_import", "power_kw"), ("grid_export", "power_kw")
pytestmark = pytest.mark.needs("test_data")


@pytest.fixture
def recorded(test_data: Path) -> Callable[[str], Any]:
    """A function that reads a recorded payload by the name of its file."""
    return lambda name: json.loads((test_data / "payloads" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("decoder", "name", "at", "ignored", "said"),
    [
        ("shelly_gen1", "shelly_gen1_plug_s", datetime(2024, 2, 7, 18, 57, 21, tzinfo=UTC), 0,
         {IMPORT: 0.043866667, IMPORT_KW: 0.0, EXPORT_KW: 0.0}),
        ("shelly_rpc", "shelly_gen2_plus_plug_s", datetime(2024, 2, 7, 17, 28, 47, tzinfo=UTC), 3,
         {IMPORT: 7.258589, IMPORT_KW: 0.0027, EXPORT_KW: 0.0}),
        ("shelly_rpc", "shelly_gen2_pro_3em", datetime(2024, 2, 7, 17, 28, 47, tzinfo=UTC), 17,
         {IMPORT: 2589.77339, EXPORT: 1.02661, IMPORT_KW: 0.558965, EXPORT_KW: 0.0}),
    ],
)  # fmt: skip
def test_whole_status_of_a_shelly(sender, recorded, decoder: str, name: str, at: datetime, ignored: int, said: dict) -> None:
    status, device = recorded(name)["status"], sender(decoder)
    assert device.says("x/status", status) == said
    decoded = device.send("x/status", status)
    assert ({reading.measured_at for reading in decoded.readings}, decoded.ignored) == ({at}, ignored)
    assert all(math.copysign(1.0, reading.value) > 0 for reading in decoded.readings)


@pytest.mark.parametrize(
    ("name", "at", "kwh", "kw"),
    [
        ("tasmota_sensor_pow", datetime(2018, 2, 15, 16, 37, 10, tzinfo=UTC), 6.294, 2.635),
        ("tasmota_status8_pow", datetime(2018, 11, 15, 7, 54, 18, tzinfo=UTC), 6.404, 2.629),
    ],
)
def test_tasmota_by_the_sites_clock(sender, recorded, name: str, at: datetime, kwh: float, kw: float) -> None:
    message, device = recorded(name), sender("tasmota")
    assert device.says(message["topic"], message["payload"]) == {IMPORT: kwh, IMPORT_KW: kw, EXPORT_KW: 0.0}
    assert {reading.measured_at for reading in device.send(message["topic"], message["payload"]).readings} == {at}


def test_zigbee_plug_of_2018_whose_voltage_is_null(sender, recorded) -> None:
    plug = sender("zigbee2mqtt", role="sub")
    said = [plug.says(message["topic"], message["payload"]) for message in recorded("zigbee2mqtt_plug_2018_null_voltage")]
    assert [one["consumption", "power_kw"] for one in said] == [0.01152, 0.01646, 0.01317]
    assert {one["consumption", "register_kwh"] for one in said} == {0.0}


def test_zigbee_plug_of_2026_by_attribute_and_whole(sender, recorded) -> None:
    plug = sender("zigbee2mqtt", role="sub")
    said = [plug.says(message["topic"], message["payload"]) for message in recorded("zigbee2mqtt_plug_2026_attribute_topics")]
    whole = {("consumption", "power_kw"): 0.0, ("consumption", "register_kwh"): 12.05}
    assert said == [{("consumption", "register_kwh"): 12.05}, {}, {}, whole]


def test_statestream_of_an_energy_counter_with_its_attributes(sender, recorded) -> None:
    home = sender("ha_statestream", inputs={"house_energy": "grid"})
    messages = recorded("home_assistant_statestream")
    first = [home.send(message["topic"], message["payload"]) for message in messages]
    again = [home.send(message["topic"], message["payload"]) for message in messages]
    for said in (first, again):
        assert [rejection.reason for decoded in said for rejection in decoded.rejections] == []
        assert [(r.channel, r.measure, r.value) for decoded in said for r in decoded.readings] == [(*IMPORT, 1432.71)]


def test_emonhub_in_each_form_over_mqtt(sender, recorded) -> None:
    node = sender("emoncms", topic="emon/#,emonhub/rx/#", inputs={"emontx/power1": "consumption W", "10/1": "consumption W"})
    messages = [message for message in recorded("emoncms_emonhub_mqtt") if "topic" in message]
    assert [node.says(message["topic"], message["payload"]) for message in messages] == [{("consumption", "power_kw"): 0.1}] * 3


PRODUCED, PRODUCED_KW = ("production", "register_kwh"), ("production", "power_kw")
METERED = {PRODUCED: 3183.793885, PRODUCED_KW: 0.488925, IMPORT: 3738.205282, EXPORT: 1776.768769, IMPORT_KW: 0.0, EXPORT_KW: 0.036162}


def test_envoys_meters_say_both_directions_once_it_is_told_what_they_measure(sender, recorded) -> None:
    envoy, readings = sender("envoy", kind="inverter"), recorded("enphase_envoy_3phase_meters_readings")
    assert envoy.reasons("envoy/readings", readings) == ["unmapped_input"] * 6
    kinds = {704643328: "production", 704643584: "net-consumption"}
    assert envoy.says("envoy/meters", [{"eid": eid, "state": "enabled", "measurementType": kind} for eid, kind in kinds.items()]) == {}
    assert envoy.says("envoy/readings", readings) == METERED
    decoded = envoy.send("envoy/readings", readings)
    assert {reading.measured_at for reading in decoded.readings} == {datetime(2023, 9, 3, 12, 45, 33, tzinfo=UTC)}
    assert len(decoded.readings) == len(METERED)
    envoy.send("envoy/meters", [{"eid": 704643584, "state": "disabled", "measurementType": "net-consumption"}])
    assert envoy.says("envoy/readings", readings) == {PRODUCED: METERED[PRODUCED], PRODUCED_KW: METERED[PRODUCED_KW]}
    assert envoy.send("envoy/readings", readings).ignored == 1


def test_envoys_meters_may_be_told_by_a_person(sender, recorded) -> None:
    envoy = sender("envoy", kind="inverter", inputs={"meter/704643328": "production", "meter/704643584": "grid"})
    assert envoy.says("envoy/readings", recorded("enphase_envoy_3phase_meters_readings")) == METERED


def test_envoys_meters_that_were_never_read_say_nothing_and_other_lists_are_refused(sender) -> None:
    envoy = sender("envoy", kind="inverter")
    never = envoy.send("e", [{"eid": 1, "timestamp": 0, "activePower": 0.0, "actEnergyDlvd": 0.0, "actEnergyRcvd": 0.0}])
    assert (list(never.readings), never.rejections, never.ignored) == ([], (), 1)
    assert envoy.reasons("e", [{"serialNumber": 5}]) == ["not_json"]
