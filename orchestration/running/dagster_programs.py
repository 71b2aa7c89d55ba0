"""Dagster's own programs: this process becomes one of them."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from aurora.home import Home
from aurora.settings import Settings

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
    folder = prepare(home)
    os.environ["DAGSTER_HOME"] = str(folder)
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
    """Dagster's folder in the home, with its configuration."""
    folder = home.path / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(CONFIGURATION, encoding="utf-8")
    return folder


def _workspace(home: Home, port: str) -> str:
    file = home.run / "dagster_workspace.yaml"
    file.write_text(f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n      location_name: aurora\n", encoding="utf-8")
    return str(file)
