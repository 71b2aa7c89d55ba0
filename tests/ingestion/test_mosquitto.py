"""Mosquitto as Aurora steers it, and the embedded broker under the same rules."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from aurora.accounts import devices
from aurora.accounts.broker_logins import BrokerLogin, broker_logins
from aurora.accounts.keys import mosquitto_hash, new_key, revoke_key
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import mosquitto
from ingestion.mosquitto import BrokerLog, RightsKeeper, keep_fresh
from ingestion.mosquitto_files import rights_of, write_configuration
from ingestion.server import open_service
from tests.ingestion.conftest import wait_for

READINGS, REJECTED = "bronze/readings", "bronze/rejected"
needs_mosquitto = pytest.mark.needs("mosquitto")


@pytest.fixture
def managed(settings: Settings) -> Settings:
    """Settings by which Aurora runs Mosquitto."""
    return settings.model_copy(update={"broker": "mosquitto"})


@contextmanager
def serving(managed: Settings, home: Home) -> Iterator[None]:
    """Mosquitto as `aurora up` runs it, in a thread of this process."""
    home.note("broker", {})
    stop = threading.Event()
    thread = threading.Thread(target=mosquitto.serve, args=(managed, home, stop), daemon=True)
    thread.start()
    wait_for(lambda: home.read_note("broker"))
    yield
    stop.set()
    thread.join(timeout=10)


@pytest.fixture
def run_mosquitto(managed: Settings, home: Home, accounts) -> Iterator[Settings]:
    """Mosquitto while the test runs."""
    with serving(managed, home):
        yield managed


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)])
def any_broker(request: pytest.FixtureRequest) -> Settings:
    """Each of the two brokers."""
    if request.param == "mosquitto":
        return request.getfixturevalue("run_mosquitto")
    request.getfixturevalue("broker")
    return request.getfixturevalue("settings")


@pytest.fixture
def lets_in(settings: Settings) -> Callable[[str, str], bool]:
    """A function that says whether the broker takes a login."""

    def text(given: str) -> bytes:
        return len(given).to_bytes(2, "big") + given.encode()

    def ask(device_id: str, key: str) -> bool:
        asked = text("MQTT") + b"\x04\xc2\x00\x3c" + text(f"asks-{device_id}") + text(device_id) + text(key)
        with socket.create_connection(("127.0.0.1", settings.mqtt_port), timeout=5) as connection:
            connection.sendall(b"\x10" + len(asked).to_bytes(1, "big") + asked)
            return connection.recv(4)[3:] == b"\x00"

    return ask


def test_device_uses_its_own_branch_alone(any_broker, connect, new_device, eventually, lets_in) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    eventually(lambda: lets_in(other.device_id, other.key), 5)
    victim, thief = connect(other.device_id, other.key), connect(one.device_id, one.key)
    victim.client.subscribe("aurora/v1/meter-2/#", qos=1)
    thief.client.subscribe([("aurora/v1/meter-2/#", 1), ("#", 1), ("aurora/v1/+/readings", 1), ("$SYS/#", 1)])
    eventually(lambda: victim.codes and len(thief.codes) == 4)
    victim.publish("aurora/v1/meter-2/note", "own")
    eventually(lambda: victim.received)
    thief.client.publish("aurora/v1/meter-2/note", "stolen", qos=1)
    time.sleep(0.3)
    assert victim.received == [("aurora/v1/meter-2/note", b"own")]
    assert thief.received == []
    for login in [(None, None), (one.device_id, other.key), (one.device_id, ""), ("aurora-listener", one.key)]:
        assert connect(*login).answer == "Not authorized"


def test_new_revoked_and_renewed_keys_work_within_five_seconds(any_broker, accounts, connect, new_device, eventually, lets_in) -> None:
    one = new_device("meter-1")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    revoke_key(accounts, one.key_id)
    eventually(lambda: not lets_in(one.device_id, one.key), 5)
    _key_id, fresh = new_key(accounts, one.device_id)
    eventually(lambda: lets_in(one.device_id, fresh), 5)


def test_retired_device_is_shut_out_within_five_seconds(any_broker, accounts, connect, new_device, eventually, lets_in) -> None:
    one = new_device("meter-1")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    devices.change_device(accounts, one.device_id, retired_at=datetime.now(UTC))
    eventually(lambda: not lets_in(one.device_id, one.key), 5)


def test_changed_binding_opens_and_shuts_foreign_topics_within_five_seconds(
    any_broker, accounts, connect, new_device, eventually, lets_in
) -> None:
    one = new_device("meter-1", topic="shellies/one/#")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    connection = connect(one.device_id, one.key)

    def hears_itself(topic: str) -> bool:
        nonlocal connection
        if not connection.client.is_connected():
            connection = connect(one.device_id, one.key)
        connection.received.clear()
        connection.client.subscribe(topic, qos=1)
        connection.client.publish(topic, "1", qos=1)
        time.sleep(0.3)
        return bool(connection.received)

    assert hears_itself("shellies/one/power")
    devices.change_device(accounts, one.device_id, topic="tele/one/#")
    eventually(lambda: hears_itself("tele/one/SENSOR"), 5)
    assert not hears_itself("shellies/one/power")


@needs_mosquitto
def test_live_connection_ends_when_its_key_is_revoked(run_mosquitto, accounts, connect, new_device, eventually, lets_in) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    eventually(lambda: lets_in(other.device_id, other.key), 5)
    revoked, stays = connect(one.device_id, one.key), connect(other.device_id, other.key)
    gone: list[str] = []
    stays.client.on_disconnect = lambda *_: gone.append("stays")
    revoked.client.on_disconnect = lambda *_: gone.append("revoked")
    revoke_key(accounts, one.key_id)
    eventually(lambda: gone, 5)
    assert set(gone) == {"revoked"}


@needs_mosquitto
def test_first_message_ever_waits_for_a_listener_that_never_ran(
    run_mosquitto, home, connect, new_device, as_reading, lake: Lake, eventually, lets_in
) -> None:
    one = new_device("meter-1", decoder="shelly_gen1", topic="shellies/one/#")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    connection = connect(one.device_id, one.key)
    for number in range(20):
        connection.publish("shellies/one/emeter/0/power", str(100 + number))
    connection.publish("aurora/v1/meter-1/settings", "of no interest")
    with open_service(run_mosquitto, home):
        eventually(lambda: lake.scan(READINGS).filter(channel="grid_import").collect().height == 20)
        assert home.read_note("listener")["state"] == "connected"
    assert lake.scan(REJECTED).collect().is_empty()


@needs_mosquitto
def test_messages_of_a_new_device_wait_for_a_listener_away_since_before_a_restart(
    managed, home, connect, new_device, as_reading, lake: Lake, eventually, lets_in
) -> None:
    with serving(managed, home):
        pass
    with serving(managed, home):
        one = new_device("meter-1")
        eventually(lambda: lets_in(one.device_id, one.key), 5)
        connect(one.device_id, one.key).publish(one.topic, as_reading(1.0))
        with open_service(managed, home):
            eventually(lambda: lake.scan(READINGS).collect().height == 1)


def test_too_large_payloads_refused_with_a_reason_or_ended(
    any_broker, home, connect, new_device, as_reading, lake: Lake, eventually, lets_in
) -> None:
    one = new_device("meter-1")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    with open_service(any_broker, home):
        connection = connect(one.device_id, one.key)
        connection.publish(one.topic, "x" * 100_000)
        eventually(lambda: lake.scan(REJECTED).collect().height == 1)
        told = connection.client.publish(one.topic, "x" * 1_000_000, qos=1)
        time.sleep(0.5)
        assert not told.is_published()
        connect(one.device_id, one.key).publish(one.topic, as_reading(1.0))
        eventually(lambda: lake.scan(READINGS).collect().height == 1)
    assert lake.scan(REJECTED).collect().get_column("reason").to_list() == ["too_large"]


def test_what_mosquitto_turned_away_is_told_with_its_device(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    from aurora import logs, metrics

    logs.configure("broker", "warning", "json")
    reader, before = BrokerLog(), metrics.TOPICS_REFUSED._value.get()
    for line in (
        "New client connected from 127.0.0.1:48511 as odd (client) (p2, c1, k60, u'meter-1').",
        "Denied PUBLISH from odd (client) (d0, q1, r0, m102, 'aurora/v1/b/readings', ... (1 bytes))",
        "Received PUBLISH from odd (client) (d0, q1, r0, m103, 'x', ... (1 bytes))",
        "Client odd (client) disconnected due to oversize packet.",
    ):
        reader.take(line)
    assert metrics.TOPICS_REFUSED._value.get() == before + 1
    told = capsys.readouterr().err
    assert '"device": "meter-1"' in told
    assert '"topic": "aurora/v1/b/readings"' in told
    assert "AURORA_MAX_MESSAGE_BYTES" in told
    assert len(told.splitlines()) == 2


def test_rights_name_each_device_once_and_never_take_the_listeners_name() -> None:
    logins = [
        BrokerLogin("a", "$7$1$s$h", "aurora/v1/a/readings"),
        BrokerLogin("b", "$7$1$s$i", "x/+/y, tele/b/#"),
        BrokerLogin("aurora-listener", "$7$1$s$j", None),
    ]
    rights = rights_of(logins, "secret")
    assert [line.split(":")[0] for line in rights.passwords.splitlines()] == ["aurora-listener", "a", "b"]
    assert rights.topics.splitlines() == [
        "user aurora-listener", "topic read #", "user a", "topic readwrite aurora/v1/a/#", "user b", "topic readwrite aurora/v1/b/#",
        "topic readwrite x/+/y", "topic readwrite tele/b/#",
    ]  # fmt: skip
    assert rights_of(logins, "secret") == rights


def test_newest_good_key_is_the_one_a_list_of_passwords_holds(accounts, new_device) -> None:
    one = new_device("meter-1")
    assert [login.device_id for login in broker_logins(accounts, datetime.now(UTC))] == ["meter-1"]
    first = broker_logins(accounts, datetime.now(UTC))[0].password_hash
    key_id, _ = new_key(accounts, "meter-1")
    assert broker_logins(accounts, datetime.now(UTC))[0].password_hash != first
    revoke_key(accounts, key_id)
    assert broker_logins(accounts, datetime.now(UTC))[0].password_hash == first
    devices.change_device(accounts, "meter-1", retired_at=datetime.now(UTC) + timedelta(days=1))
    assert broker_logins(accounts, datetime.now(UTC)) != []
    assert broker_logins(accounts, datetime.now(UTC) + timedelta(days=2)) == []
    assert one.key not in first


def test_key_made_before_there_was_a_hash_for_mosquitto_gets_one_at_its_next_use(accounts, new_device) -> None:
    from sqlalchemy import update

    from aurora.accounts.keys import holder_of
    from aurora.accounts.models import DeviceKey

    one = new_device("meter-1")
    with accounts.transaction() as session:
        session.execute(update(DeviceKey).values(mosquitto_hash=None))
    assert broker_logins(accounts, datetime.now(UTC)) == []
    assert holder_of(accounts, one.key) is not None
    found = broker_logins(accounts, datetime.now(UTC))[0].password_hash
    import base64

    assert found == mosquitto_hash(one.key, base64.b64decode(found.split("$")[3]))


@needs_mosquitto
def test_mosquitto_run_by_somebody_else_follows_the_accounts(
    settings, home, accounts, connect, new_device, as_reading, lake: Lake, eventually, tmp_path, lets_in
) -> None:
    folder = tmp_path / "broker"
    own = settings.model_copy(update={"broker": "mosquitto", "mqtt_url": SecretStr(f"mqtt://127.0.0.1:{settings.mqtt_port}")})
    keeper, stop = RightsKeeper(accounts, home.secret("listener_password"), folder), threading.Event()
    file = write_configuration(folder, settings.mqtt_port, "127.0.0.1", 65_536)
    keeper.write()
    child = mosquitto.start(file, settings.mqtt_port, "127.0.0.1")
    watching = threading.Thread(target=keep_fresh, args=(keeper, own, home, None, stop), daemon=True)
    watching.start()
    one = new_device("meter-1")
    eventually(lambda: lets_in(one.device_id, one.key), 5)
    with open_service(own, home):
        connect(one.device_id, one.key).publish(one.topic, as_reading(1.0))
        eventually(lambda: lake.scan(READINGS).collect().height == 1)
    stop.set()
    watching.join()
    mosquitto.stop(child)
    assert (folder / "passwords").stat().st_mode & 0o007 == 0


def test_command_writes_files_for_a_mosquitto_elsewhere(home, accounts, new_device, tmp_path) -> None:
    from typer.testing import CliRunner

    from orchestration.cli.commands import cli

    new_device("meter-1")
    done = CliRunner().invoke(cli, ["mosquitto", "config", str(tmp_path / "broker"), "--port", "1899", "--json"])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "broker" / "mosquitto.conf").read_text()
    assert str(tmp_path / "broker" / "mosquitto.conf") in done.output
    for line in ("max_queued_messages 0", "max_inflight_messages 0", "autosave_interval 1", "persistence true", "listener 1899 127.0.0.1"):
        assert f"\n{line}\n" in text
    assert "user meter-1" in (tmp_path / "broker" / "rights").read_text()
