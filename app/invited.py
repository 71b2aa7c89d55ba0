"""The page at /invitation: takes a membership somebody offered; who is not signed in comes back to it after signing in or registering."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.forms import address_of, form_fields, is_same_origin, page, told, waiting
from app.services import Services
from app.throttle import Throttle
from aurora.accounts import invitations, sites
from aurora.accounts.models import User
from aurora.domain.texts import text
from aurora.errors import Conflict, Refused

PATH = "/invitation"
SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}")


def secret_in(given: Mapping[str, str], name: str) -> str:
    """The secret of an invitation that a form or an address carries under `name`; empty where that cannot be one."""
    found = given.get(name, "")
    return found if SECRET.fullmatch(found) else ""


def way_to(secret: str) -> str:
    """Where somebody goes on who has just signed in: the invitation they hold, else the pages. Never an address that was given."""
    return f"{PATH}?token={secret}" if secret else "/"


def carried(given: Mapping[str, str]) -> dict[str, str]:
    """What the forms of login and registration hand on of an invitation: the hidden field, and the query of their links."""
    secret = secret_in(given, "invitation")
    return {"given_invitation": secret, "invited": f"?invitation={secret}" if secret else ""}


class Invited:
    """Routes of the page, with what they need."""

    def __init__(self, services: Services, throttle: Throttle) -> None:
        self._services = services
        self._throttle = throttle

    def routes(self) -> list[Route]:
        """The form and its answer."""
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """What is offered, and a button that takes it; who is not signed in gets the ways there. Opening it changes nothing."""
        user = await to_thread.run_sync(self._user, request)
        secret = secret_in(request.query_params, "token")
        if not secret:
            return told(text("account.no_invitation_title"), text("account.no_invitation"), is_inside=user is not None)
        return self._form(request, user, secret) if user else self._ways(secret)

    async def submit(self, request: Request) -> Response:
        """Take the membership; 400 where the secret is worthless, 409 for a member, 403 where the form is not this login's."""
        fields = await form_fields(request)
        user = await to_thread.run_sync(self._user, request)
        if fields is None or user is None:
            return self._ways(secret_in(fields or {}, "secret"), 413 if fields is None else 403)
        is_own = self._services.sessions.is_own_form("invitation", fields.get("token", ""), request.cookies)
        if not is_own or not is_same_origin(request):
            return self._form(request, user, secret_in(fields, "secret"), text("login.expired_form"), 403)
        return await to_thread.run_sync(self._accept, request, user, secret_in(fields, "secret"))

    def _user(self, request: Request) -> User | None:
        return self._services.sessions.user(request.cookies, datetime.now(UTC))

    def _accept(self, request: Request, user: User, secret: str) -> Response:
        if seconds := self._throttle.spend_token(address_of(request)):
            return waiting(self._form(request, user, secret, text("login.too_many", seconds=seconds), 429), seconds)
        accounts = self._services.accounts
        try:
            got = invitations.accept(accounts, user.user_id, secret, by=user.user_id)
        except Conflict as error:
            return self._form(request, user, secret, str(error), 409)
        except Refused:
            return self._form(request, user, secret, text("account.bad_invitation"), 400)
        site = sites.find_site(accounts, got["site_id"])
        words = text("account.invitation_accepted", site=site.name, role=text(f"account.role_{got['role']}"))
        return told(text("account.invited_title"), words, is_inside=True)

    def _form(self, request: Request, user: User, secret: str, problem: str = "", status: int = 200) -> HTMLResponse:
        values = {
            "problem": problem,
            "given_secret": secret,
            "token": self._services.sessions.own_token("invitation", request.cookies),
            "account_invited_as": text("account.invited_as", username=user.username),
        }
        return page("invitation.html", values, status)

    def _ways(self, secret: str, status: int = 200) -> HTMLResponse:
        query = carried({"invitation": secret})
        is_closed = self._services.settings.registration == "closed"
        link = f'<a class="button quiet" href="/register{escape(query["invited"])}">{escape(text("account.register_link"))}</a>'
        return page("invited.html", query, status, {"register": "" if is_closed else link})
