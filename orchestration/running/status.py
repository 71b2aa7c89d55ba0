"""How an installation is: which processes answer, what was published last, what the tables hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import httpx
import polars as pl
import psutil

from aurora import processes
from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.errors import AuroraError, Damaged
from aurora.home import Home
from aurora.keeping import verify
from aurora.lake import manifest
from aurora.lake.damage import WAY_OUT
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from ingestion.listener import note_of
from ingestion.sources.registry import NOTE
from orchestration.running.processes import PROCESSES
from orchestration.running.supervisor import wanted

TIMEOUT_SECONDS = 2.0
WEATHER_MONTH = timedelta(days=31)
DEMO_USER = "demo"

Told = TypeVar("Told")


def read(settings: Settings, home: Home, lake: Lake, accounts: Accounts) -> dict[str, Any]:
    """The state of the home as `aurora status --json` prints it."""
    snapshot, damaged = manifest.newest(lake), _found_damaged(home)
    processes = {name: is_answering(name, settings, home) for name in wanted(settings, home)}
    demo = _demo(home, accounts) if home.is_demo else {}
    published = snapshot.refresh_id != ""
    state = {
        "ready": all(processes.values()) and (not home.is_demo or _is_demo_ready(snapshot, accounts, demo)),
        "home": str(home.path),
        "is_demo": home.is_demo,
        "addresses": addresses(settings),
        "metrics": {name: url for name in wanted(settings, home) if (url := home.read_note(f"metrics-{name}").get("url"))},
        "processes": processes,
        "listeners": listeners(settings, home),
        "last_refresh": _last_refresh(lake) if published else None,
        "pending_days": sum(len(days) for days in snapshot.pending.values()),
        "rejected": _whole(damaged, lambda: _rows(lake, "bronze/rejected", None)),
        "sources": home.read_note(NOTE).get("pulled", []),
        "landing": landing(settings),
        "weather": _whole(damaged, lambda: weather(lake, datetime.now(UTC))),
        "tables": {name: _whole(damaged, partial(_table, lake, name, snapshot)) or {"rows": None, "version": None} for name in TABLES},
        "damaged": damaged,
    }
    return state | demo


def _found_damaged(home: Home) -> list[str]:
    """What the last look at every file found damaged, one line each."""
    return [f"{one['path']} is damaged: {one['problem']}. {WAY_OUT}" for one in home.read_note(verify.NOTE).get("damaged", [])]


def _whole(damaged: list[str], ask: Callable[[], Told]) -> Told | None:
    """An answer; None where what it stands on is damaged, which is told in `damaged`."""
    try:
        return ask()
    except Damaged as error:
        damaged += [str(error)] if str(error) not in damaged else []
        return None


def addresses(settings: Settings) -> dict[str, str]:
    """Full addresses of what people and devices reach."""
    host = "127.0.0.1" if settings.host in {"", "0.0.0.0"} else settings.host  # noqa: S104  # nosec B104
    return {
        "app": f"http://{host}:{settings.app_port}",
        "api": f"http://{host}:{settings.api_port}",
        "ingest": f"http://{host}:{settings.ingest_port}",
        "dagster": f"http://{host}:{settings.dagster_port}",
        "mqtt": _without_password(settings.resolved_mqtt_url) or f"mqtt://{host}:{settings.mqtt_port}",
    }


def listeners(settings: Settings, home: Home) -> dict[str, dict[str, Any]]:
    """How each MQTT listener's connection to the broker is (`connected`, `waiting`, `refused`), since when, and why it is not there."""
    names = [note_of(part) for part in range(1, settings.listeners + 1)]
    return {name: home.read_note(name) or {"state": "waiting", "since": None, "reason": "it does not run"} for name in names}


def landing(settings: Settings) -> dict[str, Any]:
    """Whether ingestion can store what it is sent (`is_storing`, null where it does not answer), and else since when and why not."""
    try:
        found = httpx.get(f"{addresses(settings)['ingest']}/v1/readyz", timeout=TIMEOUT_SECONDS).json()
        return {"is_storing": bool(found["ready"]), "since": found.get("since"), "reason": found.get("reason", "")}
    except (httpx.HTTPError, ValueError, KeyError):
        return {"is_storing": None, "since": None, "reason": "it does not answer"}


def weather(lake: Lake, now: datetime) -> dict[str, Any] | None:
    """How old the newest observed weather is, and where it is from; None where none of the last month is known."""
    rows = lake.scan("bronze/weather", between=[Between("measured_at", now - WEATHER_MONTH)])
    newest = rows.filter(~pl.col("is_forecast") & (pl.col("measured_at") <= now)).sort("measured_at").tail(1).collect()
    if newest.is_empty():
        return None
    at, source = newest["measured_at"][0], newest["source"][0]
    return {"observed_until": at.isoformat(), "age_seconds": int((now - at).total_seconds()), "source": source}


def is_answering(name: str, settings: Settings, home: Home) -> bool:
    """Whether a process answers at its address, or is alive where it has none."""
    base = {"ingestion": "ingest"}.get(name, name)
    health = PROCESSES[name].health
    if health:
        try:
            return httpx.get(addresses(settings)[base] + health, timeout=TIMEOUT_SECONDS).status_code == 200
        except httpx.HTTPError:
            return False
    return _is_alive(home.read_note(name).get("pid"))


def _is_alive(pid: int | None) -> bool:
    """Whether a process runs and has not been stopped."""
    return pid is not None and processes.is_alive(pid) and psutil.Process(pid).status() != psutil.STATUS_STOPPED


def _without_password(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}" if url else ""


def _last_refresh(lake: Lake) -> dict[str, Any] | None:
    rows = lake.scan(manifest.MANIFEST).filter(pl.col("kind").is_in(["refresh", "full"])).sort("finished_at").tail(1).collect()
    columns = ("refresh_id", "finished_at", "readings_in")
    return {column: rows[column][0] for column in columns} if rows.height else None


def _table(lake: Lake, name: str, snapshot: manifest.Snapshot) -> dict[str, int]:
    is_published = not name.startswith(("bronze/", "meta/refreshes"))
    version = snapshot.versions.get(name, 0) if is_published else lake.version(name)
    return {"rows": _rows(lake, name, version), "version": version}


def _rows(lake: Lake, name: str, version: int | None) -> int:
    files = lake.files(name, version)
    return int(files["num_records"].sum()) if files.height else 0


def _demo(home: Home, accounts: Accounts) -> dict[str, Any]:
    from ingestion.demo import login_device

    try:
        device: dict[str, Any] = login_device(accounts, home)
    except AuroraError:
        device = {}
    return {"demo_login": {"username": DEMO_USER, "password": home.secret("demo_password")}, "demo_device": device}


def _is_demo_ready(snapshot: manifest.Snapshot, accounts: Accounts, demo: dict[str, Any]) -> bool:
    login = demo["demo_login"]
    needed = ("gold/energy_hourly", "gold/forecasts", "gold/recommendations")
    has_rows = all(_rows(snapshot.lake, name, snapshot.versions.get(name, 0)) > 0 for name in needed)
    return has_rows and people.check_login(accounts, login["username"], login["password"]) is not None
