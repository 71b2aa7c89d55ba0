"""Ingestion killed at random moments behind Mosquitto: every acknowledged reading is in bronze, and by its key exactly once."""

import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from aurora.lake.store import Lake

READINGS = "bronze/readings"
KEY = ["device_id", "channel", "measure", "measured_at"]
A_ROUND = 1_000


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(7200)
def test_every_acknowledged_reading_in_bronze_once_when_ingestion_is_killed(
    processes, mosquitto, connect, new_device, as_reading, lake: Lake, eventually, count: Callable[[int, int], int], record_property
) -> None:
    new_device("meter")
    rounds, seed = count(3, 30), random.randrange(2**32)
    chance = random.Random(seed)
    environment = {"AURORA_MQTT_URL": mosquitto.url, "AURORA_FLUSH_SECONDS": "0.05", "AURORA_FLUSH_READINGS": "40"}
    process = processes.start("ingestion.server", "ingestion", **environment)
    publisher = connect("meter", "secret", port=mosquitto.port)
    base, sent, interrupted = datetime.now(UTC) - timedelta(days=1), 0, 0
    acknowledged: set[int] = set()
    numbers: dict[int, int] = {}
    for _ in range(rounds):
        for _ in range(A_ROUND):
            mid = publisher.publish("aurora/v1/meter/readings", as_reading(float(sent), base + timedelta(milliseconds=sent)), wait=False)
            numbers[mid] = sent
            sent += 1
        # The round makes some twenty commits in these tenths of a second.
        time.sleep(chance.uniform(0.02, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        interrupted += lake.scan(READINGS).select(pl.col("value").n_unique()).collect().item() < sent
        eventually(lambda: len(publisher.acknowledged) >= A_ROUND, 60)
        acknowledged |= {numbers[mid] for mid in publisher.acknowledged}
        publisher.acknowledged.clear()
        process = processes.start("ingestion.server", "ingestion", **environment)
    eventually(lambda: lake.scan(READINGS).select(pl.col("value").n_unique()).collect().item() >= sent, 120)
    rows = lake.scan(READINGS).collect()
    again = rows.height - rows.n_unique(KEY)
    print(f"seed {seed}: {rounds} kills, {interrupted} of them while readings waited to be stored")
    print(f"{again} of {sent} readings came twice: killed between their commit and their acknowledgement")
    for name, value in (("seed", seed), ("kills", rounds), ("interrupted", interrupted), ("came_twice", again)):
        record_property(name, value)
    assert acknowledged == set(range(sent))
    once = rows.sort("received_at", "sequence").unique(KEY, keep="last")
    assert sorted(once.get_column("value").to_list()) == [float(number) for number in range(sent)]
