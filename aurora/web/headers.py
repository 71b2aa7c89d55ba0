"""What every answer tells the browser to be careful with."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # No other site learns an address that holds the secret of a mail. Stricter still, a browser would send its forms as from nowhere.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
}
# The API says how long a report may be kept.
MAY_SAY = frozenset({"cache-control"})
# For a server that shows no page: nothing may be loaded, run or framed.
NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
TLS_SECONDS = 365 * 24 * 3600


def with_headers(scope: Scope, send: Send, headers: Mapping[str, str], *, is_cacheable: bool, may_say: frozenset[str]) -> Send:
    """A `send` that adds `headers`, behind TLS the wish to stay there, and `no-store` unless `is_cacheable`.

    An answer's own value stays only of the headers in `may_say`.
    """
    added = dict(headers)
    if scope.get("scheme") == "https":
        added["strict-transport-security"] = f"max-age={TLS_SECONDS}"
    if not is_cacheable:
        added["cache-control"] = "no-store"

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = MutableHeaders(scope=message)
            for name, value in added.items():
                if name not in may_say or name not in known:
                    known[name] = value
        await send(message)

    return guarded


class SecurityHeaders:
    """ASGI middleware: the security headers and a content policy on every answer."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = SECURITY_HEADERS | {"content-security-policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer carries the headers."""
        is_http = scope["type"] == "http"
        guarded = with_headers(scope, send, self._headers, is_cacheable=False, may_say=MAY_SAY) if is_http else send
        await self._app(scope, receive, guarded)
