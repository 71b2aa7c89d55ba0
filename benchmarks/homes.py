"""Homes for benchmarks: sites with meters, and readings landed as the product lands them."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from sqlalchemy import select

from aurora import home as homes
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.lake.migrations import bring_up_to_date
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from transform.refresh import Refresher

QUARTER = timedelta(minutes=15)
QUARTERS_A_DAY = 96
OWNER, PASSWORD = "bench", "a long bench password"


def open_refresher(folder: Path) -> Refresher:
    """The refresher of a bench home, which is made where there is none; one of an older Aurora is brought up to date."""
    settings = Settings(home=folder, _env_file=None)  # pyright: ignore[reportCallIssue]
    home, lake, accounts = homes.create(settings), open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
    bring_up_to_date(lake)
    accounts.migrate()
    return Refresher(lake, accounts, home, settings)


def owner_of(accounts: Accounts) -> User:
    """Who owns the sites of a bench home; made at the first call."""
    with accounts.reading() as session:
        known = session.scalar(select(User).where(User.username == OWNER))
    return known or people.add_user(accounts, OWNER, PASSWORD, "admin")


def add_sites(accounts: Accounts, first: int, end: int, kinds: tuple[str, ...], time_zone: str = "Europe/Berlin") -> None:
    """Sites `site0000` and so on, each with a device of each kind, called `site0000-meter`; those that are there stay."""
    owner = owner_of(accounts)
    known = {site.site_id for site in sites.all_sites(accounts)}
    for number in range(first, end):
        name = f"site{number:04d}"
        if name not in known:
            facts = {"latitude": 52.0, "longitude": 13.0, "currency": "EUR", "pv_capacity_kw": 5.0 if "inverter" in kinds else None}
            sites.add_site(accounts, owner, name=name, site_id=name, time_zone=time_zone, **facts)
        held = {device.device_id for device in devices.all_devices(accounts, name)}
        for kind in kinds:
            if f"{name}-{kind}" not in held:
                source = "pv" if kind == "inverter" else None
                devices.add_device(accounts, name, name=kind, kind=kind, device_id=f"{name}-{kind}", energy_source=source)


def readings(ids: list[tuple[str, str]], first: datetime, values: np.ndarray, received_at: datetime) -> pl.DataFrame:
    """Rows of `bronze/readings`: quarter-hour energies of each (device, channel) from `first` on.

    Args:
        ids: Device and channel of each series.
        first: Start of the first quarter.
        values: A row per series, a column per quarter. [kWh]
        received_at: Their stamp.
    """
    quarters = values.shape[1]
    at = pl.datetime_range(first, first + QUARTER * (quarters - 1), QUARTER, time_unit="us", eager=True)
    series = np.repeat(np.arange(len(ids)), quarters)
    return pl.DataFrame(
        {
            "device_id": pl.Series([device for device, _ in ids]).gather(series),
            "channel": pl.Series([channel for _, channel in ids]).gather(series),
            "measured_at": at.gather(np.tile(np.arange(quarters), len(ids))),
            "value": values.reshape(-1).round(3),
            "sequence": np.arange(values.size),
        }
    ).with_columns(
        pl.lit("interval_kwh").alias("measure"), pl.lit(900, dtype=pl.Int64).alias("interval_seconds"), pl.lit("bench").alias("source"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"), pl.col("measured_at").dt.date().alias("measured_date"),
        pl.lit(None, dtype=pl.String).alias("quality"),
    )  # fmt: skip


def land(lake: Lake, rows: pl.DataFrame, transaction: tuple[str, int] | None = None) -> None:
    """Commit rows to `bronze/readings`."""
    schema = pl.DataFrame(TABLES["bronze/readings"].schema.empty_table()).schema
    lake.land("bronze/readings", rows.select([pl.col(name).cast(kind) for name, kind in schema.items()]).to_arrow(), transaction)
