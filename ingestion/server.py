"""The ingestion process: the HTTP door, the MQTT listener and the one writer behind both."""

import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aurora import __version__, logs, metrics
from aurora.accounts import repeats
from aurora.accounts.database import Accounts
from aurora.accounts.tokens import Tokens
from aurora.errors import AuroraError, Busy, Conflict
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.settings import Settings
from ingestion import emoncms_http, payloads
from ingestion.bodies import MOST_SHOWN, Turned, is_by_line, parse_body, read_body, shown, turned
from ingestion.decoders import aurora as decoder
from ingestion.gate import Barred, Gate
from ingestion.landing import Landing, Receipt, Trouble
from ingestion.listener import Listener, broker_address
from ingestion.messages import Block, Decoded, DeviceFacts, Fault, Limits, Message, Rejection, joined, live_limits
from ingestion.processes import refuse_taken_port, stop_signal, tune_interpreter
from ingestion.registry import DeviceRegistry, KeyRing, Sender
from ingestion.uploads import Uploads
from ingestion.uploads import install as install_uploads

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

COMMIT_WAIT_SECONDS = 30.0
FIRST_SUBSCRIPTION_SECONDS = 5.0
SOURCE = "http"
MOST_ID = 64

log = logs.logger(__name__)


class Door:
    """What the HTTP endpoints do, apart from HTTP itself."""

    def __init__(self, landing: Landing, gate: Gate, registry: DeviceRegistry, accounts: Accounts, settings: Settings) -> None:
        self._accounts = accounts
        self._landing = landing
        self._gate = gate
        self._registry = registry
        self._settings = settings

    @property
    def is_ready(self) -> bool:
        """Whether the writer works and what it has can be written."""
        return self._landing.failure is None and self._landing.trouble is None

    @property
    def trouble(self) -> Trouble | None:
        """Why nothing is stored at the moment."""
        return self._landing.trouble

    def sender(self, key: str | None, authorization: str | None, address: str) -> Sender:
        """Whom these credentials speak for. Raises Barred."""
        return self._gate.sender(key, authorization, address)

    def land(self, sender: Sender, kind: str, body: bytes, content_type: str) -> int:
        """Land what a body says and wait for its commit; returns how many objects it held.

        Raises:
            Turned: 400 where it is no JSON, and with every bad field, nothing stored; 404 for somebody else's device; 503 where the
                commit took too long.
        """
        quick = self._quick_readings(sender, body, content_type) if kind == "readings" else None
        if quick is not None:
            self._commit(Decoded(quick))
            return len(quick)
        content, bad_lines = parse_body(body, content_type)
        elements = content if isinstance(content, list) else [content]
        self._refuse_foreign(sender, kind, elements)
        decoded = self._decode(sender, kind, content)
        if bad_lines:
            raise turned(_with_bad_lines(decoded, bad_lines))
        self._commit(decoded)
        return len(elements)

    def land_inputs(self, sender: Sender, rows: list[emoncms_http.Row]) -> int:
        """Land rows of Emoncms' inputs and wait for their commit; returns how many readings they held. Raises Turned as `land` does."""

        def find(node: str) -> DeviceFacts | None:
            return sender.device or self._node(sender, node)

        decoded = emoncms_http.decode(rows, find, live_limits(self._settings, datetime.now(UTC)))
        metrics.QUANTITIES_IGNORED.labels("emoncms").inc(decoded.ignored)
        self._commit(decoded)
        return len(decoded.readings)

    def once(self, sender: Sender, path: str, key: str | None, body: bytes, done: Callable[[], int]) -> int:
        """What `done` gives, or what it gave when this request came before under its `Idempotency-Key`.

        Raises:
            Turned: 400 for a key that is none, 409 where it came with another body, 503 while it is at work; and as `done` does.
        """
        if key is None:
            return done()
        if not repeats.is_key(key):
            raise Turned(400, [shown(Fault("Idempotency-Key", "bad_key", "Send 1 to 255 printable characters of ASCII."))])
        request, now = repeats.request_of(sender.who, path, key, body), datetime.now(UTC)
        try:
            known = repeats.begin(self._accounts, request, now)
        except Conflict as conflict:
            raise Turned(409, str(conflict)) from None
        except Busy as busy:
            raise Turned(503, str(busy)) from None
        if known is not None:
            return known["accepted"]
        try:
            accepted = done()
        except BaseException:
            repeats.forget(self._accounts, request)
            raise
        repeats.finish(self._accounts, request, {"accepted": accepted}, now)
        return accepted

    def _node(self, sender: Sender, node: str) -> DeviceFacts | None:
        """The device of a gateway's or person's sites that is named like a node, or reads its topic."""
        named = self._registry.find(node)
        found = (named,) if named is not None else self._registry.bound_to(f"emon/{node}")
        return next((device for device in found if device.site_id in sender.site_ids), None)

    def _commit(self, decoded: Decoded) -> None:
        """Land what is without fault and wait for its commit. Raises Turned."""
        faults = [fault for rejection in decoded.rejections for fault in rejection.faults]
        if faults:
            metrics.READINGS_REJECTED.labels(faults[0].reason).inc(len(decoded.rejections))
            raise turned(faults)
        receipt = Receipt()
        try:
            self._landing.submit(decoded, source=SOURCE, topic=None, told=Receipt.told, token=receipt, may_wait=False)
        except Busy as busy:
            raise Turned(503, str(busy)) from None
        if not receipt.wait(COMMIT_WAIT_SECONDS):
            raise Turned(503, "It could not be stored in time. Send it again; what was stored twice counts once.")

    def _quick_readings(self, sender: Sender, body: bytes, content_type: str) -> Block | None:
        """The readings of a body in which nothing is wrong; None where it must be looked at field by field."""
        limits = live_limits(self._settings, datetime.now(UTC))
        are_lines = is_by_line(content_type)
        if not are_lines and body[:1] != b"[":
            return None
        return decoder.quick_readings(body, limits, lambda named: self._device(sender, named), are_lines=are_lines)

    def _device(self, sender: Sender, named: str | None) -> DeviceFacts | None:
        """The device a name stands for, where the credentials speak for it."""
        if named is None or (sender.device is not None and named == sender.device.device_id):
            return sender.device
        found = self._registry.find(named)
        return found if found is not None and found.site_id in sender.site_ids else None

    def _refuse_foreign(self, sender: Sender, kind: str, elements: list[Any]) -> None:
        """Raise Turned (404) where a device is named that the credentials do not speak for, whatever else is wrong."""
        names = {named for _, named in (_named(kind, element) for element in elements) if isinstance(named, str)}
        own = {sender.device.device_id} if sender.device is not None else set[str]()
        found = {name: self._registry.find(name) for name in sorted(names - own)}
        foreign = next((name for name, device in found.items() if device is None or device.site_id not in sender.site_ids), None)
        if foreign is not None:
            # What stands in a body need not be text that an answer can hold.
            name = foreign[:MOST_ID].encode("utf-8", "replace").decode()
            raise Turned(404, f"There is no device {name} that your credentials speak for.")

    def _decode(self, sender: Sender, kind: str, content: Any) -> Decoded:
        limits = live_limits(self._settings, datetime.now(UTC))
        is_array = isinstance(content, list)
        parts: list[Decoded] = []
        faulty = 0
        for index, element in enumerate(content if is_array else [content]):
            parts.append(self._decode_element(sender, kind, element, limits, f"[{index}]" if is_array else ""))
            faulty += len(parts[-1].rejections)
            # Nothing of it will be stored, and more is not told.
            if faulty >= MOST_SHOWN:
                break
        decoded = joined(parts)
        metrics.QUANTITIES_IGNORED.labels("aurora").inc(decoded.ignored)
        return decoded

    def _decode_element(self, sender: Sender, kind: str, element: Any, limits: Limits, place: str) -> Decoded:
        field, named = _named(kind, element)
        device = sender.device
        if isinstance(named, str) and sender.site_ids:
            found = self._registry.find(named)
            device = found if found is not None and found.site_id in sender.site_ids else device
        if device is None:
            path = f"{place}.{field}" if place else field
            fault = (
                Fault(path, "missing_field", f"{field} is missing; the credentials do not tell which device this is of.")
                if named is None
                else Fault(path, "unknown_device", f"{field} is no device that the credentials speak for.")
            )
            return refuse_element(element, fault)
        return decoder.decode_element(Message(device, kind, "", b""), limits, element, place)


