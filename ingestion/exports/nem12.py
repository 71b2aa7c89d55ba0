"""NEM12, the interval data of Australia's electricity market (AEMO, Meter Data File Format Specification NEM12 & NEM13)."""

import csv
import io
from datetime import datetime, timedelta

import polars as pl

from aurora.domain.mapping import UNIT_NAMES, Wishes
from ingestion.exports.series import CELLS, TIME, Series

# Market time is Eastern Standard Time all year, wherever the meter is.
MARKET_ZONE = "Etc/GMT-10"
HEADER, DETAILS, VALUES, QUALITIES = "100", "200", "300", "400"
DAY_MINUTES = 1_440
NULL_QUALITY = "N"
QUALITIES_BY_LETTER = {"E": "estimated", "S": "substituted", "F": "substituted"}
CHANNELS = {"E": "grid_import", "B": "grid_export"}
ENERGY = frozenset({"wh", "kwh", "mwh"})

Row = tuple[int, str, str, datetime | None, int | None, str, str | None, str | None]


def read(text: str) -> Series | None:
    """The file's intervals, a series a register named `<NMI> <suffix> [unit]`; None where it is another kind of file.

    `E` registers count what the customer takes, `B` what he gives; those of one connection point make up its import and its export. A value
    that the file marks as null is none; one that it marks as estimated or substituted counts and is told. Registers of other quantities are
    left out.
    """
    if not text[:16].lstrip("\ufeff \r\n").upper().startswith("100,NEM12"):
        return None
    rows: list[Row] = []
    name, minutes, day = "", 0, []
    for line, record in enumerate(csv.reader(io.StringIO(text)), 1):
        kind = record[0].strip() if record else ""
        if kind == DETAILS:
            name, minutes = _register(record)
        elif kind == VALUES and name:
            rows += day
            day = _day(line, name, minutes, record)
        elif kind == QUALITIES and day:
            day = _marked(day, record)
        if kind not in {VALUES, QUALITIES}:
            rows, day = rows + day, []
    cells = pl.DataFrame([row for row in rows + day if row[5] or row[6]], schema=CELLS, orient="row")
    wishes = Wishes(time_column=TIME, time_zone=MARKET_ZONE, channels=_channels(cells), measure="interval_kwh", label="start")
    return Series("nem12", cells, wishes, is_wall=True)


def _register(record: list[str]) -> tuple[str, int]:
    """Name and interval length of a register; no name where it counts no energy. [min]"""
    fields = [field.strip() for field in record] + [""] * 9
    unit = UNIT_NAMES.get(fields[7].lower(), "")
    if unit.lower() not in ENERGY or fields[4][:1].upper() not in CHANNELS:
        return "", 0
    length = fields[8]
    minutes = int(length) if length.isascii() and length.isdigit() and 0 < int(length[:5]) <= DAY_MINUTES else 0
    return f"{fields[1]} {fields[4].upper()} [{unit}]", minutes


def _day(line: int, name: str, minutes: int, record: list[str]) -> list[Row]:
    """The intervals of one day's record."""
    number = DAY_MINUTES // minutes if minutes else 0
    written = record[1].strip() if len(record) > 1 else ""
    values = [value.strip() for value in record[2 : 2 + number]]
    if not number or DAY_MINUTES % minutes or len(values) < number:
        return [(line, name, written, None, None, f"{len(record) - 2} values", "cut_short", None)]
    try:
        midnight = datetime.strptime(written, "%Y%m%d")  # noqa: DTZ007 - market time, which its zone is named for later
    except ValueError:
        return [(line, name, written, None, None, value, "bad_time", None) for value in values]
    letter = _letter(record, 2 + number)
    if letter == NULL_QUALITY:
        return []
    quality = QUALITIES_BY_LETTER.get(letter)
    step = timedelta(minutes=minutes)
    starts = (midnight + place * step for place in range(number))
    return [(line, name, str(start), start, minutes * 60, value, None, quality) for start, value in zip(starts, values, strict=True)]


def _marked(day: list[Row], record: list[str]) -> list[Row]:
    """A day's intervals after a quality record, which names them from 1 on: those that it says to be null hold nothing."""
    try:
        first, last = int(record[1]), int(record[2])
    except (ValueError, IndexError):
        return day
    letter = _letter(record, 3)
    quality, is_null = QUALITIES_BY_LETTER.get(letter), letter == NULL_QUALITY
    return [(*row[:5], "" if is_null else row[5], row[6], quality) if first <= place <= last else row for place, row in enumerate(day, 1)]


def _letter(record: list[str], place: int) -> str:
    """The first letter of a quality and method; empty where there is none."""
    return record[place].strip()[:1].upper() if len(record) > place else ""


def _channels(cells: pl.DataFrame) -> dict[str, str]:
    """What each register of the file's one connection point counts; nothing where there are several: only their owner tells them apart."""
    names = cells.get_column("column").unique(maintain_order=True).to_list()
    if len({name.split(" ", 1)[0] for name in names}) != 1:
        return {}
    return {name: CHANNELS[name.split(" ", 1)[1][:1]] for name in names}
