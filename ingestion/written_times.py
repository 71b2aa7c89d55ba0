"""Times as files write them, in any of the usual forms: with an offset, or by a clock on the wall whose zone is named."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import polars as pl

from aurora.domain import calendar
from aurora.domain.mapping import Mapping, time_columns
from aurora.domain.wall_clocks import wall_times_to_utc
from aurora.errors import Refused

SAMPLE_ROWS = 1_000
OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
UNIX = r"^\d{10}(?:\d{3})?$"
HALF_DAY = r"(?i)\s*([ap])\.?\s?m\.?$"
UNIVERSAL = r"\s*(?:UTC|GMT)$"
ABBREVIATED = r"^(.*\d)\s*([A-Z]{3,5})$"
LAST_MIDNIGHT = "T24:00"
CLOCKS = ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M")
HALF_DAY_CLOCKS = ("%I:%M:%S %p", "%I:%M %p")
PLAIN = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
UTC_ENDINGS = ("Z", "+00:00")
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y")
SHORT_YEAR = r"^\d{1,2}([./])\d{1,2}[./]\d{2}$"
SHORT_DATES = ("%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
TWO_WAYS = (("%m/%d/%Y", "%d/%m/%Y"), ("%m/%d/%y", "%d/%m/%y"))
HOUR_ALONE = r"(?i)^(\d{1,2})(\s*[ap]\.?m\.?)?$"
NO_CLOCK = r"[T ]0?0:00(?::00)?(?:\.0+)?$"
DAY = timedelta(days=1)
SHORTEST_DAY_SECONDS = 20 * 3600
MOST_SECONDS = 366 * calendar.DAY_SECONDS
MONTH_DAYS, YEAR_DAYS = (28, 31), (365, 366)


@dataclass(frozen=True)
class Times:
    """The times of a column.

    Attributes:
        utc: Instants; null where there is none.
        fault: Why there is none; null where there is.
        is_unsure: Whether it may as well be an hour later: the clock showed it twice.
        wall: What the clock on the wall showed; None for times with an offset.
    """

    utc: pl.Series
    fault: pl.Series
    is_unsure: pl.Series
    wall: pl.Series | None = None

    @property
    def flaws(self) -> int:
        """How many times were skipped by the clock, or are there twice."""
        return int((self.fault == "skipped_hour").sum()) + self.utc.drop_nulls().len() - self.utc.drop_nulls().n_unique()


def read_times(frame: pl.DataFrame, mapping: Mapping) -> tuple[pl.Series, Times]:
    """The times of a file's rows, as written and as instants.

    Raises:
        Refused: If times have no offset and no zone was named, or their format cannot be told.
    """
    columns = [frame.get_column(name) for name in time_columns(mapping.time_column, frame.columns)]
    column = _joined(*columns) if len(columns) > 1 else columns[0]
    written = column.cast(pl.String).fill_null("")
    if column.dtype == pl.Datetime:
        times = _typed_times(column, mapping)
    elif column.dtype == pl.Date:
        times = _wall_times(column.cast(pl.Datetime("us")), mapping)
    else:
        times = _text_times(written.str.strip_chars(), mapping)
    if not (times.utc.to_physical() < 0).any():
        return written, times
    fault = pl.select(pl.when(times.utc < calendar.EPOCH).then(pl.lit("before_1970")).otherwise(times.fault)).to_series()
    return written, replace(times, fault=fault)


def _joined(dates: pl.Series, clocks: pl.Series) -> pl.Series:
    """A date and a time of day as one text; nothing where either is missing."""
    day = dates.cast(pl.String).str.strip_chars().str.replace(NO_CLOCK, "")
    return day + " " + clocks.cast(pl.String).str.strip_chars().str.replace(HOUR_ALONE, "${1}:00${2}")


def _typed_times(column: pl.Series, mapping: Mapping) -> Times:
    zone = column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None
    if zone is None:
        return _wall_times(column.cast(pl.Datetime("us")), mapping)
    return _sure(column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")))


def _text_times(text: pl.Series, mapping: Mapping) -> Times:
    sample = text.head(SAMPLE_ROWS)
    if sample.str.contains(UNIX).mean() == 1.0:
        number = text.cast(pl.Int64, strict=False)
        utc = pl.select(pl.when(number > 10**11).then(number * 1_000).otherwise(number * 1_000_000)).to_series()
        return _sure(utc.cast(pl.Datetime("us", "UTC")))
    if (plain := _plain_times(text)) is not None:
        return _sure(plain)
    text = text.str.replace(r"\s+", "T")
    if sample.str.contains(UNIVERSAL).any():
        text = text.str.replace(UNIVERSAL, "Z")
    elif sample.str.contains(HALF_DAY).any():
        text = text.str.replace(HALF_DAY, " ${1}M")
    elif sample.str.contains(ABBREVIATED).any():
        return _abbreviated_times(text, mapping)
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


def _abbreviated_times(text: pl.Series, mapping: Mapping) -> Times:
    """Times that end in a word for their offset, such as CEST. Raises Refused for a word that the named zone does not know."""
    zone = zone_of(mapping)
    word = text.str.extract(ABBREVIATED, 2)
    wall = _parse(text.str.replace(ABBREVIATED, "${1}"), "")
    known = _abbreviations(zone, wall.dt.year().drop_nulls().unique().to_list())
    if strange := [name for name in word.drop_nulls().unique() if name not in known]:
        raise Refused(f"{strange[0]} in {mapping.time_column} is no time of {zone}. Say the zone of its times with --time-zone.")
    offset = word.replace_strict(known, default=None, return_dtype=pl.Duration("us"))
    utc = (wall - offset).dt.replace_time_zone("UTC")
    shown = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return _sure(pl.select(pl.when(shown == wall).then(utc)).to_series())


def _abbreviations(zone: str, years: list[int]) -> dict[str, timedelta]:
    """The offset from UTC that each of a zone's abbreviations stands for in these years."""
    moments = [datetime(year, month, 1, tzinfo=calendar.zone(zone)) for year in years for month in (1, 7)]
    return {str(moment.tzname()): moment.utcoffset() or timedelta() for moment in moments}


