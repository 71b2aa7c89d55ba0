"""Leases: locks that survive their holder's death. The publish lease is the only lock over the lake."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from aurora import processes
from aurora.accounts.database import Accounts, changed_rows
from aurora.accounts.models import Lease
from aurora.errors import Busy

PUBLISH = "publish"
RENEW_SECONDS = 10
LOST_AFTER = timedelta(seconds=30)
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class HeldLease:
    """A lease this process holds."""

    accounts: Accounts
    name: str
    holder: str

    def confirm(self) -> None:
        """Renew the lease.

        Raises:
            Busy: If somebody else has it by now.
        """
        with self.accounts.transaction() as session:
            result = session.execute(
                update(Lease).where(Lease.name == self.name, Lease.holder == self.holder).values(renewed_at=datetime.now(UTC))
            )
            if changed_rows(result) != 1:
                raise Busy(f"The {self.name} lease was lost to another process; nothing was published. Run the command again.")


@contextmanager
def hold(accounts: Accounts, name: str, wait_seconds: float, waiting: Callable[[str], None] | None = None) -> Generator[HeldLease]:
    """Hold the lease `name` for the block, renewed in the background.

    Args:
        accounts: Where leases are kept.
        name: Which lease.
        wait_seconds: How long to wait for another holder.
        waiting: Told once who is being waited for.

    Raises:
        Busy: If another process still holds it after `wait_seconds`.
    """
    held = _acquire(accounts, name, wait_seconds, waiting)
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(held, stop), daemon=True, name=f"lease-{name}")
    renewer.start()
    try:
        yield held
    finally:
        stop.set()
        renewer.join(timeout=RENEW_SECONDS)
        with accounts.transaction() as session:
            session.execute(delete(Lease).where(Lease.name == name, Lease.holder == held.holder))


def _acquire(accounts: Accounts, name: str, wait_seconds: float, waiting: Callable[[str], None] | None) -> HeldLease:
    deadline = time.monotonic() + wait_seconds
    told = False
    while True:
        held, who = _try_acquire(accounts, name)
        if held is not None:
            return held
        if waiting is not None and not told:
            waiting(who)
            told = True
        if time.monotonic() >= deadline:
            raise Busy(f"{who} is publishing. Try again when it is done.")
        time.sleep(POLL_SECONDS)


def _try_acquire(accounts: Accounts, name: str) -> tuple[HeldLease | None, str]:
    now, holder = datetime.now(UTC), uuid.uuid4().hex
    mine = Lease(
        name=name,
        holder=holder,
        host=socket.gethostname(),
        process_id=os.getpid(),
        process_started_at=processes.started_at(),
        acquired_at=now,
        renewed_at=now,
    )
    try:
        with accounts.transaction() as session:
            other = session.scalar(select(Lease).where(Lease.name == name).with_for_update())
            if other is not None:
                if not _is_lost(other, now):
                    return None, f"Process {other.process_id} on {other.host} (since {other.acquired_at:%H:%M:%S} UTC)"
                gone = session.execute(delete(Lease).where(Lease.name == name, Lease.holder == other.holder))
                if changed_rows(gone) != 1:
                    return None, "Another process"
                session.flush()
            session.add(mine)
    except IntegrityError:
        return None, "Another process"
    return HeldLease(accounts, name, holder), ""


def _is_lost(lease: Lease, now: datetime) -> bool:
    """Whether the holder is dead: at once where its process can be looked up, else when it has not renewed in time."""
    if lease.host != socket.gethostname():
        return now - lease.renewed_at > LOST_AFTER
    return not processes.is_alive(lease.process_id, lease.process_started_at)


def _renew(held: HeldLease, stop: threading.Event) -> None:
    while not stop.wait(RENEW_SECONDS):
        try:
            held.confirm()
        except Busy:
            return
