"""What the lake remembers of things in the accounts, so that nobody deletes what history stands on."""

import polars as pl

from aurora.lake import manifest
from aurora.lake.store import Lake

OF_DEVICES = (("bronze/readings", "device_id"), ("bronze/weather", "station_id"), ("silver/energy", "device_id"))


def has_readings(lake: Lake, device_id: str) -> bool:
    """Whether anything is kept that a device has sent."""
    rows = (lake.scan(name).filter(pl.col(column) == device_id).select(column).head(1) for name, column in OF_DEVICES)
    return any(not frame.collect().is_empty() for frame in rows)


def priced_parts(lake: Lake, site_id: str, tariff_id: str | None) -> frozenset[str]:
    """Parts of a tariff that published costs of a site are reckoned with."""
    snapshot = manifest.newest(lake)
    if tariff_id is None or "gold/cost_lines" not in snapshot.versions:
        return frozenset()
    mine = (pl.col("site_id") == site_id) & (pl.col("tariff_id") == tariff_id)
    return frozenset(snapshot.scan("gold/cost_lines").filter(mine).select("part").unique().collect()["part"])
