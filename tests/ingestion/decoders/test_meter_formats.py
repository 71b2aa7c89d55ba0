"""DSMR-reader, P1 telegrams and Emoncms."""

from datetime import UTC, datetime

import pytest

IMPORT, EXPORT = ("grid_import", "register_kwh"), ("grid_export", "register_kwh")
IMPORT_KW, EXPORT_KW = ("grid_import", "power_kw"), ("grid_export", "power_kw")

DSMR = (
    '{"id":601721,"timestamp":"2021-05-07T08:48:32Z","electricity_delivered_1":"3691.449","electricity_returned_1":"3273.813",'
    '"electricity_delivered_2":"4460.509","electricity_returned_2":"1309.776","electricity_currently_delivered":"0.243",'
    '"electricity_currently_returned":"0.000","extra_device_timestamp":"2021-05-07T08:45:29Z","extra_device_delivered":"3492.813"}'
)
TELEGRAM = "\r\n".join([
    "/ISk5\\2MT382-1000", "", "1-3:0.2.8(50)", "0-0:1.0.0(101209113020W)", "0-0:96.1.1(4B384547303034303436333935353037)",
    "1-0:1.8.1(123456.789*kWh)", "1-0:1.8.2(123456.789*kWh)", "1-0:2.8.1(123456.789*kWh)", "1-0:2.8.2(123456.789*kWh)",
    "0-0:96.14.0(0002)", "1-0:1.7.0(01.193*kW)", "1-0:2.7.0(00.000*kW)", "0-1:24.2.1(101209112500W)(12785.123*m3)", "!",
])  # fmt: skip


def checksum(text: str) -> str:
    """CRC16/ARC of a telegram, worked out bit by bit."""
    crc = 0
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return f"{crc:04X}"


def signed(text: str) -> str:
    return f"{text}{checksum(text)}\r\n"


def test_dsmr_reader_adds_tariffs_and_reads_kw(sender) -> None:
    meter = sender("dsmr_reader")
    decoded = meter.send("dsmr/json", DSMR)
    assert {r.measured_at for r in decoded.readings} == {datetime(2021, 5, 7, 8, 48, 32, tzinfo=UTC)}
    assert decoded.ignored == 1
    assert meter.says("dsmr/json", DSMR) == {IMPORT: 8151.958, EXPORT: 4583.589, IMPORT_KW: 0.243, EXPORT_KW: 0.0}


def test_dsmr_reader_split_topics_are_added_once_both_are_known(sender) -> None:
    meter = sender("dsmr_reader")
    assert meter.says("dsmr/reading/electricity_delivered_1", "3691.449") == {}
    assert meter.says("dsmr/reading/electricity_delivered_2", "4460.509") == {IMPORT: 8151.958}
    assert meter.says("dsmr/reading/electricity_currently_delivered", "0.000") == {IMPORT_KW: 0.0}
    assert meter.says("dsmr/reading/electricity_currently_returned", "1.5") == {IMPORT_KW: 0.0, EXPORT_KW: 1.5}
    assert meter.says("dsmr/reading/extra_device_delivered", "3492.813") == {}
    assert meter.reasons("dsmr/reading/electricity_delivered_1", "many") == ["wrong_type"]
    assert meter.says("dsmr/reading/electricity_delivered_2", "4460.6") == {IMPORT: 8152.049}


@pytest.mark.parametrize("missing", [{}, {"electricity_delivered_2": None}])
def test_dsmr_reader_lacking_tariff_is_named_once_beside_what_is_whole(sender, missing: dict[str, None]) -> None:
    sent = {"timestamp": "2026-03-29T09:00:00Z", "electricity_delivered_1": "1", "electricity_returned_1": "x"} | missing
    decoded = sender("dsmr_reader").send("dsmr/json", sent | {"electricity_currently_delivered": "0.2"})
    faults = [(fault.field, fault.reason) for rejection in decoded.rejections for fault in rejection.faults]
    assert faults == [("electricity_returned_1", "wrong_type"), ("electricity_delivered_2", "missing_field")]
    assert len(decoded.rejections) == 1
    assert [(r.channel, r.measure, r.value) for r in decoded.readings] == [("grid_import", "power_kw", 0.2)]


@pytest.mark.parametrize(("name", "channel"), [("delivered", IMPORT_KW), ("returned", EXPORT_KW)])
def test_dsmr_reader_power_of_one_direction_is_known_by_itself(sender, name: str, channel: tuple[str, str]) -> None:
    meter = sender("dsmr_reader")
    field = f"electricity_currently_{name}"
    assert meter.says("dsmr/json", {field: "0.2"}) == {channel: 0.2}
    assert meter.says("dsmr/json", {field: "0.000"}) == {channel: 0.0}
    assert meter.says(f"dsmr/reading/{field}", "0.5") == {channel: 0.5}
    assert meter.reasons("dsmr/json", {field: "-1"}) == ["negative"]
    assert meter.reasons("dsmr/json", {field: "many"}) == ["wrong_type"]
    assert meter.reasons(f"dsmr/reading/{field}", "many") == ["wrong_type"]
    assert sender("dsmr_reader", kind="inverter").says("dsmr/json", {field: "2"}) == (
        {("production", "power_kw"): 2.0} if name == "delivered" else {}
    )


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_telegram_yields_both_tariffs_added_in_winter_time(sender, ends: str) -> None:
    meter = sender("p1")
    payload = signed(TELEGRAM).replace("\r\n", ends)
    decoded = meter.send("p1/telegram", payload)
    assert {r.measured_at for r in decoded.readings} == {datetime(2010, 12, 9, 10, 30, 20, tzinfo=UTC)}
    assert decoded.ignored == 1
    assert meter.says("p1/telegram", payload) == {IMPORT: 246913.578, EXPORT: 246913.578, IMPORT_KW: 1.193, EXPORT_KW: 0.0}


