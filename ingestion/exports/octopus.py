"""The consumption file that Octopus Energy's customers download."""

import csv
import io
from datetime import datetime, timedelta

import polars as pl

from aurora.domain.mapping import Wishes
from ingestion.exports.table import Export

KWH, START, END = "consumption (kwh)", "start", "end"
HALF_HOUR = timedelta(minutes=30)
# Twenty years: a file that spans more holds a wrong date, and everything in between would be made up.
MOST_HALF_HOURS = 20 * 366 * 48


def read(text: str) -> Export | None:
    """The file's rows, half-hours that it leaves out as zeros at the end; None where it is another kind of file.

    Octopus leaves out half-hours without consumption, so between its first and last row a missing one is zero, not unknown. Whether the
    meter counts import or export the file does not say: import is proposed.
    """
    rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if not {KWH, START, END} <= set(names):
        return None
    wanted = (names.index(KWH), names.index(START))
    written = [tuple(row[place].strip() if place < len(row) else "" for place in wanted) for row in rows[1:]]
    frame = pl.DataFrame(
        [*written, *(("0", moment.isoformat()) for moment in _left_out([start for _, start in written]))],
        schema={"Consumption (kwh)": pl.String, "Start": pl.String},
        orient="row",
    )
    channels = {"Consumption (kwh)": "grid_import"}
    wishes = Wishes(time_column="Start", unit="kWh", channels=channels, measure="interval_kwh", label="start", decimal="point")
    return Export("octopus", frame, wishes)


def _left_out(starts: list[str]) -> list[datetime]:
    """Half-hours between the first and the last start that have none."""
    known = {moment for start in starts if (moment := _moment(start)) is not None}
    if not known:
        return []
    first, last = min(known), max(known)
    if (last - first) // HALF_HOUR > MOST_HALF_HOURS:
        return []
    every = (first + HALF_HOUR * number for number in range((last - first) // HALF_HOUR + 1))
    return [moment for moment in every if moment not in known]


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
