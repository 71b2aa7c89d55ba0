"""JSON text of senders: its content within bounds, and the elements of an array as they were written."""

import json
from typing import Any

import msgspec

from ingestion.messages import Fault

# No payload that means something has more; read into objects it would take hundreds of times its size.
MOST_ELEMENTS = 100_000
MOST_COMMAS = 400_000
ALWAYS_ELEMENTS = 20_000
ALWAYS_COMMAS = 100_000
LEAST_ELEMENT_BYTES = 32
LEAST_FIELD_BYTES = 8
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
TOO_MANY = Fault("", "too_many", "It holds more elements or fields than are taken at once. Send it in smaller parts.")

_raw_array = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder()
_scanner = json.JSONDecoder()


def parse_json(payload: bytes) -> tuple[Any, Fault | None]:
    """The content of a JSON text and None, or None and why it has none.

    NaN and Infinity, which JSON does not know, come through as floats, so that the field that holds one can be named.
    """
    most = min(MOST_ELEMENTS, max(ALWAYS_ELEMENTS, len(payload) // LEAST_ELEMENT_BYTES))
    most_commas = min(MOST_COMMAS, max(ALWAYS_COMMAS, len(payload) // LEAST_FIELD_BYTES))
    if payload.count(b"{") + payload.count(b"[") > most + 1 or payload.count(b",") > most_commas:
        return None, TOO_MANY
    try:
        content = _anything.decode(payload)
    except UNREADABLE:
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError):
            return None, Fault("", "not_json", "The payload is not JSON text in UTF-8.")
    return (None, TOO_MANY) if isinstance(content, list) and len(content) > most else (content, None)


def elements_as_written(payload: bytes, elements: list[Any]) -> list[bytes]:
    """Each element of an array as it was sent."""
    try:
        return [bytes(raw) for raw in _raw_array.decode(payload)]
    except UNREADABLE:
        pass
    # Not quite JSON: with a NaN in it, or in another encoding.
    encoding = json.detect_encoding(payload)
    text, found = payload.decode(encoding), list[bytes]()
    place = text.index("[") + 1
    for _ in elements:
        start = _after_space(text, place)
        _, end = _scanner.raw_decode(text, start)
        found.append(text[start:end].encode(encoding))
        place = _after_space(text, end) + 1
    return found


def _after_space(text: str, place: int) -> int:
    while text[place] in " \t\n\r":
        place += 1
    return place
