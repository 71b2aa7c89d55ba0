"""Foreign files as tables: reads CSV, whatever its encoding and delimiter, and Parquet."""

import csv
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from aurora.errors import Refused

DELIMITERS = ",;\t|"
SAMPLE_BYTES = 64 * 1024
ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1")


@dataclass(frozen=True)
class Table:
    """A file's rows.

    Attributes:
        frame: One row per line, text columns for CSV.
        delimiter: What stands between the cells of a line; None where the file is no text.
    """

    frame: pl.DataFrame
    delimiter: str | None = None


def read_file(file: Path) -> Table:
    """A file's rows: text columns for CSV, its own types for Parquet.

    Raises:
        Refused: If it is not there, empty, or neither CSV nor Parquet.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(SAMPLE_BYTES)
        table = Table(pl.read_parquet(file)) if head[:4] == b"PAR1" else _read_csv(file, head)
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror or error}). Check the path.") from None
    except pl.exceptions.PolarsError as error:
        raise Refused(f"{file} is neither a CSV nor a Parquet file that can be read ({str(error).splitlines()[0]}).") from None
    if table.frame.is_empty():
        raise Refused(f"{file} holds no rows. A CSV needs a line of column names and lines of values.")
    return table


def text_of(file: Path, most_bytes: int = -1) -> str | None:
    """A file's text, or that of its first bytes; None where it is none, or cannot be read."""
    try:
        with file.open("rb") as opened:
            content = opened.read(most_bytes)
    except OSError:
        return None
    if content[:4] == b"PAR1":
        return None
    encoding = next(name for name in ENCODINGS if _decodes(content[:SAMPLE_BYTES], name))
    return content.decode(encoding, "replace")


def _read_csv(file: Path, head: bytes) -> Table:
    encoding = next(name for name in ENCODINGS if _decodes(head, name))
    first_line = head.decode(encoding, "ignore").lstrip("\ufeff").splitlines()[:1]
    delimiter = max(DELIMITERS, key=(first_line or [""])[0].count)
    source = file if encoding == "utf-8-sig" else file.read_text(encoding=encoding).encode()
    frame = pl.read_csv(
        source, separator=delimiter, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True, raise_if_empty=False
    )
    names = next(csv.reader(first_line, delimiter=delimiter), [])
    if len(set(names)) == len(names):
        frame = frame.rename({old: new.strip() for old, new in zip(frame.columns, names, strict=False) if new.strip()})
    return Table(frame, delimiter)


def _decodes(head: bytes, encoding: str) -> bool:
    if encoding == "utf-16":
        return head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    try:
        # A sample may end inside a letter.
        head[:-4].decode(encoding) if len(head) > 4 else head.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
