"""The same formats as other devices and firmware send them: fields missing or null, texts for numbers, energy that flows back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.ingestion.decoders.mutations import crc16

IMPORT, EXPORT = ("grid_import", "register_kwh"), ("grid_export", "register_kwh")
IMPORT_KW, EXPORT_KW = ("grid_import", "power_kw"), ("grid_export", "power_kw")
USED, USED_KW = ("consumption", "register_kwh"), ("consumption", "power_kw")
MADE, MADE_KW = ("production", "register_kwh"), ("production", "power_kw")
RPC = {"src": "x", "method": "NotifyStatus"}
HEAD = {"Status": {"Code": 0}, "Timestamp": "2026-03-29T11:00:00+02:00"}
NODE = {"topic": "emon/e/#", "inputs": {"power": "grid W", "kwh": "consumption kWh"}}
WINTER = datetime(2026, 3, 29, 9, tzinfo=UTC)


def rpc(**components: Any) -> dict[str, Any]:
    return RPC | {"params": {"ts": 1774774800} | {name.replace("_", ":"): value for name, value in components.items()}}


@pytest.mark.parametrize(
    ("decoder", "topic", "payload", "said", "ignored"),
    [
        (
            "shelly_gen1",
            "a/status",
            {"unixtime": 1774774800, "emeters": [{"power": "-620.3", "total": "1000", "total_returned": None}]},
            {IMPORT_KW: 0.0, EXPORT_KW: 0.6203, IMPORT: 1.0},
            0,
        ),
        ("shelly_gen1", "a/status", {"unixtime": 0, "meters": [{"power": 5, "is_valid": False, "total": 60000}]}, {}, 1),
        ("shelly_gen1", "shellies/a/emeter/0/power", "null", {}, 1),
        ("shelly_gen1", "shellies/a/emeter/0/returned_energy", "17", {}, 1),
        ("shelly_gen1", "home/cellar/a/light/0/energy", "600000", {IMPORT: 10.0}, 0),
        (
            "shelly_rpc",
            "x/events/rpc",
            rpc(em_0={"a_current": 1, "a_voltage": 230, "total_act_power": -812.5, "total_current": 3}),
            {IMPORT_KW: 0.0, EXPORT_KW: 0.8125},
            3,
        ),
        ("shelly_rpc", "x/events/rpc", rpc(em_0={"total_act_power": None, "n_current": None}, wifi={"rssi": -50}), {}, 1),
        ("shelly_rpc", "x/events/rpc", {"method": "NotifyEvent", "params": {"ts": 1774774800, "events": []}}, {}, 1),
        (
            "shelly_rpc",
            "x/status",
            {
                "em1:0": {"act_power": "-5"},
                "em1data:0": {"total_act_energy": 1000, "total_act_ret_energy": 20.5},
                "sys": {"unixtime": 1774774800},
            },
            {IMPORT_KW: 0.0, EXPORT_KW: 0.005, IMPORT: 1.0, EXPORT: 0.0205},
            0,
        ),
        (
            "shelly_rpc",
            "x/rpc",
            {"id": 1, "src": "x", "result": {"pm1:0": {"apower": 0, "aenergy": {"total": 0}, "voltage": 231}}},
            {IMPORT_KW: 0.0, EXPORT_KW: 0.0, IMPORT: 0.0},
            1,
        ),
        (
            "tasmota",
            "tele/x/ENERGY",
            {"Time": "2026-03-29T11:00:00", "Total": 1.5, "Yesterday": 1, "Period": 0, "Power": 170, "Voltage": 230},
            {IMPORT_KW: 0.17, EXPORT_KW: 0.0, IMPORT: 1.5},
            1,
        ),
        (
            "tasmota",
            "tele/x/SENSOR",
            {"Time": "2026-03-29T11:00:00", "ENERGY": {"Total": "1.5", "Power": -500, "ApparentPower": 501}},
            {IMPORT_KW: 0.0, EXPORT_KW: 0.5, IMPORT: 1.5},
            1,
        ),
        (
            "tasmota",
            "tele/x/SENSOR",
            {"Time": "2026-03-29T09:00:00Z", "ENERGY": {"Total": None, "Power": 0}},
            {IMPORT_KW: 0.0, EXPORT_KW: 0.0},
            0,
        ),
        ("tasmota", "tele/x/SENSOR", {"Time": "2026-03-29T11:00:00", "DS18B20": {"Temperature": 20.5}, "TempUnit": "C"}, {}, 1),
        ("tasmota", "tele/x/STATE", {"Time": "2026-03-29T11:00:00", "POWER": "ON"}, {}, 1),
        (
            "zigbee2mqtt",
            "zigbee2mqtt/a/b",
            {"power": "12", "energy": None, "voltage": 230, "gas": 4.5, "water": 1},
            {IMPORT_KW: 0.012, EXPORT_KW: 0.0},
            3,
        ),
        (
            "zigbee2mqtt",
            "zigbee2mqtt/a",
            {"power": -3000, "power_phase_a": -3000, "current_phase_a": 13, "last_seen": None},
            {IMPORT_KW: 0.0, EXPORT_KW: 3.0},
            1,
        ),
        ("zigbee2mqtt", "zigbee2mqtt/a", {"state": "ON", "occupancy": True}, {}, 1),
        (
            "dsmr_reader",
            "dsmr/json",
            {
                "timestamp": "2026-03-29T11:00:00+02:00",
                "electricity_returned_1": 1.5,
                "electricity_returned_2": "2",
                "electricity_delivered_1": None,
                "electricity_delivered_2": None,
                "phase_voltage_l1": 230,
            },
            {EXPORT: 3.5},
            1,
        ),
        (
            "dsmr_reader",
            "dsmr/json",
            {"timestamp": "2026-03-29T11:00:00", "electricity_currently_delivered": "0.000", "electricity_currently_returned": "2.5"},
            {IMPORT_KW: 0.0, EXPORT_KW: 2.5},
            0,
        ),
        ("dsmr_reader", "dsmr/day-consumption/electricity1", "0.1", {}, 1),
        (
            "fronius",
            "f",
            {"Head": HEAD, "Body": {"Data": {"Site": dict.fromkeys(("P_Grid", "P_Akku", "P_Load", "P_PV", "E_Total")) | {"E_Day": 5}}}},
            {},
            1,
        ),
        (
            "fronius",
            "f",
            {"Head": HEAD, "Body": {"Data": {"Site": {"P_Grid": "-12.5", "P_Load": -60, "P_PV": 72.5}}}},
            {MADE_KW: 0.0725, IMPORT_KW: 0.0, EXPORT_KW: 0.0125, USED_KW: 0.06},
            0,
        ),
        (
            "fronius",
            "f",
            {
                "Head": HEAD,
                "Body": {
                    "Data": {
                        "TOTAL_ENERGY": {"Unit": "Wh", "Value": 1000},
                        "DAY_ENERGY": {"Unit": "Wh", "Value": 3},
                        "DeviceStatus": {"StatusCode": 8},
                    }
                },
            },
            {MADE: 1.0},
            1,
        ),
        (
            "envoy",
            "e",
            {"wattHoursToday": 10, "wattHoursSevenDays": 90, "wattHoursLifetime": 1000, "wattsNow": 5},
            {MADE_KW: 0.005, MADE: 1.0},
            0,
        ),
        (
            "envoy",
            "e",
            {
                "production": [{"type": "inverters", "activeCount": 4, "readingTime": 1774774800, "wNow": None, "whLifetime": 10}],
                "storage": [{"type": "acb", "activeCount": 1, "readingTime": 1774774800, "wNow": 5}],
            },
            {MADE: 0.01},
            1,
        ),
        (
            "homewizard",
            "h",
            {
                "wifi_ssid": "x",
                "total_power_import_t1_kwh": "1",
                "total_power_import_t2_kwh": None,
                "active_power_w": None,
                "total_gas_m3": 5,
            },
            {IMPORT: 1.0},
            1,
        ),
        ("emoncms", "emon/e", '{"power":null,"kwh":"7","unknown":3}', {USED: 7.0}, 1),
        ("emoncms", "emon/e", '{"power":-10,"Time":"1774774800"}', {IMPORT_KW: 0.0, EXPORT_KW: 0.01}, 0),
    ],
)
def test_variant_is_read_and_what_has_no_channel_is_counted(
    sender, decoder: str, topic: str, payload: object, said: dict, ignored: int
) -> None:
    facts = NODE if decoder == "emoncms" else {"kind": "inverter"} if decoder in {"fronius", "envoy"} else {}
    device = sender(decoder, **facts)
    assert device.says(topic, payload) == said
    decoded = device.send(topic, payload)
    assert decoded.ignored == (ignored if said else max(ignored, 1))
    assert {r.measured_at for r in decoded.readings} <= {WINTER, device.received_at}


@pytest.mark.parametrize(
    ("decoder", "topic", "payload"),
    [
        ("shelly_rpc", "x/status", {"em:0": {"total_act_power": 1}, "sys": {"unixtime": 1774774800}}),
        ("tasmota", "tele/x/SENSOR", {"Time": "2026-03-29T11:00:00", "ENERGY": {"Power": 1}}),
        ("tasmota", "tele/x/ENERGY", {"Time": "2026-03-29T11:00:00", "Power": 1}),
        (
            "dsmr_reader",
            "dsmr/json",
            {"timestamp": "2026-03-29T09:00:00Z", "electricity_currently_delivered": "1", "electricity_currently_returned": "0"},
        ),
        ("emoncms", "emon/e", {"power": 1, "TIME": 1774774800}),
    ],
)
def test_kept_message_counts_where_it_names_its_time(sender, decoder: str, topic: str, payload: object) -> None:
    device = sender(decoder, **(NODE if decoder == "emoncms" else {}))
    assert {r.measured_at for r in device.send(topic, payload, is_retained=True).readings} == {WINTER}


@pytest.mark.parametrize(
    ("decoder", "topic", "payload"),
    [
        ("shelly_rpc", "x/status/em:0", {"total_act_power": 1}),
        ("shelly_rpc", "x/status", {"em:0": {"total_act_power": 1}, "sys": {"unixtime": None}}),
        ("tasmota", "tele/x/SENSOR", {"ENERGY": {"Power": 1}}),
        ("envoy", "e", {"wattHoursLifetime": 1000, "wattsNow": 5}),
    ],
)
def test_without_a_time_receipt_counts_and_a_kept_message_says_nothing(sender, decoder: str, topic: str, payload: object) -> None:
    device = sender(decoder, kind="inverter" if decoder == "envoy" else "meter")
    assert {r.measured_at for r in device.send(topic, payload).readings} == {device.received_at}
    kept = device.send(topic, payload, is_retained=True)
    assert (list(kept.readings), kept.rejections) == ([], ())
    assert kept.ignored >= 1


def test_statestream_number_in_quotes_is_a_number(sender) -> None:
    assert sender("ha_statestream", inputs={"x": "grid W"}).says("ha/sensor/x/state", '"-5"') == {IMPORT_KW: 0.0, EXPORT_KW: 0.005}


def test_gas_of_an_old_telegram_is_counted(sender) -> None:
    lines = [
        "/KMP5 KA6U001585575011",
        "",
        "1-0:1.8.1(12345.678*kWh)",
        "1-0:1.8.2(12345.678*kWh)",
        "1-0:1.7.0(0001.01*kW)",
        "0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)",
        "(00155.184)",
        "!",
    ]
    decoded = sender("p1").send("p1", "\r\n".join(lines))
    assert (len(decoded.readings), decoded.ignored, decoded.rejections) == (3, 1, ())


def test_telegram_with_one_register_of_all_tariffs_and_feed_in(sender) -> None:
    lines = [
        "/ELL5\\253833635_A",
        "",
        "0-0:1.0.0(260329110000S)",
        "1-0:1.8.0(00006678.394*kWh)",
        "1-0:2.8.0(00000012.5*kWh)",
        "1-0:1.7.0(0000.000*kW)",
        "1-0:2.7.0(0001.125*kW)",
        "1-0:32.7.0(240.3*V)",
        "!",
    ]
    body = "\r\n".join(lines)
    meter = sender("p1")
    payload = f"{body}{crc16(body.encode()):04X}\r\n"
    assert meter.says("p1", payload) == {IMPORT: 6678.394, EXPORT: 12.5, IMPORT_KW: 0.0, EXPORT_KW: 1.125}
    assert {r.measured_at for r in meter.send("p1", payload).readings} == {WINTER}
