"""Files whose every cell has its own time and length: several meters, several lengths of interval, gaps."""

from collections.abc import Mapping as Mapped
from dataclasses import dataclass, field
from datetime import time
from itertools import pairwise

import polars as pl

from aurora.domain.mapping import UNIT_TO_KILO, ColumnMeaning, Mapping, Wishes
from ingestion.tables import READ, REFUSED, Readout, ambiguous_hours, fault_of_number
from ingestion.written_times import day_starts, utc_of_walls, zone_of

TIME = "time"
DAY_SECONDS, SHORTEST_DAY = 24 * 3600, 23 * 3600
SHORTEST_MONTH = 27 * 86_400
CELLS = {
    "line": pl.Int64,
    "column": pl.String,
    "time": pl.String,
    "moment": pl.Datetime("us"),
    "seconds": pl.Int64,
    "text": pl.String,
    "reason": pl.String,
    "quality": pl.String,
}


@dataclass(frozen=True)
class Series:
    """A file as cells.

    Attributes:
        format: The vendor's format.
        cells: One row per value: line, column (the series' name), time (as written), moment (start of the interval, null where it is no
            time), seconds (its length; null where the file does not say), text (the value as written, in the unit that the series' name
            ends with), reason (why it is refused whatever it holds; null where it may count), quality (what the file says
            it is, where that is something else than measured).
        wishes: What the format says that its series mean.
        is_wall: Moments are those of a wall clock, in the zone of the mapping; else UTC.
        costs: What the file says that a series cost: currency and amount, by the series' name.
        unsaid: What the file leaves open and a person has to say: `unit`, `measure`.
        deltas: Series of which the file says that they are the energies of their intervals, and no totals.
    """

    format: str
    cells: pl.DataFrame
    wishes: Wishes
    is_wall: bool = False
    costs: Mapped[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    unsaid: tuple[str, ...] = ()
    deltas: frozenset[str] = frozenset()

    @property
    def columns(self) -> list[str]:
        """The time and the series that may count."""
        counting = pl.col("reason").is_null() | pl.col("column").is_in(list(self.wishes.channels))
        return [
            TIME,
            *dict.fromkeys([*self.wishes.channels, *self.cells.filter(counting).get_column("column").unique(maintain_order=True)]),
        ]

    @property
    def may_add(self) -> bool:
        """Several series may make up one channel: the registers of a meter, meters side by side."""
        return True

    def read_out(self, mapping: Mapping) -> Readout:
        """The readings and refusals of the file; of a channel with several series, their sums where all of them have a value.

        Raises:
            Refused: If moments are those of a wall clock and no zone was named.
        """
        wanted = pl.col("column").is_in(list(mapping.columns)) | pl.col("reason").is_not_null()
        timed = _timed(self.cells.filter(wanted), zone_of(mapping) if self.is_wall else None)
        parts = [_read(timed.filter(pl.col("column") == name), meaning) for name, meaning in mapping.columns.items()]
        others = timed.filter(~pl.col("column").is_in(list(mapping.columns)))
        nowhere = others.with_columns(pl.lit(None, pl.String).alias("channel"), pl.lit(None, pl.String).alias("measure"), value=None)
        cells = pl.concat([*parts, nowhere], how="diagonal_relaxed")
        counting = cells.filter(pl.col("reason").is_null())
        good, lonely = _added(counting, mapping)
        refused = pl.concat([cells.filter(pl.col("reason").is_not_null()), lonely], how="diagonal_relaxed").sort(
            "line", maintain_order=True
        )
        # Whatever a file says of a value beyond that it was measured, it is no measurement.
        named = {"moment": "measured_at", "seconds": "interval_seconds"}
        readings = good.rename(named).with_columns(is_estimated=pl.col("quality").is_not_null()).sort("line", maintain_order=True)
        return Readout(
            readings.select(*READ),
            refused.with_columns(pl.col("text").alias("value")).select(*REFUSED),
            readings.height + refused.height,
            ambiguous_hours(counting, "moment"),
            dict(counting.drop_nulls("quality").group_by("quality").len().sort("quality").iter_rows()),
        )


def _timed(cells: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """The cells with moments in UTC, why not where a moment is none, and whether it may as well be an hour later."""
    if zone is None or cells.is_empty():
        in_utc = pl.col("moment").dt.replace_time_zone("UTC")
        return _with_reason(cells.with_columns(in_utc, fault=pl.lit(None, pl.String), is_unsure=pl.lit(value=False)))
    parts = []
    for part in cells.partition_by("column", maintain_order=True):
        times = utc_of_walls(part.get_column("moment"), zone)
        columns = times.utc.alias("moment"), times.fault.alias("fault"), times.is_unsure.alias("is_unsure")
        parts.append(_with_reason(part.with_columns(*columns, _by_the_calendar(part, zone))))
    return pl.concat(parts)


def _by_the_calendar(part: pl.DataFrame, zone: str) -> pl.Series:
    """The lengths of intervals, of days from midnight on those of the local days. [s]"""
    moment, seconds = part.get_column("moment"), part.get_column("seconds")
    is_day = (seconds == DAY_SECONDS) & (moment.dt.time() == time())
    if not is_day.any():
        return seconds
    length = (day_starts(moment.dt.offset_by("1d"), zone) - day_starts(moment, zone)).dt.total_seconds()
    return seconds.zip_with(~is_day.fill_null(value=False), length)


def _with_reason(cells: pl.DataFrame) -> pl.DataFrame:
    is_none = pl.when(pl.col("moment").is_null()).then(pl.lit("bad_time"))
    return cells.with_columns(pl.coalesce("reason", "fault", is_none).alias("reason")).drop("fault")


def _read(cells: pl.DataFrame, meaning: ColumnMeaning) -> pl.DataFrame:
    """The cells of one series with the number in each, or why there is none. [kW, kWh]"""
    number = pl.col("text").cast(pl.Float64, strict=False) * UNIT_TO_KILO[meaning.unit]
    seconds = pl.col("seconds") if meaning.measure == "interval_kwh" else pl.lit(None, pl.Int64)
    lost = pl.when(seconds.is_null() | (seconds <= 0)).then(pl.lit("no_interval")) if meaning.measure == "interval_kwh" else None
    faults = [pl.col("reason"), fault_of_number(number), *([] if lost is None else [lost])]
    return cells.with_columns(
        pl.lit(meaning.channel).alias("channel"),
        pl.lit(meaning.measure).alias("measure"),
        number.alias("value"),
        seconds.alias("seconds"),
        pl.coalesce(*faults).alias("reason"),
    )


def _added(good: pl.DataFrame, mapping: Mapping) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Channels of several series as sums, and the cells of those whose partners have none for the same time."""
    parts, lonely = [good.clear()], [good.clear()]
    for channel in {meaning.channel for meaning in mapping.columns.values()}:
        cells = good.filter(pl.col("channel") == channel)
        names = [name for name, meaning in mapping.columns.items() if meaning.channel == channel]
        if len(names) == 1:
            parts.append(cells)
            continue
        # Said twice, the later line counts, as it does for one series.
        once = cells.unique(["column", "measure", "moment", "seconds"], keep="last", maintain_order=True)
        key = ["measure", "moment", "seconds"]
        sums = once.group_by(key, maintain_order=True).agg(
            pl.col("value").sum(),
            pl.col("line", "time", "text", "reason", "channel", "is_unsure").first(),
            pl.col("quality").drop_nulls().first(),
            pl.len().alias("found"),
        )
        whole = sums.filter(pl.col("found") == len(names)).with_columns(pl.lit(" + ".join(names)).alias("column"))
        parts.append(whole.select(good.columns))
        alone = once.join(whole, on=key, how="anti", nulls_equal=True, maintain_order="left")
        lonely.append(alone.with_columns(pl.lit("incomplete_sum").alias("reason")))
    return pl.concat(parts), pl.concat(lonely)


def lengths(moments: list[int]) -> list[int | None]:
    """How long each of ascending starts lasts: to the next where that is a step as usual, else the usual one. [s]

    A day of 23 or 25 hours, a month or a year ends where the next begins; after a gap the usual length holds. How long the last of several
    months is the others do not tell.
    """
    steps = [later - earlier for earlier, later in pairwise(moments)]
    if not steps:
        return [None] * len(moments)
    usual = max(set(steps), key=lambda step: (steps.count(step), step if step >= SHORTEST_DAY else -step))
    followed = [step if usual >= SHORTEST_DAY and step < 1.5 * usual else usual for step in steps]
    return [*followed, usual if usual < SHORTEST_MONTH else None]
