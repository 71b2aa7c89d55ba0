"""Senders that mean harm: bodies that unpack, nest or never end, and connections that hold on; memory and everybody else stay well."""

import asyncio
import gzip
import itertools
import statistics
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest

from aurora.lake.store import Lake

ENERGY = "/v1/ingest/energy_data"
MEGABYTE = 1024**2
MOST_GROWTH_MB = 100
BODY_BYTES = 10 * MEGABYTE
SLOW = 200
POSTS = 20
GZIP = {"Content-Encoding": "gzip"}
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def door(broker, processes, settings) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """A client of an ingestion process of its own, and that process."""
    process = processes.start("ingestion.server", "ingestion")
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.ingest_port}", timeout=60) as client:
        yield client, psutil.Process(process.pid)


def bomb(of_bytes: int) -> bytes:
    """Gzip that unpacks to so many zeros, made without holding them."""
    pack, zeros = zlib.compressobj(9, wbits=31), bytes(MEGABYTE)
    return b"".join(pack.compress(zeros) for _ in range(of_bytes // MEGABYTE)) + pack.flush()


def streamed(of_bytes: int, sent: list[int]) -> Iterator[bytes]:
    """So many blanks without a length said before; `sent` counts the bytes that were asked for."""
    block = b" " * MEGABYTE
    for _ in range(of_bytes // MEGABYTE):
        sent[0] += len(block)
        yield block


def filled(begin: bytes, part: bytes, end: bytes = b"") -> bytes:
    """As large a body as is taken, of one part again and again."""
    return begin + part * ((BODY_BYTES - len(begin) - len(end)) // len(part)) + end


HOSTILE: dict[str, tuple[Callable[[], bytes], dict[str, str], int]] = {
    "a bomb in gzip": (lambda: bomb(512 * MEGABYTE), GZIP, 413),
    "a bomb within a bomb": (lambda: gzip.compress(bomb(512 * MEGABYTE)), GZIP, 400),
    "arrays in arrays": (lambda: filled(b"", b"["), {}, 413),
    "fewer arrays in arrays": (lambda: b"[" * 10_000, {}, 400),
    "objects in objects": (lambda: b'{"a":' * 10_000, {}, 400),
    "empty arrays": (lambda: filled(b"[", b"[],", b"0]"), {}, 413),
    "empty objects": (lambda: filled(b"[", b"{},", b"0]"), {}, 413),
    "zeros": (lambda: filled(b"[", b"0,", b"0]"), {}, 413),
    "empty objects far apart": (lambda: filled(b"[", b"{}," + b" " * 110, b"0]"), {}, 400),
    "lines of nothing": (lambda: filled(b"", b"1\n"), LINES, 413),
    "lines of empty objects": (lambda: filled(b"", b"{}" + b" " * 110 + b"\n"), LINES, 400),
    "an object of many fields": (lambda: b"{" + b",".join(b'"%d":0' % number for number in range(400_000)) + b"}", {}, 400),
}  # fmt: skip


class Peak:
    """The most memory that a process held within the block, over what it held before. [MB]"""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._over = process, threading.Event()
        self._before = self._most = process.memory_info().rss
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def grown_mb(self) -> float:
        return (self._most - self._before) / MEGABYTE


def test_hostile_bodies_are_refused_and_memory_stays(door, new_device, lake: Lake) -> None:
    client, process = door
    headers = {"X-API-Key": new_device("meter-1").key}
    assert client.post(ENERGY, content=b"{}", headers=headers).status_code == 400
    for name, (body, added, status) in HOSTILE.items():
        content = body()
        with Peak(process) as peak:
            answer = client.post(ENERGY, content=content, headers=headers | added)
        print(f"{name}: {len(content)} bytes, {answer.status_code} with {len(answer.content)} bytes, {peak.grown_mb:.0f} MB more")
        assert (name, answer.status_code) == (name, status)
        assert peak.grown_mb < MOST_GROWTH_MB, name
        assert len(answer.content) < 2 * MEGABYTE, name
    assert lake.scan("bronze/readings").collect().is_empty()


def test_a_gigabyte_streamed_is_refused_and_not_held(door, new_device) -> None:
    client, process = door
    sent = [0]
    with Peak(process) as peak, suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        answer = client.post(ENERGY, content=streamed(1024 * MEGABYTE, sent), headers={"X-API-Key": new_device("meter-1").key})
        assert answer.status_code == 413
    print(f"{sent[0] / MEGABYTE:.0f} MB sent, {peak.grown_mb:.0f} MB more")
    assert peak.grown_mb < MOST_GROWTH_MB
    assert client.get("/healthz").status_code == 200


def test_two_hundred_slow_connections_do_not_hold_up_a_good_sender(door, new_device, settings) -> None:
    client, process = door
    key = new_device("meter-1").key
    moments = (datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=number) for number in itertools.count())
    head = f"POST {ENERGY} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"

    async def drip(number: int, over: asyncio.Event, is_held: asyncio.Semaphore) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", settings.ingest_port)
        # Half of them never end their headers, half never end their body.
        writer.write((head + ("" if number % 2 else "Content-Length: 1000\r\n\r\n[")).encode())
        await writer.drain()
        is_held.release()
        while not over.is_set():
            writer.write(b"X-A: b\r\n" if number % 2 else b" ")
            with suppress(ConnectionError):
                await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.5)
        writer.close()

    def post() -> float:
        began = time.perf_counter()
        reading = {"measured_at": next(moments).isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.0}
        assert client.post(ENERGY, json=reading, headers={"X-API-Key": key}).status_code == 202
        return time.perf_counter() - began

    async def measure() -> list[float]:
        over, is_held = asyncio.Event(), asyncio.Semaphore(0)
        drips = [asyncio.create_task(drip(number, over, is_held)) for number in range(SLOW)]
        for _ in range(SLOW):
            await is_held.acquire()
        taken = [await asyncio.to_thread(post) for _ in range(POSTS)]
        held = sum(one.status == "ESTABLISHED" and one.laddr.port == settings.ingest_port for one in process.net_connections("tcp"))
        over.set()
        await asyncio.gather(*drips)
        assert held > SLOW
        print(f"{held} connections held")
        return taken

    p95_seconds = statistics.quantiles(asyncio.run(measure()), n=20)[-1]
    print(f"p95 {p95_seconds:.3f} s")
    assert p95_seconds < 1.0
