"""Shelly: Wh and watt-minutes, deltas over the last state, both directions in one register."""

from datetime import UTC, datetime, timedelta

import pytest

IMPORT, EXPORT = ("grid_import", "register_kwh"), ("grid_export", "register_kwh")
IMPORT_KW, EXPORT_KW = ("grid_import", "power_kw"), ("grid_export", "power_kw")
USED, USED_KW = ("consumption", "register_kwh"), ("consumption", "power_kw")

STATUS_1PM = (
    '{"mac":"84CCA8XXXXXXX","unixtime":1676134770,"meters":[{"power":4711.12,"overpower":0.00,"is_valid":true,'
    '"timestamp":1676138370,"counters":[0.000,0.000,0.000],"total":6472513}]}'
)
STATUS_EM = (
    '{"mac":"C45BXXXXX","unixtime":1676110566,"emeters":[{"power":-620.34,"reactive":714.48,"pf":-0.66,"voltage":235.68,'
    '"is_valid":true,"total":401472.9,"total_returned":653673.7}]}'
)
PRO_3EM = {
    "src": "shellypro3em-1234567890ab", "dst": "aiida/1/events", "method": "NotifyStatus",
    "params": {"ts": 1757060280.21, "emdata:0": {
        "id": 0, "a_total_act_energy": 0.06, "a_total_act_ret_energy": 0, "b_total_act_energy": 0.06, "b_total_act_ret_energy": 0.01,
        "c_total_act_energy": 26289.44, "c_total_act_ret_energy": 131881.85, "total_act": 26289.57, "total_act_ret": 131881.86,
    }},
}  # fmt: skip
SWITCH = (
    '{"id":0,"source":"init","output":true,"apower":399.2,"voltage":240.8,"current":1.886,"aenergy":{"total":2574466.629,'
    '"by_minute":[7200.069,6121.044,5088.795],"minute_ts":1786033200},"temperature":{"tC":46.3,"tF":115.4}}'
)


def test_gen1_meter_total_is_watt_minutes_at_the_devices_unix_time(sender) -> None:
    plug = sender("shelly_gen1", role="sub")
    decoded = plug.send("shellies/plug/info", STATUS_1PM)
    assert {r.measured_at for r in decoded.readings} == {datetime(2023, 2, 11, 16, 59, 30, tzinfo=UTC)}
    assert plug.says("shellies/plug/info", STATUS_1PM) == {USED: pytest.approx(107.875216667), USED_KW: 4.71112}


def test_gen1_em_total_is_watt_hours_in_two_directions(sender) -> None:
    said = sender("shelly_gen1").says("shellies/em/info", STATUS_EM)
    assert said == {IMPORT: 401.4729, EXPORT: 653.6737, IMPORT_KW: 0.0, EXPORT_KW: 0.62034}
    assert sender("shelly_gen1").send("shellies/em/info", STATUS_EM).ignored == 3


def test_gen1_meter_without_total_is_not_metered(sender) -> None:
    decoded = sender("shelly_gen1").send("shellies/x/info", {"unixtime": 1676134770, "meters": [{"power": 0.0, "is_valid": True}]})
    assert (list(decoded.readings), decoded.rejections) == ([], ())


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("shellies/shellyem-B9E17C/emeter/0/power", "-620.34", {IMPORT_KW: 0.0, EXPORT_KW: 0.62034}),
        ("shellies/shellyem-B9E17C/emeter/0/total", "401472.9", {IMPORT: 401.4729}),
        ("shellies/shellyem-B9E17C/emeter/0/total_returned", "653673.7", {EXPORT: 653.6737}),
        ("shellies/shellyem-B9E17C/emeter/0/energy", "17", {}),
        ("shellies/shellyem-B9E17C/emeter/0/voltage", "235.68", {}),
        ("shellies/shellyplug-s-C18B12/relay/0/energy", "6472513", {IMPORT: pytest.approx(107.875216667)}),
        ("shellies/shellyplug-s-C18B12/relay/0/power", "12.5", {IMPORT_KW: 0.0125, EXPORT_KW: 0.0}),
        ("shellies/shellyplug-s-C18B12/relay/0", "on", {}),
    ],
)
def test_gen1_topic_is_read_in_its_unit(sender, topic: str, payload: str, said: dict) -> None:
    assert sender("shelly_gen1").says(topic, payload) == said


def test_gen1_number_takes_the_time_of_receipt_and_a_kept_one_has_none(sender) -> None:
    meter = sender("shelly_gen1")
    [found] = meter.send("shellies/em/emeter/0/total", "1000").readings
    assert found.measured_at == meter.received_at
    kept = meter.send("shellies/em/emeter/0/total", "1000", is_retained=True)
    assert (list(kept.readings), kept.ignored) == ([], 1)


