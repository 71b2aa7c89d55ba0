"""The pages as a real process with a home of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pyarrow as pa

from aurora import home as homes
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from tests.ports import free_port
from tests.prepared import accounts_of, lake_of

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
PROCESS = "from aurora import home, settings; s = settings.load(); import {module} as m; m.run(s, home.open_home(s))"
STARTS_WITHIN_SECONDS = 40


@dataclass(frozen=True)
class Installation:
    """A home with one person, one site and its meter, and where its pages are."""

    url: str
    settings: Settings
    home: Home
    accounts: Accounts
    lake: Lake
    user: User
    site: Site
    process: subprocess.Popen

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20)

    def log_in(self, client: httpx.Client, username: str = "ada", password: str = PASSWORD) -> httpx.Response:
        return client.post("/login", data={"username": username, "password": password, "token": form_token(client, "/login")})


def form_token(client: httpx.Client, path: str) -> str:
    return client.get(path).text.split('name="token" value="')[1].split('"')[0]


def set_up(folder: Path, **given: object) -> tuple[Settings, Home, Accounts, Lake, User, Site]:
    settings = Settings(home=folder / "home", **given)
    home = homes.create(settings)
    lake, accounts = lake_of(settings), accounts_of(settings)
    user = people.add_user(accounts, "ada", PASSWORD, "admin")
    site = sites.add_site(
        accounts, user, name="Haus <b>Nord</b>", site_id="home", time_zone="Europe/Berlin", latitude=52.5, longitude=13.4, currency="EUR"
    )
    devices.add_device(accounts, site.site_id, name="Meter", kind="meter", device_id="meter-1")
    return settings, home, accounts, lake, user, site


def start(module: str, folder: Path, **environment: str) -> subprocess.Popen:
    """Start the process `module` over the home in `folder`, away from any `.env`."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
    variables = {**known, "PYTHONPATH": str(ROOT), "AURORA_HOME": str(folder / "home"), **environment}
    command = [sys.executable, "-c", PROCESS.format(module=module)]
    return subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True)


def wait_until_healthy(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


def stop(process: subprocess.Popen) -> float:
    """End a process with SIGTERM and return how long that took. [s]"""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    return time.monotonic() - began


@contextmanager
def running_pages(folder: Path) -> Iterator[Installation]:
    port = free_port()
    settings, home, accounts, lake, user, site = set_up(folder, app_port=port)
    process = start("app.server", folder, AURORA_APP_PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        yield Installation(url, settings, home, accounts, lake, user, site, process)
    finally:
        if process.poll() is None:
            stop(process)
        accounts.engine.dispose()


def land_power(lake: Lake, at: datetime, **power_kw: float | None) -> None:
    """Land one power sample per channel of the meter, as ingestion does."""
    land(lake, at, [("meter-1", channel, "power_kw", at, None, value) for channel, value in power_kw.items()])


def land(lake: Lake, received_at: datetime, readings: list[tuple]) -> None:
    """Land readings as (device_id, channel, measure, measured_at, interval_seconds, value)."""
    rows = [
        {
            "device_id": device_id, "channel": channel, "measure": measure, "measured_at": measured_at, "interval_seconds": seconds,
            "value": value, "source": "mqtt", "received_at": received_at, "sequence": sequence, "measured_date": measured_at.date(),
        }
        for sequence, (device_id, channel, measure, measured_at, seconds, value) in enumerate(readings)
    ]  # fmt: skip
    lake.land("bronze/readings", pa.Table.from_pylist(rows, schema=TABLES["bronze/readings"].schema))
