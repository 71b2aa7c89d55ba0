"""Dagster's own programs: this process becomes one of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from aurora.home import Home
from aurora.settings import Settings
from orchestration.running.environment import TELEMETRY_OFF

MAKE_DATABASES = """
from dagster import DagsterInstance
with DagsterInstance.get() as instance:
    instance.get_runs(limit=1)
    instance.all_instigator_state()
"""
CONFIGURATION = """\
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
retention:
  schedule:
    purge_after_days: 30
"""


def become(program: str, settings: Settings, home: Home) -> NoReturn:
    """Replace this process by Dagster's `code` server, `daemon` or `webserver`."""
    os.environ["DAGSTER_HOME"] = str(home.path / "dagster")
    os.environ["AURORA_HOME"] = str(home.path)
    code_port = str(home.read_note("ports")["dagster_code"])
    workspace = _workspace(home, code_port)
    scripts = Path(sys.executable).parent
    arguments = {
        "code": ["dagster", "api", "grpc", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", code_port, "--location-name", "aurora"],
        "daemon": ["dagster-daemon", "run", "-w", workspace],
        "webserver": ["dagster-webserver", "-h", settings.host, "-p", str(settings.dagster_port), "-w", workspace],
    }[program]
    os.execv(scripts / arguments[0], [str(scripts / arguments[0]), *arguments[1:]])


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
    file.write_text(f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n      location_name: aurora\n", encoding="utf-8")
    return str(file)