def _date_form(text: pl.Series) -> str:
    """The form that reads the most dates. Raises Refused where they can be read two ways."""
    sample = text.head(SAMPLE_ROWS).str.replace("T.*$", "")
    dates = text.str.head(10) if (sample.str.len_chars() == 10).all() else text.str.replace("T.*$", "")
    forms, readable = SHORT_DATES if sample.str.contains(SHORT_YEAR).any() else DATES, dict[str, int]()
    for form in forms:
        readable[form] = int(dates.str.to_date(form, strict=False).is_not_null().sum())
        if readable[form] == len(text) and not any(form in pair for pair in TWO_WAYS):
            return form
    found = max(forms, key=lambda form: readable[form])
    pair = next((pair for pair in TWO_WAYS if found in pair), None)
    if pair is not None and readable[pair[0]] == readable[pair[1]]:
        raise Refused(f"Dates such as {dates[0]} can be read two ways here. Write them as 2026-02-01.")
    return found


def _parse(text: pl.Series, ending: str) -> pl.Series:
    """Times by the one form of date that reads the most of them, and any of a clock. Raises Refused for dates that can be read two ways."""
    date_form = _date_form(text)
    zone = "UTC" if ending else None
    read = pl.Series("", [None] * len(text), dtype=pl.Datetime("us", zone))
    for clock in (*CLOCKS, *(HALF_DAY_CLOCKS if text.str.ends_with("M").any() or text.str.ends_with("m").any() else ())):
        found = text.str.to_datetime(f"{date_form}T{clock}{ending}", strict=False, time_unit="us", time_zone=zone)
        read = read.zip_with(read.is_not_null(), found)
        if not read.has_nulls():
            return read
    if not ending:
        found = text.str.to_date(date_form, strict=False).cast(pl.Datetime("us"))
        read = read.zip_with(read.is_not_null(), found)
    is_last = text.str.contains(LAST_MIDNIGHT, literal=True) & read.is_null()
    if is_last.any():
        return read.zip_with(~is_last, _parse(text.str.replace(LAST_MIDNIGHT, "T00:00", literal=True), ending) + DAY)
    return read


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
    wall = _within_the_calendar(wall)
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
    return Times(moments, fault, joined.get_column("unsure").fill_null(value=False), wall)


