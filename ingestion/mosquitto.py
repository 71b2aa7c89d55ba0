"""Mosquitto, run and steered by Aurora: its rights follow the accounts, and what it turned away is told and counted.

It keeps what it acknowledged on disk within a second, so that neither a restart of it nor a listener that is away loses any.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from aurora import logs, metrics, processes
from aurora.accounts.database import Accounts
from aurora.errors import Refused, Transient
from aurora.home import Home
from aurora.processes import end_with_parent
from aurora.settings import Settings
from ingestion.listener import LISTENER_SECRET, broker_address, hold_session, note_of
from ingestion.mosquitto_files import DATA, PASSWORDS, PID, current_rights, rights_of, write_configuration, write_rights
from ingestion.processes import refuse_taken_port, stop_signal
from ingestion.topics import heard

FOLDER = "mosquitto"
DATABASE = "mosquitto.db"
PROGRAMS = ("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto")
WATCH_SECONDS = 1.0
START_SECONDS = 10.0
# By itself it saves every other second at most; more often than that only while little waits, since it writes all of it each time.
SAVED_EACH_SECOND_BYTES = 32 * 1024**2
STOP_SECONDS = 3.0
MOST_CLIENTS = 100_000
LONGEST_TOLD = 256

_CONNECTED = re.compile(r"New client connected from \S+ as (.+) \(p\d, c\d, k\d+(?:, u'(.*)')?\)\.$")
_DENIED = re.compile(r"Denied PUBLISH from (.+) \(d\d, q\d, r\d, m\d+, '(.*)', \.\.\. \(\d+ bytes\)\)$")
_OVERSIZE = re.compile(r"Client (.+) disconnected due to oversize packet\.$")

log = logs.logger(__name__)


def program() -> str:
    """Mosquitto's program on this machine. Raises Refused where there is none."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise Refused("There is no mosquitto on this machine. Install it, or set AURORA_BROKER=embedded or AURORA_MQTT_URL.")
    return found


@dataclass
class RightsKeeper:
    """Keeps a Mosquitto's files as the accounts have them."""

    accounts: Accounts
    listener_password: str
    folder: Path
    _written: object = None

    def follow(self, now: datetime) -> bool:
        """Whether the rights have changed and were written; they stay as they are while the accounts cannot be read."""
        try:
            rights = current_rights(self.accounts, self.listener_password, now)
        except SQLAlchemyError as error:
            log.error("the devices cannot be read; the broker's rights stay as they are", error=str(error))  # noqa: TRY400 - an expected failure; its text says all
            return False
        if rights == self._written and (self.folder / PASSWORDS).exists():
            return False
        write_rights(self.folder, rights)
        self._written = rights
        return True

    def write(self) -> None:
        """Write the rights as the accounts have them now. Raises what the accounts raise where they cannot be read."""
        self._written = current_rights(self.accounts, self.listener_password, datetime.now(UTC))
        write_rights(self.folder, self._written)


