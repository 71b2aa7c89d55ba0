"""The energy report that Enphase Enlighten exports: in its older form with offsets, in its newer one with four columns and wall times."""

import csv
import io
import re

import polars as pl

from aurora.domain.mapping import Wishes
from ingestion.exports.table import Export

TIME = "Date/Time"
CHANNELS = {
    "Energy Produced (Wh)": "production",
    "Energy Consumed (Wh)": "consumption",
    "Exported to Grid (Wh)": "grid_export",
    "Imported from Grid (Wh)": "grid_import",
}
AMERICAN = re.compile(r"^(\d\d)/(\d\d)/(\d{4}) ")


def read(text: str) -> Export | None:
    """The file's rows with times as ISO 8601 writes them; None where it is another kind of file."""
    rows = list(csv.reader(io.StringIO(text)))
    names = [name.strip() for name in rows[0]] if rows else []
    found = {name: channel for name, channel in CHANNELS.items() if name in names}
    if not names or names[0] != TIME or not found or len(set(names)) < len(names):
        return None
    filled = [[cell.strip() for cell in row[: len(names)]] + [""] * (len(names) - len(row)) for row in rows[1:]]
    frame = pl.DataFrame([[_iso(row[0]), *row[1:]] for row in filled], schema=dict.fromkeys(names, pl.String), orient="row")
    wishes = Wishes(time_column=TIME, unit="Wh", channels=found, measure="interval_kwh", label="start", decimal="point")
    return Export("enphase", frame, wishes)


def _iso(time: str) -> str:
    """`07/29/2016 00:15` as `2016-07-29 00:15`; other times as they are."""
    return AMERICAN.sub(r"\3-\1-\2 ", time)
