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


@contextmanager
def unpacked(file: Path) -> Iterator[Path]:
    """The file itself for the block, or what is packed in it.

    Raises:
        Refused: If it cannot be unpacked, holds several files, or more than `MOST_BYTES`.
    """
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
                    _copy(packed, plain, file)
            else:
                _unzip(file, target)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise Refused(f"{file} cannot be unpacked ({error}). Unpack it and import what is in it.") from None
        yield target


def _unzip(file: Path, target: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        names = [item.filename for item in archive.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX/")]
        if len(names) != 1:
            raise Refused(f"{file} holds {len(names)} files ({', '.join(names[:5])}). Unpack it and import one after the other.")
        with archive.open(names[0]) as packed, target.open("wb") as plain:
            _copy(packed, plain, file)


def _copy(packed: gzip.GzipFile | IO[bytes], plain: IO[bytes], file: Path) -> None:
    written = 0
    while block := packed.read(BLOCK_BYTES):
        written += len(block)
        if written > MOST_BYTES or shutil.disk_usage(tempfile.gettempdir()).free < BLOCK_BYTES * 16:
            raise Refused(f"What is packed in {file} is too large. Unpack it and import it in parts.")
        plain.write(block)
