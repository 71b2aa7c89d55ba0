"""Gives every HTTP request an id, measures it and logs it once, without its query or any header."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aurora import metrics
from aurora.logs import logger

ID_HEADER = "x-request-id"
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
QUIET_PATHS = ("/static/", "/_stcore/health", "/healthz", "/readyz", "/v1/healthz", "/v1/readyz")
_log = logger(__name__)


class RequestLog:
    """ASGI middleware; a caller's own `X-Request-ID` is kept where it looks like one."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id in every log line written for it and in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(ID_HEADER, "")
        request_id = scope[ID_HEADER] = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        started, status = time.perf_counter(), 500

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[ID_HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, marked)
            finally:
                self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        metrics.REQUEST_SECONDS.labels(self._service, _route(scope), str(status)).observe(seconds)
        level = _log.debug if scope["path"].startswith(QUIET_PATHS) else _log.info
        level("request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


def id_of(scope: Scope) -> str:
    """The id of a request that came by `RequestLog`; empty for another."""
    return str(scope.get(ID_HEADER, ""))


def _route(scope: Scope) -> str:
    """The route's pattern, so that ids do not become labels; the first folder where no route was met."""
    route = getattr(scope.get("route"), "path", None)
    if route:
        return str(route)
    first = scope["path"].split("/")[1]
    return f"/{first}" if first in {"static", "_stcore", "media", "login", "logout", "healthz", "readyz"} else "other"