def _within_the_calendar(wall: pl.Series) -> pl.Series:
    """The times without those at the edges of what a date can be, whose instants or next days it cannot."""
    is_within = (wall > datetime(2, 1, 1)) & (wall < datetime(9999, 1, 1))  # noqa: DTZ001 - a wall clock's
    return wall if is_within.all() else wall.zip_with(is_within, pl.Series([None], dtype=wall.dtype))


def _sure(utc: pl.Series) -> Times:
    fault = pl.select(pl.when(utc.is_null()).then(pl.lit("bad_time"))).to_series()
    return Times(utc, fault, pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(utc)))


def day_starts(wall: pl.Series, zone: str) -> pl.Series:
    """First instants of the local days of times that are midnights; null where there is none."""
    known = wall.drop_nulls().dt.date().unique()
    starts = {day: calendar.day_start(day, zone).replace(tzinfo=None) for day in known.to_list() if isinstance(day, date)}
    found = wall.dt.date().replace_strict(starts, default=None, return_dtype=pl.Datetime("us"))
    return found.dt.replace_time_zone("UTC")


def most_frequent_spacing_seconds(times: pl.Series) -> int | None:
    """The step that the times make most often; None for fewer than two times. [s]"""
    steps = times.drop_nulls().sort().diff().drop_nulls().dt.total_seconds()
    steps = steps.filter((steps > 0) & (steps <= MOST_SECONDS))
    return None if steps.is_empty() else int(steps.mode().min())  # pyright: ignore[reportArgumentType]


def ends_by_their_starts(ends: Times, usual: int, mapping: Mapping) -> Times:
    """Times that end intervals, as the starts of those intervals by the clock tell them where that leaves fewer skipped or there twice.

    Some programs add an interval's length to its start as the clock shows it: the hours 01, 02, 02, 03 end at 02, 03, 03, 04.
    """
    if ends.wall is None or not ends.flaws:
        return ends
    length = timedelta(seconds=usual)
    found = utc_of_walls(ends.wall - length, zone_of(mapping))
    return replace(found, utc=found.utc + length, wall=ends.wall) if found.flaws < ends.flaws else ends


def local_days(times: Times, written: pl.Series, mapping: Mapping, usual: int | None) -> tuple[Times, list[pl.Series]]:
    """Midnights that stand for the local days, weeks, months or years beside them, with `day_start_at` and `day_seconds` of each.

    Other times come back as they are, with nothing beside them. A date alone stands for its day.
    """
    if times.wall is None or (usual is not None and usual < SHORTEST_DAY_SECONDS):
        return times, []
    step = _calendar_step(times.wall, is_dates=not written.str.contains(":", literal=True).any())
    if step is None:
        return times, []
    zone, is_end = zone_of(mapping), mapping.label == "end"
    here, beside = day_starts(times.wall, zone), day_starts(times.wall.dt.offset_by(f"-{step}" if is_end else step), zone)
    start, end = (beside, here) if is_end else (here, beside)
    return replace(_sure(here), wall=times.wall), [start.alias("day_start_at"), (end - start).dt.total_seconds().alias("day_seconds")]


def _calendar_step(wall: pl.Series, *, is_dates: bool) -> str | None:
    """How far midnights are usually apart, by the calendar; None for other times, and where a single one does not tell."""
    known = wall.drop_nulls()
    spacing = most_frequent_spacing_seconds(known) or (calendar.DAY_SECONDS if is_dates else None)
    if known.is_empty() or spacing is None or (known.dt.time() != time()).any():
        return None
    days = spacing // calendar.DAY_SECONDS
    if known.dt.day().n_unique() == 1 and MONTH_DAYS[0] <= days <= YEAR_DAYS[1]:
        return "1mo" if days <= MONTH_DAYS[1] else "1y" if days >= YEAR_DAYS[0] else f"{days}d"
    return f"{days}d"
