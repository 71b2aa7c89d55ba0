"""Reads the bronze readings that a rebuild needs, leaving out files by the log's statistics alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import polars as pl

from aurora.domain.meters.power import LONGEST_HOLD_SECONDS
from aurora.domain.meters.registers import REACH, REACH_HOURS
from aurora.lake.among import among
from aurora.lake.store import Lake

READINGS = "bronze/readings"
DAY = timedelta(days=1)
FIRST_WINDOW_DAYS = 1
WINDOW_GROWTH = 4


Calm = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Range:
    """A half-open span of time, UTC."""

    start_at: datetime
    end_at: datetime


@dataclass(frozen=True)
class Bronze:
    """`bronze/readings` at one version."""

    lake: Lake
    version: int

    @cached_property
    def files(self) -> pl.DataFrame:
        """One row per file: path, measured_date, longest_seconds (of its intervals), min.measure, max.measure."""
        listed = self.lake.files(READINGS, self.version)
        if "min.measure" not in listed.columns:
            listed = listed.with_columns(
                pl.lit(None, dtype=pl.String).alias("min.measure"), pl.lit(None, dtype=pl.String).alias("max.measure")
            )
        longest = pl.col("max.interval_seconds") if "max.interval_seconds" in listed.columns else pl.lit(None, dtype=pl.Int64)
        return listed.select(
            "path",
            pl.col("partition.measured_date").cast(pl.Date).alias("measured_date"),
            longest.fill_null(0).cast(pl.Int64).alias("longest_seconds"),
            "min.measure",
            "max.measure",
        )

    def intervals(self, ranges: Sequence[Range], device_ids: Iterable[str]) -> pl.DataFrame:
        """Every interval reading that covers a moment of the ranges, and more."""
        ends = pl.col("measured_date").cast(pl.Datetime("us", "UTC")) + DAY + pl.duration(seconds=pl.col("longest_seconds"))
        return self._rows("interval_kwh", self._overlapping(ranges, ends), device_ids)

    def power(self, ranges: Sequence[Range], device_ids: Iterable[str]) -> pl.DataFrame:
        """Every power sample that can hold into the ranges, by whole UTC days."""
        ends = pl.col("measured_date").cast(pl.Datetime("us", "UTC")) + DAY + timedelta(seconds=LONGEST_HOLD_SECONDS)
        whole = [Range(span.start_at, _ceil_day(span.end_at)) for span in ranges]
        return self._rows("power_kw", self._overlapping(whole, ends), device_ids)

    def registers(self, ranges: Sequence[Range], device_ids: Iterable[str], calm: Calm | None = None) -> pl.DataFrame:
        """Every register reading that has a say in the ranges: from before the first to after the last, of each register.

        That is from `REACH_HOURS` before, and on to where `REACH` readings follow one another soundly.

        Args:
            ranges: Spans of time.
            device_ids: Whose.
            calm: Stretches of sound readings among some: device_id, channel, start_us, end_us. None: `REACH` readings of any kind do.
        """
        if not ranges or self.files.is_empty():
            return self._rows("register_kwh", self.files.head(0), device_ids)
        start_at = min(span.start_at for span in ranges) - timedelta(hours=REACH_HOURS)
        end_at = max(span.end_at for span in ranges) + timedelta(hours=REACH_HOURS)
        first, last = self.files["measured_date"].min(), self.files["measured_date"].max()
        before = after = timedelta(days=FIRST_WINDOW_DAYS)
        while True:
            low, high = _utc_date(start_at - before), _utc_date(end_at + after)
            rows = self._rows("register_kwh", self.files.filter(pl.col("measured_date").is_between(low, high)), device_ids)
            outside_before, outside_after = pl.col("measured_at") < start_at, pl.col("measured_at") >= end_at
            short_before = low > first and _is_short(rows.filter(outside_before), rows, calm)  # pyright: ignore[reportOperatorIssue]
            short_after = high < last and _is_short(rows.filter(outside_after), rows, calm)  # pyright: ignore[reportOperatorIssue]
            if not rows.is_empty() and not short_before and not short_after:
                return rows
            if rows.is_empty() and not self._may_hold_registers(low, high):
                return rows
            if rows.is_empty() and low <= first and high >= last:  # pyright: ignore[reportOperatorIssue]
                return rows
            before = before * WINDOW_GROWTH if short_before or rows.is_empty() else before
            after = after * WINDOW_GROWTH if short_after or rows.is_empty() else after

    def _may_hold_registers(self, low: date, high: date) -> bool:
        others = self.files.filter(~pl.col("measured_date").is_between(low, high))
        return not others.filter(_may_hold("register_kwh")).is_empty()

    def registers_of(self, device_ids: Iterable[str]) -> pl.DataFrame:
        """Every register reading of the devices."""
        return self._rows("register_kwh", self.files, device_ids)

    def at(self, dates: Iterable[date], device_ids: Iterable[str]) -> pl.DataFrame:
        """Every reading of the devices that was measured on the UTC dates."""
        return self._of(self.files.filter(pl.col("measured_date").is_in(list(dates))), device_ids).collect()

    @property
    def readings(self) -> int:
        """How many there are."""
        return int(self.lake.files(READINGS, self.version)["num_records"].sum())

    def newest(self, device_ids: Iterable[str]) -> pl.DataFrame:
        """The readings of each device that are measured last."""
        # The whole of bronze may be larger than memory: first the times alone, then the days that hold them.
        last = self._of(self.files, device_ids).group_by("device_id").agg(pl.col("measured_at").max()).collect(engine="streaming")
        dates = last["measured_at"].dt.date().unique().implode()
        paths = self.files.filter(pl.col("measured_date").is_in(dates))["path"].to_list()
        rows = self.lake.scan(READINGS, paths=paths)
        return rows.join(last.lazy(), on=["device_id", "measured_at"], how="semi").collect()

    def hulls(self, device_ids: Iterable[str]) -> pl.DataFrame:
        """The time that the readings of each device can speak of: device_id, start_us, end_us (exclusive)."""
        ends = pl.col("measured_at") + pl.duration(seconds=pl.col("interval_seconds").fill_null(0))
        held = timedelta(seconds=LONGEST_HOLD_SECONDS)
        found = (
            self._of(self.files, device_ids)
            .group_by("device_id")
            .agg((pl.col("measured_at").min() - DAY).dt.epoch("us").alias("start_us"), (ends.max() + held).dt.epoch("us").alias("end_us"))
        )
        return found.collect(engine="streaming")

    def _overlapping(self, ranges: Sequence[Range], ends: pl.Expr) -> pl.DataFrame:
        starts = pl.col("measured_date").cast(pl.Datetime("us", "UTC"))
        keep = (
            pl.any_horizontal([(starts < span.end_at) & (ends > span.start_at) for span in merged(ranges)])
            if ranges
            else pl.lit(value=False)
        )
        return self.files.filter(keep)

    def _rows(self, measure: str, files: pl.DataFrame, device_ids: Iterable[str]) -> pl.DataFrame:
        return self._of(files.filter(_may_hold(measure)), device_ids).filter(pl.col("measure") == measure).collect()

    def _of(self, files: pl.DataFrame, device_ids: Iterable[str]) -> pl.LazyFrame:
        return self.lake.scan(READINGS, paths=files["path"].to_list()).filter(among("device_id", device_ids))


def _may_hold(measure: str) -> pl.Expr:
    return pl.lit(measure).is_between(pl.col("min.measure"), pl.col("max.measure")).fill_null(value=True)


def _is_short(outside: pl.DataFrame, rows: pl.DataFrame, calm: Calm | None) -> bool:
    """Whether some register of `rows` has no calm stretch, or too few distinct readings, in `outside`."""
    counted = outside.group_by("device_id", "channel").agg(pl.col("measured_at").n_unique().alias("n"))
    known = rows.select("device_id", "channel").unique().join(counted, on=["device_id", "channel"], how="left")
    if bool((known["n"].fill_null(0) <= REACH).any()):
        return True
    return calm is not None and calm(outside).select("device_id", "channel").unique().height < known.height


def merged(ranges: Sequence[Range]) -> list[Range]:
    """The same time in as few ranges as possible."""
    result: list[Range] = []
    for span in sorted(ranges, key=lambda span: span.start_at):
        if result and span.start_at <= result[-1].end_at:
            result[-1] = Range(result[-1].start_at, max(result[-1].end_at, span.end_at))
        else:
            result.append(span)
    return result


def _utc_date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _ceil_day(moment: datetime) -> datetime:
    midnight = datetime.combine(_utc_date(moment), datetime.min.time(), UTC)
    return midnight if midnight == moment else midnight + DAY
