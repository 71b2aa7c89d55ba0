"""A home whose lake the first release wrote and refreshed goes on after it was migrated, and ends where a clean one does."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake

from aurora.lake import manifest
from aurora.lake.migrations import bring_up_to_date
from aurora.lake.store import Lake
from tests.kernel.test_lake_migrations import FIRST, first_schema, lake_of_first_schema

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _rows(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"device_id": f"{site}-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": number / 100,
         "measured_at": NOW - timedelta(minutes=15 * number)}
        for site in ("berlin", "sydney") for number in range(first, last)
    ]  # fmt: skip


def _as_first_release(lake: Lake, folder: Path) -> Lake:
    """What the first release would have kept of a published lake: its tables, its columns, one publication."""
    old, snapshot = lake_of_first_schema(folder), manifest.newest(lake)
    versions = {}
    for name in FIRST:
        rows = lake.scan(name) if name.startswith("bronze/") else snapshot.scan(name)
        frame = rows.collect()
        if name == "bronze/readings":
            frame = frame.with_columns(pl.col("measured_at").dt.date().alias("measured_date"))
        if frame.height and name != manifest.MANIFEST:
            columns = frame.select(first_schema(name).names).to_arrow().cast(first_schema(name))
            write_deltalake(old.storage.table_uri(name), columns, mode="append")
            versions[name] = 1
    row = lake.scan(manifest.MANIFEST).filter(pl.col("refresh_id") == snapshot.refresh_id).collect()
    published = json.dumps({name: version for name, version in versions.items() if not name.startswith("bronze/")})
    row = row.with_columns(published_versions=pl.lit(published), consumed_versions=pl.lit(json.dumps({"bronze/readings": 1})))
    write_deltalake(old.storage.table_uri(manifest.MANIFEST), row.to_arrow().cast(first_schema(manifest.MANIFEST)), mode="append")
    return old


def test_old_home_is_migrated_and_refreshed(neighbourhood: Any, assert_same_tables: Any, tmp_path: Path) -> None:
    neighbourhood.land(_rows(1, 300), NOW)
    neighbourhood.refresh(NOW)
    lake = _as_first_release(neighbourhood.lake, tmp_path / "old")
    old = type(neighbourhood)(lake, neighbourhood.accounts, neighbourhood.home, neighbourhood.settings)
    assert old.table("gold/energy_daily").equals(neighbourhood.table("gold/energy_daily"))
    assert bring_up_to_date(lake)
    for one in (old, neighbourhood):
        one.land(_rows(300, 310), NOW + timedelta(seconds=1))
    done = old.refresh(NOW)
    assert done.readings_in == 20
    neighbourhood.refresh(NOW)
    assert_same_tables(neighbourhood, old, "estimated")
    # What was estimated on days that were counted before is known when they are worked out anew.
    assert set(old.table("gold/data_quality")["estimated"]) == {0, None}
    revised = manifest.newest(lake).scan("gold/revisions").collect()
    print(f"{done.days_touched} site-days touched, {revised.height} revisions")
