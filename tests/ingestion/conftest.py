"""Real brokers, real processes and real devices for the tests of ingestion."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt

from aurora.accounts import devices
from aurora.accounts.database import Accounts
from aurora.accounts.keys import new_key
from aurora.accounts.models import Site
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings

START_SECONDS = 40.0
PROCESS = """
import sys
from importlib import import_module
from aurora import home, logs, settings
loaded = settings.load()
logs.configure(sys.argv[1], "warning")
import_module(sys.argv[1]).run(loaded, home.open_home(loaded))
"""


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `condition` gives once it gives something true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


@dataclass
class Processes:
    """Starts ingestion's processes as their own programs and ends what is left."""

    settings: Settings
    home: Home
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, module: str, note: str | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Start `module.run` and wait for the note it leaves when ready."""
        if note is not None:
            (self.home.run / f"{note}.json").unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", PROCESS, module], env=self.environment | environment, cwd=self.home.path)
        self.started.append(process)
        if note is not None:
            wait_for(lambda: self.home.read_note(note) or process.poll() is not None, START_SECONDS)
        return process

    def end(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
        """End a process and return its exit code."""
        process.send_signal(how)
        return process.wait(timeout=10)


@pytest.fixture
def settings(settings: Settings, free_port: Callable[[], int]) -> Settings:
    """Settings with ports of their own and a quick commit."""
    return settings.model_copy(
        update={"mqtt_port": free_port(), "ingest_port": free_port(), "flush_seconds": 0.2, "max_message_bytes": 65_536}
    )


@pytest.fixture
def processes(settings: Settings, home: Home, lake: Lake, accounts: Accounts) -> Iterator[Processes]:
    """Starts processes that use this test's home."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")} | {
        "AURORA_HOME": str(home.path),
        "AURORA_MQTT_PORT": str(settings.mqtt_port),
        "AURORA_INGEST_PORT": str(settings.ingest_port),
        "AURORA_FLUSH_SECONDS": str(settings.flush_seconds),
        "AURORA_MAX_MESSAGE_BYTES": str(settings.max_message_bytes),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    made = Processes(settings, home, environment)
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(timeout=10)


@dataclass(frozen=True)
class KeyedDevice:
    """A device with one of its keys."""

    device_id: str
    key: str
    key_id: str

    @property
    def topic(self) -> str:
        return f"aurora/v1/{self.device_id}/readings"


@pytest.fixture
def new_device(accounts: Accounts, site: Site) -> Callable[..., KeyedDevice]:
    """A function that makes a device with a key."""

    def make(device_id: str, **facts: Any) -> KeyedDevice:
        devices.add_device(accounts, site.site_id, name=device_id, kind=facts.pop("kind", "meter"), device_id=device_id, **facts)
        key_id, key = new_key(accounts, device_id)
        return KeyedDevice(device_id, key, key_id)

    return make


class Connection:
    """A device's connection to the broker, and what became of it."""

    def __init__(self, port: int, username: str | None, password: str | None, **options: Any) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.codes: list[int] = []
        self.acknowledged: set[int] = set()
        self.answer: str | None = None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, **options)
        if username is not None:
            self.client.username_pw_set(username, password)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: setattr(self, "answer", str(reason))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.codes.extend(code.value for code in codes)
        self.client.on_publish = lambda _c, _d, mid, *_: self.acknowledged.add(mid)
        self.client.on_message = lambda _c, _d, message: self.received.append((message.topic, message.payload))
        self.client.max_inflight_messages_set(500)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_for(lambda: self.answer)

    def publish(self, topic: str, payload: bytes | str, wait: bool = True) -> int:
        """Publish at QoS 1 and wait for the broker's acknowledgement."""
        info = self.client.publish(topic, payload, qos=1)
        if wait:
            wait_for(lambda: info.mid in self.acknowledged)
        return info.mid

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def connect(settings: Settings) -> Iterator[Callable[..., Connection]]:
    """A function that connects to the broker of this test's settings."""
    made: list[Connection] = []

    def open_one(username: str | None = None, password: str | None = None, *, port: int | None = None, **options: Any) -> Connection:
        made.append(Connection(port or settings.mqtt_port, username, password, **options))
        return made[-1]

    yield open_one
    for connection in made:
        connection.close()


def reading(value: object, measured_at: datetime | None = None, **changed: Any) -> str:
    """One reading as JSON."""
    moment = measured_at or datetime.now(UTC)
    return json.dumps({"measured_at": moment.isoformat(), "channel": "consumption", "measure": "power_kw", "value": value} | changed)


@pytest.fixture
def broker(settings: Settings, home: Home, accounts: Accounts, eventually: Callable[..., Any]) -> Iterator[None]:
    """The embedded broker, in a thread of this process."""
    from ingestion.broker import serve

    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(settings, home, stop)), daemon=True)
    thread.start()
    eventually(lambda: home.read_note("broker"))
    yield
    stop.set()
    thread.join(timeout=10)


@pytest.fixture
def ingestion(broker: None, settings: Settings, home: Home, lake: Lake) -> Iterator[None]:
    """The embedded broker and the ingestion service, in this process."""
    from ingestion.server import open_service

    with open_service(settings, home):
        yield


@pytest.fixture
def as_reading() -> Callable[..., str]:
    """`reading(value, measured_at, **changed)` as JSON."""
    return reading


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """`wait_for(condition, seconds)`."""
    return wait_for


@dataclass
class Mosquitto:
    """A Mosquitto as Aurora configures it: nothing dropped, nothing held back, kept on disk."""

    port: int
    process: subprocess.Popen[bytes]
    url: str


@pytest.fixture
def mosquitto(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Mosquitto]:
    """A Mosquitto with the logins `aurora-listener` and `meter`, both with the password `secret`."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    folder, port = tmp_path / "mosquitto", free_port()
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.write_text("aurora-listener:secret\nmeter:secret\n")
    passwords.chmod(0o600)
    subprocess.run([f"{program}_passwd" if Path(f"{program}_passwd").exists() else "mosquitto_passwd", "-U", str(passwords)], check=True)
    user = f"user {os.environ.get('USER', 'root')}\n" if os.getuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(
        f"{user}listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\npersistence true\n"
        f"persistence_location {folder}/\nautosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 0\nlog_type error\n"
    )
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")])
    wait_for(lambda: _answers(port))
    yield Mosquitto(port, process, f"mqtt://aurora-listener:secret@127.0.0.1:{port}")
    process.terminate()
    process.wait(timeout=10)


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