def _with_bad_lines(decoded: Decoded, bad_lines: list[Fault]) -> list[Fault]:
    """What is wrong with a body some lines of which are no objects, line by line."""
    places = {fault.field for fault in bad_lines}
    others = [fault for rejection in decoded.rejections for fault in rejection.faults if fault.field not in places]
    return sorted([*bad_lines, *others], key=lambda fault: int(fault.field[1:].partition("]")[0]))


def _named(kind: str, element: Any) -> tuple[str, Any]:
    """The field that names the device of an element, and what stands there."""
    fields = ("station_id", "device_id") if kind == "weather" else ("device_id",)
    given = element if isinstance(element, dict) else {}
    return next(((field, given[field]) for field in fields if given.get(field) is not None), (fields[0], None))


def refuse_element(element: Any, fault: Fault) -> Decoded:
    """An element refused for one fault."""
    return Decoded(rejections=(Rejection(repr(element), (fault,)),))


def describe() -> dict[str, Any]:
    """OpenAPI of the endpoints that take readings and weather."""
    energy = payloads.operation("Send readings", "reading", "interval_energies", example=payloads.READING)
    weather = payloads.operation("Send weather", "weather", example=payloads.WEATHER)
    energy["description"] = "Land one reading or set of energies, or an array of them; 202 after the commit."
    weather["description"] = "Land the weather of one time, or of several; 202 after the commit."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Aurora ingestion", "version": __version__},
        "paths": {
            "/v1/ingest/energy_data": {"post": energy},
            "/v1/ingest/weather_data": {"post": weather},
            "/v1/ingest/files": {"post": payloads.upload()},
        },
        "components": payloads.components(),
    }


