"""What is slow to set up and the same for every test: made once in a process, copied for each test."""

import atexit
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy.engine import make_url

from aurora.accounts.database import Accounts
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from transform.workbench import Workbench


@cache
def cheap_hasher() -> PasswordHasher:
    """Argon2id as the product uses it, with 64 KiB and one pass. A hash names its cost, so that others verify it."""
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="aurora-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _empty_lake() -> Path:
    folder = _folder() / "lake"
    open_lake(str(folder)).create_tables()
    return folder


@cache
def _empty_database() -> Path:
    file = _folder() / "accounts.sqlite"
    made = Accounts(f"sqlite:///{file}")
    made.migrate()
    made.engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return file


def lake_of(settings: Settings) -> Lake:
    """The lake of `settings`, which is nowhere yet, with all tables, empty."""
    lake = open_lake(settings.resolved_lake_uri)
    if lake.storage.is_local:
        shutil.copytree(_empty_lake(), settings.resolved_lake_uri, dirs_exist_ok=True)
    else:
        lake.create_tables()
    return lake


def accounts_of(settings: Settings) -> Accounts:
    """The accounts database of `settings`, which is nowhere yet, at the newest migration, empty."""
    accounts = Accounts(settings.resolved_database_url)
    place = make_url(accounts.url)
    if place.drivername == "sqlite" and place.database:
        shutil.copy(_empty_database(), place.database)
    else:
        accounts.migrate()
    return accounts


def shared_workbench() -> Workbench:
    """A workbench for one refresh after the other of this process, in which dbt has its project parsed from the second on."""
    return Workbench(_folder() / "workbench", _folder() / "dbt_target")
