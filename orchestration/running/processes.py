"""The processes of one machine, and how one of them is run."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aurora.errors import Refused
from aurora.home import Home
from aurora.settings import MOST_LISTENERS, Settings
from orchestration.running.environment import TELEMETRY_OFF, end_with_parent

Run = Callable[[Settings, Home], None]


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        name: What it is called in settings, logs and notes.
        run: Blocks until it is asked to end.
        is_wanted: Whether an installation needs it.
        health: Path that answers once it is ready; empty where it has no HTTP.
    """

    name: str
    run: Run
    is_wanted: Callable[[Settings, Home], bool]
    health: str = ""


def _always(_settings: Settings, _home: Home) -> bool:
    return True


def _broker(settings: Settings, home: Home) -> None:
    if settings.broker == "mosquitto":
        from ingestion.mosquitto import run
    else:
        from ingestion.broker import run

    run(settings, home)


def _listener(part: int) -> Run:
    def run(settings: Settings, home: Home) -> None:
        from ingestion import listening

        listening.run(settings, home, part)

    return run


def _is_listener_wanted(part: int) -> Callable[[Settings, Home], bool]:
    return lambda settings, _home: settings.listeners >= part


def _ingestion(settings: Settings, home: Home) -> None:
    from ingestion.server import run

    run(settings, home)


def _api(settings: Settings, home: Home) -> None:
    from app.api.server import run

    run(settings, home)


def _app(settings: Settings, home: Home) -> None:
    from app.server import run

    run(settings, home)


def _devices(settings: Settings, home: Home) -> None:
    from ingestion.demo.live import run

    run(settings, home)


def _dagster(program: str) -> Run:
    def run(settings: Settings, home: Home) -> None:
        from orchestration.running import dagster_programs

        dagster_programs.run(program, settings, home)

    return run


PROCESSES = {
    process.name: process
    for process in (
        Process("broker", _broker, lambda settings, _home: not settings.resolved_mqtt_url),
        Process("ingestion", _ingestion, _always, "/v1/healthz"),
        *(Process(f"listener-{part}", _listener(part), _is_listener_wanted(part)) for part in range(2, MOST_LISTENERS + 1)),
        Process("api", _api, _always, "/v1/healthz"),
        Process("app", _app, _always, "/healthz"),
        Process("dagster-code", _dagster("code"), _always),
        Process("dagster-daemon", _dagster("daemon"), _always),
        Process("dagster", _dagster("webserver"), _always, "/server_info"),
        Process("devices", _devices, lambda _settings, home: home.is_demo),
    )
}


def run_process(name: str, settings: Settings, home: Home) -> None:
    """Be the process `name` until asked to end; ends with its parent.

    Raises:
        Refused: If there is no such process.
    """
    if name not in PROCESSES:
        raise Refused(f"There is no process {name}. They are: {', '.join(PROCESSES)}.")
    end_with_parent()
    os.environ.update(TELEMETRY_OFF)
    PROCESSES[name].run(settings, home)


def log_file(home: Home, name: str) -> Path:
    """Where a process's log lines go."""
    return home.path / "logs" / f"{name}.log"
