"""The page of one's own account: profile, password, logins, data, the way out for good. Each form is tied to the login it was made for."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from html import escape
from typing import Any

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.forms import address_of, form_fields, is_same_origin, page, set_cookie, told, waiting, whence_of
from app.services import Services
from app.throttle import Throttle
from aurora.accounts import people
from aurora.accounts.facts import plain
from aurora.accounts.models import Login
from aurora.accounts.people import Grant
from aurora.domain.texts import text
from aurora.errors import Refused, WrongFacts

ACTIONS = ("profile", "password", "end", "end_others", "delete")
MOST_NAME = 128
Deed = Callable[[Request, Grant, dict[str, str]], Response]


class TooSoon(Refused):
    """Too many wrong passwords.

    Attributes:
        seconds: How long to wait.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(text("login.too_many", seconds=seconds))
        self.seconds = seconds


class Account:
    """Routes of the page, with what they need."""

    def __init__(self, services: Services, throttle: Throttle) -> None:
        self._services = services
        self._throttle = throttle

    def routes(self) -> list[Route]:
        """The page, its forms and the file of one's own data."""
        deeds: dict[str, Deed] = {
            "profile": self._profile, "password": self._password, "end": self._end, "end_others": self._end_others, "delete": self._delete,
        }  # fmt: skip
        return [
            Route("/account", self._show, methods=["GET"]),
            Route("/account/export", self._export, methods=["GET"]),
            *(Route(f"/account/{action}", self._submit(action, deed), methods=["POST"]) for action, deed in deeds.items()),
        ]

    def _grant(self, request: Request) -> Grant | None:
        return self._services.sessions.grant(request.cookies, datetime.now(UTC))

    async def _show(self, request: Request) -> Response:
        grant = await to_thread.run_sync(self._grant, request)
        return await to_thread.run_sync(self._page, request, grant) if grant else RedirectResponse("/login", status_code=303)

    async def _export(self, request: Request) -> Response:
        grant = await to_thread.run_sync(self._grant, request)
        if grant is None:
            return RedirectResponse("/login", status_code=303)
        found = await to_thread.run_sync(people.export_of, self._services.accounts, grant.user, datetime.now(UTC))
        name = {"content-disposition": 'attachment; filename="aurora-export.json"'}
        return Response(msgspec.json.encode(found), media_type="application/json", headers=name)

    def _submit(self, action: str, deed: Deed) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def submit(request: Request) -> Response:
            fields = await form_fields(request)
            is_own = fields is not None and self._services.sessions.is_own_form(action, fields.get("token", ""), request.cookies)
            if fields is None or not is_own or not is_same_origin(request):
                return told(text("account.title"), text("login.expired_form"), 403, is_inside=True)
            return await to_thread.run_sync(self._answer, request, deed, fields)

        return submit

    def _answer(self, request: Request, deed: Deed, fields: dict[str, str]) -> Response:
        grant = self._grant(request)
        if grant is None:
            return RedirectResponse("/login", status_code=303)
        try:
            return deed(request, grant, fields)
        except TooSoon as error:
            return waiting(self._page(request, grant, problem=str(error), status=429), error.seconds)
        except Refused as error:
            return self._page(request, grant, problem=str(error), status=400)

    def _profile(self, request: Request, grant: Grant, fields: dict[str, str]) -> Response:
        changes = {name: fields[name].strip() or None for name in ("full_name", "email") if name in fields}
        full_name, email, done = changes.get("full_name"), changes.get("email"), text("account.saved")
        if full_name:
            changes["full_name"] = _plain_name(full_name)
        if "email" in changes and people.is_other_email(grant.user, email):
            done = self._may_move(request, grant, fields, email) or done
        else:
            changes.pop("email", None)
        people.change_profile(self._services.accounts, self._services.post, grant.user, changes)
        return self._page(request, self._grant(request) or grant, done=done)

    def _may_move(self, request: Request, grant: Grant, fields: dict[str, str], email: str | None) -> str:
        """Refuse another address without the password or after too many mails; returns what to say where a mail is sent."""
        if email:
            people.check_email(email)
        self._prove(request, grant, fields)
        if not email or not self._services.post.is_configured:
            return ""
        if seconds := self._throttle.mail(grant.user.user_id, email):
            raise TooSoon(seconds)
        return text("account.email_offered", email=email)

    def _password(self, request: Request, grant: Grant, fields: dict[str, str]) -> Response:
        user, services = grant.user, self._services
        people.check_password(fields.get("password", ""), user.username, user.email)
        self._prove(request, grant, fields)
        people.replace_password(services.accounts, user, fields["password"], "password.change", user.user_id, address_of(request))
        answer, sessions = RedirectResponse("/account", status_code=303), services.sessions
        cookie = sessions.start(user, datetime.now(UTC), whence_of(request))
        set_cookie(services, answer, request, sessions.cookie_name, cookie, sessions.seconds)
        return answer

    def _end(self, request: Request, grant: Grant, fields: dict[str, str]) -> Response:
        people.revoke_login(self._services.accounts, grant.user.user_id, fields.get("login_id", ""), datetime.now(UTC))
        return self._page(request, grant, done=text("account.ended"))

    def _end_others(self, request: Request, grant: Grant, _fields: dict[str, str]) -> Response:
        people.revoke_others(self._services.accounts, grant.user.user_id, grant.login_id, datetime.now(UTC))
        return self._page(request, grant, done=text("account.ended"))

    def _delete(self, request: Request, grant: Grant, fields: dict[str, str]) -> Response:
        self._prove(request, grant, fields)
        people.delete_user(self._services.accounts, grant.user, datetime.now(UTC), address_of(request))
        answer = told(text("account.leave"), text("account.left"))
        answer.delete_cookie(self._services.sessions.cookie_name)
        return answer

    def _prove(self, request: Request, grant: Grant, fields: dict[str, str]) -> None:
        name, address = grant.user.username, address_of(request)
        if seconds := self._throttle.begin(name, address):
            raise TooSoon(seconds)
        if not people.is_password_of(grant.user, fields.get("current_password", "")):
            raise WrongFacts([(text("account.current_password"), text("account.wrong_password"))])
        self._throttle.succeeded(name, address)

    def _page(self, request: Request, grant: Grant, problem: str = "", done: str = "", status: int = 200) -> HTMLResponse:
        tokens = {f"{action}_token": self._services.sessions.own_token(action, request.cookies) for action in ACTIONS}
        logins = people.logins_of(self._services.accounts, grant.user.user_id, datetime.now(UTC))
        values = {
            "problem": problem,
            "done": done,
            "username": grant.user.username,
            "given_full_name": grant.user.full_name or "",
            "given_email": grant.user.email or "",
            "account_leave_hint": text("account.leave_hint", days=self._services.settings.purge_days),
        }
        items = "".join(_item(login, grant.login_id, tokens["end_token"]) for login in logins)
        return page("account.html", values | tokens, status, {"logins": items})


def _plain_name(given: str) -> str:
    try:
        if len(given) <= MOST_NAME:
            return plain(given)
        reason = f"has at most {MOST_NAME} characters"
    except ValueError as error:
        reason = str(error)
    raise WrongFacts([(text("account.full_name"), reason)])


def _item(login: Login, own_id: str, token: str) -> str:
    kind = text("account.kind_browser") if login.kind == "browser" else text("account.kind_api")
    used = text("account.last_used", at=f"{login.last_used_at:%Y-%m-%d %H:%M} UTC", address=login.address or text("app.unknown"))
    title = f"{kind} · {text('account.this_session')}" if login.login_id == own_id else kind
    agent = f"<small>{escape(login.user_agent)}</small>" if login.user_agent else ""
    end = (
        f'<form method="post" action="/account/end"><input type="hidden" name="token" value="{escape(token)}">'
        f'<input type="hidden" name="login_id" value="{escape(login.login_id)}">'
        f'<button class="quiet" type="submit">{escape(text("account.end_session"))}</button></form>'
    )
    return f"<li><div>{escape(title)}{agent}<small>{escape(used)}</small></div>{'' if login.login_id == own_id else end}</li>"
