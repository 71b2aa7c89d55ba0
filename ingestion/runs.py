"""A column as it grows while readings wait: what stands many times in a row is held once."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

# pyarrow ships no types, so what comes from it is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false


class Runs:
    """Values in order, each with how many times in a row it stands.

    Attributes:
        values: One of each run.
        counts: How long each run is.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.counts: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.values)

    def repeat(self, value: Any, count: int) -> None:
        """Add one value so many times over."""
        if self.values and self.values[-1] == value:
            self.counts[-1] += count
        else:
            self.values.append(value)
            self.counts.append(count)

    def extend(self, values: list[Any]) -> None:
        """Add values, at a fifth of what a list costs until it is a column where all are the same."""
        if values.count(values[0]) == len(values):
            self.repeat(values[0], len(values))
        else:
            self.values += values
            self.counts += [1] * len(values)

    def to_arrow(self, kind: type[pl.DataType]) -> pa.Array:
        """The whole column."""
        each = pl.Series(self.values, dtype=kind).to_arrow()
        if kind == pl.String:
            each = each.cast(pa.string())
        ends = pl.Series(np.cumsum(self.counts, dtype=np.int32)).to_arrow()
        return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, each))
