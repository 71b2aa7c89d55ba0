"""The files by which Aurora steers a Mosquitto: its configuration, who may log in, and what each may use."""

import getpass
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aurora.accounts.broker_logins import BrokerLogin, broker_logins
from aurora.accounts.database import Accounts
from aurora.accounts.keys import MOSQUITTO_SALT_BYTES, mosquitto_hash
from aurora.domain.topics import OWN_BRANCH, patterns_of
from ingestion.listener import LISTENER

CONFIGURATION, PASSWORDS, RIGHTS, PID, DATA, MORE = "mosquitto.conf", "passwords", "rights", "mosquitto.pid", "data", "conf.d"
# A payload somewhat too large reaches the listener, which keeps the reason; one that is far too large ends its sender's connection.
PACKETS_OF_LARGEST = 4

# Mosquitto's own limits make it acknowledge and then drop, and keep what it acknowledged in memory for half an hour.
CONFIGURATION_TEXT = """\
# Written by Aurora. What is to be added, such as a listener with TLS, goes into {more}/*.conf.
{user}per_listener_settings false
allow_anonymous false
password_file {passwords}
acl_file {rights}
pid_file {pid}

max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
max_packet_size {packet_bytes}
persistent_client_expiration 6w

persistence true
persistence_location {data}/
autosave_interval 1

log_dest stderr
log_timestamp false
log_type error
log_type warning
log_type notice
log_type debug

listener {port}{host}
include_dir {more}
"""


@dataclass(frozen=True)
class Rights:
    """Who may log in, and what each may use, as Mosquitto reads them."""

    passwords: str
    topics: str


def rights_of(logins: Iterable[BrokerLogin], listener_password: str) -> Rights:
    """Of devices their own branch and what is bound to them, of the listener to hear everything; nobody else has any."""
    known = [login for login in logins if login.device_id != LISTENER]
    salt = hashlib.sha256(listener_password.encode()).digest()[:MOSQUITTO_SALT_BYTES]
    passwords = [f"{LISTENER}:{mosquitto_hash(listener_password, salt)}", *(f"{one.device_id}:{one.password_hash}" for one in known)]
    topics = [f"user {LISTENER}", "topic read #"]
    for login in known:
        topics += [f"user {login.device_id}", f"topic readwrite {OWN_BRANCH}{login.device_id}/#"]
        topics += [f"topic readwrite {pattern}" for pattern in patterns_of(login.topic) if not pattern.startswith(OWN_BRANCH)]
    return Rights("\n".join(passwords) + "\n", "\n".join(topics) + "\n")


def current_rights(accounts: Accounts, listener_password: str, now: datetime) -> Rights:
    """The rights as the accounts have them."""
    return rights_of(broker_logins(accounts, now), listener_password)


def write_configuration(folder: Path, port: int, host: str, largest_bytes: int) -> Path:
    """Write the configuration for a Mosquitto that reads its files in `folder`, and return its file.

    Args:
        folder: Made where it is missing; holds what Mosquitto keeps, too.
        port: Where devices connect.
        host: Address it listens on; empty for all.
        largest_bytes: Largest payload that is taken. [byte]
    """
    for name in (DATA, MORE):
        (folder / name).mkdir(parents=True, exist_ok=True)
    user = f"user {getpass.getuser()}\n" if os.geteuid() == 0 and folder.stat().st_uid == 0 else ""
    text = CONFIGURATION_TEXT.format(
        user=user, passwords=folder / PASSWORDS, rights=folder / RIGHTS, pid=folder / PID, data=folder / DATA, more=folder / MORE,
        packet_bytes=PACKETS_OF_LARGEST * largest_bytes, port=port, host=f" {host}" if host else "",
    )  # fmt: skip
    write_for_broker(folder / CONFIGURATION, text)
    return folder / CONFIGURATION


def write_rights(folder: Path, rights: Rights) -> None:
    """Write who may log in and what each may use; Mosquitto reads them again when it is told to."""
    write_for_broker(folder / PASSWORDS, rights.passwords)
    write_for_broker(folder / RIGHTS, rights.topics)


def write_for_broker(file: Path, text: str) -> None:
    """Write a file, whole or not at all, that its folder's owner and group alone may read."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w", encoding="utf-8") as opened:
        opened.write(text)
    owner = file.parent.stat()
    with suppress(PermissionError):
        os.chown(scratch, owner.st_uid if os.geteuid() == 0 else -1, owner.st_gid)
    scratch.replace(file)
