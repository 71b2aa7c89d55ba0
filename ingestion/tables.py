"""Foreign tables: turns rows and columns into readings and refusals by a mapping."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from aurora.domain.channels import MOST_KWH
from aurora.domain.mapping import UNIT_TO_KILO, ColumnMeaning, Mapping, plain_name
from aurora.errors import Refused
from ingestion.numerals import read_numbers
from ingestion.written_times import Times, ends_by_their_starts, local_days, most_frequent_spacing_seconds, read_times

KEY = ["channel", "measure", "measured_at"]
SERIES = frozenset(
    "series_id series meter_id meter device_id device sensor_id sensor entity_id serial serial_number nmi mpan mprn esi_id esiid lclid"
    " house_id household_id building_id customer_id site_id zaehler zaehlernummer zaehlpunkt melo malo".split()
)
MOST_SERIES_SHOWN = 3

READ = ("line", "column", "channel", "measure", "measured_at", "interval_seconds", "value", "is_estimated")
REFUSED = ("line", "column", "channel", "measure", "time", "value", "reason")


@dataclass(frozen=True)
class Readout:
    """What a file says.

    Attributes:
        readings: One row per good cell, in the file's order: line, column, channel, measure, measured_at (UTC), interval_seconds, value,
            is_estimated (the file says that it was not simply measured).
        refused: One row per bad cell: line, column, channel, measure, time (as written; in UTC where it lies ahead), value (as written),
            reason.
        read: Cells that hold something.
        ambiguous: Good cells of an hour that the clock showed twice, which the file does not tell apart and which count as the earlier: of
            each such hour first_at, last_at, values.
        qualities: How many good cells the file itself says to be something else than measured, by what it says.
    """

    readings: pl.DataFrame
    refused: pl.DataFrame
    read: int
    ambiguous: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    qualities: dict[str, int] = field(default_factory=dict[str, int])

    def until(self, latest: datetime) -> "Readout":
        """The same with what was measured after `latest` refused: nothing is measured ahead of time."""
        is_ahead = pl.col("measured_at") > latest
        if not (ahead := self.readings.filter(is_ahead)).height:
            return self
        time = pl.col("measured_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("time")
        refused = ahead.with_columns(time, pl.col("value").cast(pl.String), pl.lit("in_the_future").alias("reason")).select(*REFUSED)
        return replace(self, readings=self.readings.filter(~is_ahead), refused=self._and_refused(refused))

    def with_refused(self, lines: Sequence[tuple[int, str]], reason: str) -> "Readout":
        """The same with whole lines refused, each as one value."""
        rows = [(line, None, None, None, None, text, reason) for line, text in lines]
        return replace(self, refused=self._and_refused(pl.DataFrame(rows, schema=REFUSED, orient="row")), read=self.read + len(rows))

    def _and_refused(self, refused: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([self.refused, refused], how="vertical_relaxed").sort("line", maintain_order=True)


def read_out(frame: pl.DataFrame, mapping: Mapping, first_line: int = 2, delimiter: str | None = None) -> Readout:
    """The readings and refusals of a file under a mapping.

    Args:
        frame: The file's rows.
        mapping: What its columns mean.
        first_line: Line of the file that the first row stands on.
        delimiter: What stands between the cells of a line; None where that is not known.

    Raises:
        Refused: If times have no offset and no zone was named, or their format or that of the numbers cannot be told.
    """
    written, times = read_times(frame, mapping)
    usual = most_frequent_spacing_seconds(times.utc)
    if mapping.label == "end" and usual is not None:
        times = ends_by_their_starts(times, usual, mapping)
    times, days = local_days(times, written, mapping, usual)
    lines = pl.int_range(first_line, first_line + frame.height, eager=True).alias("line")
    named = (written.alias("time"), times.utc.alias("measured_at"), times.fault.alias("time_fault"), times.is_unsure.alias("is_unsure"))
    cells = _cells(frame, pl.DataFrame([lines, *named, *days]), mapping, delimiter)
    needs_interval = any(meaning.measure == "interval_kwh" for meaning in mapping.columns.values())
    if needs_interval and usual is None and not days and cells.get_column("measured_at").count():
        raise Refused("Fewer than two times do not tell how long an interval is. Add rows, or say --measure register_kwh for totals.")
    is_good = pl.col("reason").is_null()
    if _may_repeat(times.utc):
        _refuse_several_series(frame, times, mapping)
        cells = _without_contradictions(cells, is_good)
    good = _as_measured(cells.filter(is_good), mapping, usual, has_days=bool(days))
    readings = (good if len(mapping.columns) == 1 else good.sort("line", maintain_order=True)).select(*READ)
    refused = cells.filter(~is_good).sort("line", maintain_order=True)
    refused = refused.with_columns(pl.col("text").alias("value")).select(*REFUSED)
    return Readout(readings, refused, cells.height, ambiguous_hours(good, "measured_at"))


def _as_measured(good: pl.DataFrame, mapping: Mapping, usual: int | None, *, has_days: bool) -> pl.DataFrame:
    """The cells with the start and length of what they measured, and the number as `value`."""
    is_interval, at = pl.col("measure") == "interval_kwh", pl.col("measured_at")
    start = pl.col("day_start_at") if has_days else at - pl.duration(seconds=usual or 0) if mapping.label == "end" else at
    seconds = pl.col("day_seconds") if has_days else pl.lit(usual, pl.Int64)
    return good.with_columns(
        pl.when(is_interval).then(seconds).alias("interval_seconds"),
        pl.when(is_interval).then(start).otherwise(at).alias("measured_at"),
        pl.col("number").alias("value"),
        pl.lit(value=False).alias("is_estimated"),
    )


def _may_repeat(times: pl.Series) -> bool:
    """Whether a time may be there twice: not where each is after, or each before, the one before it."""
    steps = times.drop_nulls().to_physical().diff().drop_nulls()
    return not ((steps > 0).all() or (steps < 0).all())


def _refuse_several_series(frame: pl.DataFrame, times: Times, mapping: Mapping) -> None:
    """Raise Refused where a column names several series that have values at the same time."""
    is_repeated = times.utc.is_duplicated() & times.utc.is_not_null()
    for name in frame.columns:
        if plain_name(name) not in SERIES or name in mapping.columns or not is_repeated.any():
            continue
        found = frame.get_column(name).filter(is_repeated).drop_nulls().unique().sort()
        if len(found) > 1:
            shown = ", ".join([*(str(one) for one in found.head(MOST_SERIES_SHOWN)), *(["…"] if len(found) > MOST_SERIES_SHOWN else [])])
            raise Refused(
                f"The file holds {len(found)} series beside each other, told apart by {name} ({shown})."
                " Make a file of each, and import each with a --device of its own."
            )


def _without_contradictions(cells: pl.DataFrame, is_good: pl.Expr) -> pl.DataFrame:
    """The cells with those refused that say different things of one channel and time. Raises Refused where most do."""
    twice = cells.filter(is_good & pl.struct(KEY).is_duplicated())
    wrong = twice.filter(pl.col("number").n_unique().over(KEY) > 1)
    if wrong.is_empty():
        return cells
    if 2 * wrong.height > cells.height:
        line, time, column = wrong.get_column("line")[0], wrong.get_column("time")[0], wrong.get_column("column")[0]
        raise Refused(
            f"{wrong.height} of {cells.height} values stand beside another one of the same time (first {column} at {time}, line {line})."
            ' Where the time of day has a column of its own, say --time-column "DATE + TIME"; of several series make a file each.'
        )
    is_wrong = pl.struct("line", "column").is_in(wrong.select(pl.struct("line", "column")).to_series().implode())
    return cells.with_columns(pl.when(is_wrong).then(pl.lit("two_values")).otherwise("reason").alias("reason"))


def refuse_unreadable(readout: Readout, mapping: Mapping) -> None:
    """Raise Refused where none of the times is one, or none of the values a number."""
    reasons = readout.refused.get_column("reason").unique().to_list()
    if readout.readings.height or reasons not in (["bad_time"], ["wrong_type"]):
        return
    line, column, time, value = readout.refused.select("line", "column", "time", "value").row(0)
    if reasons == ["bad_time"]:
        raise Refused(f"None of the times in {mapping.time_column} can be read, such as {time!r}. Write them as 2026-10-01 00:15.")
    raise Refused(f"None of the values is a number, such as {value!r} in {column}, line {line}. Say which column is what with --channel.")


def ambiguous_hours(good: pl.DataFrame, moment: str) -> list[dict[str, Any]]:
    """Of each hour whose cells may as well be an hour later: first_at, last_at (ISO 8601), values."""
    unsure = good.filter("is_unsure").rename({moment: "at"}) if moment != "at" else good.filter("is_unsure")
    # A clock goes back at most once a month.
    hours = unsure.group_by(pl.col("at").dt.truncate("1mo").alias("month")).agg(
        pl.col("at").min().alias("first_at"), pl.col("at").max().alias("last_at"), pl.len().alias("values")
    )
    return [
        {"first_at": first.isoformat(), "last_at": last.isoformat(), "values": values}
        for _, first, last, values in hours.sort("month").iter_rows()
    ]


def _cells(frame: pl.DataFrame, timed: pl.DataFrame, mapping: Mapping, delimiter: str | None) -> pl.DataFrame:
    """The cells that hold something, column by column, with the number in each, or why there is none."""
    parts = {name: _column(frame.get_column(name), timed, meaning) for name, meaning in mapping.columns.items()}
    texts = {name: part.get_column("text") for name, part in parts.items()}
    typed = {name: text.cast(pl.Float64, strict=False) if frame.schema[name].is_numeric() else text for name, text in texts.items()}
    numbers = read_numbers(typed, mapping.decimal, delimiter)
    read = [part.with_columns((numbers[name] * UNIT_TO_KILO[mapping.columns[name].unit]).alias("number")) for name, part in parts.items()]
    reason = pl.coalesce("time_fault", fault_of_number(pl.col("number"))).alias("reason")
    return pl.concat([part.with_columns(reason) for part in read])


def _column(column: pl.Series, timed: pl.DataFrame, meaning: ColumnMeaning) -> pl.DataFrame:
    text = pl.col("text")
    return timed.with_columns(
        pl.lit(column.name).alias("column"),
        pl.lit(meaning.channel).alias("channel"),
        pl.lit(meaning.measure).alias("measure"),
        column.cast(pl.String).str.strip_chars().alias("text"),
    ).filter(text.is_not_null() & (text != ""))


def fault_of_number(number: pl.Expr) -> pl.Expr:
    """Why a number in kW or kWh cannot be a reading; null where it can."""
    return (
        pl.when(number.is_null())
        .then(pl.lit("wrong_type"))
        .when(~number.is_finite())
        .then(pl.lit("not_finite"))
        .when(number < 0)
        .then(pl.lit("negative"))
        .when(number > MOST_KWH)
        .then(pl.lit("implausible"))
    )
