"""The published lake as one process reads it: the newest publication, and the answers wanted last, kept by publication."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import polars as pl
from pyarrow.fs import FileType

from aurora.lake import manifest
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between, Lake

LOOK_SECONDS = 1.0
MOST_ANSWERS = 2_000
Answer = TypeVar("Answer")


class LakeReader:
    """Shared by all sessions of a process; safe between threads."""

    def __init__(self, lake: Lake, look_seconds: float = LOOK_SECONDS) -> None:
        self.lake = lake
        self._look_seconds = look_seconds
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._version = -1
        self._snapshot: Snapshot | None = None
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()

    def snapshot(self) -> Snapshot:
        """The newest publication; an empty one before the first.

        In a folder it is never stale: whether there is a next commit is asked of the file system each time, which takes microseconds. In
        a bucket, where that is a call over the network, it is at most `look_seconds` old.
        """
        with self._lock:
            now = time.monotonic()
            if self._snapshot is None or now - self._looked_at >= self._look_seconds or self._has_next():
                self._look()
                self._looked_at = now
            assert self._snapshot is not None
            return self._snapshot

    def at_hand(self, question: Hashable) -> tuple[Snapshot, Any] | None:
        """The newest publication and its answer, where both can be told without waiting for anything; else None.

        For code that must not wait. What is told is as new as what `snapshot` and `answer_of` tell.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            newest = self._snapshot
            if newest is None or time.monotonic() - self._looked_at >= self._look_seconds or self._has_next():
                return None
            key = (newest.refresh_id, question)
            if key not in self._answers:
                return None
            self._answers.move_to_end(key)
            return newest, self._answers[key]
        finally:
            self._lock.release()

    def _has_next(self) -> bool:
        if not self.lake.storage.is_local:
            return False
        return os.path.exists(f"{self.lake.storage.uri}/{manifest.MANIFEST}/_delta_log/{self._version + 1:020d}.json")  # noqa: PTH110

    def _look(self) -> None:
        version = self.lake.version(manifest.MANIFEST)
        if self._snapshot is not None and version == self._version:
            return
        newest = manifest.newest(self.lake)
        if self._snapshot is None or newest.refresh_id != self._snapshot.refresh_id:
            self._answers.clear()
        self._snapshot, self._version = newest, version

    def is_there(self) -> bool:
        """Whether the lake can be reached now; what was read before does not count. Raises OSError where its place cannot be asked."""
        return self.lake.storage.filesystem.get_file_info(f"{manifest.MANIFEST}/_delta_log").type == FileType.Directory

    def as_of(self, moment: datetime | str) -> Snapshot:
        """The newest publication finished by a time, or the one of a `refresh_id`. Raises NotReady if there is none."""
        return manifest.as_of(self.lake, moment)

    def answer(self, question: Hashable, ask: Callable[[Snapshot], Answer]) -> Answer:
        """What `ask` finds in the newest publication, asked once per publication and `question`."""
        snapshot = self.snapshot()
        return self.answer_of(snapshot, question, lambda: ask(snapshot))

    def answer_of(self, snapshot: Snapshot, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """What `ask` finds in one publication, asked once while the answer is among the ones wanted last."""
        key = (snapshot.refresh_id, question)
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        found = ask()
        with self._lock:
            self._answers[key] = found
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return found


def rows_of_site(snapshot: Snapshot, table: str, site_id: str, between: Sequence[Between] = ()) -> pl.DataFrame:
    """Rows of one site in a published table, unsorted."""
    # A file holds up to 500 sites in the order of their ids: those of other sites are not opened.
    alone = Between("site_id", site_id, f"{site_id}\x00")
    return snapshot.scan(table, [alone, *between]).collect()
