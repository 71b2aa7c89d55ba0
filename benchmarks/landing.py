"""Landing over a real broker against a bare paho loop of the same run: QoS 1, one reading a message and fifty, Mosquitto between.

The bare loop acknowledges by itself and stores nothing; that of fifty also decodes them. Landing decodes, commits to Delta and acknowledges
after the commit. Each runs in a process of its own and takes the same messages, which wait in Mosquitto before the clock starts; pairs are
interleaved, medians compared.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aurora import home as homes
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.settings import Settings

GOAL_RATIOS = {1: 0.7, 50: 0.6}
MESSAGES = {1: 50_000, 50: 60_000}  # below the 65,535 packet ids that may be in flight at once
PAIRS = 4
LIMIT_SECONDS = 120
TOPIC = "aurora/v1/meter/readings"

BARE = """
import sys, time
from datetime import datetime
import msgspec
from paho.mqtt import client as mqtt
class Sent(msgspec.Struct):
    measured_at: datetime
    channel: str
    measure: str
    value: float
port, count, is_decoded = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) > 1
decode = msgspec.json.Decoder(list[Sent]).decode
seen, first = 0, 0.0
def take(client, data, message):
    global seen, first
    first = first or time.perf_counter()
    if is_decoded:
        decode(message.payload)
    seen += 1
    if seen == count:
        print(time.perf_counter() - first, flush=True)
        client.disconnect()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bare", clean_session=False, protocol=mqtt.MQTTv311)
client.username_pw_set("aurora-listener", "secret")
client.on_message = take
client.connect("127.0.0.1", port)
client.loop_forever()
"""

LANDING = """
import sys, time
from aurora import home as homes, logs, settings as known
from aurora.accounts.database import Accounts
from aurora.lake.store import open_lake
from ingestion.landing import Landing
from ingestion.listener import Listener, broker_address
from ingestion.processes import tune_interpreter
from ingestion.registry import DeviceRegistry
count = int(sys.argv[1])
logs.configure("ingestion", "error")
settings = known.load()
home = homes.open_home(settings)
lake = open_lake(settings.resolved_lake_uri)
landing = Landing(lake, settings)
class Clocked(Listener):
    first, safe = 0.0, 0
    def _on_message(self, client, data, message):
        self.first = self.first or time.perf_counter()
        super()._on_message(client, data, message)
    def _acknowledge(self, tokens):
        super()._acknowledge(tokens)
        self.safe += len(tokens)
        if self.safe >= count:
            print(time.perf_counter() - self.first, flush=True)
tune_interpreter()
listener = Clocked(broker_address(settings, home), landing, DeviceRegistry(Accounts(settings.resolved_database_url)), settings)
landing.start()
listener.start()
while listener.safe < count:
    time.sleep(0.05)
