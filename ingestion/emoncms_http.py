"""Emoncms' input API, so that its devices need only another address: `input/post` and `input/bulk`, with a device's key for the API key.

Every row is good, or nothing of the request is stored and the answer says by row what is wrong.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec import structs

from ingestion.bodies import Turned, read_body, shown, turned
from ingestion.decoders.emoncms import inputs_of
from ingestion.decoders.meters import epoch, number, readings_of
from ingestion.json_text import parse_json
from ingestion.messages import Decoded, DeviceFacts, Fault, Limits, Message, Rejection, joined
from ingestion.registry import Sender

if TYPE_CHECKING:
    from fastapi import FastAPI

MOST_ROWS = 10_000
MOST_VALUES = 1_000
MOST_FIELDS = 100
MOST_UNKNOWN_BYTES = 64 * 1024
RELAXED = re.compile(r"[{}\"'\s]")

FindNode = Callable[[str], DeviceFacts | None]


@dataclass(frozen=True)
class Row:
    """The inputs of one node at one time."""

    node: str
    at: datetime | Fault
    values: Mapping[str, Any]


def install(
    app: "FastAPI",
    enter: Callable[[str | None, str | None, str], Sender],
    land: Callable[[Sender, list[Row]], int],
    most_bytes: int,
) -> None:
    """Serve Emoncms' addresses: `/input/post` and `/input/bulk`, with and without `.json` and `/emoncms` before them.

    Args:
        app: Gets the routes.
        enter: Tells whom a key, an `Authorization` header and an address speak for.
        land: Lands rows and waits for their commit.
        most_bytes: Of a body.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    async def take(request: Request, read: Callable[[Mapping[str, str], datetime], list[Row]]) -> Response:
        address = request.client.host if request.client else ""
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        key = request.query_params.get("apikey") or (token if scheme.lower() == "bearer" else None) or request.headers.get("x-api-key")
        # Whose key is in the body is known only once that is read, so it must be small.
        known = await run_in_threadpool(enter, key, None, address) if key else None
        body = await read_body(request, most_bytes if known else MOST_UNKNOWN_BYTES)

        def work() -> Mapping[str, str]:
            params = _form(body) | dict(request.query_params)
            land(known or enter(params.get("apikey"), None, address), read(params, datetime.now(UTC)))
            return params

        params = await run_in_threadpool(work)
        return JSONResponse({"success": True}) if "fulljson" in params else PlainTextResponse("ok")

    async def post(request: Request) -> Response:
        return await take(request, posted)

    async def bulk(request: Request) -> Response:
        return await take(request, bulked)

    for before in ("", "/emoncms"):
        for ending in ("", ".json"):
            app.add_route(f"{before}/input/post{ending}", post, methods=["GET", "POST"], include_in_schema=False)
            app.add_route(f"{before}/input/bulk{ending}", bulk, methods=["GET", "POST"], include_in_schema=False)


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Turned (400) for more than any form of Emoncms has."""
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS))
    except ValueError:
        raise _bad("", "not_inputs", f"Send at most {MOST_FIELDS} fields.") from None


def posted(params: Mapping[str, str], now: datetime) -> list[Row]:
    """The row of a `post` request. Raises Turned (400) where it holds no inputs."""
    node = params.get("node", "0")
    given = params.get("fulljson") or params.get("json") or params.get("data")
    values: Mapping[str, Any] | None = None
    if given is not None:
        values = _named(given)
    elif (csv := params.get("csv")) is not None:
        values = {str(place): value.strip() for place, value in enumerate(csv.split(",", MOST_VALUES), 1)}
    if not values or len(values) > MOST_VALUES:
        raise _bad("", "not_inputs", 'Send fulljson={"name":value}, json={name:value} or csv=1,2,3.')
    at = _time(params["time"]) if params.get("time") else now
    return [Row(node, at, values)]


def bulked(params: Mapping[str, str], now: datetime) -> list[Row]:
    """The rows of a `bulk` request: `[[seconds, node, value, value …], …]`. Raises Turned (400) where it holds none.

    Seconds count from `time`, from the moment `sentat` or `offset` before now, or so that the last row is now.
    """
    content, fault = parse_json(params.get("data", "").encode())
    if fault is not None and fault.reason == "too_many":
        raise turned([fault])
    if fault is not None or not isinstance(content, list) or not content or len(content) > MOST_ROWS:
        raise _bad("data", "not_inputs", "Send data=[[seconds,node,value,…],…].")
    faulty = [place for place, row in enumerate(content) if not _is_row(row)]
    if faulty:
        raise turned([Fault(f"[{place}]", "not_inputs", "Expected [seconds, node, value, …].") for place in faulty])
    zero = _zero(params, content, now)
    if isinstance(zero, Fault):
        raise Turned(400, [shown(zero)])
    return [_bulk_row(row, zero) for row in content]


def decode(rows: list[Row], find: FindNode, limits: Limits) -> Decoded:
    """Readings of all rows. Inputs of which nothing is said are ignored beside others, as Emoncms' own are before they are given a process.

    Raises:
        Turned: 400 where a node is nobody's, a row cannot be read, or nothing is said of any of its inputs; with every fault, by row.
    """
    faults: list[Fault] = []
    parts: list[Decoded] = []
    for place, row in enumerate(rows):
        device = find(row.node)
        if device is None:
            faults.append(Fault(f"[{place}].node", "unknown_device", f"No device of these credentials is the node {row.node[:64]}."))
            continue
        values = {name if name in device.inputs else _full(row.node, name, device): value for name, value in row.values.items()}
        known = inputs_of(device, values)
        found = readings_of(Message(device, "foreign", "", b""), limits, row.at, known, ignored=len(values) - len(known))
        faults += [replace(fault, field=f"[{place}].{fault.field}".rstrip(".")) for one in found.rejections for fault in one.faults]
        if not known:
            names = ", ".join(row.values)[:256]
            way = f"aurora device set {device.device_id} --input 'NAME=consumption kWh', or --input NAME=ignore"
            faults.append(Fault(f"[{place}]", "unmapped_input", f"What do {names} measure? Say it with {way}."))
        parts.append(found)
    return structs.replace(joined(parts), rejections=(Rejection("", tuple(faults)),) if faults else ())


def _full(node: str, name: str, device: DeviceFacts) -> str:
    """The input's name, with its node before it where that is what is known."""
    return f"{node}/{name}" if f"{node}/{name}" in device.inputs else name


