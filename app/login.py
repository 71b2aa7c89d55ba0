"""The way in and out: the form at /login and the end of a login at /logout."""

from datetime import UTC, datetime

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.forms import (
    ASSETS,
    address_of,
    form_fields,
    is_same_origin,
    outer_fields,
    outer_page,
    page,
    set_cookie,
    told,
    waiting,
    whence_of,
)
from app.invited import carried, secret_in, way_to
from app.services import Services
from app.throttle import Throttle
from aurora.accounts import people
from aurora.accounts.models import User
from aurora.domain.texts import text
from aurora.logs import logger

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
        query = dict(request.query_params)
        if await to_thread.run_sync(self._sessions.user, request.cookies, datetime.now(UTC)):
            return RedirectResponse(way_to(secret_in(query, "invitation")), status_code=303)
        return self._form(request, {"invitation": query.get("invitation", "")})

    async def submit(self, request: Request) -> Response:
        """Check the form: 303 to the pages with a new session cookie, or the form again with the reason."""
        fields, status, problem = await outer_fields(self._services, request)
        if status:
            return self._form(request, fields, status, problem)
        return await to_thread.run_sync(self._judge, request, fields)

    def _judge(self, request: Request, fields: dict[str, str]) -> Response:
        username, password, address = fields.get("username", ""), fields.get("password", ""), address_of(request)
        if seconds := self._throttle.begin(username, address):
            return waiting(self._form(request, fields, 429, text("login.too_many", seconds=seconds)), seconds)
        user = people.check_login(self._services.accounts, username, password, address)
        if user is None:
            _log.info("login_refused", address=address)
            return self._form(request, fields, 401, text("login.wrong"))
        self._throttle.succeeded(username, address)
        return welcome(self._services, request, user, way_to(secret_in(fields, "invitation")))

    async def ask_logout(self, request: Request) -> Response:
        """A form that ends the login."""
        return page("logout.html", {"token": self._sessions.logout_token(request.cookies)})

    async def logout(self, request: Request) -> Response:
        """End the login for good and go to the form; 403 where the request does not come from our own page."""
        fields = await form_fields(request)
        if fields is None or not is_same_origin(request) or not self._sessions.is_own_logout_form(fields.get("token", ""), request.cookies):
            return told(text("login.logout_title"), text("login.expired_form"), 403, is_inside=True)
        await to_thread.run_sync(self._sessions.end, request.cookies, datetime.now(UTC))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(self._sessions.cookie_name)
        return answer

    def _form(self, request: Request, fields: dict[str, str], status: int = 200, problem: str = "") -> HTMLResponse:
        given = {"problem": problem, "given_username": fields.get("username", "")} | carried(fields)
        return outer_page(self._services, request, "login.html", given, status)


def welcome(services: Services, request: Request, user: User, goal: str = "/") -> Response:
    """303 to `goal`, a path of our own, with a new login; one the browser brought along ends, so that nobody can plant theirs."""
    now, sessions = datetime.now(UTC), services.sessions
    sessions.end(request.cookies, now)
    answer = RedirectResponse(goal, status_code=303)
    set_cookie(services, answer, request, sessions.cookie_name, sessions.start(user, now, whence_of(request)), sessions.seconds)
    answer.delete_cookie(sessions.form_cookie_name)
    _log.info("logged_in", user_id=user.user_id)
    return answer
