"""A further listener, as a process of its own: it shares what devices send in Aurora's own format with the others."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aurora import metrics
from aurora.accounts.database import Accounts
from aurora.errors import AuroraError
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.settings import Settings
from ingestion.landing import Landing
from ingestion.listener import Listener, broker_address, note_of
from ingestion.processes import stop_signal, tune_interpreter
from ingestion.registry import DeviceRegistry
from ingestion.standing_in import StandIn

STANDING_IN = 2


@contextmanager
def open_listener(settings: Settings, home: Home, part: int) -> Iterator[Callable[[], bool]]:
    """Listen for the block; yields a function, to be called every second or so, that says whether the writer still works.

    Raises:
        AuroraError: At the end of the block, if the writer had ended before.
    """
    landing = Landing(open_lake(settings.resolved_lake_uri, sync=settings.sync_commits), settings)
    registry = DeviceRegistry(Accounts(settings.resolved_database_url))
    address = broker_address(settings, home, part)
    listener = Listener(address, landing, registry, settings, home, part)
    stand_in = StandIn(address, part, registry, home)

    def is_working() -> bool:
        if part == STANDING_IN:
            stand_in.look()
        return landing.failure is None

    landing.start()
    listener.start()
    try:
        yield is_working
    finally:
        landing.stop()
        listener.stop()
    if landing.failure is not None:
        raise AuroraError(f"The writer ended ({landing.failure}). Nothing unstored was acknowledged; start the process again.")


def run(settings: Settings, home: Home, part: int, stop: threading.Event | None = None) -> None:
    """The process of a further listener, until SIGTERM."""
    asked = stop or stop_signal()
    tune_interpreter()
    metrics.serve(note_of(part), settings, home)
    with open_listener(settings, home, part) as is_working:
        while not asked.wait(1.0) and is_working():
            pass
