"""The demo: three generated sites with a history and devices that send live. Marked as demo wherever it is shown."""

from collections.abc import Callable
from datetime import datetime

from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion.demo.sites import login_device

__all__ = ["SEED", "login_device", "prepare"]

SEED = 20_240_229
COMMITS = 4
SOURCE = "demo"


def prepare(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    *,
    seed: int = SEED,
    now: datetime,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _label: None,
) -> None:
    """Make the demo's sites, land weather, prices and carbon intensity from recordings, and history; what is there already is left alone.

    Args:
        lake: Where readings go.
        accounts: Where sites, devices and keys go; must have one admin.
        home: Keeps the devices' keys.
        settings: Name the services to ask; where they name none, recorded answers stand for them.
        seed: Same seed and time, same history.
        now: End of the history.
        progress: Told `(done, total, label)`.
    """
    from ingestion import bronze
    from ingestion.demo.history import History, join_histories, make_history
    from ingestion.demo.plants import PLANTS
    from ingestion.demo.sites import make_sites

    total = 2 + len(PLANTS) + COMMITS + 1
    progress(0, total, "sites")
    make_sites(accounts, home)
    progress(1, total, "weather and prices")
    pull_recorded(lake, accounts, home, settings, seed, now)
    application = f"demo:{seed}"
    if lake.delta(bronze.READINGS).transaction_version(application) is not None:
        progress(total, total, "done")
        return
    made: list[History] = []
    for plant, history in make_history(seed, now):
        made.append(history)
        progress(1 + len(made), total, plant.name)
    stamps, history = bronze.stamps_above(lake), join_histories(made)
    for number, rows in enumerate(history.on_time_parts(COMMITS), 1):
        bronze.land_readings(lake, stamps, rows, SOURCE, now)
        progress(1 + len(PLANTS) + number, total, "history")
    # The last commit says that all is there; a preparation that was cut short starts over, and what came twice counts once.
    bronze.land_readings(lake, stamps, history.late, SOURCE, now, (application, 1))
    progress(total, total, "done")


def pull_recorded(lake: Lake, accounts: Accounts, home: Home, settings: Settings, seed: int, now: datetime) -> None:
    """Land what recorded answers say of weather, prices and carbon intensity, unless the settings name services to ask."""
    from ingestion.demo.replaying import recordings_served
    from ingestion.sources.registry import pull_all

    if settings.sources or not home.is_demo:
        return
    with recordings_served(home, seed, lambda: now):
        pull_all(lake, accounts, settings, home, now)
