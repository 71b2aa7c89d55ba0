"""Tasmota, Zigbee2MQTT and both ways of Home Assistant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

IMPORT, EXPORT = ("grid_import", "register_kwh"), ("grid_export", "register_kwh")
IMPORT_KW, EXPORT_KW = ("grid_import", "power_kw"), ("grid_export", "power_kw")

TASMOTA = (
    '{"Time":"2021-10-26T17:28:45","ENERGY":{"TotalStartTime":"2021-10-25T15:22:04","Total":9098.245,"Yesterday":6822.685,'
    '"Today":2275.560,"Period": 9,"Power":170,"Current":1.000,"Load":6},"ESP32":{"Temperature":36.1},"TempUnit":"C"}'
)
ZIGBEE = (
    '{"current":0.54,"energy":1.05,"identify":null,"linkquality":255,"power":102,"power_on_behavior":"on","state":"ON",'
    '"update":{"installed_version":33816645,"latest_version":33816645,"state":"idle"},"voltage":239.1}'
)
DISCOVERY = (
    '{"name":"testkWh","device_class":"energy","state_class":"total_increasing","unit_of_measurement":"kWh",'
    '"value_template":"{{ value_json.energy }}","state_topic":"test/testkWh","unique_id":"testkwh01"}'
)


@pytest.mark.parametrize("topic", ["emoncms/ch2i/factory/denky_D6C0C0/tele/SENSOR", "tele/denky/SENSOR"])
def test_tasmota_yields_power_and_total_in_the_sites_time(sender, topic: str) -> None:
    meter = sender("tasmota", time_zone="Europe/Paris")
    decoded = meter.send(topic, TASMOTA)
    assert {r.measured_at for r in decoded.readings} == {datetime(2021, 10, 26, 15, 28, 45, tzinfo=UTC)}
    assert decoded.ignored == 1
    assert meter.says(topic, TASMOTA) == {IMPORT_KW: 0.17, EXPORT_KW: 0.0, IMPORT: 9098.245}


def test_tasmota_without_a_zone_is_refused(sender) -> None:
    assert sender("tasmota", time_zone=None).reasons("tele/x/SENSOR", TASMOTA) == ["no_offset"]


@pytest.mark.parametrize(("received", "hour"), [("2026-10-25T00:31:00+00:00", 0), ("2026-10-25T01:31:00+00:00", 1)])
def test_tasmota_hour_that_comes_twice_is_the_one_nearer_to_receipt(sender, received: str, hour: int) -> None:
    meter = sender("tasmota", received_at=datetime.fromisoformat(received))
    [found, _] = meter.send("tele/x/SENSOR", {"Time": "2026-10-25T02:30:00", "ENERGY": {"Power": 1}}).readings
    assert found.measured_at == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_tasmota_array_is_one_channel_each(sender) -> None:
    payload = {"Time": "2026-03-29T11:00:00", "ENERGY": {"Power": [100, 2000], "Total": [1.5, 30.25], "Current": [1.320, 2.100]}}
    assert sender("tasmota").reasons("tele/x/SENSOR", payload) == ["unmapped_input"] * 4
    mapped = sender(
        "tasmota", inputs={"power/1": "consumption", "total/1": "consumption", "power/2": "production", "total/2": "production"}
    )
    assert mapped.says("tele/x/SENSOR", payload) == {
        ("consumption", "power_kw"): 0.1, ("consumption", "register_kwh"): 1.5,
        ("production", "power_kw"): 2.0, ("production", "register_kwh"): 30.25,
    }  # fmt: skip
    added = sender(
        "tasmota", kind="ev_charger", inputs={"power/1": "consumption", "power/2": "consumption", "total/1": "ignore", "total/2": "ignore"}
    )
    assert added.says("tele/x/SENSOR", payload) == {("consumption", "power_kw"): 2.1}


def test_tasmota_status8_and_last_will(sender) -> None:
    payload = {"StatusSNS": {"Time": "2026-03-29T11:00:00", "ENERGY": {"Total": 6.404, "ExportActive": 2.5}}}
    assert sender("tasmota").says("stat/pow1/STATUS8", payload) == {IMPORT: 6.404, EXPORT: 2.5}
    assert [s.state for s in sender("tasmota").send("tele/pow1/LWT", "Offline").states] == ["offline"]


def test_zigbee2mqtt_yields_power_and_energy_at_receipt(sender) -> None:
    plug = sender("zigbee2mqtt", role="sub")
    decoded = plug.send("zigbee2mqtt/kitchen/fridge", ZIGBEE)
    assert ({r.measured_at for r in decoded.readings}, decoded.ignored) == ({plug.received_at}, 2)
    assert plug.says("zigbee2mqtt/kitchen/fridge", ZIGBEE) == {("consumption", "power_kw"): 0.102, ("consumption", "register_kwh"): 1.05}
    assert plug.says("zigbee2mqtt/kitchen/fridge", ZIGBEE, is_retained=True) == {}


def test_zigbee2mqtt_last_seen_is_the_time(sender) -> None:
    for seen in ("2026-03-29T11:41:41+02:00", 1774777301000):
        decoded = sender("zigbee2mqtt").send("zigbee2mqtt/z1", {"energy": 12.05, "power": None, "last_seen": seen}, is_retained=True)
        assert [(r.value, r.measured_at) for r in decoded.readings] == [(12.05, datetime(2026, 3, 29, 9, 41, 41, tzinfo=UTC))]


@pytest.mark.parametrize("topic", ["zigbee2mqtt/bridge/state", "zigbee2mqtt/bridge/devices", "zigbee2mqtt/z1/set", "zigbee2mqtt/z1/get"])
def test_zigbee2mqtt_other_topics_ignored(sender, topic: str) -> None:
    decoded = sender("zigbee2mqtt").send(topic, ZIGBEE)
    assert (list(decoded.readings), decoded.rejections) == ([], ())


def test_zigbee2mqtt_attribute_topics_availability_and_parts(sender) -> None:
    assert sender("zigbee2mqtt").says("zigbee2mqtt/z1/energy", "12.05") == {IMPORT: 12.05}
    assert sender("zigbee2mqtt").says("zigbee2mqtt/z1/linkquality", "43") == {}
    assert [s.state for s in sender("zigbee2mqtt").send("zigbee2mqtt/z1/availability", {"state": "offline"}).states] == ["offline"]
    of_another = sender("zigbee2mqtt", kind="gateway").send("zigbee2mqtt/z1/availability", {"state": "offline"})
    assert (of_another.states, of_another.ignored) == ((), 1)
    assert sender("zigbee2mqtt").reasons("zigbee2mqtt/z1", {"power_l1": 5}) == ["unmapped_input"]
    assert sender("zigbee2mqtt", inputs={"power_l1": "grid"}).says("zigbee2mqtt/z1", {"power_l1": -5}) == {IMPORT_KW: 0.0, EXPORT_KW: 0.005}
    assert sender("zigbee2mqtt").says("zigbee2mqtt/z1", {"energy": 3, "produced_energy": 4}) == {IMPORT: 3.0, EXPORT: 4.0}


ENTITY = "homeassistant/sensor/grid_import"
UPDATED = "2026-03-29T00:59:58.120000+00:00"


def test_statestream_time_before_state_is_its_time(sender) -> None:
    home = sender("ha_statestream")
    assert home.says(f"{ENTITY}/unit_of_measurement", '"kWh"') == {}
    assert home.says(f"{ENTITY}/last_updated", f'"{UPDATED}"') == {}
    [found] = home.send(f"{ENTITY}/state", "1234.567").readings
    assert (found.channel, found.measure, found.value) == ("grid_import", "register_kwh", 1234.567)
    assert found.measured_at == datetime(2026, 3, 29, 0, 59, 58, 120_000, tzinfo=UTC)


def test_statestream_state_before_time_waits_for_it(sender) -> None:
    home = sender("ha_statestream")
    home.send(f"{ENTITY}/unit_of_measurement", '"kWh"', is_retained=True)
    assert [r.measured_at for r in home.send(f"{ENTITY}/state", "1").readings] == [home.received_at]
    home.send(f"{ENTITY}/last_updated", UPDATED)
    assert home.says(f"{ENTITY}/state", "2") == {}
    [second] = home.send(f"{ENTITY}/last_updated", "2026-03-29T01:00:58+00:00").readings
    assert (second.value, second.measured_at) == (2.0, datetime(2026, 3, 29, 1, 0, 58, tzinfo=UTC))
    assert home.says(f"{ENTITY}/state", "3") == {}
    assert home.says(f"{ENTITY}/state", "4") == {IMPORT_KW[:1] + ("register_kwh",): 4.0}


@pytest.mark.parametrize("gap", ["unavailable", "unknown"])
def test_statestream_gap_is_no_reading(sender, gap: str) -> None:
    home = sender("ha_statestream")
    home.send(f"{ENTITY}/unit_of_measurement", '"kWh"')
    decoded = home.send(f"{ENTITY}/state", gap)
    assert (list(decoded.readings), decoded.rejections) == ([], ())


def test_statestream_first_state_waits_for_its_unit_and_later_ones_are_refused_meanwhile(sender) -> None:
    home = sender("ha_statestream")
    assert home.says(f"{ENTITY}/state", "5") == {}
    assert [home.reasons(f"{ENTITY}/state", value) for value in ("6", "7")] == [["unknown_unit"]] * 2
    later = replace(home, state=home.state, received_at=home.received_at + timedelta(minutes=1))
    [found] = later.send(f"{ENTITY}/unit_of_measurement", '"Wh"').readings
    assert (found.channel, found.value, found.measured_at) == ("grid_import", 0.005, home.received_at)
    assert later.says(f"{ENTITY}/state", "8") == {IMPORT: 0.008}


def test_statestream_state_keeps_its_time_while_it_waits_for_its_unit(sender) -> None:
    home = sender("ha_statestream")
    home.send(f"{ENTITY}/last_updated", f'"{UPDATED}"')
    assert home.says(f"{ENTITY}/state", "5") == {}
    [found] = home.send(f"{ENTITY}/unit_of_measurement", '"kWh"').readings
    assert (found.value, found.measured_at) == (5.0, datetime.fromisoformat(UPDATED))


def test_statestream_waiting_state_counts_once_a_person_says_its_unit_and_never_in_another_quantity(sender) -> None:
    home = sender("ha_statestream")
    home.send(f"{ENTITY}/state", "5")
    told = replace(home, device=replace(home.device, inputs={"grid_import": "grid_import Wh"}))
    found = told.send(f"{ENTITY}/state", "6")
    assert [(r.value, r.measured_at) for r in found.readings] == [(0.005, home.received_at), (0.006, home.received_at)]
    assert told.says(f"{ENTITY}/state", "7") == {IMPORT: 0.007}
    assert home.says(f"{ENTITY}/unit_of_measurement", '"°C"') == {}
    assert home.says(f"{ENTITY}/state", "7") == {}


def test_statestream_units_and_channels_are_asked_for(sender) -> None:
    assert sender("ha_statestream", inputs={"grid_import": "grid_import Wh"}).says(f"{ENTITY}/state", "5") == {IMPORT: 0.005}
    home = sender("ha_statestream", inputs={"solar": "production"})
    for entity, unit in (("solar", '"W"'), ("house", '"W"'), ("cellar", '"°C"')):
        home.send(f"homeassistant/sensor/{entity}/unit_of_measurement", unit)
    assert home.says("homeassistant/sensor/solar/state", "512.5") == {("production", "power_kw"): 0.5125}
    assert home.says("homeassistant/sensor/cellar/state", "17.5") == {}
    assert home.says("homeassistant/light/dimmer/state", "on") == {}
    assert home.reasons("homeassistant/sensor/house/state", "5") == ["unmapped_input"]


def test_discovery_names_where_the_number_stands(sender) -> None:
    home = sender("ha_discovery")
    assert home.says("homeassistant/sensor/testkWh/config", DISCOVERY, is_retained=True) == {}
    [found] = home.send("test/testkWh", '{"energy":120.1}').readings
    assert (found.channel, found.measure, found.value, found.measured_at) == ("grid_import", "register_kwh", 120.1, home.received_at)
    assert home.says("test/testkWh", {"energy": "unavailable"}) == {}
    assert home.says("test/testkWh", {"power": 3}) == {}


def test_discovery_with_short_keys_base_and_arithmetic(sender) -> None:
    home = sender("ha_discovery", role="sub")
    config = {"~": "tic/data", "name": "base", "dev_cla": "energy", "stat_cla": "total_increasing", "unit_of_meas": "kWh",
              "val_tpl": "{{float(value)/1000.0}}", "stat_t": "~/BASE", "uniq_id": "tic-BASE"}  # fmt: skip
    home.send("homeassistant/sensor/tic-BASE/config", config, is_retained=True)
    assert home.says("tic/data/BASE", "1234567") == {("consumption", "register_kwh"): 1234.567}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ value }}", None), ("{{ value_json.a.b }}", 5.0), ("{{ value_json['a']['b'] }}", 5.0), ("{{value_json.a.b|float}}", 5.0),
        ("{{ value_json.a.b | float(0) | round(2) }}", 5.0), ("{{ (value_json.a.b | float) * 10 }}", 50.0),
        ("{{ value_json.list[1] }}", 7.0), ("{{ value_json.nothing.there }}", "gap"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "refused"), ("{% if value %}1{% endif %}", "refused"),
        ("{{ value | float / 0 }}", "refused"), ("{{ value_json.__class__ }}", "gap"), (["x"], "refused"),
    ],
)  # fmt: skip
def test_discovery_reads_simple_templates_alone(sender, template: object, value: object) -> None:
    home = sender("ha_discovery", role="sub")
    config = {"unit_of_measurement": "kWh", "state_topic": "t", "value_template": template}
    reasons = home.reasons("homeassistant/sensor/x/config", config)
    assert reasons == (["unknown_template"] if value == "refused" else [])
    if value == "refused":
        return
    decoded = home.send("t", '{"a": {"b": 5}, "list": [1, 7]}')
    if value is None:
        assert [r.reason for r in decoded.rejections] == ["wrong_type"]
    else:
        assert [r.value for r in decoded.readings] == ([] if value == "gap" else [value])


def test_discovery_state_without_config_is_refused_and_two_sensors_need_words(sender) -> None:
    assert sender("ha_discovery").reasons("t", "1") == ["unknown_sensor"]
    home = sender("ha_discovery", inputs={"solar": "production"})
    for name in ("solar", "house"):
        template = "{{ value_json." + name + " }}"
        home.send(f"homeassistant/sensor/{name}/config", {"unit_of_measurement": "W", "stat_t": "t", "val_tpl": template})
    decoded = home.send("t", {"solar": 2000, "house": 500})
    assert [(r.channel, r.value) for r in decoded.readings] == [("production", 2.0)]
    assert [r.reason for r in decoded.rejections] == ["unmapped_input"]


def test_late_last_updated_refused(sender) -> None:
    home = sender("ha_statestream", late=timedelta(days=30))
    home.send(f"{ENTITY}/unit_of_measurement", '"kWh"')
    home.send(f"{ENTITY}/last_updated", "2017-10-01T23:20:30.920969+00:00")
    assert home.reasons(f"{ENTITY}/state", "1") == ["too_late"]