def make_app(door: Door, settings: Settings, uploads: Uploads | None = None) -> "FastAPI":
    """The HTTP application over a door, and over what takes files where there is one."""
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse
    from starlette.concurrency import run_in_threadpool

    from aurora.web import refusals
    from aurora.web.headers import NOTHING_ALLOWED, SecurityHeaders
    from aurora.web.heads import HeadAsGet
    from aurora.web.requests import RequestLog

    app = FastAPI(title="Aurora ingestion", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityHeaders, policy=NOTHING_ALLOWED)
    app.add_middleware(RequestLog, service="ingestion")
    refusals.install(app)
    app.openapi = describe  # pyright: ignore[reportAttributeAccessIssue]
    app.add_api_route("/v1/ingest/openapi.json", describe, include_in_schema=False)

    async def take(request: Request, kind: str) -> JSONResponse:
        address = request.client.host if request.client else ""
        sender = await run_in_threadpool(door.sender, request.headers.get("x-api-key"), request.headers.get("authorization"), address)
        body = await read_body(request, settings.max_body_bytes)
        about = (request.url.path, request.headers.get("idempotency-key"), body)

        def land() -> int:
            return door.land(sender, kind, body, request.headers.get("content-type", "").lower())

        return JSONResponse({"accepted": await run_in_threadpool(door.once, sender, *about, land)}, 202)

    @app.exception_handler(Barred)
    async def barred(_request: Request, error: Barred) -> JSONResponse:
        headers = {"Retry-After": str(error.seconds)} if error.seconds else {"WWW-Authenticate": "Bearer"}
        return JSONResponse({"detail": str(error)}, error.status, headers)

    @app.exception_handler(Turned)
    async def turned(_request: Request, error: Turned) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, error.status, {"Retry-After": "5"} if error.status == 503 else None)

    if uploads is not None:
        install_uploads(app, uploads, door.sender)
    emoncms_http.install(app, door.sender, door.land_inputs, settings.max_body_bytes)

    @app.post("/v1/ingest/energy_data", status_code=202)
    async def energy_data(request: Request) -> JSONResponse:
        """Land one reading, or an array of them; 202 after the commit."""
        return await take(request, "readings")

    @app.post("/v1/ingest/weather_data", status_code=202)
    async def weather_data(request: Request) -> JSONResponse:
        """Land the weather of one time, or of several; 202 after the commit."""
        return await take(request, "weather")

    @app.get("/healthz")
    @app.get("/v1/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    @app.get("/v1/readyz")
    async def readyz() -> JSONResponse:
        """Whether what is sent can be stored."""
        trouble = door.trouble
        told = {"since": trouble.since.isoformat(), "reason": trouble.reason} if trouble else {}
        return JSONResponse({"ready": door.is_ready} | told, 200 if door.is_ready else 503)

    return app


@contextmanager
def open_service(settings: Settings, home: Home) -> Iterator[Callable[[], bool]]:
    """Serve HTTP on `ingest_port` and listen to the broker for the block; yields a function that says whether all parts still work.

    Raises:
        Refused: If the port is taken.
        AuroraError: At the end of the block, if the writer had ended before.
    """
    refuse_taken_port(settings.host, settings.ingest_port, "AURORA_INGEST_PORT")
    lake = open_lake(settings.resolved_lake_uri, sync=settings.sync_commits)
    accounts = Accounts(settings.resolved_database_url)
    registry, landing = DeviceRegistry(accounts), Landing(lake, settings)
    listener = Listener(broker_address(settings, home), landing, registry, settings, home)
    gate = Gate(KeyRing(accounts), Tokens(settings, home, accounts), accounts)
    landing.start()
    door, uploads = Door(landing, gate, registry, accounts, settings), Uploads(settings, home)
    server, thread = _serve(make_app(door, settings, uploads), settings)
    listener.start()
    # A broker keeps nothing for a session it has never seen subscribe: who is told "ready" may send.
    if not listener.is_subscribed.wait(FIRST_SUBSCRIPTION_SECONDS):
        log.warning("the broker has not answered yet; MQTT follows as soon as it does", host=settings.host, port=settings.mqtt_port)
    home.note("ingestion", {"url": f"http://{settings.host}:{settings.ingest_port}", "pid": os.getpid()})
    log.info("ingestion ready", port=settings.ingest_port)
    try:
        yield lambda: landing.failure is None and thread.is_alive()
    finally:
        server.should_exit = True
        landing.stop()
        listener.stop()
        thread.join(timeout=1.0)
    if landing.failure is not None:
        raise AuroraError(f"The writer ended ({landing.failure}). Nothing unstored was acknowledged; start the process again.")


def run(settings: Settings, home: Home) -> None:
    """The ingestion process, until SIGTERM. Raises Refused where its port is taken."""
    stop = stop_signal()
    tune_interpreter()
    metrics.serve("ingestion", settings, home)
    with open_service(settings, home) as is_working:
        while not stop.wait(1.0) and is_working():
            pass


def _serve(app: "FastAPI", settings: Settings) -> "tuple[uvicorn.Server, threading.Thread]":
    import uvicorn

    config = uvicorn.Config(
        app,
        settings.host,
        settings.ingest_port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Only these may say whom a request comes from: whoever else connects could claim anything.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    # Log lines of this thread carry what those of the process do.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(server.run,), name="http", daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        thread.join(timeout=0.05)
    return server, thread
