"""Damage noticed where it would do harm: data files before they are first read, logs where they cannot be opened."""

# pyarrow ships no types, so what comes from it is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import hashlib
import json
import re
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from aurora.errors import Damaged, Missing
from aurora.lake.checksums import CHECKED, DIGITS, is_commit_whole
from aurora.lake.storage import Storage

WAY_OUT = "`aurora maintain --verify` names all damage; restore the newest backup into an empty home with `aurora restore`."
# How Delta's words begin where it reached a log and could not read it.
UNREADABLE = re.compile(r"(Kernel|Arrow|Parquet|Json|.*[Dd]eseriali[sz]e).*", re.DOTALL)
# A file's name takes about 150 bytes; whoever looks at the newest files for months forgets the oldest and looks at them once more.
MOST_KNOWN = 100_000
# Commits that are read one by one rather than looking for a checkpoint among them.
MOST_SINCE = 20
CHECKPOINT = re.compile(r"/(\d{20})\.checkpoint[^/]*\.parquet$")


class Whole:
    """The data files that this process found as they were written. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = Lock()

    def checked(self, files: list[str]) -> list[str]:
        """The files, which lie on this machine, after each was compared once with the checksum in its name.

        Raises:
            Damaged: Names the first that changed.
            Missing: Names the first that is not there.
        """
        for file in files:
            if file in self._known:
                continue
            if _has_changed(file):
                raise Damaged(f"{file} is damaged: its content changed. {WAY_OUT}")
            with self._lock:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known.add(file)
        return files


def _has_changed(file: str) -> bool:
    match = CHECKED.search(file)
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - thousands of paths are strings already
            return match is not None and hashlib.file_digest(opened, "sha256").hexdigest()[:DIGITS] != match[1]
    except FileNotFoundError:
        raise Missing(f"{file} is missing: it was lost, or is no longer kept. {WAY_OUT}") from None


class WholeLogs:
    """The commits that this process found as they were written. Delta passes over an action whose name it does not know, without a word."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}

    def check(self, storage: Storage, name: str, version: int) -> None:
        """Look at the commits of a table up to a version that were not looked at yet, since the checkpoint before it.

        Raises:
            Damaged: Names the first that does not do what it did when it was written.
        """
        known = self._until.get(name)
        if known is not None and version <= known:
            return
        first = known + 1 if known is not None and version - known <= MOST_SINCE else _after_checkpoint(storage, name, version)
        for number in range(first, version + 1):
            path = f"{name}/_delta_log/{number:020d}.json"
            try:
                content = storage.read_bytes(path)
            except FileNotFoundError:
                # Taken away since, behind a checkpoint.
                continue
            if problem := _problem(path, content):
                raise Damaged(f"{path} is damaged: {problem}. {WAY_OUT}")
        self._until[name] = version

    def wrote(self, name: str, version: int) -> None:
        """This process wrote that commit, after all that it knew."""
        if self._until.get(name) == version - 1:
            self._until[name] = version


def _after_checkpoint(storage: Storage, name: str, version: int) -> int:
    """The first version after the newest checkpoint up to `version`."""
    found = [int(match[1]) for path in storage.paths(f"{name}/_delta_log") if (match := CHECKPOINT.search(path))]
    return max((number + 1 for number in found if number <= version), default=0)


def damage_of_log(storage: Storage, name: str, error: Exception) -> Damaged | None:
    """What of a table's log is not as it was written, after Delta failed at it; None where that is not why it failed."""
    for path in sorted(storage.paths(f"{name}/_delta_log"), reverse=True):
        if problem := _problem(path, storage.read_bytes(path)):
            return Damaged(f"{path} is damaged: {problem}. {WAY_OUT}")
    first = str(error).strip().partition("\n")[0]
    return Damaged(f"{name}/_delta_log is damaged: {first}. {WAY_OUT}") if UNREADABLE.fullmatch(first) else None


def _problem(path: str, content: bytes) -> str:
    if path.endswith(".parquet"):
        return parquet_problem(content)
    try:
        return commit_problem([json.loads(line) for line in content.splitlines() if line.strip()])
    except ValueError as error:
        return f"cannot be read: {error}"


def commit_problem(actions: list[dict[str, object]]) -> str:
    """What is wrong with a commit that can be read; empty where it does what it did when it was written, or does not say."""
    try:
        return "what it does has changed" if not actions or is_commit_whole(actions) is False else ""
    except (KeyError, TypeError, AttributeError) as error:
        return f"cannot be read: {error!r}"


def parquet_problem(content: bytes) -> str:
    """What keeps a Parquet file from being read; for files that carry no checksum."""
    try:
        pq.read_table(pa.BufferReader(content)).validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    return ""
