"""What became of a file: the summary that people and programs get, and what was refused of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from aurora.domain.mapping import Mapping, time_columns

FORMULA = r"^[=+\-@\t\r]"
MOST_SHOWN = 100
SHOWN = ("line", "column", "time", "value", "reason")


@dataclass(frozen=True)
class LoadSummary:
    """What became of a file; its fields are what `aurora import --json` prints.

    Attributes:
        load_id: Names the load; empty for a dry run.
        read: Cells that hold something; `new + known + rejected`.
        known: Values that bronze has already.
        rejected_file: CSV of what was refused, and why; None where nothing was.
        first_at: Time of the earliest good value; ISO 8601.
        format: The vendor's format that was recognised; None where the columns' names alone said what they are.
        mapping: What its columns mean: time_column, time_zone, label, decimal, columns (channel, unit, measure by name), and `unread`, the
            names of those that are not read.
        mapping_from: The earlier import of a file with the same columns from which what was said of them is taken over; None for none.
        costs: What the file says that its energy cost, by currency; empty where it says nothing.
        doubts: What cannot well be true of the site, and what it probably is: column, finding, sentence.
        ambiguous: Values of an hour that the clock showed twice, which the file does not tell apart and which count as the earlier: of each
            such hour first_at, last_at (ISO 8601), values.
        qualities: How many good values the file itself says to be something else than measured, by what it says, such as `estimated`.
        refused_rows: The first of what was refused: line, column, time, value, reason.
    """

    load_id: str
    read: int
    new: int
    known: int
    rejected: int
    rejected_file: str | None
    first_at: str | None
    last_at: str | None
    format: str | None
    mapping: dict[str, Any]
    mapping_from: str | None
    costs: dict[str, float]
    doubts: list[dict[str, str]]
    ambiguous: list[dict[str, Any]]
    qualities: dict[str, int]
    refused_rows: list[dict[str, str]]

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON can hold it."""
        return asdict(self)


def shown_mapping(mapping: Mapping, names: list[str]) -> dict[str, Any]:
    """What a file's columns mean, as JSON can hold it, with the names of those that are not read."""
    read = {*mapping.columns, *time_columns(mapping.time_column, names)}
    return asdict(mapping) | {"unread": [name for name in names if name not in read]}


def first_refused(refused: pl.DataFrame) -> list[dict[str, str]]:
    """The first refused rows as text; empty where there is none."""
    return _harmless(refused.head(MOST_SHOWN)).select(pl.col(*SHOWN).cast(pl.String).fill_null("")).to_dicts()


def write_refused(refused: pl.DataFrame, file: Path, fallback: Path, load_id: str) -> str | None:
    """Write what was refused beside the file, or into the home where it cannot be; text that a spreadsheet would run is quoted."""
    if refused.is_empty():
        return None
    text = _harmless(refused).write_csv()
    for folder in (file.absolute().parent, fallback):
        target = folder / f"{file.stem}.rejected-{load_id}.csv"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return str(target)
    return None


def _harmless(refused: pl.DataFrame) -> pl.DataFrame:
    """Rows in which text that a spreadsheet would run is quoted."""
    return refused.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA)).then(pl.concat_str(pl.lit("'"), pl.col(name))).otherwise(pl.col(name)).alias(name)
        for name in ("column", "time", "value")
    )
