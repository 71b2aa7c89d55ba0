"""What the Overview shows of one site: today, the last days, what is open. The caller asks only for sites its user may see."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from app.queries.reader import LakeReader, rows_of_site
from aurora.accounts.models import Site
from aurora.domain.calendar import day_start, local_date
from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

OPEN_STATES = ("open", "accepted")


@dataclass(frozen=True)
class Day:
    """Energy and money of one local day at a site; None where unknown.

    Attributes:
        energy_kwh: By channel.
        net_cost: What import and fixed parts cost less what feed-in brought.
        completeness_ratio: Seconds covered by readings / seconds of the day so far.
    """

    local_date: date
    energy_kwh: dict[str, float | None]
    self_sufficiency_ratio: float | None
    net_cost: Decimal | None
    currency: str | None
    completeness_ratio: float | None

    @property
    def sources_kwh(self) -> dict[str, float] | None:
        """What was used, split into own solar, battery and grid; None where one of them is unknown."""
        used, grid, battery = (self.energy_kwh[channel] for channel in ("consumption", "grid_import", "battery_discharge"))
        if used is None or grid is None or battery is None:
            return None
        from_grid = min(grid, used)
        from_battery = min(battery, used - from_grid)
        return {"own": used - from_grid - from_battery, "battery": from_battery, "grid": from_grid}


@dataclass(frozen=True)
class Publication:
    """How fresh the figures are."""

    finished_at: datetime | None
    pending_days: int


@dataclass(frozen=True)
class Anomalies:
    """What is open: how many, and the newest few."""

    count: int
    newest: list[dict[str, Any]]


def publication(reader: LakeReader, site: Site) -> Publication:
    """When the figures were published last, and how many older days of the site still wait."""
    snapshot = reader.snapshot()
    return Publication(snapshot.finished_at, len(snapshot.pending.get(site.site_id, [])))


def last_days(reader: LakeReader, site: Site, count: int, now: datetime) -> list[Day]:
    """The last `count` local days up to today that have figures, oldest first."""
    today = local_date(now, site.calendar)
    first = today - timedelta(days=count - 1)

    def ask(snapshot: Snapshot) -> list[dict[str, Any]]:
        limits = [Between("local_date", first, today + timedelta(days=1))]
        return rows_of_site(snapshot, "gold/energy_daily", site.site_id, limits).sort("local_date").to_dicts()

    return [_day(row, site, now) for row in reader.answer(("last_days", site.site_id, first, today), ask)]


def _day(row: dict[str, Any], site: Site, now: datetime) -> Day:
    cost, revenue = row["cost"], row["export_revenue"]
    return Day(
        local_date=row["local_date"],
        energy_kwh={channel: row[f"{channel}_kwh"] for channel in CHANNELS},
        self_sufficiency_ratio=row["self_sufficiency_ratio"],
        net_cost=None if cost is None else cost - (revenue or 0),
        currency=row["currency"] or site.currency,
        completeness_ratio=_so_far(row, site, now),
    )


def _so_far(row: dict[str, Any], site: Site, now: datetime) -> float | None:
    """Completeness of the part of the day that has passed."""
    ratio, seconds = row["completeness_ratio"], row["day_seconds"]
    if ratio is None or not seconds:
        return ratio
    passed = (now - day_start(row["local_date"], site.calendar)).total_seconds()
    return min(ratio * seconds / min(max(passed, 1.0), seconds), 1.0)


def recommendations(reader: LakeReader, site_ids: list[str], now: datetime) -> list[dict[str, Any]]:
    """Recommendations of some sites that hold at `now`, the greatest saving first: rows of gold."""
    wanted = tuple(sorted(site_ids))

    def ask(snapshot: Snapshot) -> list[dict[str, Any]]:
        rows = snapshot.scan("gold/recommendations").filter(pl.col("site_id").is_in(wanted)).collect()
        return rows.sort("expected_saving_cost", "expected_saving_kwh", "recommendation_id", descending=True, nulls_last=True).to_dicts()

    found = reader.answer(("recommendations", wanted), ask)
    return [row for row in found if row["status"] in OPEN_STATES and (row["valid_until"] is None or row["valid_until"] > now)]


def open_anomalies(reader: LakeReader, site: Site, known: Collection[str] = (), most: int = 3) -> Anomalies:
    """Anomalies of a site that are open, without those that are known of."""

    def ask(snapshot: Snapshot) -> list[dict[str, Any]]:
        rows = rows_of_site(snapshot, "gold/anomalies", site.site_id).filter(pl.col("status") == "open")
        return rows.sort("starts_at", descending=True).to_dicts()

    found = [row for row in reader.answer(("open_anomalies", site.site_id), ask) if row["anomaly_id"] not in known]
    return Anomalies(len(found), found[:most])