def _named(text: str) -> dict[str, Any] | None:
    """Inputs by name, from JSON or from Emoncms' own way of writing it, without quotes."""
    content, fault = parse_json(text.encode())
    if fault is None:
        return content if isinstance(content, dict) else None
    pairs = [pair.partition(":") for pair in RELAXED.sub("", text).split(",", MOST_VALUES)]
    return {name: value for name, colon, value in pairs} if all(name and colon for name, colon, _ in pairs) else None


def _zero(params: Mapping[str, str], rows: list[list[Any]], now: datetime) -> datetime | Fault:
    """The moment that a row's seconds are counted from."""
    if params.get("time"):
        return _time(params["time"])
    given = params.get("sentat") or params.get("offset")
    seconds = number(given) if given is not None else number(rows[-1][0])
    if seconds is None:
        return Fault("sentat", "bad_time", "sentat is no number of seconds.")
    return _after(now, -seconds, "sentat")


def _bulk_row(row: list[Any], zero: datetime) -> Row:
    values: dict[str, Any] = {}
    for place, value in enumerate(row[2:], 1):
        values |= value if isinstance(value, dict) else {str(place): value}
    return Row(str(row[1]), _after(zero, number(row[0]) or 0.0, "time"), values)


def _after(moment: datetime, seconds: float, field: str) -> datetime | Fault:
    try:
        return moment + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return Fault(field, "bad_time", f"{field} is no number of seconds that lead to a time.")


def _is_row(row: Any) -> bool:
    """Whether something is `[seconds, node, value, …]`."""
    if not isinstance(row, list) or not 3 <= len(row) <= MOST_VALUES + 2 or isinstance(row[1], bool):
        return False
    return number(row[0]) is not None and isinstance(row[1], str | int | float)


def _time(text: str) -> datetime | Fault:
    """A time as seconds since 1970, or as ISO 8601 with its offset."""
    if number(text) is not None:
        return epoch(text, "time")
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else Fault("time", "no_offset", "The time has no offset.")
    except (ValueError, OverflowError):
        return Fault("time", "bad_time", "time is neither seconds since 1970 nor ISO 8601.")


def _bad(field: str, reason: str, sentence: str) -> Turned:
    return Turned(400, [shown(Fault(field, reason, sentence))])
