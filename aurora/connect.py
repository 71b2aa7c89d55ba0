"""The consultants' entry point: the lake of this installation in a notebook.

from aurora.connect import connect

lake = connect()
lake.table("gold/energy_daily")
lake.sql("select site_id, sum(consumption_kwh) from gold.energy_daily group by all")
connect(as_of="2026-03-01T00:00:00Z").table("gold/energy_daily")
"""

import sys
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from aurora import home as homes
from aurora import settings as known_settings
from aurora.errors import Refused
from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.sql import Questions, rows_of
from aurora.lake.store import Between, open_lake
from aurora.lake.tables import TABLES


@dataclass(frozen=True)
class Published:
    """One publication of the lake; what is asked of it always answers from that one.

    Attributes:
        snapshot: Where its tables are.
        is_newest: Whether it was the newest when it was opened.
    """

    snapshot: Snapshot
    is_newest: bool

    @property
    def refresh_id(self) -> str:
        """Which publication; empty before the first."""
        return self.snapshot.refresh_id

    @property
    def finished_at(self) -> datetime | None:
        """When it was finished; None before the first."""
        return self.snapshot.finished_at

    @property
    def tables(self) -> list[str]:
        """Names of all tables."""
        return list(TABLES)

    def scan(self, name: str, between: Between | None = None) -> pl.LazyFrame:
        """Rows of a table, read when they are collected.

        Args:
            name: Such as `gold/energy_daily`.
            between: A range of one column, by which files are left out.

        Raises:
            Refused: If there is no such table.
        """
        if name not in TABLES:
            raise Refused(f"There is no table {name}. Tables: {', '.join(TABLES)}.")
        return rows_of(self.snapshot, name, is_newest=self.is_newest, between=[between] if between else ())

    def table(self, name: str, between: Between | None = None) -> pl.DataFrame:
        """Rows of a table, as `scan` finds them."""
        return self.scan(name, between).collect()

    def sql(self, query: str) -> pl.DataFrame:
        """The answer to a query; tables are named `gold.energy_daily` or `"gold/energy_daily"`. Raises Refused."""
        columns, rows = self._questions.ask(query)
        return pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)

    @cached_property
    def _questions(self) -> Questions:
        return Questions(self.snapshot, self.is_newest)


def connect(as_of: datetime | str | None = None) -> Published:
    """The lake of the installation that `AURORA_HOME` names, or of the demo in it.

    Args:
        as_of: A time, for the newest publication finished by then, or a `refresh_id`; the newest otherwise.

    Raises:
        NotReady: If nothing is set up there, or nothing was published by then.
        Gone: If what was published then is no longer kept.
    """
    loaded = known_settings.load()
    opened = homes.open_home(loaded)
    if opened.path != loaded.home.expanduser().absolute():
        sys.stderr.write(f"Using the demo in {opened.path}: nothing else is set up here.\n")
    lake = open_lake(loaded.resolved_lake_uri)
    if as_of is None:
        return Published(manifest.newest(lake), is_newest=True)
    return Published(manifest.as_of(lake, moment_of(as_of)), is_newest=False)


def moment_of(as_of: datetime | str) -> datetime | str:
    """The time a text names; a text that is no time is taken for a `refresh_id`. Raises Refused for a time without offset."""
    try:
        moment = as_of if isinstance(as_of, datetime) else datetime.fromisoformat(as_of)
    except ValueError:
        return as_of
    if moment.tzinfo is None:
        raise Refused(f"{as_of} names no offset from UTC; end it with Z or +01:00.")
    return moment
