"""Files of SMA's Sunny Explorer and of SBFspot: a few lines that say how the rest is written, then a row per day or per few minutes."""

import csv
import io
from datetime import datetime, timedelta

import polars as pl

from aurora.domain.mapping import Wishes
from ingestion.exports.table import Export

VERSION = "Version CSV1"
DELIMITERS = {"semicolon": ";", "comma": ",", "tab": "\t"}
CLOCK = {"dd": "%d", "MM": "%m", "yyyy": "%Y", "HH": "%H", "mm": "%M", "ss": "%S"}
MOST_PREAMBLE_LINES = 20
TIME, END_OF_DAY = "time", "end_of_day"


def read(text: str) -> Export | None:
    """The file's rows with a column per series, named `<serial> <kind> [unit]`; None where it is another kind of file.

    A total of a daily row was read at the end of that day, so the row's time is the midnight after it. Totals are proposed as production;
    where there are several inverters each has to be named.
    """
    lines = text.splitlines()
    declared = next((line for line in lines[:2] if line.startswith(VERSION)), None)
    if declared is None:
        return None
    delimiter = DELIMITERS.get(_declared(declared, "Delimiter"), ";")
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    place = next((number for number, row in enumerate(rows[:MOST_PREAMBLE_LINES]) if row and row[0].startswith("dd")), None)
    if place is None or place < 2:
        return None
    clock, kinds, serials, units = rows[place][0].strip(), rows[place - 1], rows[place - 3], rows[place]
    names = [f"{_cell(serials, n)} {_cell(kinds, n)} [{_cell(units, n)}]" for n in range(1, len(units))]
    if not names or len(set(names)) < len(names):
        return None
    has_comma, is_daily = _declared(declared, "Decimalpoint") == "comma", "HH" not in clock
    written = [
        [_iso(_cell(row, 0), clock, is_daily), *(_point(_cell(row, n), has_comma) for n in range(1, len(units)))]
        for row in rows[place + 1 :]
    ]
    time = END_OF_DAY if is_daily else TIME
    frame = pl.DataFrame(written, schema=dict.fromkeys([time, *names], pl.String), orient="row")
    totals = {name: "production" for name in names if " Counter " in name}
    label = "end" if is_daily else "start"
    wishes = Wishes(time_column=time, unit="kWh", channels=totals, measure="register_kwh", label=label, decimal="point")
    return Export("sma", frame, wishes, first_line=place + 2)


def _declared(line: str, name: str) -> str:
    fields = [field.strip() for field in line.split("|")]
    return next((field.removeprefix(name).strip() for field in fields if field.startswith(f"{name} ")), "")


def _cell(row: list[str], number: int) -> str:
    return row[number].strip() if number < len(row) else ""


def _point(text: str, has_comma: bool) -> str:  # noqa: FBT001
    return text.replace(".", "").replace(",", ".") if has_comma else text


def _iso(text: str, clock: str, is_daily: bool) -> str:  # noqa: FBT001
    """A time as ISO 8601 writes it, a day as the midnight that ends it; what is no time as it was."""
    form = clock
    for name, directive in CLOCK.items():
        form = form.replace(name, directive)
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - local time, which a zone is named for later
        return str(moment + timedelta(days=1) if is_daily else moment)
    except (ValueError, OverflowError):
        return text
