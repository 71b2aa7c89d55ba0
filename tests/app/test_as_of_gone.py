"""A publication that is kept can be asked for; one whose versions were taken away is 410."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from fastapi import HTTPException

from app.api.access import published
from app.api.errors import InputError
from app.queries.reader import LakeReader
from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.lake import manifest
from aurora.lake.store import Lake


def _publish(lake: Lake, accounts: Accounts, savings_id: str) -> str:
    with leases.hold(accounts, leases.PUBLISH, 0) as lease:
        publication = manifest.begin(lake, lease, "savings", "test")
        publication.add("gold/savings", pl.DataFrame([{"savings_id": savings_id}]))
        return publication.finish()


def test_publication_whose_versions_are_gone_is_410(lake: Lake, accounts: Accounts) -> None:
    ids = [_publish(lake, accounts, savings_id) for savings_id in ("one", "two", "three")]
    services: Any = SimpleNamespace(reader=LakeReader(lake))
    assert published(services, ids[0]).refresh_id == ids[0]
    DeltaTable(lake.storage.table_uri("gold/savings"), version=2).create_checkpoint()
    for version in (0, 1):
        (Path(lake.storage.uri) / "gold" / "savings" / "_delta_log" / f"{version:020d}.json").unlink()
    with pytest.raises(HTTPException) as refused:
        published(services, ids[0])
    assert refused.value.status_code == 410
    assert published(services, ids[1]).scan("gold/savings").collect()["savings_id"].sort().to_list() == ["one", "two"]
    with pytest.raises(HTTPException) as refused:
        published(services, f"{ids[0][:-6]}000000")
    assert refused.value.status_code == 404


@pytest.mark.parametrize("as_of", ["never", "", "2026-13-01", "2026-01-01T00:00:00"])
def test_as_of_that_is_neither_a_time_nor_a_publication_is_an_error_of_the_caller(lake: Lake, accounts: Accounts, as_of: str) -> None:
    _publish(lake, accounts, "one")
    services: Any = SimpleNamespace(reader=LakeReader(lake))
    with pytest.raises(InputError):
        published(services, as_of)
