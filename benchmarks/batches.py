"""Readings over HTTP in batches of a thousand, and from a CSV file: the real process, the real import, one device.

The floor of HTTP is the same server in the same run with an endpoint that reads the body and decodes it with msgspec, and stores nothing.
"""

import http.client
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.landing import _free_port, _make_home

BATCH, REQUESTS, CLIENTS, ROUNDS = 1_000, 400, 16, 3
GOAL_HTTP_PER_SECOND, GOAL_CSV_PER_SECOND = 150_000, 500_000
CSV_ROWS = 4_000_000
PATH = "/v1/ingest/energy_data"

DOOR = """
from aurora import home, logs, settings
from ingestion import server
given = settings.load()
logs.configure("ingestion", "error", given.log_format)
server.run(given, home.open_home(given))
"""

FLOOR = """
import os
from datetime import datetime
import msgspec, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
class Sent(msgspec.Struct):
    measured_at: datetime
    channel: str
    measure: str
    value: float
decode = msgspec.json.Decoder(list[Sent]).decode
async def take(request):
    return JSONResponse({"accepted": len(decode(await request.body()))}, 202)
async def health(_request):
    return JSONResponse({})
routes = [Route("/v1/ingest/energy_data", take, methods=["POST"]), Route("/healthz", health)]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["AURORA_INGEST_PORT"]), log_config=None, access_log=False)
"""


def main() -> None:
    """Run both and print what came out."""
    with tempfile.TemporaryDirectory() as folder:
        settings, home = _make_home(Path(folder) / "home")
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")} | {"AURORA_HOME": str(home.path)}
        _http(settings, variables)
        _csv(Path(folder), variables)


def _http(settings: Any, variables: dict[str, str]) -> None:
    from aurora.accounts import keys
    from aurora.accounts.database import Accounts
    from aurora.lake.store import open_lake

    _, key = keys.new_key(Accounts(settings.resolved_database_url), "meter")
    port, floor_port = _free_port(), _free_port()
    # Nobody is behind the broker's port; the listener waits for one in vain, which costs nothing.
    places = {"AURORA_MQTT_PORT": str(_free_port())}
    processes = [
        _start(program, variables | places | {"AURORA_INGEST_PORT": str(own)}) for program, own in ((DOOR, port), (FLOOR, floor_port))
    ]
    try:
        ours, floor = [], []
        for number in range(ROUNDS):
            for own, found in ((floor_port, floor), (port, ours)) if number % 2 == 0 else ((port, ours), (floor_port, floor)):
                found.append(BATCH * REQUESTS / _send(own, key, number))
            print(f"batches over HTTP: round {number + 1}: {ours[-1]:,.0f} readings/s, floor {floor[-1]:,.0f}/s")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    stored = open_lake(settings.resolved_lake_uri).files("bronze/readings")["num_records"].sum()
    assert stored == BATCH * REQUESTS * ROUNDS, stored
    ratio = statistics.median(one / other for one, other in zip(ours, floor, strict=True))
    told = f"median {statistics.median(ours):,.0f} readings/s (goal {GOAL_HTTP_PER_SECOND:,}), {ratio:.2f} of a floor that stores nothing"
    print(f"batches over HTTP, {BATCH} each, {CLIENTS} clients: {told}")


def _start(program: str, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", program], env=variables, stderr=subprocess.DEVNULL)
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", int(variables["AURORA_INGEST_PORT"]), timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return process
    raise AssertionError("the door did not answer")


def _send(port: int, key: str, round_number: int) -> float:
    """Seconds until every request of a round was answered; the bodies are made before the clock starts, in a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_round, (port, key, round_number))


def _round(port: int, key: str, round_number: int) -> float:
    base = datetime.now(UTC) - timedelta(hours=1 + round_number)
    bodies = [
        json.dumps(
            [
                {"measured_at": (base + timedelta(milliseconds=place * BATCH + n)).isoformat(), "channel": "consumption",
                 "measure": "power_kw", "value": n / 7}
                for n in range(BATCH)
            ]
        ).encode()
        for place in range(REQUESTS)
    ]  # fmt: skip
    headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def client(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in bodies[first::CLIENTS]:
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 202, (answer.status, content)

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return time.perf_counter() - began


def _csv(folder: Path, variables: dict[str, str]) -> None:
    speeds = []
    for number in range(ROUNDS):
        file = folder / f"minutes{number}.csv"
        _write_csv(file, number)
        floor = CSV_ROWS / _seconds(lambda file=file: pl.read_csv(file, try_parse_dates=True))
        seconds = _seconds(lambda file=file: _import(file, variables))
        speeds.append(CSV_ROWS / seconds)
        print(f"CSV import: round {number + 1}: {speeds[-1]:,.0f} readings/s from start to end, polars alone reads {floor:,.0f}/s")
    print(f"CSV import, {CSV_ROWS:,} readings: median {statistics.median(speeds):,.0f} readings/s (goal {GOAL_CSV_PER_SECOND:,})")


def _write_csv(file: Path, year: int) -> None:
    """Two channels a minute, another year each time, so that every reading is new."""
    begin, minutes = datetime(2010 + 5 * year, 1, 1, tzinfo=UTC), CSV_ROWS // 2
    at = pl.datetime_range(begin, begin + timedelta(minutes=minutes - 1), "1m", time_unit="us", eager=True)
    values = pl.int_range(0, minutes, eager=True)
    frame = pl.DataFrame({"time": at, "consumption": values % 97 / 1000, "grid_import": values % 89 / 1000})
    frame.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%SZ")


def _import(file: Path, variables: dict[str, str]) -> None:
    command = [sys.executable, "-m", "orchestration.cli", "import", str(file), "--site", "bench", "--json"]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["new"] == CSV_ROWS


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
