"""Takes an import back: its rows leave bronze in one commit a table, and the next refresh rebuilds the days that they touched."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

import polars as pl

from aurora.accounts import leases, loads
from aurora.accounts.database import Accounts
from aurora.accounts.models import Load
from aurora.errors import Refused, Transient
from aurora.lake.store import PASSING_ERRORS, WITHDRAWN, Between, Lake
from ingestion import bronze

ONE_STEP = timedelta(microseconds=1)


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal took out; its fields are what `aurora import undo --json` prints.

    Attributes:
        readings: Rows of `bronze/readings`; 0 where it was withdrawn before.
        rejected: Rows of `bronze/rejected`.
    """

    load_id: str
    readings: int
    rejected: int

    def as_dict(self) -> dict[str, str | int]:
        """The withdrawal as JSON can hold it."""
        return asdict(self)


def undo_load(
    lake: Lake, accounts: Accounts, load_id: str, *, wait_seconds: float = 600, waiting: Callable[[str], None] | None = None
) -> Withdrawal:
    """Take every row of an import out of bronze, so that what it had superseded holds again.

    Each table changes in one commit that marks the import as withdrawn: cut short anywhere it can be done again, and done twice it does
    nothing. What is still being imported under that id lands nothing more.

    Args:
        lake: Where the readings are.
        accounts: Knows the import; keeps the lease under which bronze is rewritten.
        load_id: Which import.
        wait_seconds: How long to wait for a publisher.
        waiting: Told once whom it waits for.

    Raises:
        Unknown: If there is no such import.
        Refused: If some of its raw rows have gone, or a later import counted some of its values as known.
        Busy: If another publisher is still at work after `wait_seconds`.
        Transient: If a commit lost a race or could not be written.
    """
    load, source = loads.find_load(accounts, load_id), source_of(load_id)
    with leases.hold(accounts, leases.PUBLISH, wait_seconds, waiting):
        readings_at, arrived_at = _ranges(load)
        if not is_withdrawn(lake, load_id):
            _refuse_relied_on(lake, accounts, load_id)
            _refuse_gone(lake, load_id, readings_at)
        try:
            rejected = lake.withdraw(bronze.REJECTED, source, [arrived_at])
            readings = lake.withdraw(bronze.READINGS, source, readings_at)
        except PASSING_ERRORS as error:
            raise Transient(f"{load_id} could not be withdrawn as a whole ({error}). Run the command again.") from error
    return Withdrawal(load_id, readings, rejected)


def source_of(load_id: str) -> str:
    """What `source` holds in the rows of an import."""
    return f"import:{load_id}"


def is_withdrawn(lake: Lake, load_id: str) -> bool:
    """Whether the readings of an import were taken out."""
    return lake.landed(bronze.READINGS, source_of(load_id)) == WITHDRAWN


def _ranges(load: Load) -> tuple[list[Between], Between]:
    """Ranges in which the readings of an import lie, and the one in which all its rows arrived."""
    arrived_at = Between("received_at", load.loaded_at.replace(microsecond=0))
    if load.first_at is None or load.last_at is None:
        return [arrived_at], arrived_at
    return [arrived_at, Between("measured_at", load.first_at, load.last_at + ONE_STEP)], arrived_at


def _refuse_relied_on(lake: Lake, accounts: Accounts, load_id: str) -> None:
    later = [load.load_id for load in loads.relying_on(accounts, load_id) if not is_withdrawn(lake, load.load_id)]
    if later:
        raise Refused(
            f"{', '.join(later)} brought some of the same values, which were not stored a second time."
            f" Undo {'it' if len(later) == 1 else 'them'} first, then {load_id}."
        )


def _refuse_gone(lake: Lake, load_id: str, readings_at: list[Between]) -> None:
    rows = lake.scan(bronze.READINGS, between=readings_at).filter(pl.col("source") == source_of(load_id)).select(pl.len()).collect().item()
    if rows < lake.landed(bronze.READINGS, source_of(load_id)):
        raise Refused(f"Raw rows of {load_id} are past their retention and have gone, so nothing tells any more what it changed.")
