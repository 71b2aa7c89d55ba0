"""Tables with a row of units in brackets below the names, as Fronius Solar.web exports them."""

import csv
import io
import re

import polars as pl

from aurora.domain.mapping import UNIT_NAMES, Wishes, channel_of
from ingestion.exports.table import Export

BRACKETED = re.compile(r"^\[([^\[\]]*)\]$")
INVERTER = re.compile(r"^(?:energy|energie) \| ", re.IGNORECASE)


def read(text: str) -> Export | None:
    """The file's rows with a column per series, named `<name> [unit]`; None where it is another kind of file."""
    first, _, _ = text.partition("\n")
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    names = [name.strip() for name in rows[0]]
    units = [BRACKETED.match(cell.strip()) for cell in rows[1][: len(names)]]
    if len(units) < len(names) or not all(units) or not any(unit and UNIT_NAMES.get(unit[1].lower()) for unit in units):
        return None
    headed = [names[0], *(f"{name} [{unit[1] if unit else ''}]" for name, unit in zip(names[1:], units[1:], strict=True))]
    if len(set(headed)) < len(headed):
        return None
    energies = {
        column: name for column, name, unit in zip(headed, names, units, strict=True) if unit is not None and unit[1].lower() in UNIT_NAMES
    }
    padded = [[cell.strip() for cell in row[: len(names)]] + [""] * (len(names) - len(row)) for row in rows[2:] if any(row)]
    frame = pl.DataFrame(padded, schema=dict.fromkeys(headed, pl.String), orient="row")
    wishes = Wishes(time_column=headed[0], channels=_channels(energies), label="start")
    return Export("fronius", frame, wishes, first_line=3, delimiter=delimiter)


def _channels(energies: dict[str, str]) -> dict[str, str]:
    """The channel of each column that has one; what inverters made is the production where no column names that."""
    found = {column: channel for column, name in energies.items() if (channel := channel_of(name))}
    if "production" in found.values():
        return found
    return found | {column: "production" for column, name in energies.items() if INVERTER.match(name)}
