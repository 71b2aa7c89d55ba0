"""The listener: what it keeps over restarts, how it shares a broker with others, and that it takes no more than it can hold."""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from aurora import home as homes
from aurora.errors import Refused
from aurora.keeping.backup import backup
from aurora.keeping.restore import restore
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.format_states import LARGEST_BYTES, FormatStates
from ingestion.landing import Landing
from ingestion.listener import MOST_EVER, Listener, broker_address
from ingestion.registry import DeviceRegistry
from ingestion.replay import replay_rejected
from ingestion.server import open_service
from orchestration.running.status import listeners

READINGS = "bronze/readings"
FULL = {
    "method": "NotifyFullStatus",
    "params": {"ts": 0, "switch:0": {"apower": 100.0, "aenergy": {"total": 5000.0}, "ret_aenergy": {"total": 2000.0}}},
}
CHANGE = {"method": "NotifyStatus", "params": {"ts": 0, "switch:0": {"aenergy": {"total": 5600.0}}}}


def at(content: dict, moment: datetime) -> str:
    """A notification of that time."""
    return json.dumps(content | {"params": content["params"] | {"ts": moment.timestamp()}})


@pytest.mark.parametrize("is_restarted", [False, True])
def test_change_alone_means_the_same_after_a_restart(
    broker, settings, home, connect, new_device, lake: Lake, eventually, is_restarted: bool
) -> None:
    new_device("plug", decoder="shelly_rpc", topic="plug/#", role="sub", inputs={"switch:0": "battery"})
    gateway = new_device("gateway", kind="gateway", topic="plug/#", decoder="shelly_rpc")
    now = datetime.now(UTC).replace(microsecond=0)

    def landed(number: int) -> bool:
        return lake.scan(READINGS).filter(pl.col("measure") == "register_kwh").collect().height == number

    connection = connect(gateway.device_id, gateway.key)
    with open_service(settings, home):
        connection.publish("plug/events/rpc", at(FULL, now - timedelta(minutes=5)))
        eventually(lambda: landed(2))
        if not is_restarted:
            connection.publish("plug/events/rpc", at(CHANGE, now))
            eventually(lambda: landed(4))
    if is_restarted:
        connection.publish("plug/events/rpc", at(CHANGE, now))
        with open_service(settings, home):
            eventually(lambda: landed(4))
    rows = lake.scan(READINGS).filter(pl.col("measure") == "register_kwh", pl.col("measured_at") == now).sort("channel").collect()
    assert rows.select("channel", "value").rows() == [("battery_charge", 3.6), ("battery_discharge", 2.0)]


def test_kept_states_are_those_of_committed_messages_and_bounded(home) -> None:
    states = FormatStates(home)
    states.change("a", {"x": 1})
    assert FormatStates(home).of("a") == {}
    states.keep({"a": {"x": 1}, "odd": {"x": datetime.now(UTC)}, "huge": {"x": "y" * LARGEST_BYTES}})
    states.keep({"a": {"x": 2}})
    again = FormatStates(home)
    assert again.device_ids == ["a"]
    assert again.of("a") == {"x": 2}
    again.forget(["a"])
    assert FormatStates(home).device_ids == []
    assert (home.path / "formats.sqlite").stat().st_mode & 0o077 == 0


def test_damaged_file_of_states_is_told_and_starts_empty(home) -> None:
    (home.path / "formats.sqlite").write_bytes(b"no database" * 100)
    states = FormatStates(home)
    states.keep({"a": {"x": 1}})
    assert states.device_ids == []


def test_note_says_how_the_connection_is_and_since_when(settings, home, accounts, lake, eventually) -> None:
    listener = Listener(broker_address(settings, home), Landing(lake, settings), DeviceRegistry(accounts), settings, home)
    listener.start()
    assert home.read_note("listener")["state"] == "waiting"
    with socket.create_server(("127.0.0.1", settings.mqtt_port)) as server:
        peer, _ = server.accept()
        peer.recv(100)
        peer.sendall(b"\x20\x02\x00\x00")
        eventually(lambda: home.read_note("listener")["state"] == "connected")
        since = home.read_note("listener")["since"]
        peer.close()
        eventually(lambda: home.read_note("listener")["state"] == "waiting")
    assert datetime.fromisoformat(since).tzinfo is not None
    assert "connection ended" in home.read_note("listener")["reason"]
    listener.stop()


def test_status_names_each_listener_whether_it_runs_or_not(settings, home) -> None:
    two = settings.model_copy(update={"listeners": 2, "broker": "mosquitto"})
    home.note("listener", {"state": "connected", "since": "2026-11-01T12:00:00+00:00", "reason": ""})
    found = listeners(two, home)
    assert [one["state"] for one in found.values()] == ["connected", "waiting"]
    assert found["listener-2"]["reason"] == "it does not run"


def test_several_listeners_refused_on_the_embedded_broker(settings, home) -> None:
    with pytest.raises(Refused, match="AURORA_BROKER=mosquitto"):
        broker_address(settings.model_copy(update={"listeners": 2}), home)


def test_format_of_changes_on_a_shared_topic_is_kept_for_a_replay_and_others_land(
    settings, home, accounts, lake, new_device, as_reading
) -> None:
    for device_id, decoder in (("own", None), ("plug", "tasmota"), ("em", "shelly_rpc")):
        new_device(device_id, decoder=decoder)
    two = settings.model_copy(update={"listeners": 2, "broker": "mosquitto"})
    registry = DeviceRegistry(accounts)
    listeners = [Listener(broker_address(two, home, part), Landing(lake, two), registry, two, None, part) for part in (1, 2)]
    now = datetime.now(UTC).replace(microsecond=0)
    power = {"Time": now.isoformat(), "ENERGY": {"Power": 5}}
    for listener in listeners:
        assert len(listener._decode("aurora/v1/own/readings", as_reading(1.0).encode()).readings) == 1
        assert [one.value for one in listener._decode("aurora/v1/plug/readings", json.dumps(power).encode()).readings] == [0.005, 0.0]
        [rejection] = listener._decode("aurora/v1/em/readings", at(CHANGE, now).encode()).rejections
        assert rejection.reason == "shared_topic"
    kept = [
        listener._decode("aurora/v1/em/readings", at(one, now).encode()).rejections[0]
        for listener, one in zip(listeners, (FULL, CHANGE), strict=True)
    ]
    for place, rejection in enumerate(kept):
        rows = bronze.rejected_table([bronze.Refused(rejection, "mqtt", "aurora/v1/em/readings")], now + timedelta(seconds=place))
        lake.land(bronze.REJECTED, rows)
    assert replay_rejected(lake, accounts, two) == 2
    landed = lake.scan(READINGS).filter(pl.col("measure") == "register_kwh").sort("sequence").collect()
    assert landed.filter(pl.col("channel") == "grid_import")["value"].to_list()[-1] == pytest.approx(3.6)


def test_backup_takes_along_what_formats_said_last_and_how_many_listeners_there_were(
    lake, accounts, home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = FormatStates(home)
    states.change("em-1", {"switch:0.aenergy": 11.0})
    states.keep({"em-1": states.of("em-1")})
    (home.path / MOST_EVER).write_text("3")
    backup(lake, accounts, home, tmp_path / "backup")
    monkeypatch.setenv("AURORA_HOME", str(tmp_path / "restored"))
    chosen = Settings()  # pyright: ignore[reportCallIssue]
    restore(tmp_path / "backup", chosen)
    restored = homes.open_home(chosen)
    assert FormatStates(restored).of("em-1") == {"switch:0.aenergy": 11.0}
    assert (restored.path / MOST_EVER).read_text() == "3"
