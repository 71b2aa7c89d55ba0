"""Files as vendors export them: each is recognised by its content and read as a plain table with what its columns mean."""

import csv
from collections.abc import Callable
from pathlib import Path

from aurora.domain.mapping import Wishes
from ingestion.exports import answers, enphase, fronius, green_button, home_assistant, nem12, octopus, plain, sma
from ingestion.exports.series import Series
from ingestion.exports.table import Export
from ingestion.table_files import SAMPLE_BYTES, text_of

Reader = Callable[[str], Export | Series | None]

FORMATS: tuple[Reader, ...] = (sma.read, octopus.read, enphase.read, fronius.read, nem12.read, home_assistant.read)


def read_export(file: Path, time_column: str | None = None) -> Export | Series:
    """What a file holds, and what it means where a vendor's format is recognised.

    Args:
        file: What to read.
        time_column: Name of the time's column where that was said.

    Raises:
        Refused: If it is not there, empty, or of no kind that can be read.
    """
    head = text_of(file, SAMPLE_BYTES)
    read = _reader(head) if head is not None else None
    text = text_of(file) if read is not None else None
    found = _tried(read, text) if read is not None and text is not None else None
    return found or plain.read(file, time_column)


def _reader(head: str) -> Reader | None:
    """The format of a file that begins so."""
    if green_button.recognises(head):
        return green_button.read
    if answers.recognises(head):
        return answers.read
    return next((read for read in FORMATS if _tried(read, head) is not None), None)


def _tried(read: Reader, text: str) -> Export | Series | None:
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
        decimal=wishes.decimal or known.decimal,
    )