@dataclass
class BrokerLog:
    """Reads what Mosquitto says, and tells whom it turned away: it acknowledges such messages nevertheless."""

    users: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Take in one line; most are of no interest."""
        if line.startswith("Denied PUBLISH"):
            self._denied(line)
        elif line.startswith("New client connected"):
            self._connected(line)
        elif line.endswith("oversize packet."):
            self._oversize(line)
        elif line.startswith(("Error", "Warning")):
            log.warning("mosquitto says", line=line[:LONGEST_TOLD])

    def _connected(self, line: str) -> None:
        found = _CONNECTED.match(line)
        if found is None:
            return
        if len(self.users) >= MOST_CLIENTS:
            self.users.clear()
        self.users[found[1]] = found[2] or ""

    def _denied(self, line: str) -> None:
        metrics.TOPICS_REFUSED.inc()
        found = _DENIED.match(line)
        client, topic = (found[1], found[2]) if found else ("", line)
        says = "a message was refused; bind its topic with `aurora device set --topic`"
        log.warning(says, device=self.users.get(client, client)[:LONGEST_TOLD], topic=topic[:LONGEST_TOLD])

    def _oversize(self, line: str) -> None:
        metrics.READINGS_REJECTED.labels("too_large").inc()
        found = _OVERSIZE.match(line)
        client = found[1] if found else ""
        says = "a connection was ended: its message is far above AURORA_MAX_MESSAGE_BYTES"
        log.warning(says, device=self.users.get(client, client)[:LONGEST_TOLD], reason="too_large")


def read_log(stream: IO[bytes], reader: BrokerLog) -> None:
    """Read what Mosquitto writes until it ends."""
    for raw in stream:
        reader.take(raw.decode("utf-8", "backslashreplace").rstrip("\n"))


def start(configuration: Path, port: int, host: str) -> "subprocess.Popen[bytes]":
    """A Mosquitto that answers. Raises Refused where it does not within seconds."""
    child = subprocess.Popen([program(), "-c", str(configuration)], stderr=subprocess.PIPE, preexec_fn=end_with_parent)  # noqa: PLW1509
    if child.stderr is not None:
        threading.Thread(target=read_log, args=(child.stderr, BrokerLog()), name="mosquitto-log", daemon=True).start()
    deadline = time.monotonic() + START_SECONDS
    while not _answers(host, port):
        if child.poll() is not None or time.monotonic() > deadline:
            stop(child)
            raise Refused(f"Mosquitto does not start with {configuration}. The lines above say why.")
        time.sleep(0.02)
    return child


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End a Mosquitto; it saves what it holds."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def serve(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """Run Mosquitto until `stopping` is set, its rights as the accounts have them.

    Raises:
        Transient: If Mosquitto ends by itself.
    """
    folder = home.path / FOLDER
    configuration = write_configuration(folder, settings.mqtt_port, settings.host, settings.max_message_bytes)
    folder.chmod(0o700)
    keeper = RightsKeeper(Accounts(settings.resolved_database_url), home.secret(LISTENER_SECRET), folder)
    is_new = not (folder / DATA / DATABASE).exists()
    if is_new:
        # Until the listeners' sessions are on disk nobody else may log in: not even the first message finds nobody.
        write_rights(folder, rights_of([], keeper.listener_password))
    else:
        keeper.follow(datetime.now(UTC))
    child = start(configuration, settings.mqtt_port, settings.host)
    try:
        if is_new:
            hold_absent(settings, home)
            _save(child, folder / DATA / DATABASE)
            reload_rights(keeper, child, settings, home)
        home.note("broker", {"url": f"mqtt://{settings.host}:{settings.mqtt_port}", "pid": os.getpid(), "mosquitto_pid": child.pid})
        log.info("broker ready", port=settings.mqtt_port, program=program())
        while not stopping.wait(WATCH_SECONDS):
            if child.poll() is not None:
                raise Transient(f"Mosquitto ended with the code {child.returncode}. It is started again; nothing on its disk is lost.")
            reload_rights(keeper, child, settings, home)
            if (folder / DATA / DATABASE).stat().st_size <= SAVED_EACH_SECOND_BYTES:
                child.send_signal(signal.SIGUSR1)
    finally:
        stop(child)


def reload_rights(keeper: RightsKeeper, child: "subprocess.Popen[bytes]", settings: Settings, home: Home) -> None:
    """Have Mosquitto read the rights again where they have changed; it ends connections whose key is no longer good."""
    if keeper.follow(datetime.now(UTC)):
        hold_absent(settings, home)
        child.send_signal(signal.SIGHUP)


def keep_fresh(keeper: RightsKeeper, settings: Settings, home: Home, command: str | None, stopping: threading.Event) -> None:
    """Keep the rights of a Mosquitto that somebody else runs until `stopping` is set.

    Args:
        keeper: Of its files.
        settings: Where it is, and how many listeners there are.
        home: The listeners' notes.
        command: What makes it read the files again; None to send its process the signal HUP.
        stopping: Ends it.
    """
    while not stopping.wait(WATCH_SECONDS):
        if not keeper.follow(datetime.now(UTC)):
            continue
        if settings.resolved_mqtt_url:
            hold_absent(settings, home)
        problem = _reload(keeper.folder, command)
        if problem:
            log.error("the rights are written, but Mosquitto was not told", reason=problem)
        else:
            log.info("Mosquitto was told to read its rights again")


def _reload(folder: Path, command: str | None) -> str | None:
    """Why Mosquitto could not be told to read its files again; None where it was."""
    try:
        if command is not None:
            subprocess.run(shlex.split(command), check=True, timeout=START_SECONDS)
        else:
            os.kill(int((folder / PID).read_text(encoding="utf-8")), signal.SIGHUP)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{error}. Say with --reload which command does"
    return None


def hold_absent(settings: Settings, home: Home) -> None:
    """Show Mosquitto the sessions of listeners that are away before it reads its rights again.

    It keeps nothing for a session that has not been connected since it started and whose rights it has read again since then.
    """
    for part in range(1, settings.listeners + 1):
        note = home.read_note(note_of(part))
        if note.get("state") == "connected" and processes.is_alive(note["pid"], note["started_at"]):
            continue
        try:
            hold_session(broker_address(settings, home, part), heard(settings.listeners, part, is_ours=settings.broker == "mosquitto"))
        except Transient as error:
            log.warning("the listener's session could not be held", part=part, error=str(error))


def _save(child: "subprocess.Popen[bytes]", database: Path) -> None:
    """Have Mosquitto write what it holds to disk at once."""
    child.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + START_SECONDS
    while not database.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _answers(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host if host not in {"", "0.0.0.0"} else "127.0.0.1", port)) == 0  # noqa: S104  # nosec B104


def run(settings: Settings, home: Home) -> None:
    """The broker process. Raises Refused where its port is taken or there is no Mosquitto."""
    program()
    refuse_taken_port(settings.host, settings.mqtt_port, "AURORA_MQTT_PORT")
    stopping = stop_signal()
    metrics.serve("broker", settings, home)
    serve(settings, home, stopping)
