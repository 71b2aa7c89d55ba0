"""The REST API under load: the real process on the bench home, clients in another process over kept connections."""

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import homes, lake

PORT = 18503
SECONDS = 15.0
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


def _measured(name: str, clients: int, paths: list[str], token: str) -> tuple[float, float]:
    """Answers a second and p95 [s], by clients in a process of their own; the first round is not counted."""
    with ProcessPoolExecutor(1) as process:
        process.submit(_clients, clients, paths, token, 4.0).result()
        taken = process.submit(_clients, clients, paths, token, SECONDS).result()
    rate, cuts = len(taken) / SECONDS, statistics.quantiles(taken, n=100)
    print(f"{name}: {rate:.0f} requests/s at {clients} clients, p50 {1000 * cuts[49]:.1f} ms, p95 {1000 * cuts[94]:.1f} ms")
    return rate, cuts[94]


def main(folder: Path | None = None) -> dict[str, float]:
    """Print and return what the API does at load, next to its goals."""
    homes.open_refresher(folder or lake.FOLDER)
    process = _start(folder or lake.FOLDER)
    try:
        token = _token()
        sites = [f"site{number:04d}" for number in range(SITES_ASKED)]
        today = datetime.now(UTC).date()
        span = f"start_date={today - timedelta(days=31)}&end_date={today - timedelta(days=1)}&interval=hour"
        summaries = [f"/v1/reports/summary/{site}?period={period}" for site in sites for period in ("month", "last_30_days")]
        rate, p95 = _measured("reports/summary", SUMMARY_CLIENTS, summaries, token)
        _, trend = _measured(
            "reports/trends, 30 days hourly", TREND_CLIENTS, [f"/v1/reports/trends/{site}?{span}" for site in sites], token
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    print(f"  goals: {GOAL_SUMMARIES_A_SECOND}/s, p95 {GOAL_SUMMARY_P95 * 1000:.0f} ms; trends p95 {GOAL_TREND_P95 * 1000:.0f} ms")
    return {"summaries_a_second": rate, "summary_p95": p95, "trend_p95": trend}
