"""Dagster's own programs, each run as the child of a process that shows its metrics."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aurora import metrics
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from orchestration.running.environment import TELEMETRY_OFF, end_with_parent

MAKE_DATABASES = """
from dagster import DagsterInstance
with DagsterInstance.get() as instance:
    instance.get_runs(limit=1)
    instance.all_instigator_state()
"""
CONFIGURATION = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
retention:
  schedule:
    purge_after_days: 30
"""


def run(program: str, settings: Settings, home: Home) -> None:
    """Run Dagster's `code` server, `daemon` or `webserver` as a child, and show its metrics, until one of the two is asked to end."""
    environment = os.environ | {"DAGSTER_HOME": str(home.path / "dagster"), "AURORA_HOME": str(home.path)}
    child = subprocess.Popen(_command(program, settings, home), env=environment, preexec_fn=end_with_parent)  # noqa: PLW1509
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())
    registry = CollectorRegistry()
    ProcessCollector(pid=lambda: child.pid, registry=registry)
    if program == "daemon":
        registry.register(PublicationCollector(open_lake(settings.resolved_lake_uri)))
    name = {"webserver": "dagster"}.get(program, f"dagster-{program}")
    metrics.serve(name, settings, home, registry)
    home.note(name, {"pid": child.pid})
    sys.exit(max(0, child.wait()))


def _command(program: str, settings: Settings, home: Home) -> list[str]:
    port = str(home.read_note("ports")["dagster_code"])
    arguments = {
        "code": ["dagster", "api", "grpc", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", port, "--location-name", "aurora"],
        "daemon": ["dagster-daemon", "run", "-w", _workspace(home, port)],
        "webserver": ["dagster-webserver", "-h", settings.host, "-p", str(settings.dagster_port), "-w", _workspace(home, port)],
    }[program]
    return [str(Path(sys.executable).parent / arguments[0]), *arguments[1:]]


class PublicationCollector(Collector):
    """What was published last: its age, its kind's readings and days, and what is pending."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def collect(self) -> Iterator[Metric]:
        """Gauges of the newest publication."""
        newest = manifest.newest(self.lake)
        age = GaugeMetricFamily("aurora_publication_age_seconds", "Time since the newest publication.")
        pending = GaugeMetricFamily("aurora_pending_site_days", "Closed site-days still to be rebuilt.")
        if newest.finished_at is not None:
            age.add_metric([], (datetime.now(UTC) - newest.finished_at).total_seconds())
        pending.add_metric([], sum(len(days) for days in newest.pending.values()))
        yield age
        yield pending


def prepare(home: Home) -> Path:
    """Dagster's folder in the home, with its configuration and its databases.

    The databases are made here, by one process: its programs would each make them at once, and SQLite's migrations do not bear that.
    """
    folder = home.path / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(CONFIGURATION, encoding="utf-8")
    if not (folder / ".prepared").exists():
        environment = os.environ | TELEMETRY_OFF | {"DAGSTER_HOME": str(folder)}
        subprocess.run([sys.executable, "-c", MAKE_DATABASES], env=environment, check=True, capture_output=True)
        (folder / ".prepared").touch()
    return folder


def _workspace(home: Home, port: str) -> str:
    file = home.run / "dagster_workspace.yaml"
    file.write_text(
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n      location_name: aurora\n", encoding="utf-8"
    )
    return str(file)
