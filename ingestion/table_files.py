"""Foreign files as tables: reads CSV, whatever its encoding, its delimiter and the lines above its names, and Parquet."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from aurora.domain.mapping import TIME_NAMES, plain_name, time_columns
from aurora.errors import Refused

DELIMITERS = ",;\t|"
SAMPLE_BYTES = 64 * 1024
MOST_LINES_ABOVE = 50
ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1")
DECIMAL_COMMA = re.compile(r"(?:^|,)-?\d+,\d+(?:,|$)")

Surplus = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Table:
    """A file's rows.

    Attributes:
        frame: One row per line, text columns for CSV.
        delimiter: What stands between the cells of a line; None where the file is no text.
        first_line: Line of the file that the first row stands on.
        surplus: Lines with more cells than there are names, whose rows hold nothing: number and text.
    """

    frame: pl.DataFrame
    delimiter: str | None = None
    first_line: int = 2
    surplus: Surplus = ()


def read_file(file: Path, time_column: str | None = None) -> Table:
    """A file's rows: text columns for CSV, its own types for Parquet.

    Args:
        file: What to read.
        time_column: Name of the time's column where that was said: by it the line of names is known.

    Raises:
        Refused: If it is not there, empty, or neither CSV nor Parquet, has two columns of one name, or more cells than names in most lines.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(SAMPLE_BYTES)
        table = Table(pl.read_parquet(file)) if head[:4] == b"PAR1" else _read_csv(file, head, time_column)
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


def _read_csv(file: Path, head: bytes, time_column: str | None) -> Table:
    encoding = next(name for name in ENCODINGS if _decodes(head, name))
    lines = head.decode(encoding, "ignore").lstrip("\ufeff").splitlines()
    above = _lines_above(lines, time_column)
    named = lines[above : above + 1]
    delimiter = _delimiter((named or [""])[0])
    names = next(csv.reader(named, delimiter=delimiter), [])
    _refuse_one_name_twice(names)
    source = file if encoding == "utf-8-sig" else file.read_text(encoding=encoding).encode()
    surplus: Surplus = ()
    try:
        frame = _frame(source, delimiter, above)
    except pl.exceptions.ComputeError:
        content, surplus = _evened(file.read_text(encoding=encoding, errors="replace"), delimiter, above, len(names))
        frame = _frame(content, delimiter, 0)
    frame = frame.rename({old: new.strip() for old, new in zip(frame.columns, names, strict=False) if new.strip()})
    return Table(frame, delimiter, above + 2, surplus)


def _frame(source: Path | bytes, delimiter: str, lines_above: int) -> pl.DataFrame:
    return pl.read_csv(
        source, separator=delimiter, infer_schema=False, encoding="utf8-lossy", raise_if_empty=False, skip_lines=lines_above
    )  # fmt: skip


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)


def _lines_above(lines: Sequence[str], time_column: str | None) -> int:
    """How many lines stand above that of the names: the first that names a time beside something else; none where no line does."""
    for number, line in enumerate(lines[:MOST_LINES_ABOVE]):
        names = [name.strip() for name in next(csv.reader([line], delimiter=_delimiter(line)), [])]
        is_named = time_columns(time_column, names) if time_column else any(plain_name(name) in TIME_NAMES for name in names)
        if is_named and len(names) > 1:
            return number
    return 0


def _refuse_one_name_twice(names: Sequence[str]) -> None:
    known = [name.strip() for name in names if name.strip()]
    if twice := next((name for name in known if known.count(name) > 1), None):
        raise Refused(f"Two columns are named {twice}, and nothing says which is meant. Give each a name of its own.")


def _evened(text: str, delimiter: str, lines_above: int, width: int) -> tuple[bytes, Surplus]:
    """The rows as wide as their names, and those that hold more than that, which are emptied. Raises Refused where most do."""
    body = "".join(text.lstrip("\ufeff").splitlines(keepends=True)[lines_above:])
    even, surplus = io.StringIO(), list[tuple[int, str]]()
    writer, number = csv.writer(even, delimiter=delimiter, lineterminator="\n"), 0
    for number, row in enumerate(_rows(body, delimiter)):
        if any(cell.strip() for cell in row[width:]):
            surplus.append((lines_above + number + 1, delimiter.join(row)))
        writer.writerow([] if any(cell.strip() for cell in row[width:]) else row[:width])
    if 2 * len(surplus) > number:
        line, found = surplus[0]
        cause = " Its numbers probably have a decimal comma: quote them, or put semicolons between the cells." * bool(
            delimiter == "," and DECIMAL_COMMA.search(found)
        )
        raise Refused(f"Line {line} and {len(surplus) - 1} others have more cells than there are columns ({width}): {found[:80]}.{cause}")
    return even.getvalue().encode(), tuple(surplus)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise Refused(f"The file is no CSV that can be read ({error}).") from None


def _decodes(head: bytes, encoding: str) -> bool:
    if encoding == "utf-16":
        return head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    try:
        # A sample may end inside a letter.
        head[:-4].decode(encoding) if len(head) > 4 else head.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