def test_gen1_second_clamp_is_asked_for_and_then_taken(sender) -> None:
    topic = "shellies/em/emeter/1/power"
    assert sender("shelly_gen1").reasons(topic, "2000") == ["unmapped_input"]
    assert sender("shelly_gen1", inputs={"emeter/1": "production"}).says(topic, "2000") == {("production", "power_kw"): 2.0}
    assert sender("shelly_gen1", inputs={"emeter/1": "reversed production"}).says(topic, "-2000") == {("production", "power_kw"): 2.0}
    assert sender("shelly_gen1", inputs={"emeter/1": "production"}).reasons(topic, "-2000") == ["negative"]
    assert sender("shelly_gen1", inputs={"emeter/1": "production"}).says(topic, "-3") == {("production", "power_kw"): 0.0}


def test_gen1_phases_said_to_measure_the_same_are_added_once_all_are_known(sender) -> None:
    meter = sender("shelly_gen1", inputs={f"emeter/{phase}": "grid" for phase in range(3)})
    assert meter.says("shellies/3em/emeter/0/power", "1000") == {}
    assert meter.says("shellies/3em/emeter/1/power", "-200") == {}
    assert meter.says("shellies/3em/emeter/2/power", "-1800") == {IMPORT_KW: 0.0, EXPORT_KW: 1.0}
    assert meter.says("shellies/3em/emeter/0/total", "1") == {}


def test_rpc_notification_yields_wh_at_its_own_time(sender) -> None:
    meter = sender("shelly_rpc")
    decoded = meter.send("shellypro3em-1/events/rpc", PRO_3EM)
    assert {r.measured_at for r in decoded.readings} == {datetime(2025, 9, 5, 8, 18, 0, 210_000, tzinfo=UTC)}
    assert meter.says("shellypro3em-1/events/rpc", PRO_3EM) == {IMPORT: 26.28957, EXPORT: 131.88186}


def test_rpc_switch_status_yields_energy_and_power(sender) -> None:
    said = {USED: 2574.466629, USED_KW: 0.3992}
    assert sender("shelly_rpc", role="sub").says("plug/status/switch:0", SWITCH) == said
    assert sender("shelly_rpc", role="sub").send("plug/status/switch:0", SWITCH).ignored == 3


def test_rpc_aenergy_of_both_directions_is_told_apart_over_deltas(sender) -> None:
    meter = sender("shelly_rpc")

    def notify(**component: object) -> dict:
        return meter.says("x/events/rpc", {"method": "NotifyStatus", "params": {"ts": 1757060280.21, "switch:0": component}})

    assert notify(aenergy={"total": 10000}, ret_aenergy={"total": 4000}) == {IMPORT: 6.0, EXPORT: 4.0}
    assert notify(aenergy={"total": 11000}) == {IMPORT: 7.0, EXPORT: 4.0}
    assert notify(ret_aenergy={"total": 5000}) == {IMPORT: 6.0, EXPORT: 5.0}
    assert notify(apower=1200) == {IMPORT_KW: 1.2, EXPORT_KW: 0.0}
    assert notify(output=True) == {}
    assert notify(aenergy=None) == {EXPORT: 5.0}
    assert notify(ret_aenergy=None, aenergy={"total": 12000}) == {IMPORT: 12.0}


def test_rpc_missing_attribute_is_never_zero(sender) -> None:
    said = sender("shelly_rpc").says(
        "x/events/rpc", {"method": "NotifyStatus", "params": {"ts": 1757060280.21, "em:0": {"a_voltage": 230.1}}}
    )
    assert said == {}


def test_rpc_other_components_in_their_channels(sender) -> None:
    meter = sender("shelly_rpc", inputs={"em1:0": "grid", "em1:1": "reversed production"})
    params = {
        "em1:0": {"act_power": -500.0},
        "em1:1": {"act_power": -700.0},
        "em1data:1": {"total_act_energy": 3, "total_act_ret_energy": 9000},
    }
    said = meter.says("x/events/rpc", {"method": "NotifyFullStatus", "params": {"ts": 1757060280.21} | params})
    assert said == {IMPORT_KW: 0.0, EXPORT_KW: 0.5, ("production", "power_kw"): 0.7, ("production", "register_kwh"): 9.0}


def test_online_topics_are_the_devices_state(sender) -> None:
    for name in ("shelly_gen1", "shelly_rpc"):
        assert [s.state for s in sender(name).send("shellies/x/online", "false").states] == ["offline"]


def test_too_late_and_future_times_refused(sender) -> None:
    assert sender("shelly_rpc", late=timedelta(days=30)).reasons("x/events/rpc", PRO_3EM) == ["too_late"]
    ahead = {"method": "NotifyStatus", "params": {"ts": 1774786000, "em:0": {"total_act_power": 1}}}
    assert sender("shelly_rpc", late=timedelta(days=30)).reasons("x/events/rpc", ahead) == ["in_the_future"]
