"""Tables of no vendor, CSV and Parquet: what their content says of them beyond the names of their columns."""

from pathlib import Path

import polars as pl

from aurora.domain.mapping import TIME_NAMES, Wishes, plain_name
from ingestion.exports.table import Export
from ingestion.table_files import read_file

SAMPLE_ROWS = 3_000
DATE_NAMES = frozenset("date datum day tag local_date reading_date".split())
# Which of several clocks beside a date starts an interval stands first.
START_CLOCKS = "time uhrzeit zeit start_time start von time_from hour stunde time_of_day clock".split()
END_CLOCKS = "end_time end bis time_to hour_ending he".split()
DATE = r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ]0?0:00(?::00)?(?:\.0+)?)?$"
CLOCK = r"(?i)^\d{1,2}(?::\d{2}){0,2}(?:\.\d+)?(?:\s*[ap]\.?m\.?)?$"
LAST_MIDNIGHT = r"(?:^|[T ])24(?::00)*$"
FIRST_MIDNIGHT = r"(?:^|[T ])0?0(?::00)*$"


def read(file: Path, time_column: str | None = None) -> Export:
    """The file's rows, with the two columns that make up its times, and that these end intervals, where the cells say so.

    Args:
        file: CSV or Parquet.
        time_column: Its name where that was said: by it the line of names is known.

    Raises:
        Refused: If it is not there, empty, or neither CSV nor Parquet.
    """
    table = read_file(file, time_column)
    sample = table.frame.head(SAMPLE_ROWS)
    times = sample.select(name for name in sample.columns if plain_name(name) in TIME_NAMES)
    wishes = _of_two_columns(sample) or Wishes(label="end" if _ends_days(times) else None)
    return Export(None, table.frame, wishes, table.first_line, delimiter=table.delimiter, surplus=table.surplus)


def _of_two_columns(sample: pl.DataFrame) -> Wishes | None:
    """What is known where a column of dates and one of clocks make up the times; None where they do not."""
    plain = {plain_name(name): name for name in reversed(sample.columns)}
    dates = [name for known, name in plain.items() if known in DATE_NAMES and _are_all(sample.get_column(name), DATE)]
    clocks = [plain[known] for known in (*START_CLOCKS, *END_CLOCKS) if known in plain and _are_all(sample.get_column(plain[known]), CLOCK)]
    if len(dates) != 1 or not clocks:
        return None
    is_end = plain_name(clocks[0]) in END_CLOCKS or _ends_days(sample.select(clocks[0]))
    return Wishes(time_column=f"{dates[0]} + {clocks[0]}", label="end" if is_end else None)


def _are_all(column: pl.Series, form: str) -> bool:
    text = column.cast(pl.String).str.strip_chars().drop_nulls()
    return len(text) > 0 and bool(text.str.contains(form).all())


def _ends_days(times: pl.DataFrame) -> bool:
    """Whether days end at 24:00 and none begins at 00:00 in one of these columns: such times name the ends of intervals."""
    for column in times:
        text = column.cast(pl.String).str.strip_chars()
        if text.str.contains(LAST_MIDNIGHT).any() and not text.str.contains(FIRST_MIDNIGHT).any():
            return True
    return False
