"""What the lake remembers of things in the accounts, so that nobody deletes what history stands on."""

import polars as pl

from aurora.lake import manifest
from aurora.lake.store import Lake

OF_DEVICES = (("bronze/readings", "device_id"), ("bronze/weather", "station_id"), ("silver/energy", "device_id"))


def has_readings(lake: Lake, device_id: str) -> bool:
    """Whether anything is kept that a device has sent."""
    rows = (lake.scan(name).filter(pl.col(column) == device_id).select(column).head(1) for name, column in OF_DEVICES)
    return any(not frame.collect().is_empty() for frame in rows)


def priced_parts(lake: Lake, site_id: str) -> frozenset[str]:
    """Parts of contracts that published costs of a site are reckoned with, under whatever tariff."""
    snapshot = manifest.newest(lake)
    if "gold/cost_lines" not in snapshot.versions:
        return frozenset()
    mine = snapshot.scan("gold/cost_lines").filter(pl.col("site_id") == site_id)
    return frozenset(mine.select("part").unique().collect()["part"])
