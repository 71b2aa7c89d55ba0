"""A second writer of bronze, a program that changes the table, and compaction, while readings land: none is lost, none doubled."""

import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from structlog.testing import CapturingLogger

from aurora.keeping.verify import verify
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from ingestion import bronze, landing
from ingestion.landing import Landing, Receipt
from ingestion.messages import Decoded, Reading
from transform.compaction import compact_bronze

READINGS = "bronze/readings"
BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
A_MESSAGE = 5


def readings(device: str, first: int) -> list[Reading]:
    """Five power samples a message; each value is its number."""
    numbers = range(first, first + A_MESSAGE)
    return [Reading(device, "consumption", "power_kw", BASE + timedelta(seconds=number), None, float(number)) for number in numbers]


def append(uri: str, stop: Event, results: Any) -> None:
    """Append as a program does that knows of Delta alone, again where it loses a race; at the end say how many rows are committed."""
    table, sent = f"{uri}/{READINGS}", 0
    while not stop.is_set():
        columns = bronze.reading_columns(readings("other", sent))
        rows = bronze.readings_table(columns, bronze.texts(["another program"] * A_MESSAGE), BASE + timedelta(microseconds=sent))
        with suppress(CommitFailedError):
            write_deltalake(table, rows, mode="append")
            sent += A_MESSAGE
    results.put(("appended", sent))


def change(uri: str, stop: Event, results: Any) -> None:
    """Change the table's properties again and again, against which no append of an earlier version can stand; say how often."""
    done = 0
    while not stop.is_set():
        with suppress(CommitFailedError):
            DeltaTable(f"{uri}/{READINGS}").alter.set_table_properties({"note": str(done)}, raise_if_not_exists=False)
            done += 1
        time.sleep(0.05)
    results.put(("changed", done))


def compact(uri: str, stop: Event, results: Any) -> None:
    """Put small files together as often as can be; say how many were replaced and how often another commit came first."""
    lake, replaced, lost = open_lake(uri), 0, 0
    while not stop.is_set():
        try:
            replaced += compact_bronze(lake, most_files=4)
        except landing.PASSING_ERRORS:
            lost += 1
    results.put(("compacted", replaced))
    results.put(("lost", lost))


@pytest.mark.timeout(1800)
def test_second_writer_and_compaction_lose_and_double_nothing_that_lands(
    lake: Lake,
    accounts,
    home,
    settings: Settings,
    eventually,
    count: Callable[[int, int], int],
    monkeypatch: pytest.MonkeyPatch,
    record_property,
) -> None:
    lines, context = CapturingLogger(), multiprocessing.get_context("spawn")
    monkeypatch.setattr(landing, "log", lines)
    monkeypatch.setattr(landing, "FIRST_RETRY_SECONDS", 0.02)
    seconds, seed = count(4, 120), random.randrange(2**32)
    chance, stop, results = random.Random(seed), context.Event(), context.Queue()
    others = [context.Process(target=work, args=(lake.storage.uri, stop, results)) for work in (append, change, compact)]
    for other in others:
        other.start()
    writer, sent, troubles = Landing(lake, settings.model_copy(update={"flush_seconds": 0.01})), 0, 0
    writer.start()
    eventually(lambda: lake.version(READINGS), 60)
    ends, receipts = time.monotonic() + seconds, list[Receipt]()
    while time.monotonic() < ends:
        receipts.append(Receipt())
        decoded = Decoded(readings("ours", sent))
        writer.submit(decoded, source="mqtt", topic=None, told=Receipt.told, token=receipts[-1])
        sent += A_MESSAGE
        time.sleep(chance.uniform(0.0, 0.02))
        troubles += writer.trouble is not None
    assert all(receipt.wait(60) for receipt in receipts)
    stop.set()
    told = dict(results.get(timeout=60) for _ in range(4))
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    writer.stop()
    retried = sum(call.args == ("not stored, trying again; senders wait",) for call in lines.calls)
    print(f"seed {seed}: {sent} readings landed beside {told['appended']} of another program and {told['changed']} changes of the table;")
    print(f"seed {seed}: {retried} commits hit by one of them were tried again, seen in status {troubles} times; compaction replaced "
          f"{told['compacted']} files and was hit {told['lost']} times")  # fmt: skip
    for name, value in ({"seed": seed, "retried": retried} | told).items():
        record_property(name, value)
    rows = lake.scan(READINGS).collect()
    found = rows.group_by("device_id").agg(pl.len(), pl.col("value").n_unique().alias("distinct")).sort("device_id").rows()
    assert found == [("other", told["appended"], told["appended"]), ("ours", sent, sent)]
    assert min(told["appended"], told["changed"], told["compacted"]) > 0
    assert retried or seconds < 60
    assert verify(lake, accounts, home) == []