@pytest.mark.parametrize(("flag", "zone", "hour"), [("S", "Europe/Amsterdam", 0), ("W", "Europe/Amsterdam", 1), ("W", "Europe/Vilnius", 0)])
def test_telegram_time_by_its_flag(sender, flag: str, zone: str, hour: int) -> None:
    text = TELEGRAM.replace("101209113020W", f"261025023000{flag}")
    assert {r.measured_at for r in sender("p1", time_zone=zone).send("t", signed(text)).readings} == {
        datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    }


def test_telegram_with_another_or_no_checksum_is_refused(sender) -> None:
    good = signed(TELEGRAM)
    assert sender("p1").reasons("t", good.replace("123456.789", "123456.788", 1)) == ["bad_checksum"]
    assert sender("p1").reasons("t", TELEGRAM + "\r\n") == ["bad_checksum"]
    assert sender("p1").reasons("t", "hello") == ["not_a_telegram"]


def test_telegram_of_an_old_meter_needs_no_checksum(sender) -> None:
    old = "/ISk5\\2MT382-1000\r\n\r\n1-0:1.8.1(00001.001*kWh)\r\n1-0:1.8.2(00002.002*kWh)\r\n1-0:1.7.0(0000.50*kW)\r\n!\r\n"
    meter = sender("p1")
    assert meter.says("t", old) == {IMPORT: 3.003, IMPORT_KW: 0.5, EXPORT_KW: 0.0}
    assert {r.measured_at for r in meter.send("t", old).readings} == {meter.received_at}


@pytest.mark.needs("test_data")
@pytest.mark.parametrize("name", ["dsmr_p1_v2_2.txt", "dsmr_p1_v4_2.txt", "dsmr_p1_v5.txt"])
def test_real_telegrams_are_taken(sender, test_data, name: str) -> None:
    decoded = sender("p1").send("t", (test_data / "payloads" / name).read_bytes())
    assert (decoded.rejections, len(decoded.readings) >= 3) == ((), True)


NODE = {"topic": "emon/emontx/#", "inputs": {"power": "grid W", "power1": "grid W", "2": "production W"}}


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("emon/emontx/power", "10", {IMPORT_KW: 0.01, EXPORT_KW: 0.0}),
        ("emon/emontx", "10,11,12", {("production", "power_kw"): 0.011}),
        ("emon/emontx/values", "10,11,12", {("production", "power_kw"): 0.011}),
        ("emon/emontx", '{"power":10,"vrms":230.1,"time":1720080000}', {IMPORT_KW: 0.01, EXPORT_KW: 0.0}),
        ("emon/emontx", '{"power":10,"time":"2025-07-04T12:00:00Z"}', {IMPORT_KW: 0.01, EXPORT_KW: 0.0}),
        ("emon/emontx", '{"consumption_kwh":7.5,"rssi":-41}', {("consumption", "register_kwh"): 7.5}),
    ],
)
def test_emoncms_forms(sender, topic: str, payload: str, said: dict) -> None:
    facts = NODE | {"inputs": {name: words for name, words in NODE["inputs"].items() if name != "power1"}}
    assert sender("emoncms", **facts).says(topic, payload) == said


def test_emoncms_time_is_seconds_or_a_text_and_else_receipt(sender) -> None:
    times = [
        [
            r.measured_at
            for r in sender("emoncms", topic="emon/emontx", inputs={"power": "consumption W"}).send("emon/emontx", payload).readings
        ]
        for payload in ('{"power":10,"time":1720080000}', '{"power":10,"time":"2025-07-04T12:00:00Z"}', '{"power":10}')
    ]
    assert times == [
        [datetime(2024, 7, 4, 8, 0, tzinfo=UTC)],
        [datetime(2025, 7, 4, 12, 0, tzinfo=UTC)],
        [datetime(2026, 3, 29, 10, 0, tzinfo=UTC)],
    ]


def test_emoncms_open_levels_come_before_the_name(sender) -> None:
    node = sender("emoncms", topic="emon/#", inputs={"emontx/power": "consumption W", "emontx/2": "production W"})
    assert node.says("emon/emontx/power", "10") == node.says("emon/emontx", {"power": 10}) == {("consumption", "power_kw"): 0.01}
    assert node.says("emon/emontx", "1,2") == {("production", "power_kw"): 0.002}


def test_emoncms_counts_what_is_not_mapped_and_asks_where_nothing_is(sender) -> None:
    assert (
        sender("emoncms", topic="emon/emontx", inputs={"power": "consumption W"}).send("emon/emontx", {"power": 1, "vrms": 230}).ignored
        == 1
    )
    assert sender("emoncms", topic="emon/emontx").reasons("emon/emontx", {"power": 1}) == ["unmapped_input"]
    assert sender("emoncms", topic="emon/emontx", inputs={"power": "consumption"}).reasons("emon/emontx", {"power": 1}) == ["unknown_unit"]
    assert sender("emoncms", topic="emon/emontx", inputs={"power": "consumption W"}).reasons("emon/emontx", {"power": "much"}) == [
        "wrong_type"
    ]
    assert sender("emoncms", topic="emon/emontx").reasons("emon/emontx", "hello") == ["not_inputs"]
