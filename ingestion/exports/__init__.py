"""Files as vendors export them: each is recognised by its content and read as a plain table with what its columns mean."""

import csv
from collections.abc import Callable
from pathlib import Path

from aurora.domain.mapping import Wishes
from ingestion.exports import enphase, octopus, sma
from ingestion.exports.table import Export
from ingestion.tables import SAMPLE_BYTES, read_file, text_of

FORMATS: tuple[Callable[[str], Export | None], ...] = (sma.read, octopus.read, enphase.read)


def read_export(file: Path) -> Export:
    """A file's table, and what its columns mean where a vendor's format is recognised.

    Raises:
        Refused: If it is not there, empty, or neither CSV nor Parquet.
    """
    head = text_of(file, SAMPLE_BYTES)
    read = next((read for read in FORMATS if head is not None and _table(read, head) is not None), None)
    text = text_of(file) if read is not None else None
    found = _table(read, text) if read is not None and text is not None else None
    return found or Export(None, read_file(file), Wishes())


def _table(read: Callable[[str], Export | None], text: str) -> Export | None:
    try:
        return read(text)
    except csv.Error:
        return None


def filled(wishes: Wishes, known: Wishes) -> Wishes:
    """What a person said, and where nothing was said what is known."""
    return Wishes(
        time_column=wishes.time_column or known.time_column,
        time_zone=wishes.time_zone or known.time_zone,
        unit=wishes.unit or known.unit,
        channels=wishes.channels or known.channels,
        measure=wishes.measure or known.measure,
        label=wishes.label or known.label,
    )
