"""The way in and out: the form at /login and the end of a login at /logout."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.services import Services
from app.throttle import Throttle
from aurora.accounts import people
from aurora.accounts.models import User
from aurora.domain.texts import text
from aurora.logs import logger

ASSETS = Path(__file__).parent / "assets"
MOST_FORM_BYTES = 8192
_log = logger(__name__)


class Login:
    """Routes of the login form, with what they need."""

    def __init__(self, services: Services, throttle: Throttle) -> None:
        self._services = services
        self._sessions = services.sessions
        self._throttle = throttle

    def routes(self) -> list[Route]:
        """What to mount: the form, its style sheet, the way out."""
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.submit, methods=["POST"]),
            Route("/login.css", lambda _request: FileResponse(ASSETS / "login.css"), methods=["GET"]),
            Route("/logout", self.ask_logout, methods=["GET"]),
            Route("/logout", self.logout, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form; the pages where somebody is logged in already."""
        if await to_thread.run_sync(self._sessions.user, request.cookies, datetime.now(UTC)):
            return RedirectResponse("/", status_code=303)
        return self._form(request)

    async def submit(self, request: Request) -> Response:
        """Check the form: 303 to the pages with a new session cookie, or the form again with the reason."""
        fields = await form_fields(request)
        if fields is None:
            return self._form(request, 413, text("login.body_too_large"))
        username, address = fields.get("username", ""), request.client.host if request.client else ""
        if not is_same_origin(request) or not self._sessions.is_own_login_form(fields.get("token", ""), request.cookies):
            return self._form(request, 403, text("login.expired_form"), username)
        if seconds := self._throttle.begin(username, address):
            answer = self._form(request, 429, text("login.too_many", seconds=seconds), username)
            answer.headers["retry-after"] = str(seconds)
            return answer
        user = await to_thread.run_sync(people.check_login, self._services.accounts, username, fields.get("password", ""))
        if user is None:
            _log.info("login_refused", address=address)
            return self._form(request, 401, text("login.wrong"), username)
        self._throttle.succeeded(username, address)
        return await to_thread.run_sync(self._welcome, request, user)

    def _welcome(self, request: Request, user: User) -> Response:
        now = datetime.now(UTC)
        self._sessions.end(request.cookies, now)
        answer = RedirectResponse("/", status_code=303)
        self._set_cookie(answer, request, self._sessions.cookie_name, self._sessions.start(user, now), self._sessions.seconds)
        answer.delete_cookie(self._sessions.form_cookie_name)
        _log.info("logged_in", user_id=user.user_id)
        return answer

    async def ask_logout(self, request: Request) -> Response:
        """A form that ends the login."""
        return _page("logout.html", {"token": self._sessions.logout_token(request.cookies)})

    async def logout(self, request: Request) -> Response:
        """End the login for good and go to the form; 403 where the request does not come from our own page."""
        fields = await form_fields(request)
        if fields is None or not is_same_origin(request) or not self._sessions.is_own_logout_form(fields.get("token", ""), request.cookies):
            return HTMLResponse(escape(text("login.expired_form")), status_code=403)
        await to_thread.run_sync(self._sessions.end, request.cookies, datetime.now(UTC))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(self._sessions.cookie_name)
        return answer

    def _form(self, request: Request, status: int = 200, problem: str = "", username: str = "") -> Response:
        nonce = self._sessions.form_nonce(request.cookies)
        answer = _page("login.html", {"problem": problem, "given_username": username, "token": self._sessions.login_token(nonce)}, status)
        self._set_cookie(answer, request, self._sessions.form_cookie_name, nonce, None)
        return answer

    def _set_cookie(self, answer: Response, request: Request, name: str, value: str, seconds: int | None) -> None:
        answer.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https")


def is_same_origin(request: Request) -> bool:
    """Whether a form was sent by a page of this very server; browsers say so in `Origin`, other programs need not."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


async def form_fields(request: Request) -> dict[str, str] | None:
    """Fields of an URL-encoded form, the first of each name; None where it is larger than any form of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return None
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}


def _page(file_name: str, values: dict[str, str], status: int = 200) -> HTMLResponse:
    names = ("title", "username", "password", "submit", "logout_title")
    words = {name: text(f"login.{name}") for name in names}
    words |= {"app": text("app.name"), "claim": text("app.claim"), "sign_out": text("app.sign_out")}
    template = Template((ASSETS / file_name).read_text(encoding="utf-8"))
    return HTMLResponse(template.substitute({name: escape(value) for name, value in (words | values).items()}), status_code=status)
