"""Names of data files, which hold a checksum of their content: a file proves by itself that it is whole."""

import hashlib
import re
import uuid

DIGITS = 16
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
