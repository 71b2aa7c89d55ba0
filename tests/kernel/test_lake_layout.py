"""Which rows share a file of the lake, against the same said row by row."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from aurora.lake.layout import SITES_A_FILE, block_of, blocks, conform, day_column, site_column
from aurora.lake.tables import TABLES

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
ROWS, SITES, DAYS = 6_000, SITES_A_FILE + 70, 40


def _rows(name: str, seed: int) -> pl.DataFrame:
    """Rows in any order: more sites than a file holds on some days, days on both sides of every border."""
    random, table = np.random.default_rng(seed), TABLES[name]
    site, day = site_column(table), day_column(table)
    numbers = pl.DataFrame({"day": random.integers(0, DAYS, ROWS) ** 2 // DAYS, "site": random.integers(0, SITES, ROWS)})
    columns = [pl.format("s{}", "site").alias(site)] if site else []
    if day is not None:
        back = pl.lit(date(2026, 6, 20)) - pl.duration(days="day")
        columns.append(back.cast(pl.Schema(table.schema)[day], strict=False).alias(day))
    if "derived_channels" in table.schema.names:
        columns.append(pl.concat_list(pl.lit("consumption"), pl.format("c{}", "site")).alias("derived_channels"))
    return pl.DataFrame(conform(numbers.select(columns or "site"), table))


@pytest.mark.parametrize("name", ["silver/energy", "gold/energy_15min", "gold/energy_daily", "gold/energy_monthly", "gold/forecasts"])
def test_a_file_holds_one_block_of_at_most_so_many_sites_in_order(name: str) -> None:
    table, rows = TABLES[name], _rows(name, 20261125)
    site = site_column(table) or ""
    parts = [pl.DataFrame(part) for part in blocks(rows, table, NOW)]
    assert pl.concat(parts).sort(pl.all()).equals(rows.sort(pl.all()))
    told = [part.select(block_of(table, NOW.date()).unique()).to_series().to_list() for part in parts]
    assert all(len(block) == 1 for block in told)
    assert all(part[site].n_unique() <= SITES_A_FILE for part in parts)
    assert all(part.equals(part.sort([site, *(c for c in table.sort if c != site)], maintain_order=True)) for part in parts)
    sites = rows.group_by(block_of(table, NOW.date()).alias("block")).agg(pl.col(site).n_unique().alias("sites"))
    assert len(parts) == sum(-(-count // SITES_A_FILE) for count in sites["sites"]) > sites.height


def test_a_table_without_days_and_sites_is_one_file() -> None:
    table = TABLES["dims/tariff_prices"]
    rows = pl.DataFrame(conform(pl.DataFrame({"tariff_id": ["b", "a", "b"], "valid_from": [NOW, NOW, NOW - timedelta(days=1)]}), table))
    (only,) = blocks(rows, table, NOW)
    assert pl.DataFrame(only).equals(rows)
    assert list(blocks(rows.head(0), table, NOW)) == []
