"""Real series from file to gold: totals of every local hour, day and month equal a computation that shares no code with the refresh."""

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from aurora.accounts import devices, people, sites

RECEIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
TABLES = (("day", "energy_daily", "local_date"), ("month", "energy_monthly", "local_month"), ("hour", "energy_hourly", "interval_start_at"))
SERIES = [
    ("citylearn_fontana_hourly", "fontana_b01", "America/Los_Angeles", 3600, {"load_kwh": "consumption", "pv_kwh": "production"}),
    ("sgsc_nsw_30min", None, "Australia/Sydney", 1800, {"load_kwh": "consumption"}),
    ("emhass_fr_house_30min", None, "Europe/Paris", 1800, {"load_kwh": "consumption"}),
    ("steel_kr_15min", None, "Asia/Seoul", 900, {"load_kwh": "grid_import"}),
    ("uk_electricity_sample_1", None, "Europe/London", 1800, {"load_kwh": "consumption"}),
    ("pvdaq_system50_15min", None, "America/Phoenix", 900, {"pv_kwh": "production"}),
]


def _rows(frame: pl.DataFrame, site: str, seconds: int, channels: dict[str, str]) -> list[dict[str, Any]]:
    cells = frame.select("ts_utc", *channels).rename(channels).unpivot(index="ts_utc", variable_name="channel").drop_nulls()
    kept = cells.filter(pl.col("value").is_finite() & (pl.col("value") >= 0))
    what = {"device_id": f"{site}-meter", "measure": "interval_kwh", "interval_seconds": seconds}
    return [what | {"channel": channel, "measured_at": at, "value": value} for at, channel, value in kept.iter_rows()]


def _expected(rows: list[dict[str, Any]], zone: str) -> dict[tuple[str, str, Any], float]:
    """Sums by channel and local day, local month, and UTC hour where the zone's hours are those, of the last reading of each time."""
    last = {(row["channel"], row["measured_at"]): row["value"] for row in rows}
    parts: dict[tuple[str, str, Any], list[float]] = defaultdict(list)
    for (channel, at), value in last.items():
        local = at.astimezone(ZoneInfo(zone))
        parts[channel, "day", local.date()].append(value)
        parts[channel, "month", local.date().replace(day=1)].append(value)
        parts[channel, "hour", at.replace(minute=0, second=0, microsecond=0)].append(value)
    return {key: math.fsum(values) for key, values in parts.items()}


@pytest.mark.needs("test_data")
@pytest.mark.timeout(600)
def test_totals_of_real_series_equal_an_independent_computation(
    neighbourhood: Any, test_data: Path, count: Callable[[int, int], int]
) -> None:
    owner = people.user_by_name(neighbourhood.accounts, "ada")
    expected: dict[str, dict[tuple[str, str, Any], float]] = {}
    for number, (name, series, zone, seconds, channels) in enumerate(SERIES):
        site = name.split("_")[0]
        sites.add_site(neighbourhood.accounts, owner, name=site, site_id=site, time_zone=zone, latitude=0.0, longitude=0.0)
        devices.add_device(neighbourhood.accounts, site, name="meter", kind="meter", device_id=f"{site}-meter", interval_seconds=seconds)
        frame = pl.read_parquet(test_data / "series" / f"{name}.parquet").with_columns(pl.col("ts_utc").dt.cast_time_unit("us"))
        frame = frame.filter(pl.col("series_id") == (series or frame["series_id"][0]))
        frame = frame.filter(pl.col("ts_utc") < pl.col("ts_utc").min() + timedelta(days=count(120, 10_000)))
        rows = _rows(frame, site, seconds, channels)
        neighbourhood.land(rows, RECEIVED + timedelta(seconds=number))
        expected[site] = _expected(rows, zone)
    neighbourhood.refresh(RECEIVED)
    seen = 0
    for kind, table, time in (
        ("day", "energy_daily", "local_date"),
        ("month", "energy_monthly", "local_month"),
        ("hour", "energy_hourly", "interval_start_at"),
    ):
        gold = neighbourhood.table(f"gold/{table}")
        for site, sums in expected.items():
            mine = {row[time]: row for row in gold.filter(pl.col("site_id") == site).iter_rows(named=True)}
            for (channel, of, when), total in sums.items():
                if of == kind:
                    seen += 1
                    assert mine[when][f"{channel}_kwh"] == pytest.approx(total, abs=1e-9, rel=1e-9), (site, kind, when, channel)
            whole = {when for _channel, of, when in sums if of == kind}
            empty = [row for when, row in mine.items() if when not in whole]
            assert all(row["completeness_ratio"] == 0 or not row["consumption_kwh"] for row in empty)
    print(f"{seen} totals of {len(SERIES)} real series seen, each equal to 1e-9")
    assert seen > count(20_000, 90_000)
