"""Thirteen months of quarter hours of the demo sites, with the marks of real data, as columns ready to land.

The marks: the solar home's grid meter was offline for six hours and its inverter sent nine hours late, some of it twice; the
London register was set back to zero; the bakery's meter sent one spike and, on another day, zeros for a stretch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from aurora.domain.calendar import QUARTER_SECONDS
from aurora.lake.tables import TIME
from ingestion.bronze import READING_COLUMNS
from ingestion.demo.energy import HOURS_PER_QUARTER, SiteSeries, local_day, site_series
from ingestion.demo.plants import PLANTS, Plant, PlantDevice

HISTORY = timedelta(days=396)
HOUR = 3600
DAY = 86_400
FIRST_REGISTER_KWH = 18_422.7
DECIMALS = 4


@dataclass(frozen=True)
class Mark:
    """Something that went wrong with one device.

    Attributes:
        kind: `gap`, `late`, `reset`, `spike` or `zero`.
        days_ago: How many days before the end of history it began.
        seconds: How long it lasted.
    """

    device_id: str
    kind: str
    days_ago: float
    seconds: int


MARKS = (
    Mark("demo-solar-meter", "gap", 41.4, 6 * HOUR),
    Mark("demo-solar-inverter", "late", 2.3, 9 * HOUR),
    Mark("demo-home-meter", "reset", 63.6, QUARTER_SECONDS),
    Mark("demo-bakery-meter", "spike", 9.2, QUARTER_SECONDS),
    Mark("demo-bakery-meter", "zero", 20.1, 7 * HOUR),
)
SPIKE_FACTOR = 4.0


@dataclass(frozen=True)
class History:
    """What the demo's devices sent until now.

    Attributes:
        on_time: Readings in the order of their time.
        late: Readings that came after all of those, a few of them for the second time.
    """

    on_time: pa.Table
    late: pa.Table

    def on_time_parts(self, count: int) -> Iterator[pa.Table]:
        """The readings on time as `count` commits."""
        rows = self.on_time.num_rows
        for part in range(count):
            first = rows * part // count
            yield self.on_time.slice(first, rows * (part + 1) // count - first)


def make_history(seed: int, now: datetime) -> Iterator[tuple[Plant, History]]:
    """The history of each site up to the last whole quarter hour before `now`."""
    end = int(now.timestamp()) // QUARTER_SECONDS * QUARTER_SECONDS
    for plant in PLANTS:
        yield plant, _site_history(plant, end, seed)


def join_histories(histories: list[History]) -> History:
    """The histories of several sites as one, by time."""
    on_time = pa.concat_tables([history.on_time for history in histories]).sort_by("measured_at")
    return History(on_time, pa.concat_tables([history.late for history in histories]))


def _site_history(plant: Plant, end: int, seed: int) -> History:
    last = datetime.fromtimestamp(end, UTC)
    series = site_series(plant, local_day(last - HISTORY, plant), local_day(last, plant), seed)
    on_time, late = [], []
    for device in plant.devices:
        if device.role != "main":
            continue
        for channel in device.channels:
            readings = _readings(device, channel, series, end)
            is_late = _within(series.starts, end, device, "late")[: readings.num_rows]
            on_time.append(readings.filter(pa.array(~is_late)))
            late += [readings.filter(pa.array(is_late)), readings.filter(pa.array(_sent_twice(is_late)))]
    return History(pa.concat_tables(on_time), pa.concat_tables(late))


def _readings(device: PlantDevice, channel: str, series: SiteSeries, end: int) -> pa.Table:
    energy = series.power_kw[channel] * HOURS_PER_QUARTER
    energy = np.where(_within(series.starts, end, device, "spike"), energy.max() * SPIKE_FACTOR, energy)
    energy = np.where(_within(series.starts, end, device, "zero"), 0.0, energy)
    keep = (series.starts + QUARTER_SECONDS <= end) & ~_within(series.starts, end, device, "gap")
    if device.history_measure == "register_kwh":
        totals = np.cumsum(energy)
        reset = _within(series.starts, end, device, "reset")
        totals = np.where(np.cumsum(reset) > 0, totals - totals[reset].max(initial=0.0), totals + FIRST_REGISTER_KWH)
        return _columns(device, channel, series.starts[keep] + QUARTER_SECONDS, totals[keep], None)
    return _columns(device, channel, series.starts[keep], energy[keep], QUARTER_SECONDS)


def _columns(device: PlantDevice, channel: str, seconds: np.ndarray, values: np.ndarray, interval_seconds: int | None) -> pa.Table:
    rows = len(seconds)
    return pa.table(
        [
            pa.array(np.repeat(device.device_id, rows), pa.string()),
            pa.array(np.repeat(channel, rows), pa.string()),
            pa.array(np.repeat(device.history_measure, rows), pa.string()),
            pa.array(seconds.astype(np.int64) * 1_000_000).cast(TIME),
            pa.nulls(rows, pa.int64()) if interval_seconds is None else pa.array(np.full(rows, interval_seconds, np.int64)),
            pa.array(np.round(values, DECIMALS)),
            pa.nulls(rows, pa.string()),
        ],
        schema=READING_COLUMNS,
    )


def _within(starts: np.ndarray, end: int, device: PlantDevice, kind: str) -> np.ndarray:
    """Which quarters a mark of that kind covers."""
    covered = np.zeros(len(starts), dtype=bool)
    for mark in MARKS:
        if (mark.device_id, mark.kind) == (device.device_id, kind):
            first = (end - int(mark.days_ago * DAY)) // QUARTER_SECONDS * QUARTER_SECONDS
            covered |= (starts >= first) & (starts < first + mark.seconds)
    return covered


def _sent_twice(is_late: np.ndarray) -> np.ndarray:
    """Two hours before the late stretch, sent again with it."""
    again = np.zeros(len(is_late), dtype=bool)
    places = np.flatnonzero(is_late)
    if len(places):
        again[max(places[0] - 8, 0) : places[0]] = True
    return again
