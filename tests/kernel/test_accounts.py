"""The accounts database: its migrations, its lease, its ids, on SQLite and on PostgreSQL."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from aurora.accounts import leases, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Model, Site
from aurora.errors import Busy, NotReady, Refused
from tests.conftest import _postgres_folder


@pytest.fixture
def postgresql(free_port: Callable[[], int]) -> Iterator[str]:
    """URL of a PostgreSQL server of this test's own, run by the user postgres where we are root: it refuses to be."""
    programs, port = Path(_postgres_folder() or ""), free_port()
    folder = Path(tempfile.mkdtemp(prefix="aurora-postgresql-"))
    user: list[str] = []
    if os.getuid() == 0:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres")
    subprocess.run(
        [*user, programs / "initdb", "-D", folder / "db", "-A", "trust", "-U", "aurora"], check=True, capture_output=True, cwd=folder
    )
    server = subprocess.Popen(
        [*user, programs / "postgres", "-D", folder / "db", "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    for _ in range(100):
        if subprocess.run([programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    yield f"postgresql://aurora@127.0.0.1:{port}/postgres"
    server.terminate()
    server.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


HOME_OF_0001 = (
    "insert into identifiers values ('house', 'site'), ('m1', 'device')",
    "insert into users values ('u1', 'bob', null, 'x', 'user', false, '2026-01-01')",
    "insert into sites (site_id, name, time_zone, latitude, longitude, created_at) values ('house', 'House', 'UTC', 1, 2, '2026-01-01')",
    "insert into memberships values ('house', 'u1', 'owner', null)",
    (
        "insert into devices (device_id, site_id, name, kind, role, is_import, created_at)"
        " values ('m1', 'house', 'Meter', 'meter', 'main', false, '2026-01-01')"
    ),
    "insert into device_keys values ('k1', 'm1', 'hash', '2026-01-01', null)",
)


def test_accounts_of_an_older_aurora_say_what_to_do(accounts: Accounts, site: Site) -> None:
    accounts.migrate("0007", is_down=True)
    with pytest.raises(NotReady, match="aurora init"):
        sites.find_site(accounts, site.site_id)
    accounts.migrate()
    assert sites.find_site(accounts, site.site_id).name == site.name


def _check_migrations(url: str) -> None:
    accounts = Accounts(url)
    accounts.migrate()
    with accounts.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), Model.metadata)
    assert difference == []
    accounts.migrate("base", is_down=True)
    accounts.migrate("0001")
    tables = ("users", "sites", "memberships", "devices", "device_keys")
    with accounts.engine.begin() as connection:
        for statement in HOME_OF_0001:
            connection.exec_driver_sql(statement)
    for _ in range(2):
        accounts.migrate()
        with accounts.engine.connect() as connection:
            assert [connection.exec_driver_sql(f"select count(*) from {table}").scalar() for table in tables] == [1] * 5
        accounts.migrate("0001", is_down=True)
        with accounts.engine.connect() as connection:
            assert [connection.exec_driver_sql(f"select count(*) from {table}").scalar() for table in tables] == [1] * 5
    accounts.migrate()
    admin = people.add_user(accounts, "ada", "correct horse battery", "admin")
    made = sites.add_site(accounts, admin, name="Home", time_zone="Europe/Berlin", latitude=1.0, longitude=2.0)
    assert [site.site_id for site in people.visible_sites(accounts, admin.user_id, datetime.now(UTC))] == [made.site_id]
    with leases.hold(accounts, "publish", 0), pytest.raises(Busy), leases.hold(accounts, "publish", 0.3):
        pass
    accounts.engine.dispose()


def test_migrations_make_the_declared_tables_up_and_down_on_sqlite(tmp_path: Path) -> None:
    _check_migrations(f"sqlite:///{tmp_path / 'accounts.sqlite'}")


@pytest.mark.needs("postgresql")
def test_migrations_make_the_declared_tables_up_and_down_on_postgresql(postgresql: str) -> None:
    _check_migrations(postgresql)


def test_database_that_was_not_set_up_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="aurora init"):
        sites.all_sites(Accounts(f"sqlite:///{tmp_path / 'empty.sqlite'}"))


def _hold_and_die(url: str, ready: Any) -> None:
    held = leases._acquire(Accounts(url), "publish", 5, None)
    ready.set()
    assert held.name == "publish"
    os.kill(os.getpid(), 9)


def test_lease_of_a_dead_process_is_taken_over_at_once(accounts: Accounts) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold_and_die, args=(accounts.url, ready))
    holder.start()
    assert ready.wait(30)
    # Nobody has asked about the dead process yet: it is gone all the same.
    time.sleep(0.5)
    began = time.monotonic()
    with leases.hold(accounts, "publish", 5) as lease:
        assert time.monotonic() - began < 2
        lease.confirm()


def test_lease_taken_by_another_is_noticed_before_publishing(accounts: Accounts) -> None:
    with leases.hold(accounts, "publish", 1) as lease:
        with accounts.transaction() as session:
            row = session.get_one(leases.Lease, "publish")
            row.holder = "somebody else"
        with pytest.raises(Busy):
            lease.confirm()
        with accounts.transaction() as session:
            session.get_one(leases.Lease, "publish").holder = lease.holder


def test_ids_are_never_given_twice(accounts: Accounts, admin: Any) -> None:
    place = {"time_zone": "Europe/Berlin", "latitude": 1.0, "longitude": 2.0}
    first = sites.add_site(accounts, admin, name="Grünes Haus!", **place)
    second = sites.add_site(accounts, admin, name="Grünes Haus!", **place)
    assert first.site_id == "grunes-haus"
    assert second.site_id != first.site_id
    with pytest.raises(Refused, match="is or was in use"):
        sites.add_site(accounts, admin, name="x", site_id="grunes-haus", **place)


def test_membership_that_has_ended_shows_nothing(accounts: Accounts, site: Any, admin: Any) -> None:
    from aurora.accounts.models import Membership

    now = datetime.now(UTC)
    with accounts.transaction() as session:
        session.get_one(Membership, (site.site_id, admin.user_id)).ends_at = now - timedelta(seconds=1)
    assert people.visible_sites(accounts, admin.user_id, now) == []
