"""A neighbourhood of small sites in awkward time zones, and the means to land readings there and compare lakes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aurora import home as homes
from aurora.accounts import devices, people, sites, tariffs
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from tests.prepared import accounts_of, lake_of, shared_workbench
from transform import workbench
from transform.refresh import Refresher

READING = pl.DataFrame(TABLES["bronze/readings"].schema.empty_table()).schema
COMPARED = (
    "silver/energy gold/energy_15min gold/energy_hourly gold/energy_daily gold/energy_monthly gold/cost_lines gold/meter_events"
    " gold/data_quality dims/measured_channels"
).split()
ZONES = {"berlin": "Europe/Berlin", "kathmandu": "Asia/Kathmandu", "kolkata": "Asia/Kolkata", "sydney": "Australia/Sydney"}


@dataclass
class Neighbourhood:
    """One lake with its accounts, and what a test does with them."""

    lake: Lake
    accounts: Accounts
    home: Home
    settings: Settings
    commits: int = 0

    def land(self, rows: Sequence[dict[str, Any]], received_at: datetime) -> None:
        """Append readings as one commit: rows with device_id, channel, measure, measured_at, value and maybe interval_seconds."""
        defaults = {"interval_seconds": None, "source": "test", "received_at": received_at}
        full = [
            defaults | row | {"sequence": place, "measured_date": row["measured_at"].astimezone(UTC).date()}
            for place, row in enumerate(rows)
        ]
        self.lake.land("bronze/readings", pl.DataFrame(full, schema=READING).to_arrow())

    def refresh(self, now: datetime, **how: Any) -> Any:
        """One refresh. dbt parses its project anew for each home, a third of a small refresh; here all share one workbench."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(workbench, "of_home", lambda _home: shared_workbench())
            return Refresher(self.lake, self.accounts, self.home, self.settings).run(now=now, **how)

    def table(self, name: str) -> pl.DataFrame:
        """A published table without who wrote it, sorted by key."""
        frame = manifest.newest(self.lake).scan(name).collect().drop("refresh_id")
        return frame.sort(TABLES[name].key)

    def fresh_copy_of_bronze(self, folder: Path) -> "Neighbourhood":
        """The same accounts with a lake that has the same readings and nothing else."""
        copied = self.empty_lake(folder / f"copy-{self.commits}")
        self.commits += 1
        rows = self.lake.scan("bronze/readings").with_columns(pl.col("measured_at").dt.date().alias("measured_date")).collect()
        if rows.height:
            copied.lake.land("bronze/readings", rows.to_arrow())
        return copied

    def empty_lake(self, folder: Path) -> "Neighbourhood":
        """The same accounts with a lake that holds nothing."""
        lake = open_lake(str(folder))
        lake.create_tables()
        return Neighbourhood(lake, self.accounts, self.home, self.settings)


def build_neighbourhood(folder: Path) -> Neighbourhood:
    """Four sites, each with a meter `<site>-meter`, an inverter `<site>-pv`, a sub-meter `<site>-sub`, and a flat tariff."""
    settings = Settings(home=folder / "home", _env_file=None)  # pyright: ignore[reportCallIssue]
    home = homes.create(settings)
    lake, accounts = lake_of(settings), accounts_of(settings)
    admin = people.add_user(accounts, "ada", "correct horse battery", "admin")
    prices = tariffs.FlatPrices(Decimal("0.3127"), Decimal("0.0811"), Decimal("0.4567"))
    tariffs.add_flat_tariff(accounts, "flat", "Flat", "EUR", prices)
    for name, zone in ZONES.items():
        sites.add_site(
            accounts,
            admin,
            name=name,
            site_id=name,
            time_zone=zone,
            latitude=0.0,
            longitude=0.0,
            currency="EUR",
            tariff_id="flat",
            pv_capacity_kw=5.0,
        )
        devices.add_device(accounts, name, name="meter", kind="meter", device_id=f"{name}-meter")
        devices.add_device(accounts, name, name="pv", kind="inverter", device_id=f"{name}-pv", energy_source="pv")
        devices.add_device(accounts, name, name="sub", kind="meter", device_id=f"{name}-sub", role="sub")
    return Neighbourhood(lake, accounts, home, settings)


@pytest.fixture
def neighbourhood(tmp_path: Path) -> Neighbourhood:
    """An empty neighbourhood of its own."""
    return build_neighbourhood(tmp_path)


@pytest.fixture(scope="module")
def shared_neighbourhood(tmp_path_factory: pytest.TempPathFactory) -> Neighbourhood:
    """A neighbourhood that the tests of one module share."""
    return build_neighbourhood(tmp_path_factory.mktemp("neighbourhood"))


@pytest.fixture
def assert_same_tables() -> Callable[..., None]:
    """Fails where two lakes differ in any compared table by more than 1e-9, but for the columns named."""

    def check(one: Neighbourhood, other: Neighbourhood, *unlike: str) -> None:
        for name in COMPARED:
            left, right = (place.table(name).drop(unlike, strict=False) for place in (one, other))
            assert_frame_equal(left, right, abs_tol=1e-9, rel_tol=0, check_exact=False)

    return check
