"""Good payloads of every format, and seeded ways to damage them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

P1 = (
    "/ISk5\\2MT382-1000\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(101209113020W)\r\n1-0:1.8.1(123456.789*kWh)\r\n1-0:1.8.2(123456.789*kWh)\r\n"
    "1-0:2.8.1(123456.789*kWh)\r\n1-0:2.8.2(123456.789*kWh)\r\n1-0:1.7.0(01.193*kW)\r\n1-0:2.7.0(00.000*kW)\r\n!{crc}\r\n"
)
ONE = {"measured_at": "2026-03-29T01:00:00Z", "channel": "grid_import", "measure": "interval_kwh", "value": 0.25, "interval_seconds": 900}
GOOD: dict[str, list[tuple[str, Any]]] = {
    "aurora": [
        ("aurora/v1/meter-1/readings", ONE),
        ("aurora/v1/meter-1/readings", [ONE, ONE | {"channel": "grid_export"}]),
        ("aurora/v1/meter-1/readings", {"timestamp": "2026-03-29T01:00:00Z", "consumption_kwh": 0.4, "production_kwh": 0}),
    ],
    "shelly_gen1": [
        ("shellies/em/info", {"unixtime": 1676110566, "emeters": [{"power": -620.34, "is_valid": True, "total": 401472.9}]}),
        ("shellies/plug/info", {"unixtime": 1676134770, "meters": [{"power": 4711.12, "is_valid": True, "total": 6472513}]}),
    ],
    "shelly_rpc": [
        ("x/events/rpc", {"src": "x", "method": "NotifyStatus", "params": {"ts": 1757060280.21, "em:0": {"total_act_power": 12.5}}}),
        ("x/status/switch:0", {"id": 0, "apower": 399.2, "aenergy": {"total": 2574466.629, "by_minute": [1.0, 2.0]}}),
    ],
    "tasmota": [("tele/x/SENSOR", {"Time": "2026-03-29T04:28:45", "ENERGY": {"Total": [9098.245, 1.5], "Power": [170, 3]}})],
    "zigbee2mqtt": [("zigbee2mqtt/x", {"energy": 1.05, "power": 102, "voltage": 239.1, "last_seen": "2026-03-29T04:28:45+02:00"})],
    "ha_statestream": [("ha/sensor/grid_import/state", "1234.567")],
    "ha_discovery": [
        ("ha/sensor/x/config", {"name": "x", "dev_cla": "energy", "unit_of_meas": "kWh", "val_tpl": "{{ value_json.e }}", "stat_t": "t/x"}),
    ],
    "dsmr_reader": [
        ("dsmr/json", {"timestamp": "2021-05-07T08:48:32Z", "electricity_delivered_1": "3691.449", "electricity_delivered_2": "4460.509",
                       "electricity_currently_delivered": "0.243", "electricity_currently_returned": "0.000"}),
    ],
    "p1": [("p1", P1)],
    "emoncms": [("emon/emontx", {"power": 10, "vrms": 230.1, "time": 1774746000})],
    "fronius": [
        ("fronius/powerflow", {"Body": {"Data": {"Site": {"P_Grid": 2274.9, "P_Load": -2459.3, "P_PV": None, "P_Akku": 0.2}}},
                               "Head": {"Status": {"Code": 0}, "Timestamp": "2026-03-29T04:12:20+02:00"}}),
    ],
    "envoy": [
        ("envoy/production", {"production": [{"type": "inverters", "activeCount": 4, "readingTime": 1774746000, "wNow": 2467,
                                              "whLifetime": 132036933}], "storage": []}),
        ("envoy/meters", [{"eid": 704643584, "state": "enabled", "measurementType": "net-consumption"}]),
        ("envoy/readings", [{"eid": 704643584, "timestamp": 1774746000, "actEnergyDlvd": 3738205.282, "actEnergyRcvd": 1776768.769,
                             "activePower": -36.162}]),
    ],
    "homewizard": [("homewizard/data", {"total_power_import_kwh": 13779.338, "total_power_export_kwh": 0, "active_power_w": -543})],
}  # fmt: skip
STRANGE = [b"1e999", b"-1", b"NaN", b"null", b'"x"', b"[]", b"{}", b"true", b"[" * 400, b"9" * 400, b"\xff", b"\x00", b'"\\ud800"', b"-0.0"]


def as_sent(payload: Any) -> bytes:
    """A payload of `GOOD` as its device sends it."""
    if payload is P1:
        body = P1.split("{crc}")[0].encode()
        return body + f"{crc16(body):04X}\r\n".encode()
    return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()


def crc16(body: bytes) -> int:
    crc = 0
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def good_messages(test_data: Path | None) -> dict[str, list[tuple[str, bytes]]]:
    """Topics and payloads by format; with the folder of real data also those in it."""
    found = {name: [(topic, as_sent(payload)) for topic, payload in messages] for name, messages in GOOD.items()}
    if test_data is None:
        return found
    folder = test_data / "payloads"
    kinds = {"tasmota": "tasmota", "zigbee2mqtt": "zigbee2mqtt", "home_assistant_statestream": "ha_statestream", "emoncms": "emoncms"}
    for prefix, name in kinds.items():
        for file in sorted(folder.glob(f"{prefix}*.json")):
            content = json.loads(file.read_text())
            messages = content if isinstance(content, list) else [content]
            found[name] += [(one["topic"], one["payload"].encode()) for one in messages if "topic" in one]
    found["p1"] += [("p1", file.read_bytes()) for file in sorted(folder.glob("dsmr_p1*.txt"))]
    whole = {"homewizard_p1": ("homewizard", "homewizard/data"), "homewizard_kwh3": ("homewizard", "homewizard/data"),
             "enphase_envoy_3phase_production": ("envoy", "envoy/production")}  # fmt: skip
    for prefix, (name, topic) in whole.items():
        found[name] += [(topic, file.read_bytes()) for file in sorted(folder.glob(f"{prefix}*.json"))]
    status = json.loads((folder / "shelly_gen1_plug_s.json").read_text())["status"]
    found["shelly_gen1"].append(("shellies/plug/info", json.dumps(status).encode()))
    for file in sorted(folder.glob("shelly_gen2*.json")):
        params = json.loads(file.read_text())["status"]
        found["shelly_rpc"].append(("x/events/rpc", json.dumps({"method": "NotifyFullStatus", "params": params}).encode()))
    return found


def _cut(payload: bytes, chance: random.Random) -> bytes:
    return payload[: chance.randrange(len(payload))]


def _flip(payload: bytes, chance: random.Random) -> bytes:
    changed = bytearray(payload)
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _remove(payload: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(payload))
    return payload[:start] + payload[start + chance.randrange(1, 12) :]


def _insert(payload: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(payload) + 1)
    return payload[:place] + chance.choice([*STRANGE, chance.randbytes(chance.randrange(1, 9))]) + payload[place:]


def _repeat(payload: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(payload))
    end = min(start + chance.randrange(1, 40), len(payload))
    return payload[:end] + payload[start:end] + payload[end:]


def _strange_value(payload: bytes, chance: random.Random) -> bytes:
    """A value of a JSON object, or the whole, replaced by something else."""
    places = [place for place, byte in enumerate(payload) if byte == ord(":")]
    if not places:
        return chance.choice(STRANGE)
    start = chance.choice(places) + 1
    end = start
    while end < len(payload) and payload[end] not in b",}]":
        end += 1
    return payload[:start] + chance.choice(STRANGE) + payload[end:]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [_cut, _flip, _remove, _insert, _repeat, _strange_value]


def damaged(payload: bytes, chance: random.Random) -> bytes:
    """The payload after one to three damages."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        payload = chance.choice(MUTATIONS)(payload or b" ", chance)
    return payload
