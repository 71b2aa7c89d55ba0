"""Foreign tables: turns rows and columns into readings and refusals by a mapping."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from aurora.domain.channels import MOST_KWH
from aurora.domain.mapping import UNIT_TO_KILO, ColumnMeaning, Mapping
from aurora.domain.wall_clocks import wall_times_to_utc
from aurora.errors import Refused
from ingestion.numerals import read_numbers

SAMPLE_ROWS = 1_000
OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
UNIX = r"^\d{10}(?:\d{3})?$"
CLOCKS = ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M")
PLAIN = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
UTC_ENDINGS = ("Z", "+00:00")
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y")
TWO_WAYS = ("%m/%d/%Y", "%d/%m/%Y")
MOST_SECONDS = 366 * 86_400
READ = ("line", "column", "channel", "measure", "measured_at", "interval_seconds", "value")
REFUSED = ("line", "column", "channel", "measure", "time", "value", "reason")


@dataclass(frozen=True)
class Readout:
    """What a file says.

    Attributes:
        readings: One row per good cell, in the file's order: line, column, channel, measure, measured_at (UTC), interval_seconds, value.
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
        both = pl.concat([self.refused, refused], how="vertical_relaxed").sort("line", maintain_order=True)
        return replace(self, readings=self.readings.filter(~is_ahead), refused=both)


@dataclass(frozen=True)
class Times:
    """The times of a column.

    Attributes:
        utc: Instants; null where there is none.
        fault: Why there is none; null where there is.
        is_unsure: Whether it may as well be an hour later: the clock showed it twice.
    """

    utc: pl.Series
    fault: pl.Series
    is_unsure: pl.Series


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
    timed = _with_times(frame.with_row_index("line", offset=first_line), mapping)
    interval = most_frequent_spacing_seconds(timed.get_column("measured_at"))
    cells = _cells(timed, mapping, {name for name, kind in frame.schema.items() if kind.is_numeric()}, delimiter)
    needs_interval = any(meaning.measure == "interval_kwh" for meaning in mapping.columns.values())
    if needs_interval and interval is None and cells.height:
        raise Refused("Fewer than two times do not tell how long an interval is. Add rows, or say --measure register_kwh for totals.")
    is_interval = pl.col("measure") == "interval_kwh"
    good = cells.filter(pl.col("reason").is_null()).with_columns(
        pl.when(is_interval).then(pl.lit(interval, pl.Int64)).alias("interval_seconds"),
        pl.when(is_interval & pl.lit(mapping.label == "end"))
        .then(pl.col("measured_at") - pl.duration(seconds=interval or 0))
        .otherwise(pl.col("measured_at"))
        .alias("measured_at"),
        pl.col("number").alias("value"),
    )
    readings = (good if len(mapping.columns) == 1 else good.sort("line", maintain_order=True)).select(*READ)
    refused = cells.filter(pl.col("reason").is_not_null()).sort("line", maintain_order=True)
    refused = refused.with_columns(pl.col("text").alias("value")).select(*REFUSED)
    return Readout(readings, refused, cells.height, ambiguous_hours(good, "measured_at"))


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


def most_frequent_spacing_seconds(times: pl.Series) -> int | None:
    """The step that the times make most often; None for fewer than two times. [s]"""
    steps = times.drop_nulls().sort().diff().drop_nulls().dt.total_seconds()
    steps = steps.filter((steps > 0) & (steps <= MOST_SECONDS))
    return None if steps.is_empty() else int(steps.mode().min())  # pyright: ignore[reportArgumentType]


def _cells(timed: pl.DataFrame, mapping: Mapping, numeric: set[str], delimiter: str | None) -> pl.DataFrame:
    """The cells that hold something, column by column, with the number in each, or why there is none."""
    parts = {name: _column(timed, name, meaning) for name, meaning in mapping.columns.items()}
    texts = {name: part.get_column("text") for name, part in parts.items()}
    typed = {name: text.cast(pl.Float64, strict=False) if name in numeric else text for name, text in texts.items()}
    numbers = read_numbers(typed, mapping.decimal, delimiter)
    read = [part.with_columns((numbers[name] * UNIT_TO_KILO[mapping.columns[name].unit]).alias("number")) for name, part in parts.items()]
    reason = pl.coalesce("time_fault", fault_of_number(pl.col("number"))).alias("reason")
    return pl.concat([part.with_columns(reason).drop("time_fault") for part in read])


