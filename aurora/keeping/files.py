"""Files of a backup: copied with their checksums, and checked against them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

COPIERS = 4
PIECE_BYTES = 4 * 1024**2

Progress = Callable[[int, int, str], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kept:
    """One file of a backup.

    Attributes:
        path: Under the backup's folder.
        size_bytes: Its length.
        sha256: Of its content, in hexadecimal.
    """

    path: str
    size_bytes: int
    sha256: str


def copy_stream(source: BinaryIO, target: BinaryIO) -> tuple[int, str]:
    """Copy all of `source`; how many bytes it had and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(PIECE_BYTES):
        digest.update(piece)
        target.write(piece)
        size += len(piece)
    return size, digest.hexdigest()


def kept(folder: Path, path: str) -> Kept:
    """The file `path` of a backup as it is now."""
    digest = hashlib.sha256()
    with (folder / path).open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
        return Kept(path, file.tell(), digest.hexdigest())


def damaged(folder: Path, files: Sequence[Kept], progress: Progress) -> list[str]:
    """What is wrong with the files of a backup, one line each that begins with its path; nothing where all are whole."""

    def look(one: Kept) -> str:
        if not (folder / one.path).is_file():
            return f"{one.path}: missing"
        size = (folder / one.path).stat().st_size
        if size != one.size_bytes:
            return f"{one.path}: {size} bytes instead of {one.size_bytes}"
        return "" if kept(folder, one.path).sha256 == one.sha256 else f"{one.path}: its content changed"

    return [problem for problem in in_parallel(look, files, progress, "checking files") if problem]


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], progress: Progress, label: str) -> Iterator[Result]:
    """Results of `work` in the order of `items`, several at a time."""
    listed = list(items)
    with ThreadPoolExecutor(COPIERS) as pool:
        for done, result in enumerate(pool.map(work, listed), 1):
            progress(done, len(listed), label)
            yield result
