"""Starts every process of an installation under supervisord, which keeps them running and ends them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from aurora import processes
from aurora.errors import Refused
from aurora.home import Home
from aurora.settings import Settings
from orchestration.running import dagster_programs
from orchestration.running.environment import TELEMETRY_OFF, end_with_parent
from orchestration.running.processes import PROCESSES, log_file

STOP_SECONDS = 4
LEFT_BEHIND_SECONDS = 20
HEAD = """\
[supervisord]
nodaemon=true
silent=true
logfile={logs}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={run}/supervisord.pid
childlogdir={logs}
user={user}
"""
PROGRAM = """
[program:{name}]
command="{python}" -m orchestration.cli process {name}
directory={folder}
autorestart=true
startsecs=2
startretries=20
stopsignal=TERM
stopwaitsecs={stop}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


@contextmanager
def running(settings: Settings, home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """Every wanted process of the home, for the block.

    Raises:
        Refused: If they run already, or a port is taken.
    """
    check(settings, home)
    home.clear_notes()
    home.note("up", {"pid": os.getpid(), "started_at": processes.started_at()})
    dagster_programs.prepare(home)
    home.note("ports", {"dagster_code": _free_port()})
    child = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(_configuration(settings, home))],
        env=os.environ | TELEMETRY_OFF | {"AURORA_HOME": str(home.path)},
        preexec_fn=end_with_parent,  # noqa: PLW1509
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _end(child)
        home.clear_notes()


def check(settings: Settings, home: Home) -> None:
    """Raise Refused where these processes could not be started: they run already, or a port is taken."""
    _check_alone(home)
    _check_ports(settings, home)


def wanted(settings: Settings, home: Home) -> list[str]:
    """Names of the processes that this home runs."""
    return [name for name, process in PROCESSES.items() if process.is_wanted(settings, home)]


def _end(child: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS + 1.5)
    except subprocess.TimeoutExpired:
        child.kill()
    for left in psutil.wait_procs(children, timeout=0.2)[1]:
        left.kill()


def _configuration(settings: Settings, home: Home) -> Path:
    import getpass

    logs = home.path / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    text = HEAD.format(logs=_plain(logs), run=_plain(home.run), user=getpass.getuser())
    for name in wanted(settings, home):
        text += PROGRAM.format(
            name=name, python=_plain(sys.executable), folder=_plain(Path.cwd()), stop=STOP_SECONDS, log=_plain(log_file(home, name))
        )
    file = home.run / "supervisord.conf"
    file.write_text(text, encoding="utf-8")
    return file


def _plain(path: object) -> str:
    """A path as supervisord reads it: a percent sign doubled."""
    return str(path).replace("%", "%%")


def _check_alone(home: Home) -> None:
    note = home.read_note("up")
    if note and processes.is_alive(note["pid"], note["started_at"]):
        raise Refused(f"Aurora already runs on {home.path} (process {note['pid']}). Stop it first, or name another AURORA_HOME.")


def _check_ports(settings: Settings, home: Home) -> None:
    ports = {"AURORA_APP_PORT": settings.app_port, "AURORA_API_PORT": settings.api_port, "AURORA_INGEST_PORT": settings.ingest_port,
             "AURORA_DAGSTER_PORT": settings.dagster_port}  # fmt: skip
    if "broker" in wanted(settings, home):
        ports["AURORA_MQTT_PORT"] = settings.mqtt_port
    # What a killed `up` left behind ends by itself, each process as its parent is gone.
    deadline = time.monotonic() + (LEFT_BEHIND_SECONDS if home.read_note("up") else 3)
    for name, port in ports.items():
        while not _is_free(settings.host, port):
            if time.monotonic() > deadline:
                raise Refused(f"Port {port} is taken by another program. Set {name} to a free one and try again.")
            time.sleep(0.2)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
