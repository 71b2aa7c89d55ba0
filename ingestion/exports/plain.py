"""Tables of no vendor, CSV and Parquet: what their content says of them beyond the names of their columns."""

from pathlib import Path

from aurora.domain.mapping import Wishes
from ingestion.exports.table import Export
from ingestion.table_files import read_file


def read(file: Path) -> Export:
    """The file's rows.

    Raises:
        Refused: If it is not there, empty, or neither CSV nor Parquet.
    """
    table = read_file(file)
    return Export(None, table.frame, Wishes(), delimiter=table.delimiter)
