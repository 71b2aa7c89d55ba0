"""Bytes that flipped or are missing: the damaged file is named, and what is not damaged is read on."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aurora.accounts import sites
from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.settings import Settings

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_damaged_accounts_database_is_named_with_the_way_out(settings: Settings, accounts: Accounts, site) -> None:
    accounts.engine.dispose()
    file = Path(accounts.engine.url.database or "")
    with sqlite3.connect(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    whole = file.read_bytes()
    file.write_bytes(b"\xff" * 100 + whole[100:])
    with pytest.raises(Refused, match=r"accounts\.sqlite is damaged .*aurora restore"):
        sites.all_sites(Accounts(settings.resolved_database_url))
    file.write_bytes(whole[:4096] + bytes(byte ^ 0x5A for byte in whole[4096:]))
    with pytest.raises(Refused, match=r"accounts\.sqlite is damaged .*aurora restore"):
        sites.all_sites(Accounts(settings.resolved_database_url))
