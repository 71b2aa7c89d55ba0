"""Pages for people without a login: /register, /reset, /reset/confirm, /confirm. A link only opens a form, for mail programs open links."""

from collections.abc import Callable, Coroutine
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.forms import address_of, outer_fields, outer_page, told, waiting
from app.invited import carried, secret_in, way_to
from app.login import welcome
from app.services import Services
from app.throttle import Throttle
from aurora.accounts import people
from aurora.domain.texts import text
from aurora.errors import Refused

PATHS = ("/register", "/reset", "/reset/confirm", "/confirm")
Judge = Callable[[Request, dict[str, str]], Response]


class Joining:
    """Routes of these pages, with what they need."""

    def __init__(self, services: Services, throttle: Throttle) -> None:
        self._services = services
        self._throttle = throttle

    def routes(self) -> list[Route]:
        """A form and its answer for each path."""
        forms = {"/register": self._register, "/reset": self._reset, "/reset/confirm": self._set_password, "/confirm": self._confirm}
        shown = [Route(path, self._show(path), methods=["GET"]) for path in PATHS]
        return shown + [Route(path, self._submit(path, judge), methods=["POST"]) for path, judge in forms.items()]

    def _show(self, path: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def show(request: Request) -> Response:
            if path == "/register" and self._services.settings.registration == "closed":
                return told(text("account.register_title"), text("account.closed"), 403)
            query = request.query_params
            return self._form(request, path, {"secret": query.get("token", ""), "invitation": query.get("invitation", "")})

        return show

    def _submit(self, path: str, judge: Judge) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def submit(request: Request) -> Response:
            fields, status, problem = await outer_fields(self._services, request)
            if status:
                return self._form(request, path, fields | {"problem": problem}, status)
            return await to_thread.run_sync(self._answer, request, path, judge, fields)

        return submit

    def _answer(self, request: Request, path: str, judge: Judge, fields: dict[str, str]) -> Response:
        try:
            return judge(request, fields)
        except Refused as error:
            return self._form(request, path, fields | {"problem": str(error)}, 400)

    def _register(self, request: Request, fields: dict[str, str]) -> Response:
        if self._services.settings.registration == "closed":
            return told(text("account.register_title"), text("account.closed"), 403)
        address = address_of(request)
        if seconds := self._throttle.register(address):
            return self._wait(request, "/register", fields, seconds)
        username, password, email = (fields.get(name, "") for name in ("username", "password", "email"))
        user = people.register(self._services.accounts, self._services.post, username, password, email, address)
        return welcome(self._services, request, user, way_to(secret_in(fields, "invitation")))

    def _reset(self, request: Request, fields: dict[str, str]) -> Response:
        account = fields.get("account", "")
        if seconds := self._throttle.reset(account, address_of(request)):
            return self._wait(request, "/reset", fields, seconds)
        people.send_reset(self._services.accounts, self._services.post, account)
        return told(text("account.reset_title"), text("account.reset_sent"))

    def _set_password(self, request: Request, fields: dict[str, str]) -> Response:
        address = address_of(request)
        if seconds := self._throttle.spend_token(address):
            return self._wait(request, "/reset/confirm", fields, seconds)
        people.reset_password(self._services.accounts, fields.get("secret", ""), fields.get("password", ""), address)
        return told(text("account.new_password_title"), text("account.password_set"))

    def _confirm(self, request: Request, fields: dict[str, str]) -> Response:
        address = address_of(request)
        if seconds := self._throttle.spend_token(address):
            return self._wait(request, "/confirm", fields, seconds)
        people.confirm_email(self._services.accounts, self._services.post, fields.get("secret", ""), address)
        return told(text("account.confirm_title"), text("account.confirmed"))

    def _wait(self, request: Request, path: str, fields: dict[str, str], seconds: int) -> Response:
        problem = text("login.too_many", seconds=seconds)
        return waiting(self._form(request, path, fields | {"problem": problem}, 429), seconds)

    def _form(self, request: Request, path: str, fields: dict[str, str], status: int = 200) -> HTMLResponse:
        names = ("username", "email", "account", "secret", "problem")
        given = {f"given_{name}" if name != "problem" else name: fields.get(name, "") for name in names} | carried(fields)
        file_name = path.removeprefix("/").replace("/", "_") + ".html"
        return outer_page(self._services, request, file_name, given, status)
