"""What a recognised file is."""

from collections.abc import Mapping as Mapped
from dataclasses import dataclass, field

import polars as pl

from aurora.domain.mapping import Mapping, Wishes
from ingestion.table_files import Surplus
from ingestion.tables import Readout, read_out


@dataclass(frozen=True)
class Export:
    """A file as a table.

    Attributes:
        format: The vendor's format; None where none was recognised.
        frame: One row per line, one column per series and one for the time.
        wishes: What the format says that its columns mean.
        first_line: Line of the file that the first row stands on.
        costs: What the file says that a column cost: currency and amount, by the column's name.
        unsaid: What the file leaves open and a person has to say.
        delimiter: What stands between the cells of a line; None where that is not known.
        surplus: Lines with more cells than there are columns: number and text.
    """

    format: str | None
    frame: pl.DataFrame
    wishes: Wishes
    first_line: int = 2
    costs: Mapped[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    unsaid: tuple[str, ...] = ()
    delimiter: str | None = None
    surplus: Surplus = ()

    @property
    def columns(self) -> list[str]:
        """The names of the columns, that of the time among them."""
        return self.frame.columns

    @property
    def may_add(self) -> bool:
        """A column is a channel: what several inverters of one file make is not added up unasked."""
        return False

    @property
    def deltas(self) -> frozenset[str]:
        """Nothing but a name or a vendor's format says of a column that it holds the energies of its intervals."""
        return frozenset()

    def read_out(self, mapping: Mapping) -> Readout:
        """The readings and refusals of the file under a mapping."""
        found = read_out(self.frame, mapping, self.first_line, self.delimiter)
        return found.with_refused(self.surplus, "too_many_cells") if self.surplus else found
