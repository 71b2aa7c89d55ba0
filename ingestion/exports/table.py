"""What a recognised file is."""

from dataclasses import dataclass

import polars as pl

from aurora.domain.mapping import Wishes


@dataclass(frozen=True)
class Export:
    """A file as a table.

    Attributes:
        format: The vendor's format; None where none was recognised.
        frame: One row per line, one column per series and one for the time.
        wishes: What the format says that its columns mean.
        first_line: Line of the file that the first row stands on.
    """

    format: str | None
    frame: pl.DataFrame
    wishes: Wishes
    first_line: int = 2
