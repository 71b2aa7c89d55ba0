"""The newest forecast of a site."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from app.queries.reader import LakeReader
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

HORIZONS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
OLDEST_ISSUE = timedelta(days=8)
_POINT = ["interval_start_at", "predicted_kwh", "lower_80_kwh", "upper_80_kwh", "lower_95_kwh", "upper_95_kwh"]


@dataclass(frozen=True)
class Forecast:
    """One issue of a forecast of one channel.

    Attributes:
        points: By hour: interval_start_at, predicted_kwh and its bands.
    """

    site_id: str
    channel: str
    issued_at: datetime
    model_name: str
    model_version: str | None
    points: list[dict[str, Any]]

    def between(self, low: datetime, high: datetime) -> list[dict[str, Any]]:
        """Points of the hours that begin in a half-open range."""
        return [point for point in self.points if low <= point["interval_start_at"] < high]


def latest(reader: LakeReader, site_id: str, channel: str, now: datetime) -> Forecast | None:
    """The newest forecast of a channel; None where there is none of the last days."""
    since = (now - OLDEST_ISSUE).replace(minute=0, second=0, microsecond=0)
    return reader.answer(("forecast", site_id, channel, since), lambda snapshot: newest_in(snapshot, site_id, channel, since))


def newest_in(snapshot: Snapshot, site_id: str, channel: str, since: datetime | None = None) -> Forecast | None:
    """The newest forecast of a channel in one publication, issued at `since` or later."""
    limits = [Between("issued_at", since)] if since else []
    rows = snapshot.scan("gold/forecasts", limits).filter((pl.col("site_id") == site_id) & (pl.col("channel") == channel))
    newest = rows.filter(pl.col("issued_at") == pl.col("issued_at").max()).sort("interval_start_at").collect()
    if newest.is_empty():
        return None
    head = newest.row(0, named=True)
    return Forecast(
        site_id, channel, head["issued_at"], head["model_name"], head["model_version"], newest.select(_POINT).fill_nan(None).to_dicts()
    )
