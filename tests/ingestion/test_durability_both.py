"""Ingestion killed while MQTT and HTTP send at once: what either acknowledged is in bronze, and by its key exactly once."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from aurora.lake.store import Lake

READINGS = "bronze/readings"
KEY = ["device_id", "channel", "measure", "measured_at"]
BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
A_BODY = 20


@dataclass
class HttpSender:
    """Posts numbered readings, a few a body, each again until it is taken, until it is told to stop."""

    url: str
    key: str
    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)
    again: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(headers={"X-API-Key": self.key}, timeout=10.0) as client:
            while not self.stop.is_set():
                numbers = range(self.sent, self.sent + A_BODY)
                self.sent += A_BODY
                self._until_taken(client, numbers)

    def _until_taken(self, client: httpx.Client, numbers: range) -> None:
        body = [
            {"measured_at": (BASE + timedelta(milliseconds=number)).isoformat(), "channel": "production", "measure": "power_kw",
             "value": float(number)}
            for number in numbers
        ]  # fmt: skip
        while True:
            with suppress(httpx.HTTPError):
                if client.post(self.url, json=body).status_code == 202:
                    self.acknowledged |= set(numbers)
                    return
            self.again += 1
            time.sleep(0.02)


@pytest.fixture
def http_sender(settings, new_device) -> Iterator[Callable[[], HttpSender]]:
    """Starts a sender in a thread."""
    started: list[tuple[HttpSender, threading.Thread]] = []

    def start() -> HttpSender:
        sender = HttpSender(f"http://127.0.0.1:{settings.ingest_port}/v1/ingest/energy_data", new_device("poster").key)
        thread = threading.Thread(target=sender.run, daemon=True)
        thread.start()
        started.append((sender, thread))
        return sender

    yield start
    for sender, _thread in started:
        sender.stop.set()


def orphans(lake: Lake) -> int:
    """Data files that no commit names: their writer died between file and commit."""
    folder = Path(lake.storage.uri) / READINGS
    named = {Path(path).name for path in lake.files(READINGS).get_column("path")}
    return sum(file.name not in named for file in folder.rglob("*.parquet"))


def stored(lake: Lake, channel: str) -> set[int]:
    values = lake.scan(READINGS).filter(pl.col("channel") == channel).select("value").collect()
    return {int(value) for value in values.get_column("value")}


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(7200)
def test_what_mqtt_and_http_acknowledged_is_in_bronze_once_when_ingestion_is_killed(
    processes, mosquitto, connect, new_device, as_reading, lake: Lake, eventually, http_sender,
    count: Callable[[int, int], int], record_property,
) -> None:  # fmt: skip
    new_device("meter")
    rounds, seed = count(3, 30), random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    environment = {"AURORA_MQTT_URL": mosquitto.url, "AURORA_FLUSH_SECONDS": "0.02", "AURORA_FLUSH_READINGS": "40"}
    process = processes.start("ingestion.server", "ingestion", **environment)
    publisher, poster = connect("meter", "secret", port=mosquitto.port), http_sender()
    sent, hits, torn, unanswered = 0, 0, 0, 0
    numbers: dict[int, int] = {}
    for _ in range(rounds):
        for _ in range(600):
            moment = BASE + timedelta(milliseconds=sent)
            numbers[publisher.publish("aurora/v1/meter/readings", as_reading(float(sent), moment), wait=False)] = sent
            sent += 1
        time.sleep(chance.uniform(0.1, 0.5))
        torn_before = orphans(lake)
        answered = set(poster.acknowledged)
        process.send_signal(signal.SIGKILL)
        process.wait()
        was_torn = orphans(lake) > torn_before
        was_unanswered = bool(stored(lake, "production") - poster.acknowledged - answered)
        torn, unanswered, hits = torn + was_torn, unanswered + was_unanswered, hits + (was_torn or was_unanswered)
        process = processes.start("ingestion.server", "ingestion", **environment)
    poster.stop.set()
    eventually(lambda: len(publisher.acknowledged) >= sent, 60)
    eventually(lambda: len(poster.acknowledged) == poster.sent, 60)
    eventually(lambda: len(stored(lake, "consumption")) >= sent, 60)
    rows = lake.scan(READINGS).collect()
    again = rows.height - rows.n_unique(KEY)
    print(
        f"seed {seed}: {rounds} kills, {hits} of them hit a commit ({torn} between file and commit, {unanswered} between commit and answer)"
    )
    print(f"{sent} readings over MQTT and {poster.sent} over HTTP ({poster.again} bodies sent again), {again} of them came twice")
    for name, value in (("seed", seed), ("kills", rounds), ("hit_a_commit", hits), ("came_twice", again)):
        record_property(name, value)
    assert hits or again or rounds < 30
    assert {numbers[mid] for mid in publisher.acknowledged} == set(range(sent))
    assert rows.unique(KEY).group_by("channel").len().sort("channel").rows() == [("consumption", sent), ("production", poster.sent)]
    assert stored(lake, "consumption") == set(range(sent))
    assert stored(lake, "production") == poster.acknowledged == set(range(poster.sent))
