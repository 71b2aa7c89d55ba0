"""Checksums that travel with what they prove: of a data file in its name, of a commit in what the commit says about itself."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

DIGITS = 16
COMMIT_CHECKSUM = "aurora_checksum"
MARKS = ("aurora", "source", "refresh_id")
CHECKED = re.compile(rf"-([0-9a-f]{{{DIGITS}}})\.parquet$")


def checked_name(content: bytes | memoryview) -> str:
    """A name that was never given before, for a file with this content."""
    return f"{uuid.uuid4().hex}-{checksum(content)}.parquet"


def checksum(content: bytes | memoryview) -> str:
    """The first 64 bits of the content's SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def is_whole(path: str, content: bytes | memoryview) -> bool | None:
    """Whether content is what the name says; None where the name says nothing, as in files of the first release."""
    match = CHECKED.search(path)
    return checksum(content) == match[1] if match else None


def commit_checksum(
    adds: Sequence[tuple[Any, ...]], removes: Sequence[tuple[Any, ...]], transactions: Sequence[tuple[str, int]], marks: Mapping[str, Any]
) -> str:
    """Checksum of what a commit does.

    Args:
        adds: path, size, partition values, whether rows are new, statistics of each file that it adds.
        removes: path, whether rows are gone of each file that it removes.
        transactions: Application id and number.
        marks: What it says about itself; only `MARKS` count.
    """
    marked = {name: marks[name] for name in MARKS if name in marks}
    told = [sorted(adds, key=lambda add: add[0]), sorted(removes, key=lambda gone: gone[0]), sorted(transactions), marked]
    return checksum(json.dumps(told, sort_keys=True).encode())


def is_commit_whole(actions: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether a commit does what it did when it was written; None where it does not say, as those of the first release.

    Raises:
        KeyError: If an action lacks what it must have.
    """
    said: Mapping[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), dict[str, Any]())
    adds = [action["add"] for action in actions if "add" in action]
    if COMMIT_CHECKSUM not in said:
        # Whoever writes names with checksums writes this one too: where it is not to be found, it is damaged.
        return False if any(CHECKED.search(one["path"]) for one in adds) else None
    removes = [action["remove"] for action in actions if "remove" in action]
    return bool(
        said[COMMIT_CHECKSUM]
        == commit_checksum(
            [(unquote(one["path"]), one["size"], one["partitionValues"], one["dataChange"], one["stats"]) for one in adds],
            [(unquote(one["path"]), one["dataChange"]) for one in removes],
            [(action["txn"]["appId"], action["txn"]["version"]) for action in actions if "txn" in action],
            said,
        )
    )