time.sleep(0.5)
landing.stop()
listener.stop()
"""


class Bench:
    """Mosquitto, a home with one device, and subscribers whose sessions collect messages while they are away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.settings, self.home = _make_home(folder / "home")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")} | {
            "AURORA_HOME": str(self.home.path),
            "AURORA_MQTT_URL": f"mqtt://aurora-listener:secret@127.0.0.1:{self.port}",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            # With the default of a second the last messages wait up to a second for their commit, which is latency and no speed.
            "AURORA_FLUSH_SECONDS": "0.2",
        }
        self.broker = self._start_mosquitto()

    def _start_mosquitto(self) -> "subprocess.Popen[bytes]":
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        passwords = self.folder / "passwords"
        passwords.write_text("aurora-listener:secret\nmeter:secret\n")
        passwords.chmod(0o600)
        subprocess.run([shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd", "-U", str(passwords)], check=True)
        user = "user root\n" if os.getuid() == 0 else ""
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"{user}listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nlog_type error\n"
        )
        process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return process

    def subscribe(self, client_id: str, topics: list[str]) -> None:
        """Open a session that keeps messages, and leave."""
        from paho.mqtt import client as mqtt

        subscribed: list[int] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=mqtt.MQTTv311)
        client.username_pw_set("aurora-listener", "secret")
        client.on_connect = lambda *_: client.subscribe([(topic, 1) for topic in topics])
        client.on_subscribe = lambda *_: subscribed.append(1)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        while not subscribed:
            time.sleep(0.01)
        client.disconnect()
        client.loop_stop()

    def publish(self, first: int, messages: int, readings: int) -> None:
        """Put one round of messages into the broker."""
        from paho.mqtt import client as mqtt

        done: list[int] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="meter", protocol=mqtt.MQTTv311)
        client.username_pw_set("meter", "secret")
        client.max_inflight_messages_set(2_000)
        client.on_publish = lambda *_: done.append(1)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        base = datetime.now(UTC) - timedelta(hours=1)
        for number in range(first, first + messages):
            moments = [base + timedelta(milliseconds=number * readings + place) / readings for place in range(readings)]
            sent = [{"measured_at": at.isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5} for at in moments]
            client.publish(TOPIC, json.dumps(sent if readings > 1 else sent[0]), qos=1)
        deadline = time.monotonic() + LIMIT_SECONDS
        while len(done) < messages and time.monotonic() < deadline:
            time.sleep(0.02)
        client.disconnect()
        client.loop_stop()

    def drain(self, program: str, *arguments: str) -> float:
        """How long one subscriber's program took. [s]"""
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, env=self.environment, cwd=self.home.path, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS, check=True)
        return float(done.stdout.split()[-1])

    def close(self) -> None:
        """End the broker."""
        self.broker.terminate()
        self.broker.wait(timeout=10)


def main() -> None:
    """Run the pairs of one reading a message and of fifty, and print what came out."""
    for readings in MESSAGES:
        run(readings)


def run(readings: int) -> dict[str, Any]:
    """Run the pairs with so many readings a message, print what came out, and return medians and their ratio."""
    from ingestion.listener import TOPICS, broker_address

    messages, label = MESSAGES[readings], f"landing, {readings} a message"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.subscribe("bare", [TOPIC])
            bench.subscribe(broker_address(bench.settings, bench.home).client_id, list(TOPICS))
            bare, landing = [], []
            for pair in range(PAIRS):
                bench.publish(pair * messages, messages, readings)
                for is_bare in (True, False) if pair % 2 == 0 else (False, True):
                    if is_bare:
                        bare.append(bench.drain(BARE, str(bench.port), str(messages), str(readings)))
                    else:
                        landing.append(bench.drain(LANDING, str(messages)))
                print(f"{label}: pair {pair + 1}: bare {bare[-1]:.2f} s, landing {landing[-1]:.2f} s, ratio {bare[-1] / landing[-1]:.2f}")
            stored = open_lake(bench.settings.resolved_lake_uri).files("bronze/readings").get_column("num_records").sum()
        finally:
            bench.close()
    expected = PAIRS * messages * readings
    assert stored == expected, f"{stored} of {expected} readings were stored"
    ratio, goal = statistics.median(one / other for one, other in zip(bare, landing, strict=True)), GOAL_RATIOS[readings]
    theirs, ours = (messages * readings / statistics.median(seconds) for seconds in (bare, landing))
    print(f"{label}: median {ours:,.0f} readings/s to bare {theirs:,.0f}/s: ratio {ratio:.2f} (goal {goal})")
    return {"bare_per_second": theirs, "landing_per_second": ours, "ratio": ratio, "goal": goal}


def _make_home(path: Path) -> tuple[Settings, Home]:
    settings = Settings(home=path, _env_file=None)  # pyright: ignore[reportCallIssue]
    home = homes.create(settings)
    accounts = Accounts(settings.resolved_database_url)
    accounts.migrate()
    open_lake(settings.resolved_lake_uri).create_tables()
    owner = people.add_user(accounts, "bench", "a long password", "admin")
    sites.add_site(accounts, owner, name="Bench", site_id="bench", time_zone="UTC", latitude=0.0, longitude=0.0)
    devices.add_device(accounts, "bench", name="meter", kind="meter", device_id="meter")
    accounts.engine.dispose()
    return settings, home


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
