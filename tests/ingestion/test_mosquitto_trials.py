"""Mosquitto and listeners that are killed: what was acknowledged is in bronze, and by its key exactly once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest

from aurora.lake.store import Lake
from ingestion.landing import WAITING_FLUSHES, Landing
from ingestion.listener import Listener, broker_address
from ingestion.registry import DeviceRegistry
from tests.conftest import IS_TRIALS

READINGS, REJECTED = "bronze/readings", "bronze/rejected"
KEY = ["device_id", "channel", "measure", "measured_at"]
MOST_FORGOTTEN_SECONDS = 1.5
BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
# It saves every second; a save and a busy machine take some of the next one.
LONGEST_UNSAVED_SECONDS = 2.0
# A binding works within so long.
WITHIN_SECONDS = 5.0
pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.timeout(7200)]


@dataclass
class Plant:
    """Mosquitto and ingestion as `aurora up` runs them, and a device that sends numbered readings."""

    processes: Any
    lake: Lake
    device: Any
    connect: Callable[..., Any]
    eventually: Callable[..., Any]
    environment: dict[str, str]
    sent: int = 0
    acknowledged_at: dict[int, float] = field(default_factory=dict)
    unresolved: dict[int, float] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    connection: Any = None

    def start_broker(self) -> subprocess.Popen[bytes]:
        """Run Mosquitto, and connect the device if it is not yet."""
        process = self.processes.start("ingestion.mosquitto", "broker", **self.environment)
        if self.connection is None:
            self.connection = self.connect(self.device.device_id, self.device.key)
            self.connection.client.reconnect_delay_set(1, 1)
            self.connection.client.on_publish = lambda _c, _d, mid, *_: self.unresolved.setdefault(mid, time.time())
        return process

    def start_ingestion(self, **environment: str) -> subprocess.Popen[bytes]:
        """Run ingestion."""
        return self.processes.start("ingestion.server", "ingestion", **self.environment | environment)

    def kill_mosquitto(self, process: subprocess.Popen[bytes]) -> float:
        """Kill it, not the process that watches it, and return when; that one ends by itself."""
        os.kill(self.processes.home.read_note("broker")["mosquitto_pid"], signal.SIGKILL)
        killed_at = time.time()
        assert process.wait(timeout=10) != 0
        return killed_at

    def send(self, number: int) -> None:
        """Publish the next readings, without waiting for what becomes of them."""
        for _ in range(number):
            moment = (BASE + timedelta(milliseconds=self.sent)).isoformat()
            payload = {"measured_at": moment, "channel": "consumption", "measure": "power_kw", "value": float(self.sent)}
            mid = self.connection.client.publish(self.device.topic, json.dumps(payload), qos=1).mid
            self.numbers[mid] = self.sent
            self.sent += 1

    def settle(self) -> None:
        """Wait until all that was sent is acknowledged."""
        self.eventually(lambda: len(self.unresolved) >= len(self.numbers), 120)
        self.note_acknowledged()
        self.numbers.clear()
        self.unresolved.clear()

    def note_acknowledged(self) -> int:
        """Take down when each reading was acknowledged, and return how many were so far."""
        self.acknowledged_at |= {self.numbers[mid]: at for mid, at in dict(self.unresolved).items() if mid in self.numbers}
        return len(self.acknowledged_at)

    def stored(self) -> set[int]:
        """Numbers of the readings in bronze."""
        return {int(value) for value in self.lake.scan(READINGS).select("value").collect().get_column("value").to_list()}

    def wait_until_stored(self) -> None:
        """Wait until bronze holds all that was sent; says what does not come."""
        deadline = time.monotonic() + 60
        while missing := set(range(self.sent)) - self.stored():
            assert time.monotonic() < deadline, f"{len(missing)} of {self.sent} lost, such as {sorted(missing)[:5]}"
            time.sleep(0.1)

    def wait_until_stored_but_for(self, since: float, until: float) -> None:
        """Wait until bronze holds all that was acknowledged, but for what was between two times."""
        known = {number for number, at in self.acknowledged_at.items() if not since <= at <= until}
        deadline = time.monotonic() + 60
        while missing := known - self.stored():
            assert time.monotonic() < deadline, f"{len(missing)} of {self.sent} lost, such as {sorted(missing)[:5]}"
            time.sleep(0.1)

    def again(self) -> int:
        """How many readings came twice; the key tells them."""
        rows = self.lake.scan(READINGS).select(KEY).collect()
        return rows.height - rows.n_unique()


@pytest.fixture
def plant(processes, lake: Lake, new_device, connect, eventually) -> Plant:
    """A plant of which nothing runs yet."""
    environment = {"AURORA_BROKER": "mosquitto", "AURORA_FLUSH_SECONDS": "0.1"}
    return Plant(processes, lake, new_device("meter-1"), connect, eventually, environment)


def test_nothing_lost_when_mosquitto_is_killed_under_a_listener(plant: Plant, count: Callable[[int, int], int], record_property) -> None:
    rounds, seed, hit = count(2, 20), random.randrange(2**32), 0
    chance = random.Random(seed)
    broker = plant.start_broker()
    plant.start_ingestion()
    for _ in range(rounds):
        plant.send(1_000)
        time.sleep(chance.uniform(0.02, 0.3))
        hit += plant.note_acknowledged() > len(plant.stored()) or plant.note_acknowledged() < plant.sent
        killed_at = plant.kill_mosquitto(broker)
        broker = plant.start_broker()
        plant.settle()
        # What comes while the listener is still on its way back is another trial's. On a busy machine the listener may hear nothing in the
        # moments before the kill; it is as if it were away then, and what was acknowledged in Mosquitto's last second may be forgotten.
        if IS_TRIALS:
            plant.wait_until_stored()
        else:
            plant.wait_until_stored_but_for(killed_at - MOST_FORGOTTEN_SECONDS, killed_at)
    print(
        f"seed {seed}: {rounds} kills of Mosquitto, {hit} hit while readings were on their way; {plant.again()} came twice, none was lost"
    )
    record_property("hit", hit)
    assert hit > 0
    assert not IS_TRIALS or plant.stored() == set(range(plant.sent))


def test_what_a_killed_mosquitto_forgets_is_younger_than_its_last_save(
    plant: Plant, count: Callable[[int, int], int], record_property
) -> None:
    rounds, seed = count(2, 20), random.randrange(2**32)
    chance = random.Random(seed)
    killed: list[tuple[int, float]] = []
    broker = plant.start_broker()
    for _ in range(rounds):
        until = time.monotonic() + chance.uniform(1.0, 3.0)
        while time.monotonic() < until:
            plant.send(20)
            time.sleep(0.02)
        plant.note_acknowledged()
        killed.append((plant.sent, plant.kill_mosquitto(broker)))
        broker = plant.start_broker()
        plant.settle()
    plant.start_ingestion()
    plant.send(1)
    plant.settle()
    plant.eventually(lambda: plant.sent - 1 in plant.stored(), 60)
    lost = set(plant.acknowledged_at) - plant.stored()
    ages = [next(at for sent, at in killed if number < sent) - plant.acknowledged_at[number] for number in lost]
    print(f"seed {seed}: {rounds} kills with nobody listening; {len(lost)} of {plant.sent} acknowledged readings lost, "
          f"acknowledged at most {max(ages, default=0.0):.2f} s before")  # fmt: skip
    record_property("lost", len(lost))
    record_property("longest_unsaved_seconds", max(ages, default=0.0))
    assert max(ages, default=0.0) < LONGEST_UNSAVED_SECONDS


def test_what_queued_while_nobody_listened_is_delivered_once(plant: Plant, count: Callable[[int, int], int], record_property) -> None:
    number = count(2_000, 100_000)
    plant.start_broker()
    while plant.sent < number:
        plant.send(2_000)
        plant.settle()
    began = time.monotonic()
    ingestion = plant.start_ingestion()
    plant.eventually(lambda: len(plant.stored()) >= number, 300)
    grown = psutil.Process(ingestion.pid).memory_info().rss / 1024**2
    print(f"{number} messages seen after {time.monotonic() - began:.1f} s, {plant.again()} twice; ingestion then held {grown:.0f} MB")
    record_property("seconds", time.monotonic() - began)
    assert plant.stored() == set(range(number))
    assert plant.again() == 0


def test_two_listeners_share_and_one_that_is_killed_loses_and_doubles_nothing(
    plant: Plant, count: Callable[[int, int], int], record_property
) -> None:
    least, seed, rounds, hit = count(1, 20), random.randrange(2**32), 0, 0
    chance = random.Random(seed)
    plant.environment |= {"AURORA_LISTENERS": "2", "AURORA_FLUSH_SECONDS": "0.5"}
    plant.start_broker()
    plant.start_ingestion()
    second = _start_second(plant)
    plant.send(1_000)
    plant.settle()
    plant.eventually(lambda: len(plant.stored()) == plant.sent)
    assert [0.3 < share < 0.7 for share in _shares(plant)] == [True, True]
    assert plant.again() == 0
    # A batch is committed within milliseconds of its last message, so that not every kill finds readings waiting.
    while rounds < least or (not hit and rounds < 20):
        rounds += 1
        plant.send(2_000)
        time.sleep(chance.uniform(0, 0.05))
        hit += len(plant.stored()) < plant.sent
        second.kill()
        second.wait()
        plant.send(500)
        second = _start_second(plant)
        plant.settle()
    plant.eventually(lambda: len(plant.stored()) >= plant.sent, 60)
    print(
        f"seed {seed}: {rounds} kills of one of two listeners, {hit} hit while readings waited; {plant.again()} came twice, none was lost"
    )
    record_property("hit", hit)
    assert hit > 0
    assert plant.stored() == set(range(plant.sent))


def test_session_of_a_listener_that_is_gone_is_emptied(plant: Plant) -> None:
    plant.environment |= {"AURORA_LISTENERS": "2"}
    broker = plant.start_broker()
    plant.send(200)
    plant.settle()
    plant.processes.end(broker)
    first_home = plant.processes.home.path
    (first_home / "listeners").write_text("2")
    plant.environment |= {"AURORA_LISTENERS": "1"}
    plant.start_broker()
    plant.start_ingestion()
    plant.eventually(lambda: plant.connection.client.is_connected())
    plant.send(200)
    plant.settle()
    plant.eventually(lambda: plant.stored() == set(range(400)))


def test_topic_bound_while_the_first_listener_is_away_is_heard_when_it_is_back(plant: Plant, accounts, new_device) -> None:
    plant.environment |= {"AURORA_LISTENERS": "2"}
    plant.start_broker()
    first = plant.start_ingestion()
    _start_second(plant)
    first.kill()
    first.wait()
    plug = new_device("plug", decoder="shelly_gen1", topic="shellies/plug/#", role="sub")
    time.sleep(WITHIN_SECONDS)
    plant.connect(plug.device_id, plug.key).publish("shellies/plug/relay/0/power", "1500")
    plant.start_ingestion()
    plant.send(1)
    plant.eventually(lambda: plant.lake.scan(READINGS).filter(pl.col("device_id") == "plug").collect()["value"].to_list() == [1.5], 40)
    plant.eventually(lambda: plant.stored() == {0, 1}, 40)


def _start_second(plant: Plant) -> subprocess.Popen[bytes]:
    """Run the second listener and wait until it hears."""
    home = plant.processes.home
    (home.run / "listener-2.json").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "process", "listener-2"],
        env=plant.processes.environment | plant.environment,
        cwd=Path(__file__).parents[2],
    )
    plant.processes.started.append(process)
    plant.eventually(lambda: home.read_note("listener-2").get("state") == "connected", 40)
    return process


def _shares(plant: Plant) -> list[float]:
    """Which part of all readings each listener committed."""
    counts: list[float] = []
    for name in ("metrics-ingestion", "metrics-listener-2"):
        lines = httpx.get(plant.processes.home.read_note(name)["url"]).text.splitlines()
        counts.append(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("aurora_readings_committed_total{")))
    return [one / sum(counts) for one in counts]


def test_huge_payloads_leave_the_listener_alive_and_small(plant: Plant) -> None:
    limit = 1024**2
    plant.environment |= {"AURORA_MAX_MESSAGE_BYTES": str(limit)}
    plant.start_broker()
    ingestion = psutil.Process(plant.start_ingestion().pid)
    plant.send(10)
    plant.settle()
    plant.eventually(lambda: len(plant.stored()) == 10)
    before = ingestion.memory_info().rss
    for _ in range(20):
        plant.connection.client.publish(plant.device.topic, b"x" * (4 * limit - 100), qos=1).wait_for_publish(10)
    plant.eventually(lambda: plant.lake.scan(REJECTED).filter(pl.col("reason").str.contains("too_large")).collect().height == 20)
    far_too_large = plant.connect(plant.device.device_id, plant.device.key)
    told = far_too_large.client.publish(plant.device.topic, b"x" * (64 * limit), qos=1)
    plant.eventually(lambda: not far_too_large.client.is_connected() or not told.is_published())
    far_too_large.close()
    grown_mb = (ingestion.memory_info().rss - before) / 1024**2
    print(f"20 payloads of 4 MiB and one of 64 MiB: the listener grew by {grown_mb:.0f} MB")
    assert grown_mb < 100
    assert not told.is_published()
    plant.numbers.clear()
    plant.unresolved.clear()
    plant.send(10)
    plant.eventually(lambda: len(plant.stored()) == 20)


def test_listener_takes_no_more_than_it_can_hold_while_nothing_can_be_stored(
    plant: Plant, settings, home, accounts, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings.model_copy(update={"broker": "mosquitto", "flush_readings": 100})
    plant.start_broker()
    plant.send(3_000)
    plant.settle()
    is_slow, land = [True], Lake.land

    def slow(self: Lake, *given: Any) -> Any:
        while is_slow[0]:
            time.sleep(0.01)
        return land(self, *given)

    monkeypatch.setattr(Lake, "land", slow)
    landing = Landing(lake, own)
    listener = Listener(broker_address(own, home), landing, DeviceRegistry(accounts), own, home)
    landing.start()
    listener.start()
    plant.eventually(landing._is_full)
    time.sleep(1.0)
    waiting = landing._batch.waiting + landing._committing
    is_slow[0] = False
    plant.eventually(lambda: len(plant.stored()) == 3_000, 60)
    landing.stop()
    listener.stop()
    assert waiting == WAITING_FLUSHES * 100
    assert plant.again() == 0