def _column(timed: pl.DataFrame, name: str, meaning: ColumnMeaning) -> pl.DataFrame:
    text = pl.col("text")
    return timed.select(
        "line",
        pl.lit(name).alias("column"),
        pl.lit(meaning.channel).alias("channel"),
        pl.lit(meaning.measure).alias("measure"),
        "time",
        "measured_at",
        "time_fault",
        "is_unsure",
        pl.col(name).cast(pl.String).str.strip_chars().alias("text"),
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


def _with_times(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The rows with `time` as written, `measured_at` in UTC, `time_fault` where it is none, and `is_unsure`."""
    column = frame.get_column(mapping.time_column)
    written = column.cast(pl.String).fill_null("")
    if column.dtype == pl.Datetime:
        times = _typed_times(column, mapping)
    elif column.dtype == pl.Date:
        times = _wall_times(column.cast(pl.Datetime("us")), mapping)
    else:
        times = _text_times(written.str.strip_chars(), mapping)
    columns = written.alias("time"), times.utc.alias("measured_at"), times.fault.alias("time_fault"), times.is_unsure.alias("is_unsure")
    return frame.with_columns(*columns)


def _typed_times(column: pl.Series, mapping: Mapping) -> Times:
    zone = column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None
    if zone is None:
        return _wall_times(column.cast(pl.Datetime("us")), mapping)
    return _sure(column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")))


def _text_times(text: pl.Series, mapping: Mapping) -> Times:
    if text.head(SAMPLE_ROWS).str.contains(UNIX).mean() == 1.0:
        number = text.cast(pl.Int64, strict=False)
        utc = pl.select(pl.when(number > 10**11).then(number * 1_000).otherwise(number * 1_000_000)).to_series()
        return _sure(utc.cast(pl.Datetime("us", "UTC")))
    if (plain := _plain_times(text)) is not None:
        return _sure(plain)
    text = text.str.replace(r"\s+", "T")
    has_offset = text.str.contains(OFFSET) & text.str.contains("T")
    if has_offset.any():
        with_offset = text.str.replace("Z$", "+0000").str.replace(r"([+-]\d{2}):(\d{2})$", "${1}${2}")
        sure = _sure(_parse(with_offset, "%z").dt.convert_time_zone("UTC"))
        if not sure.utc.has_nulls():
            return sure
        is_naive = sure.utc.is_null() & ~has_offset & _parse(text, "").is_not_null()
        return replace(sure, fault=pl.select(pl.when(is_naive).then(pl.lit("no_offset")).otherwise(sure.fault)).to_series())
    return _wall_times(_parse(text, ""), mapping)


def _plain_times(text: pl.Series) -> pl.Series | None:
    """Times in UTC to the second, ten times as fast as other forms; None where one has another."""
    ending = next((ending for ending in UTC_ENDINGS if len(text) and text.str.ends_with(ending).all()), None)
    if ending is None:
        return None
    form = PLAIN["T" not in text[0]]
    utc = text.str.strip_suffix(ending).str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
    return None if utc.has_nulls() else utc


def _date_form(text: pl.Series) -> str:
    """The form that reads the most dates. Raises Refused where they can be read two ways."""
    date_part, readable = text.str.head(10), dict[str, int]()
    for form in DATES:
        readable[form] = int(date_part.str.to_date(form, strict=False).is_not_null().sum())
        if readable[form] == len(text) and form not in TWO_WAYS:
            return form
    date_form = max(DATES, key=lambda form: readable[form])
    if date_form in TWO_WAYS and readable[TWO_WAYS[0]] == readable[TWO_WAYS[1]]:
        raise Refused("Dates such as 01/02/2026 can be read two ways here. Write them as 2026-02-01.")
    return date_form


def _parse(text: pl.Series, ending: str) -> pl.Series:
    """Times by the one format that reads the most of them. Raises Refused for dates that can be read two ways."""
    date_form = _date_form(text)
    zone = "UTC" if ending else None
    empty = pl.Series("", [None] * len(text), dtype=pl.Datetime("us", zone))
    for clock in CLOCKS:
        found = text.str.to_datetime(f"{date_form}T{clock}{ending}", strict=False, time_unit="us", time_zone=zone)
        empty = empty.zip_with(empty.is_not_null(), found)
        if not empty.has_nulls():
            return empty
    if not ending:
        found = text.str.to_date(date_form, strict=False).cast(pl.Datetime("us"))
        empty = empty.zip_with(empty.is_not_null(), found)
    return empty


def _wall_times(wall: pl.Series, mapping: Mapping) -> Times:
    """Instants of times without offset, which need a zone."""
    if wall.null_count() == len(wall):
        return _sure(wall.dt.replace_time_zone("UTC"))
    return utc_of_walls(wall, zone_of(mapping))


def zone_of(mapping: Mapping) -> str:
    """The zone of times without offset. Raises Refused where nobody said it."""
    if mapping.time_zone is None:
        raise Refused(f"The times in {mapping.time_column} have no offset. Say their zone with --time-zone, such as Europe/Berlin.")
    return mapping.time_zone


def utc_of_walls(wall: pl.Series, zone: str) -> Times:
    """Instants of a clock's times in the file's order, and why not where a time is none or was skipped by the clock."""
    micros = wall.drop_nulls().to_physical()
    is_backwards = len(micros) > 1 and micros[0] > micros[-1]
    found = wall_times_to_utc((micros.reverse() if is_backwards else micros).to_numpy(), zone)
    order = slice(None, None, -1 if is_backwards else 1)
    known = pl.DataFrame(
        {
            "place": wall.is_not_null().arg_true(),
            "utc": found.utc[order],
            "skipped": found.is_skipped[order],
            "unsure": found.is_unsure[order],
        }
    )
    joined = pl.DataFrame({"place": pl.int_range(len(wall), dtype=pl.UInt32, eager=True)}).join(
        known.with_columns(pl.col("place").cast(pl.UInt32)), on="place", how="left", maintain_order="left"
    )
    moments = joined.get_column("utc").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    fault = joined.select(
        pl.when(pl.col("utc").is_null()).then(pl.lit("bad_time")).when(pl.col("skipped")).then(pl.lit("skipped_hour"))
    ).to_series()
    return Times(moments, fault, joined.get_column("unsure").fill_null(value=False))


def _sure(utc: pl.Series) -> Times:
    fault = pl.select(pl.when(utc.is_null()).then(pl.lit("bad_time"))).to_series()
    return Times(utc, fault, pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(utc)))
