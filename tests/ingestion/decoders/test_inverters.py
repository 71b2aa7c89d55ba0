"""Fronius' Solar API, Enphase's Envoy and HomeWizard's local API."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

FLOW = {
    "Body": {"Data": {"Inverters": {"1": {"E_Day": None, "E_Total": 7512664.4041666668, "P": 186.54914855957031, "SOC": 4.6}},
        "Site": {"E_Day": None, "E_Total": 7512664.4041666668, "Meter_Location": "grid", "Mode": "bidirectional",
            "P_Akku": 0.15907810628414154, "P_Grid": 2274.9, "P_Load": -2459.3092254638673, "P_PV": 216.43276786804199,
            "rel_Autonomy": 7.4984155532163506, "rel_SelfConsumption": 100.0}}},
    "Head": {"Status": {"Code": 0}, "Timestamp": "2021-11-28T13:12:20+00:00"},
}  # fmt: skip
ENVOY = {
    "production": [{"type": "inverters", "activeCount": 40, "readingTime": 1691365927, "wNow": 2467, "whLifetime": 132036933}],
    "storage": [{"type": "acb", "activeCount": 0, "readingTime": 0, "wNow": 0, "whNow": 0, "state": "idle"}],
}


def test_fronius_power_flow_has_a_sign_for_each_direction(sender) -> None:
    inverter = sender("fronius", kind="inverter")
    assert inverter.says("fronius/flow", FLOW) == {
        ("production", "power_kw"): 0.216432768,
        ("production", "register_kwh"): 7512.664404167,
        ("grid_import", "power_kw"): 2.2749,
        ("grid_export", "power_kw"): 0.0,
        ("battery_discharge", "power_kw"): 0.000159078,
        ("battery_charge", "power_kw"): 0.0,
        ("consumption", "power_kw"): 2.459309225,
    }
    decoded = inverter.send("fronius/flow", FLOW)
    assert {reading.measured_at for reading in decoded.readings} == {datetime(2021, 11, 28, 13, 12, 20, tzinfo=UTC)}
    assert decoded.ignored == 2


def test_fronius_null_is_unknown_and_feeding_in_and_charging_are_positive_there(sender) -> None:
    night = copy.deepcopy(FLOW)
    night["Body"]["Data"]["Site"] |= {"P_PV": None, "P_Grid": -500.0, "P_Akku": -300.0, "E_Total": None}
    assert sender("fronius", kind="inverter").says("t", night) == {
        ("grid_import", "power_kw"): 0.0,
        ("grid_export", "power_kw"): 0.5,
        ("battery_discharge", "power_kw"): 0.0,
        ("battery_charge", "power_kw"): 0.3,
        ("consumption", "power_kw"): 2.459309225,
    }


def test_fronius_inverter_alone_or_several_together(sender) -> None:
    one = {
        "DAY_ENERGY": {"Unit": "Wh", "Value": 1113},
        "PAC": {"Unit": "W", "Value": 1190},
        "TOTAL_ENERGY": {"Unit": "Wh", "Value": 44188000},
    }
    head = {"Status": {"Code": 0}, "Timestamp": "2021-11-28T14:12:20+01:00"}
    assert sender("fronius", kind="inverter").says("t", {"Body": {"Data": one}, "Head": head}) == {
        ("production", "power_kw"): 1.19,
        ("production", "register_kwh"): 44188.0,
    }
    several = {"PAC": {"Unit": "W", "Values": {"1": 100, "2": 250}}, "TOTAL_ENERGY": {"Unit": "Wh", "Values": {"1": 1000, "2": None}}}
    assert sender("fronius", kind="inverter").says("t", {"Body": {"Data": several}, "Head": head}) == {("production", "power_kw"): 0.35}


def test_fronius_error_and_wrong_types_refused(sender) -> None:
    broken = FLOW | {"Head": {"Status": {"Code": 8}}}
    assert sender("fronius", kind="inverter").reasons("t", broken) == ["device_error"]
    odd = copy.deepcopy(FLOW)
    odd["Body"]["Data"]["Site"]["P_Grid"] = "much"
    assert sender("fronius", kind="inverter").reasons("t", odd) == ["wrong_type"]


def test_envoy_microinverters_and_no_battery_that_is_not_there(sender) -> None:
    envoy = sender("envoy", kind="inverter")
    assert envoy.says("envoy/production", ENVOY) == {("production", "power_kw"): 2.467, ("production", "register_kwh"): 132036.933}
    decoded = envoy.send("envoy/production", ENVOY)
    assert {reading.measured_at for reading in decoded.readings} == {datetime(2023, 8, 6, 23, 52, 7, tzinfo=UTC)}
    assert decoded.ignored == 0


def test_envoy_meter_counts_instead_of_the_microinverters_and_never_read_parts_do_not(sender) -> None:
    meter = {"type": "eim", "activeCount": 1, "readingTime": 1693433002}
    metered = {
        "production": [
            {"type": "inverters", "activeCount": 7, "readingTime": 0, "wNow": 0, "whLifetime": 4339764},
            meter | {"measurementType": "production", "wNow": -6.481, "whLifetime": 4351113.2},
        ],
        "consumption": [
            meter | {"measurementType": "total-consumption", "wNow": 400.5, "whLifetime": 9.0},
            meter | {"measurementType": "net-consumption", "wNow": -150.0, "whLifetime": 1.0},
        ],
    }  # fmt: skip
    assert sender("envoy", kind="inverter").says("t", metered) == {
        ("production", "power_kw"): 0.0,
        ("production", "register_kwh"): 4351.1132,
        ("consumption", "power_kw"): 0.4005,
        ("consumption", "register_kwh"): 0.009,
        ("grid_import", "power_kw"): 0.0,
        ("grid_export", "power_kw"): 0.15,
    }


def test_homewizard_totals_or_their_tariffs_and_signed_power(sender) -> None:
    new = {
        "total_power_import_kwh": 13779.338,
        "total_power_export_kwh": 0,
        "active_power_w": -543,
        "total_gas_m3": 1122.3,
        "active_voltage_l1_v": 230.1,
    }
    old = {"total_power_import_t1_kwh": 10830.511, "total_power_import_t2_kwh": 2948.827, "active_power_w": 10}
    meter = sender("homewizard")
    assert meter.says("hw/data", new) == {
        ("grid_import", "power_kw"): 0.0,
        ("grid_export", "power_kw"): 0.543,
        ("grid_import", "register_kwh"): 13779.338,
        ("grid_export", "register_kwh"): 0.0,
    }
    assert meter.send("hw/data", new).ignored == 2
    assert meter.says("hw/data", old)["grid_import", "register_kwh"] == 13779.338
    assert meter.send("hw/data", new, is_retained=True).readings == ()


@pytest.mark.needs("test_data")
@pytest.mark.parametrize(
    ("decoder", "name"),
    [("homewizard", "homewizard_p1_v1_data"), ("homewizard", "homewizard_kwh3_v1_data"), ("envoy", "enphase_envoy_3phase_production")],
)
def test_real_answers_are_read(sender, test_data: Path, decoder: str, name: str) -> None:
    payload = json.loads((test_data / "payloads" / f"{name}.json").read_text())
    decoded = sender(decoder, kind="inverter" if decoder == "envoy" else "meter").send("t", payload)
    assert decoded.rejections == ()
    assert len(decoded.readings) >= 4
