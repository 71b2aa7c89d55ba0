"""What Home Assistant lets one download: of its energy dashboard, and of the history of its entities."""

import csv
import io
from datetime import UTC, datetime

import polars as pl

from aurora.domain.mapping import UNIT_NAMES, Wishes
from ingestion.exports.series import CELLS, TIME, Series, lengths

DASHBOARD = ["entity_id", "type", "unit"]
HISTORY = ["entity_id", "state", "last_changed"]
CHANNELS = {
    "grid_consumption": "grid_import",
    "grid_return": "grid_export",
    "solar_production": "production",
    "battery_in": "battery_charge",
    "battery_out": "battery_discharge",
}
NO_STATES = frozenset({"unavailable", "unknown", "none", ""})

Row = tuple[int, str, str, datetime | None, int | None, str, str | None, str | None]


def read(text: str) -> Series | None:
    """The file's values, a series an entity; None where it is another kind of file."""
    rows = csv.reader(io.StringIO(text))
    names = [name.strip() for name in next(rows, [])]
    if names[:3] == DASHBOARD and len(names) > 3:
        return _dashboard(names[3:], list(rows))
    if names[:3] == HISTORY:
        return _history(list(rows))
    return None


def _dashboard(times: list[str], rows: list[list[str]]) -> Series:
    """A row an entity, a column a time: the energy from each time to the next. Costs, gas, water and single devices are left out."""
    moments = [_moment(time) for time in times]
    known = sorted({int(moment.timestamp()) for moment in moments if moment is not None})
    seconds = dict(zip(known, lengths(known), strict=True))
    cells: list[Row] = []
    channels: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        kind, unit = (row[1].strip(), UNIT_NAMES.get(row[2].strip().lower())) if len(row) > 3 else ("", None)
        if kind not in CHANNELS or unit is None:
            continue
        name = f"{row[0].strip()} [{unit}]"
        channels[name] = CHANNELS[kind]
        for time, moment, value in zip(times, moments, row[3:], strict=False):
            length = seconds[int(moment.timestamp())] if moment is not None else None
            cells.append((line, name, time, _plain(moment), length, value.strip(), None, None))
    frame = pl.DataFrame([cell for cell in cells if cell[5]], schema=CELLS, orient="row")
    return Series("home_assistant", frame, Wishes(time_column=TIME, channels=channels, measure="interval_kwh", label="start"))


def _history(rows: list[list[str]]) -> Series:
    """A row a change of state. The file does not say the unit, nor whether an entity counts energy or measures power."""
    cells: list[Row] = []
    for line, row in enumerate(rows, 2):
        if len(row) < 3 or row[1].strip().lower() in NO_STATES:
            continue
        cells.append((line, row[0].strip(), row[2].strip(), _plain(_moment(row[2])), None, row[1].strip(), None, None))
    return Series(
        "home_assistant",
        pl.DataFrame(cells, schema=CELLS, orient="row"),
        Wishes(time_column=TIME, label="start"),
        unsaid=("unit", "measure"),
    )


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _plain(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=None) if moment is not None else None
