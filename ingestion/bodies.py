"""Bodies of requests to the HTTP door: unpacked, bounded, and read as JSON or as JSON line by line."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from ingestion import json_text
from ingestion.messages import Fault

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_SECONDS = 30.0
# zlib's word for a member of gzip with the largest window.
GZIP = 31
MOST_SHOWN = 10_000
LINES = ("ndjson", "jsonl", "json-lines", "json-seq")


class Turned(Exception):
    """A request that is answered with something else than 202."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def shown(fault: Fault) -> dict[str, str]:
    """A fault as an answer lists it."""
    return {"field": fault.field, "reason": fault.reason, "message": fault.sentence}


def turned(faults: list[Fault]) -> Turned:
    """400 with these faults, the first ten thousand of them; 413 where there was too much to look at."""
    if faults[0].reason == "too_many":
        return Turned(413, faults[0].sentence)
    return Turned(400, [shown(fault) for fault in faults[:MOST_SHOWN]])


def is_by_line(content_type: str) -> bool:
    """Whether the content type says that a body holds one object a line."""
    return any(name in content_type for name in LINES)


def parse_body(body: bytes, content_type: str) -> tuple[Any, list[Fault]]:
    """What a body says: an object, an array, or the objects of its lines; and the lines that are none, which stand as null among them.

    Lines are expected where the content type names them, and tried where the whole is no JSON.

    Raises:
        Turned: 400 where it is neither. 413 where it holds more than is taken at once.
    """
    if not is_by_line(content_type):
        content, fault = json_text.parse_json(body)
        if fault is None:
            return content, []
        if not body.lstrip()[:1] == b"{" or b"\n" not in body.strip():
            raise turned([fault])
    return _lines(body)


def _lines(body: bytes) -> tuple[list[Any], list[Fault]]:
    """The objects that stand one a line, null for a line that is none, and those by index. Raises Turned as `parse_body` does."""
    if body.count(b"\n") > json_text.MOST_ELEMENTS:
        raise turned([json_text.TOO_MANY])
    found: list[Any] = []
    faults: list[Fault] = []
    for line in body.splitlines():
        if not (text := line.strip(b" \t\r\x1e")):
            continue
        content, fault = json_text.parse_json(text)
        is_object = fault is None and isinstance(content, dict)
        if not is_object:
            faults.append(Fault(f"[{len(found)}]", "not_json", "The line is not one JSON object."))
        found.append(content if is_object else None)
    if not found:
        raise turned([Fault("", "not_json", "The body is empty.")])
    return found, faults


async def read_body(request: "Request", most_bytes: int) -> bytes:
    """The body, unpacked where it is gzip. Raises Turned: 408 where it is slow, 413 above `most_bytes`, 400 where it cannot be unpacked."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise Turned(400, [{"field": "", "reason": "unknown_encoding", "message": "Send the body plain or as gzip."}])
    parts = request.stream() if encoding == "identity" else _unpacked(request.stream(), most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in parts:
                body += part
                if len(body) > most_bytes:
                    raise Turned(413, f"The body is larger than {most_bytes} bytes. Send it in smaller parts.")
    except TimeoutError:
        raise Turned(408, f"The body did not come within {BODY_SECONDS:.0f} s. Send it in smaller parts.") from None
    return bytes(body)


async def _unpacked(parts: AsyncIterator[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    """What is packed in a body of one or several gzip members (RFC 1952, 2.2)."""
    unpack, taken = zlib.decompressobj(wbits=GZIP), 0
    try:
        async for packed in parts:
            taken += len(packed)
            if taken > most_bytes:
                raise Turned(413, f"The body is larger than {most_bytes} bytes. Send it in smaller parts.")
            left = packed
            while left:
                unpack = zlib.decompressobj(wbits=GZIP) if unpack.eof else unpack
                yield unpack.decompress(left, most_bytes + 1)
                if unpack.unconsumed_tail:
                    yield unpack.decompress(unpack.unconsumed_tail, most_bytes + 1)
                left = unpack.unused_data
        yield unpack.flush()
        if not unpack.eof:
            raise zlib.error("cut short")
    except zlib.error:
        raise Turned(400, [{"field": "", "reason": "bad_gzip", "message": "The body is not gzip."}]) from None
