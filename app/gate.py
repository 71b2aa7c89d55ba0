"""Lets nobody in without a login: every HTTP request and every websocket of the pages passes here first."""

import base64
import hashlib
import re
from datetime import UTC, datetime

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import invited, joining
from app.sessions import Sessions
from aurora.accounts.models import User
from aurora.domain.texts import text
from aurora.web.headers import SECURITY_HEADERS, with_headers

OPEN_PATHS = frozenset({"/login", "/login.css", *joining.PATHS, invited.PATH, "/healthz", "/readyz", "/v1/healthz", "/v1/readyz"})
PAGE_METHODS = frozenset({"GET", "HEAD"})
# What the pages are made of; a browser never navigates there, so a refusal is a status and no way to the form.
ASSET_FOLDERS = frozenset({"_stcore", "static", "media", "component", "app", "v1"})

# The only script of our own that a page ever inserts; the policy admits it by its hash.
TO_LOGIN_SCRIPT = 'window.location.replace("/login");'
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def content_policy(shell: str) -> str:
    """The content security policy of the pages: nothing from elsewhere, and inline only the scripts of Streamlit's own `shell` page."""
    scripts = [TO_LOGIN_SCRIPT, *INLINE_SCRIPT.findall(shell)]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' " + " ".join(f"'sha256-{digest}'" for digest in hashes),
            # Streamlit's frontend writes its styles into the page as it runs.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Gate:
    """ASGI middleware: refuses what comes without a valid login, and sets the security headers on every answer."""

    def __init__(self, app: ASGIApp, sessions: Sessions, policy: str) -> None:
        self._app = app
        self._sessions = sessions
        self._headers = SECURITY_HEADERS | {"content-security-policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        is_http = scope["type"] == "http"
        is_cacheable = scope["path"].startswith("/static/")
        guarded = with_headers(scope, send, self._headers, is_cacheable=is_cacheable, may_say=frozenset()) if is_http else send
        is_open = scope["type"] == "http" and scope["path"] in OPEN_PATHS
        if is_open or await self.user_of(scope) is not None:
            await self._app(scope, receive, guarded)
        elif scope["type"] == "websocket":
            await receive()
            await guarded({"type": "websocket.close", "code": 1008})
        else:
            await _refusal(scope)(scope, receive, guarded)

    async def user_of(self, scope: Scope) -> User | None:
        """Whose login a request carries."""
        return await to_thread.run_sync(self._sessions.user, cookies_of(Headers(scope=scope)), datetime.now(UTC))


def cookies_of(headers: Headers) -> dict[str, str]:
    """The cookies of a request, as the pages' own routes read them; one that is odd costs no other."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


def _refusal(scope: Scope) -> Response:
    if scope["method"] in PAGE_METHODS and scope["path"].split("/")[1] not in ASSET_FOLDERS:
        return RedirectResponse("/login", status_code=303)
    return JSONResponse({"detail": text("login.refused")}, status_code=401)
