"""What devices said last: read off what is new in bronze, shared by all sessions of a process.

One look at bronze's log a second at most; a reading can be seen as soon as its commit is there, seconds before any refresh.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from aurora.lake.changes import LogGone, added_files
from aurora.lake.store import Between, Lake

BRONZE = "bronze/readings"
LOOK_SECONDS = 1.0
WINDOW = timedelta(hours=2)
SAMPLES_KEPT = 3
LIVE_FOR = timedelta(minutes=2)
_KEY = ["device_id", "channel", "measure", "measured_at"]
_COLUMNS = [*_KEY, "interval_seconds", "value", "received_at", "sequence"]


@dataclass(frozen=True)
class LivePower:
    """Power of one channel of a device as it was said last.

    Attributes:
        power_kw: Mean power over what the reading speaks of.
        measured_at: Until when it speaks: a sample's time, an interval's or a register step's end.
        received_at: When the reading was committed.
        live_for: How long it counts as live.
    """

    power_kw: float
    measured_at: datetime
    received_at: datetime
    live_for: timedelta

    def is_live(self, now: datetime) -> bool:
        """Whether it is recent enough to be shown as now."""
        return now - self.measured_at <= self.live_for


class LiveReader:
    """The last readings of every device. Safe between threads."""

    def __init__(self, lake: Lake, look_seconds: float = LOOK_SECONDS) -> None:
        self.lake = lake
        self._look_seconds = look_seconds
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._version: int | None = None
        self._latest = pl.DataFrame()
        self._by_device: dict[str, dict[str, LivePower]] = {}

    def power(self, device_ids: list[str], now: datetime) -> dict[str, dict[str, LivePower]]:
        """Power said last, by device and channel, of the devices that said anything in the last two hours."""
        with self._lock:
            if time.monotonic() - self._looked_at >= self._look_seconds:
                self._look(now)
                self._looked_at = time.monotonic()
            return {device: self._by_device[device] for device in device_ids if device in self._by_device}

    def _look(self, now: datetime) -> None:
        version = self.lake.version(BRONZE)
        if version == self._version:
            return
        arrived = self._arrived(version, now)
        known = [self._latest] if self._version is not None and not self._latest.is_empty() else []
        self._latest = newest_samples(pl.concat([*known, arrived]), now - WINDOW)
        self._by_device = device_power(self._latest)
        self._version = version

    def _arrived(self, version: int, now: datetime) -> pl.DataFrame:
        """Readings that came since the last look; at the first look those of the last two hours."""
        recent = pl.col("measured_at") >= now - WINDOW
        if self._version is not None:
            try:
                paths = added_files(self.lake, BRONZE, self._version, version)
            except LogGone:
                self._version = None
            else:
                first_day = (now - WINDOW).astimezone(UTC).date().isoformat()
                paths = [path for path in paths if path.partition("=")[2].partition("/")[0] >= first_day]
                return self.lake.scan(BRONZE, paths=paths).filter(recent).select(_COLUMNS).collect()
        return self.lake.scan(BRONZE, version=version, between=[Between("measured_at", now - WINDOW)]).select(_COLUMNS).collect()


def newest_samples(readings: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """The newest few readings of each device, channel and measure, of doubles the one received last; withdrawn ones stay as null."""
    return (
        readings.filter(pl.col("measured_at") >= since)
        .sort("received_at", "sequence")
        .unique(_KEY, keep="last", maintain_order=True)
        .sort("measured_at")
        .group_by("device_id", "channel", "measure", maintain_order=True)
        .tail(SAMPLES_KEPT)
        .select(_COLUMNS)
    )


def device_power(samples: pl.DataFrame) -> dict[str, dict[str, LivePower]]:
    """Power by device and channel from the newest readings; of several measures the one that speaks of the latest time."""
    result: dict[str, dict[str, LivePower]] = {}
    groups = samples.filter(pl.col("value").is_not_null()).group_by("device_id", "channel", "measure", maintain_order=True)
    for (device_id, channel, measure), rows in groups:
        found = _power(str(measure), rows.sort("measured_at").tail(2).to_dicts())
        channels = result.setdefault(str(device_id), {})
        held = channels.get(str(channel))
        if found is not None and (held is None or found.measured_at > held.measured_at):
            channels[str(channel)] = found
    return result


def _power(measure: str, rows: list[dict]) -> LivePower | None:
    last = rows[-1]
    if measure == "power_kw":
        return LivePower(last["value"], last["measured_at"], last["received_at"], LIVE_FOR)
    if measure == "interval_kwh" and last["interval_seconds"]:
        span = timedelta(seconds=last["interval_seconds"])
        return LivePower(last["value"] / _hours(span), last["measured_at"] + span, last["received_at"], span + LIVE_FOR)
    if measure == "register_kwh" and len(rows) == 2:
        span, energy_kwh = last["measured_at"] - rows[0]["measured_at"], last["value"] - rows[0]["value"]
        if energy_kwh >= 0:
            return LivePower(energy_kwh / _hours(span), last["measured_at"], last["received_at"], span + LIVE_FOR)
    return None


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)
