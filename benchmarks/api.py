"""The REST API under load: the real process on the bench home, clients in another process over kept connections.

Its floor is `/healthz`, asked in the same run through the same middleware: what HTTP, the log and the clients themselves cost here.
"""

import http.client
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import homes, lake

PORT = 18503
SECONDS, WARM_SECONDS = 15.0, 4.0
SUMMARY_CLIENTS, TREND_CLIENTS = 20, 4
SITES_ASKED = 200
GOAL_SUMMARIES_A_SECOND, GOAL_SUMMARY_P95, GOAL_TREND_P95 = 300, 0.100, 0.150
PROCESS = """
from aurora import home, logs, settings
import app.api.server as api
given = settings.load()
logs.configure("api", given.log_level, given.log_format)
api.run(given, home.open_home(given))
"""


def _start(folder: Path) -> subprocess.Popen[bytes]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
    variables = known | {"AURORA_HOME": str(folder), "AURORA_API_PORT": str(PORT)}
    process = subprocess.Popen([sys.executable, "-c", PROCESS], env=variables, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            _call(_connect(), "GET", "/healthz")
        except OSError:
            time.sleep(0.2)
        else:
            return process
    raise AssertionError("the API did not answer")


def _connect() -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> bytes:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, (path, answer.status, content[:200])
    return content


def _token() -> str:
    form = urlencode({"username": homes.OWNER, "password": homes.PASSWORD})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return json.loads(_call(_connect(), "POST", "/v1/auth/token", form, kind))["access_token"]


def _client(paths: list[str], token: str, until: float) -> list[float]:
    """Seconds of each answer of one client that asks one path after the other."""
    connection, headers, taken, number = _connect(), {"Authorization": f"Bearer {token}"}, [], 0
    while time.time() < until:
        began = time.perf_counter()
        _call(connection, "GET", paths[number % len(paths)], "", headers)
        taken.append(time.perf_counter() - began)
        number += 1
    return taken


def _clients(count: int, paths: list[str], token: str, seconds: float) -> list[float]:
    until = time.time() + seconds
    with ThreadPoolExecutor(count) as pool:
        shares = [paths[start:] + paths[:start] for start in (len(paths) * n // count for n in range(count))]
        return [one for taken in pool.map(lambda share: _client(share, token, until), shares) for one in taken]


@dataclass(frozen=True)
class Measured:
    """What clients saw in one run.

    Attributes:
        a_second: Answers a second.
        p50: Median time of an answer. [s]
        p95: Time that 95 % of the answers took at most. [s]
        client_cores: Cores that the clients kept busy; near 1 they are what limits the run.
        server_cores: Cores that the API kept busy.
    """

    a_second: float
    p50: float
    p95: float
    client_cores: float
    server_cores: float


def _measured(name: str, clients: int, paths: list[str], token: str, server: int) -> Measured:
    """A run of clients in a process of their own; the first round is not counted."""
    with ProcessPoolExecutor(1) as process:
        process.submit(_clients, clients, paths, token, WARM_SECONDS).result()
        of_clients, of_server = process.submit(_own_seconds).result(), _seconds_of(server)
        taken = process.submit(_clients, clients, paths, token, SECONDS).result()
        of_clients, of_server = process.submit(_own_seconds).result() - of_clients, _seconds_of(server) - of_server
    cuts = statistics.quantiles(taken, n=100)
    found = Measured(len(taken) / SECONDS, cuts[49], cuts[94], of_clients / SECONDS, of_server / SECONDS)
    print(f"{name}: {found.a_second:.0f} requests/s at {clients} clients, p50 {1000 * found.p50:.1f} ms, p95 {1000 * found.p95:.1f} ms;")
    print(f"  busy cores: {found.server_cores:.2f} the API, {found.client_cores:.2f} the clients")
    return found


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _seconds_of(process_id: int) -> float:
    """Processor time a process has used so far. [s]"""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(folder: Path | None = None) -> dict[str, float]:
    """Print and return what the API does at load, next to its floor and its goals."""
    homes.open_refresher(folder or lake.FOLDER)
    process = _start(folder or lake.FOLDER)
    try:
        token = _token()
        sites = [f"site{number:04d}" for number in range(SITES_ASKED)]
        today = datetime.now(UTC).date()
        span = f"start_date={today - timedelta(days=31)}&end_date={today - timedelta(days=1)}&interval=hour"
        summaries = [f"/v1/reports/summary/{site}?period={period}" for site in sites for period in ("month", "last_30_days")]
        trends = [f"/v1/reports/trends/{site}?{span}" for site in sites]
        floor = _measured("floor, healthz", SUMMARY_CLIENTS, ["/healthz"], token, process.pid)
        summary = _measured("reports/summary", SUMMARY_CLIENTS, summaries, token, process.pid)
        trend = _measured("reports/trends, 30 days hourly", TREND_CLIENTS, trends, token, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    ratio = summary.a_second / floor.a_second
    print(f"  a summary costs {1 / ratio:.1f} times the floor")
    print(f"  goals: {GOAL_SUMMARIES_A_SECOND}/s, p95 {GOAL_SUMMARY_P95 * 1000:.0f} ms; trends p95 {GOAL_TREND_P95 * 1000:.0f} ms")
    return {
        "summaries_a_second": summary.a_second, "summary_p95": summary.p95, "trend_p95": trend.p95, "floor_a_second": floor.a_second,
        "summary_to_floor": ratio,
    }  # fmt: skip
