"""Forms that a browser fills in: reading their fields, tying them to the page they came from, and the pages they stand on."""

from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.services import Services
from aurora.accounts.people import Whence
from aurora.domain.texts import catalogue, text

ASSETS = Path(__file__).parent / "assets"
MOST_FORM_BYTES = 8192
SECTIONS = ("app.", "login.", "account.")
# What stands above a form; `told.html` brings its own.
TITLES = {
    "account.html": "account.title",
    "confirm.html": "account.confirm_title",
    "invitation.html": "account.invitation_title",
    "invited.html": "account.invitation_title",
    "login.html": "login.title",
    "logout.html": "login.logout_title",
    "register.html": "account.register_title",
    "reset.html": "account.reset_title",
    "reset_confirm.html": "account.new_password_title",
}
WIDE = frozenset({"account.html"})


def address_of(request: Request) -> str:
    """The IP address a request comes from."""
    return request.client.host if request.client else ""


def whence_of(request: Request) -> Whence:
    """Where a request comes from."""
    return Whence(address_of(request), request.headers.get("user-agent"))


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


async def outer_fields(services: Services, request: Request) -> tuple[dict[str, str], int, str]:
    """Fields of a form for people without a login, with 0; else why it is refused: the status and the words."""
    fields = await form_fields(request)
    if fields is None:
        return {}, 413, text("login.body_too_large")
    if not is_same_origin(request) or not services.sessions.is_own_login_form(fields.get("token", ""), request.cookies):
        return fields, 403, text("login.expired_form")
    return fields, 0, ""


def outer_page(services: Services, request: Request, file_name: str, values: dict[str, str], status: int = 200) -> HTMLResponse:
    """A page for people without a login, with a form that is tied to this browser."""
    nonce = services.sessions.form_nonce(request.cookies)
    answer = page(file_name, {"problem": "", "token": services.sessions.login_token(nonce)} | values, status)
    set_cookie(services, answer, request, services.sessions.form_cookie_name, nonce, None)
    return answer


def page(file_name: str, values: dict[str, str], status: int = 200, parts: dict[str, str] | None = None) -> HTMLResponse:
    """A page of `assets` in its frame. Names of texts (`$login_title`) and `values` are escaped, `parts` are HTML that was made here."""
    words = {key.replace(".", "_"): known for key, known in catalogue("en").items() if key.startswith(SECTIONS)}
    around = {"title": text(TITLES[file_name]) if file_name in TITLES else "", "width": "wide" if file_name in WIDE else "narrow"}
    filled = {name: escape(value) for name, value in (words | around | values).items()} | (parts or {})
    content = _template(file_name).substitute(filled).rstrip()
    return HTMLResponse(_template("frame.html").substitute(filled | {"content": content}), status_code=status)


def told(title: str, words: str, status: int = 200, *, is_inside: bool = False) -> HTMLResponse:
    """A page that only says something; its way on is the energy pages for somebody who `is_inside`, else the login."""
    goal = {"goal": "/", "goal_words": text("account.back")} if is_inside else {"goal": "/login", "goal_words": text("login.submit")}
    return page("told.html", {"title": title, "words": words} | goal, status)


def _template(file_name: str) -> Template:
    return Template((ASSETS / file_name).read_text(encoding="utf-8"))


def set_cookie(services: Services, answer: Response, request: Request, name: str, value: str, seconds: int | None) -> None:
    """Give the browser a cookie that no script reads and that no other site's form brings along; behind TLS it stays there."""
    is_secure = request.url.scheme == "https" or services.settings.public_url.startswith("https://")
    answer.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=is_secure)


def waiting(page_made: HTMLResponse, seconds: int) -> HTMLResponse:
    """The page with the time after which it is worth another try."""
    page_made.headers["retry-after"] = str(seconds)
    return page_made
