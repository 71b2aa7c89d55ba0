"""Files as they are downloaded: gzip, or a ZIP with one file in it."""

import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aurora.errors import Refused

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
MOST_BYTES = 2 * 1024**3
BLOCK_BYTES = 1024**2
LONGEST_LINE_BYTES = 1024**2


class TooLarge(Refused):
    """A file holds more than is taken."""


@contextmanager
def unpacked(file: Path, most_bytes: int | None = None) -> Iterator[Path]:
    """The file itself for the block, or what is packed in it.

    Args:
        file: Packed or not.
        most_bytes: Of what is packed in it; `MOST_BYTES` where nothing is said. [byte]

    Raises:
        TooLarge: If more is packed in it.
        Refused: If it cannot be unpacked, or holds several files.
    """
    most = MOST_BYTES if most_bytes is None else most_bytes
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror or error}). Check the path.") from None
    if not head.startswith((GZIP, ZIP)):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="aurora-import-") as folder:
        target = Path(folder) / "content"
        try:
            if head.startswith(GZIP):
                with gzip.open(file) as packed, target.open("wb") as plain:
                    _copy(packed, plain, file, most)
            else:
                _unzip(file, target, most)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise Refused(f"{file} cannot be unpacked ({error}). Unpack it and import what is in it.") from None
        yield target


def _unzip(file: Path, target: Path, most_bytes: int) -> None:
    with zipfile.ZipFile(file) as archive:
        names = [item.filename for item in archive.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX/")]
        if len(names) != 1:
            raise Refused(f"{file} holds {len(names)} files ({', '.join(names[:5])}). Unpack it and import one after the other.")
        with archive.open(names[0]) as packed, target.open("wb") as plain:
            _copy(packed, plain, file, most_bytes)


def _copy(packed: gzip.GzipFile | IO[bytes], plain: IO[bytes], file: Path, most_bytes: int) -> None:
    written = 0
    while block := packed.read(BLOCK_BYTES):
        written += len(block)
        if written > most_bytes or shutil.disk_usage(tempfile.gettempdir()).free < BLOCK_BYTES * 16:
            raise TooLarge(f"What is packed in {file.name} is too large. Unpack it and import it in parts.")
        plain.write(block)


def refuse_endless_line(file: Path) -> None:
    """Raise TooLarge for a text in lines one of which is longer than `LONGEST_LINE_BYTES`: a table's reader takes all of it at once."""
    with file.open("rb") as opened:
        block = opened.read(LONGEST_LINE_BYTES)
        if block.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"[", b"<"} or block.startswith(b"PAR1"):
            return
        while len(block) == LONGEST_LINE_BYTES:
            if b"\n" not in block and b"\r" not in block:
                raise TooLarge(f"{file.name} has a line of more than {LONGEST_LINE_BYTES} bytes. A table has a row a line.")
            block = opened.read(LONGEST_LINE_BYTES)
