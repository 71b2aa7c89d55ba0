"""What an asset needs: the home's lake and accounts, opened when a run begins."""

import os
import signal
import threading
from dataclasses import dataclass
from functools import cached_property

from aurora import home as homes
from aurora import logs, settings
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings

PARENT_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Services:
    """The parts of one installation."""

    settings: Settings
    home: Home

    @cached_property
    def lake(self) -> Lake:
        """The home's lake."""
        return open_lake(self.settings.resolved_lake_uri, sync=self.settings.sync_commits)

    @cached_property
    def accounts(self) -> Accounts:
        """The home's accounts database."""
        return Accounts(self.settings.resolved_database_url)


def of_run(service: str) -> Services:
    """The services of a Dagster run, which ends when the server that started it is gone.

    Raises:
        NotReady: If the home is not initialised.
    """
    loaded = settings.load()
    logs.configure(service, loaded.log_level, loaded.log_format)
    threading.Thread(target=_end_when_orphaned, args=(os.getppid(),), daemon=True, name="parent-watch").start()
    return Services(loaded, homes.open_home(loaded))


def _end_when_orphaned(parent: int) -> None:
    # The kernel's own signal follows the thread that started a process, and servers start runs from short-lived threads.
    while not threading.Event().wait(PARENT_POLL_SECONDS):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
