"""What the page of the state of data asks: devices, refusals and findings of one site alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from app.queries.conditions import device_states, open_findings, refusals
from app.queries.overview import open_anomalies
from app.queries.reader import LakeReader
from aurora.accounts import devices, sites
from aurora.accounts.acknowledgements import acknowledge, known_findings
from aurora.accounts.models import Site
from aurora.lake.store import Lake
from ingestion import bronze, replay
from ingestion.messages import Fault, rejection_of
from orchestration.cli.commands import cli
from tests.app.published import anomaly_rows, publish

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def other(accounts, admin, site) -> Site:
    return sites.add_site(accounts, admin, name="Other", site_id="other", time_zone="UTC", latitude=1.0, longitude=2.0)


def add(accounts, device_id: str, site_id: str = "home", **facts: Any) -> None:
    devices.add_device(accounts, site_id, name=device_id.upper(), kind=facts.pop("kind", "meter"), device_id=device_id, **facts)


def refuse(lake: Lake, at: datetime, topic: str, reason: str, count: int = 1) -> None:
    rows = [bronze.Refused(rejection_of(b"{", (Fault("", reason, ""),)), "mqtt", topic)] * count
    lake.land(bronze.REJECTED, bronze.rejected_table(rows, at))


def test_devices_come_with_the_worst_first(lake: Lake, accounts, site) -> None:
    for name in ("fine", "quiet", "gone", "new"):
        add(accounts, name, interval_seconds=900 if name == "fine" else None)
    devices.import_device(accounts, site)
    known = [("fine", "online", 60.0), ("quiet", "silent", 300.0), ("gone", "offline", None), ("home-import", "silent", None)]
    rows = [
        {"device_id": name, "site_id": "home", "state": state, "spacing_seconds": spacing, "last_reading_at": NOW}
        for name, state, spacing in known
    ]
    publish(lake, accounts, "refresh", {"gold/device_status": pl.DataFrame(rows)}, NOW)
    found = device_states(LakeReader(lake), accounts, site, NOW)
    assert [(one.device_id, one.state, one.interval_seconds, one.is_interval_said) for one in found] == [
        ("gone", "offline", None, False),
        ("quiet", "silent", 300.0, False),
        ("new", "unknown", None, False),
        ("fine", "online", 900, True),
        ("home-import", "files", None, False),
    ]
    assert found[2].last_reading_at is None


def test_refusals_are_those_of_the_sites_own_devices_that_wait_for_a_replay(lake: Lake, accounts, settings, site, other) -> None:
    add(accounts, "mine")
    add(accounts, "theirs", "other", topic="shellies/x/#", decoder="shelly_gen1")
    add(accounts, "gate", kind="gateway", topic="shellies/#", decoder="shelly_gen1")
    refuse(lake, NOW - timedelta(days=40), "aurora/v1/mine/readings", "not_json")
    refuse(lake, NOW - timedelta(days=2), "aurora/v1/mine/readings", "not_json", 3)
    refuse(lake, NOW - timedelta(days=1), "aurora/v1/mine/readings", "negative")
    refuse(lake, NOW - timedelta(hours=1), "shellies/y/emeter/0/power", "not_json")
    refuse(lake, NOW, "shellies/x/emeter/0/power", "not_json", 5)
    refuse(lake, NOW, "aurora/v1/nobody/readings", "unknown_device", 7)
    reader = LakeReader(lake)
    found = [(one.reason, one.count, one.last_at, one.device_names) for one in refusals(reader, accounts, site, NOW)]
    assert found == [
        ("not_json", 4, NOW - timedelta(hours=1), ["GATE", "MINE"]),
        ("negative", 1, NOW - timedelta(days=1), ["MINE"]),
    ]
    assert [(one.count, one.device_names) for one in refusals(reader, accounts, other, NOW)] == [(5, ["THEIRS"])]
    replay.replay_rejected(lake, accounts, settings, "not_json", now=NOW)
    assert [one.reason for one in refusals(reader, accounts, site, NOW)] == ["negative"]


def test_known_findings_come_last_and_leave_the_overview(lake: Lake, accounts, site) -> None:
    one = anomaly_rows(site, NOW)
    kinds = [("a1", "info", 1), ("a2", "critical", 9), ("a3", "warning", 3), ("a4", "warning", 2)]
    rows = [
        one.with_columns(anomaly_id=pl.lit(name), severity=pl.lit(severity), starts_at=NOW - timedelta(hours=hours))
        for name, severity, hours in kinds
    ]
    over = one.with_columns(anomaly_id=pl.lit("a5"), status=pl.lit("closed"))
    publish(lake, accounts, "refresh", {"gold/anomalies": pl.concat([*rows, over])}, NOW)
    reader = LakeReader(lake)
    assert [finding.anomaly_id for finding in open_findings(reader, accounts, site)] == ["a2", "a4", "a3", "a1"]
    acknowledge(accounts, "a2", site_id="home", is_acknowledged=True, reason="the sauna", by=None, now=NOW)
    found = open_findings(reader, accounts, site)
    assert [(finding.anomaly_id, finding.is_acknowledged) for finding in found] == [
        ("a4", False), ("a3", False), ("a1", False), ("a2", True),
    ]  # fmt: skip
    assert found[-1].reason == "the sauna"
    shown = open_anomalies(reader, site, known_findings(accounts, ["home"]))
    assert (shown.count, [row["anomaly_id"] for row in shown.newest]) == (3, ["a1", "a4", "a3"])
    commands = ["acknowledge", "a4"], ["reopen", "a2"], ["acknowledge", "nothing"]
    assert [CliRunner().invoke(cli, ["finding", *command]).exit_code == 0 for command in commands] == [True, True, False]
    assert known_findings(accounts) == {"a4"}
    listed = CliRunner().invoke(cli, ["finding", "list", "--site", "home"]).output.splitlines()
    assert (len(listed), len(CliRunner().invoke(cli, ["finding", "list", "--all"]).output.splitlines())) == (5, 6)
