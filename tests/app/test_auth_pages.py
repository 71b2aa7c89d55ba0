"""Registering, coming back and one's own account in the browser, with mail that arrives at a real server."""

import email
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import Message

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app import invited
from app.account import Account
from app.forms import told
from app.gate import Gate
from app.invited import Invited
from app.joining import PATHS, Joining
from app.login import Login
from app.services import Services, open_services
from app.throttle import Throttle
from aurora import logs
from aurora.accounts import audit, people
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a staple of its own"
FORMS = [("/login", ["username", "password"]), ("/register", ["username", "email", "password"]), ("/reset", ["account"])]
FORMS += [("/reset/confirm", ["password"]), ("/confirm", [])]


class Inbox:
    """Takes what a mail server is given."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: object, _session: object, envelope) -> str:  # noqa: N802
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 OK"

    def text(self, number: int) -> str:
        return self.mails[number].get_payload(decode=True).decode()  # pyright: ignore

    def secret(self, number: int) -> str:
        return re.search(r"token=(\S+)", self.text(number))[1]  # pyright: ignore


@pytest.fixture
def inbox(free_port: Callable[[], int]) -> Iterator[tuple[Inbox, int]]:
    taken = Inbox()
    controller = Controller(taken, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield taken, controller.port
    controller.stop()


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    """What is written while log lines go to stderr, whoever configured them before in this process."""
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    return capfd


def pages_of(services: Services) -> Starlette:
    limits = Throttle(services.accounts)
    routes = [route for part in (Login, Joining, Invited, Account) for route in part(services, limits).routes()]
    return Starlette(routes=routes, middleware=[Middleware(Gate, sessions=services.sessions, policy="default-src 'self'")])


@pytest.fixture
def services(settings: Settings, home: Home, lake: Lake, admin: User) -> Services:
    return open_services(settings, home)


@pytest.fixture
def posting(settings: Settings, home: Home, lake: Lake, admin: User, inbox: tuple[Inbox, int]) -> Services:
    mail = {"mail_url": f"smtp://127.0.0.1:{inbox[1]}", "mail_from": "aurora@example.com", "public_url": "https://sun.example.com/"}
    return open_services(Settings(**mail), home)  # pyright: ignore


def browser(services: Services) -> TestClient:
    scheme = "https" if services.settings.public_url else "http"
    return TestClient(pages_of(services), follow_redirects=False, base_url=f"{scheme}://sun.local")


def token_in(answer: httpx.Response, action: str) -> str:
    form = answer.text.split(f'action="{action}"')[1]
    return form.split('name="token" value="')[1].split('"')[0]


def send(client: TestClient, path: str, opened: str | None = None, **fields: str) -> httpx.Response:
    token = token_in(client.get(opened or path), path)
    return client.post(path, data={"token": token, **fields})


def signed_in(services: Services, password: str = PASSWORD) -> TestClient:
    client = browser(services)
    assert send(client, "/login", username="ada", password=password).status_code == 303
    return client


def test_registering_signs_in_as_user_whatever_is_asked_for(services: Services, accounts: Accounts) -> None:
    client = browser(services)
    answer = send(client, "/register", username="bob", email="bob@example.com", password=NEW_PASSWORD, role="admin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/account").status_code == 200
    assert people.user_by_name(accounts, "bob").role == "user"


def test_registering_says_what_cannot_be_taken(services: Services) -> None:
    answer = send(browser(services), "/register", username="<b>", email="bob@example.com", password=NEW_PASSWORD)
    assert answer.status_code == 400
    assert "&lt;b&gt;" in answer.text
    assert "<b>" not in answer.text
    assert NEW_PASSWORD not in answer.text


def test_registering_is_refused_when_closed(settings: Settings, home: Home, lake: Lake, admin: User) -> None:
    closed = open_services(settings.model_copy(update={"registration": "closed"}), home)
    client = browser(closed)
    assert client.get("/register").status_code == 403
    token = token_in(client.get("/login"), "/login")
    fields = {"token": token, "username": "bob", "email": "bob@example.com", "password": NEW_PASSWORD}
    assert client.post("/register", data=fields).status_code == 403


@pytest.mark.parametrize(("path", "names"), FORMS)
def test_form_is_refused_when_it_is_not_this_browsers(services: Services, path: str, names: list[str]) -> None:
    client, other = browser(services), browser(services)
    fields = dict.fromkeys(names, "a@example.com")
    own, foreign = token_in(client.get(path), path), token_in(other.get(path), path)
    refused = [
        client.post(path, data=fields),
        client.post(path, data=fields | {"token": foreign}),
        client.post(path, data=fields | {"token": own}, headers={"Origin": "https://evil.example"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 3
    assert client.post(path, data=fields | {"token": own}).status_code != 403


@pytest.mark.parametrize("action", ["profile", "password", "end", "end_others", "delete"])
def test_account_form_is_refused_when_it_is_not_this_logins_and_this_form(services: Services, accounts: Accounts, action: str) -> None:
    client, other = signed_in(services), signed_in(services)
    foreign = services.sessions.own_token(action, dict(other.cookies))
    wrong_form = services.sessions.own_token("other", dict(client.cookies))
    fields = {"current_password": PASSWORD, "password": NEW_PASSWORD, "full_name": "Forged"}
    own = services.sessions.own_token(action, dict(client.cookies))
    for data, headers in (
        (fields, {}),
        (fields | {"token": foreign}, {}),
        (fields | {"token": wrong_form}, {}),
        (fields | {"token": own}, {"Origin": "https://evil.example"}),
    ):
        assert client.post(f"/account/{action}", data=data, headers=headers).status_code == 403
    user = people.user_by_name(accounts, "ada")
    assert (user.full_name, user.deleted_at) == (None, None)
    assert client.post(f"/account/{action}", data=fields | {"token": own}).status_code != 403


@pytest.mark.parametrize("path", ["/account", "/account/export"])
def test_account_needs_a_login(services: Services, path: str) -> None:
    answer = browser(services).get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser(services).post("/account/delete").status_code == 401


@pytest.mark.parametrize(
    "query", ["?next=//evil.example", "?next=https://evil.example", "?url=%2F%2Fevil.example", "?token=//evil.example"]
)
def test_no_page_sends_a_browser_elsewhere(services: Services, query: str) -> None:
    client = browser(services)
    token = token_in(client.get(f"/login{query}"), "/login")
    answer = client.post(f"/login{query}", data={"username": "ada", "password": PASSWORD, "token": token, "next": "//evil.example"})
    assert answer.headers["location"] == "/"
    assert client.get(f"/login{query}").headers["location"] == "/"


def test_login_takes_no_session_that_was_planted(services: Services, accounts: Accounts, admin: User) -> None:
    planted = services.sessions.start(admin, datetime.now(UTC))
    client = browser(services)
    client.cookies.set(services.sessions.cookie_name, planted)
    token = services.sessions.login_token("n" * 32)
    client.cookies.set(services.sessions.form_cookie_name, "n" * 32)
    answer = client.post("/login", data={"username": "ada", "password": PASSWORD, "token": token})
    given = answer.cookies[services.sessions.cookie_name]
    assert given != planted
    assert services.sessions.user({services.sessions.cookie_name: planted}, datetime.now(UTC)) is None


def test_account_page_changes_profile_and_escapes_it(services: Services, accounts: Accounts) -> None:
    client = signed_in(services)
    given = {"full_name": '"><script>alert(1)</script>', "email": "ada@example.com", "current_password": PASSWORD}
    answer = send(client, "/account/profile", "/account", **given)
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert people.user_by_name(accounts, "ada").email == "ada@example.com"
    assert send(client, "/account/profile", "/account", full_name="Ada\u202e", email="").status_code == 400


def test_account_page_changes_the_password_and_ends_the_others(services: Services) -> None:
    client, other = signed_in(services), signed_in(services)
    assert send(client, "/account/password", "/account", current_password="not the one", password=NEW_PASSWORD).status_code == 400
    assert send(client, "/account/password", "/account", current_password=PASSWORD, password=NEW_PASSWORD).status_code == 303
    assert (client.get("/account").status_code, other.get("/account").status_code) == (200, 303)
    signed_in(services, NEW_PASSWORD)


def test_account_page_lists_logins_and_ends_them(services: Services, accounts: Accounts, admin: User) -> None:
    client, other = signed_in(services), signed_in(services)
    page_shown = client.get("/account")
    assert page_shown.text.count("<li>") == 2
    login_id = page_shown.text.split('name="login_id" value="')[1].split('"')[0]
    assert client.post("/account/end", data={"token": token_in(page_shown, "/account/end"), "login_id": login_id}).status_code == 200
    assert (client.get("/account").status_code, other.get("/account").status_code) == (200, 303)


def test_account_page_deletes_after_the_password(services: Services, accounts: Accounts) -> None:
    people.add_user(accounts, "second", PASSWORD, "admin")
    client = signed_in(services)
    assert send(client, "/account/delete", "/account", current_password="not the one").status_code == 400
    assert send(client, "/account/delete", "/account", current_password=PASSWORD).status_code == 200
    assert client.get("/account").status_code == 303


def test_export_holds_what_is_known_and_no_secret(services: Services, site: Site, accounts: Accounts, admin: User) -> None:
    answer = signed_in(services).get("/account/export")
    found = answer.json()
    assert "attachment" in answer.headers["content-disposition"]
    assert {"profile", "sites", "memberships", "devices", "logins", "audit", "feedback", "invitations"} <= found.keys()
    assert (found["profile"]["username"], [place["site_id"] for place in found["sites"]]) == ("ada", [site.site_id])
    assert found["logins"]
    assert admin.password_hash not in answer.text
    assert "hash" not in answer.text


def test_forgotten_password_is_set_with_the_mail_once(
    settings: Settings, posting: Services, inbox: tuple[Inbox, int], accounts: Accounts, admin: User
) -> None:
    people.change_profile(accounts, open_services(settings, posting.home).post, admin, {"email": "ada@example.com"})
    old, client = signed_in(posting), browser(posting)
    told = send(client, "/reset", account="ADA@example.com")
    posting.post.finish()
    mail = inbox[0]
    assert (mail.mails[0]["To"], mail.mails[0]["From"]) == ("ada@example.com", "aurora@example.com")
    assert "https://sun.example.com/reset/confirm?token=" in mail.text(0)
    assert told.text == send(client, "/reset", account="nobody").text
    secret = mail.secret(0)
    opened = client.get(f"/reset/confirm?token={secret}")
    assert opened.headers["referrer-policy"] == "same-origin"
    assert send(client, "/reset/confirm", secret=secret, password="short").status_code == 400
    assert send(client, "/reset/confirm", secret=secret, password=NEW_PASSWORD).status_code == 200
    assert send(client, "/reset/confirm", secret=secret, password="yet another one").status_code == 400
    assert old.get("/account").status_code == 303
    signed_in(posting, NEW_PASSWORD)


def test_link_in_mail_does_not_follow_the_host_header(posting: Services, inbox: tuple[Inbox, int], accounts: Accounts) -> None:
    people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    client = browser(posting)
    token = token_in(client.get("/reset"), "/reset")
    client.post("/reset", data={"token": token, "account": "bob"}, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    posting.post.finish()
    assert "https://sun.example.com/reset/confirm" in inbox[0].text(0)
    assert "evil" not in str(inbox[0].mails[0])


def test_taken_email_answers_as_a_free_one_and_its_owner_is_told(posting: Services, inbox: tuple[Inbox, int], accounts: Accounts) -> None:
    people.add_user(accounts, "owner", PASSWORD, "user", "taken@example.com")
    answers = []
    for name, address in (("first", "taken@example.com"), ("second", "free@example.com")):
        client = browser(posting)
        answer = send(client, "/register", username=name, email=address, password=NEW_PASSWORD)
        shown = re.sub(r'value="[^"]*"|name="[^"]*"', "", client.get("/account").text).replace(name, "")
        answers.append((answer.status_code, answer.headers["location"], re.sub(r"\d\d\d\d-\d\d-\d\d \d\d:\d\d", "", shown)))
    posting.post.finish()
    assert answers[0] == answers[1]
    assert [mail["Subject"] for mail in inbox[0].mails] == [
        "You have an Aurora account already",
        "Confirm your e-mail address for Aurora",
    ]
    assert people.user_by_name(accounts, "first").email is None


def test_email_is_a_persons_once_they_confirm_it(posting: Services, inbox: tuple[Inbox, int], accounts: Accounts) -> None:
    client = browser(posting)
    send(client, "/register", username="bob", email="bob@example.com", password=NEW_PASSWORD)
    posting.post.finish()
    secret = inbox[0].secret(0)
    assert client.get(f"/confirm?token={secret}").status_code == 200
    assert people.user_by_name(accounts, "bob").email is None
    assert send(client, "/confirm", secret=secret + "x").status_code == 400
    assert send(client, "/confirm", secret=secret).status_code == 200
    bob = people.user_by_name(accounts, "bob")
    assert (bob.email, bob.email_confirmed_at is not None) == ("bob@example.com", True)
    assert send(client, "/confirm", secret=secret).status_code == 400


def test_mail_that_cannot_be_sent_is_logged_without_its_secret(
    settings: Settings, home: Home, lake: Lake, accounts: Accounts, logged: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora.mail.RETRY_SECONDS", (0,))
    logs.configure("app", "info", "json")
    people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    mail = {"mail_url": "smtp://bob:pl4nted@127.0.0.1:9", "mail_from": "aurora@example.com"}
    services = open_services(Settings(**mail), home)  # pyright: ignore
    began = time.monotonic()
    assert send(browser(services), "/reset", account="bob").status_code == 200
    services.post.finish()
    told = "".join(logged.readouterr())
    assert "mail_failed" in told
    assert "pl4nted" not in told
    assert "token=" not in told
    assert "bob@" not in told
    assert time.monotonic() - began < 20


def test_mail_that_waits_is_sent_as_the_process_ends(posting: Services, inbox: tuple[Inbox, int]) -> None:
    for number in range(5):
        posting.post.later(lambda number=number: posting.post.send(f"bob{number}@example.com", "Subject", "Text"))
    posting.post.close()
    assert len(inbox[0].mails) == 5


def test_process_ends_soon_where_the_mail_server_is_away_and_says_what_is_lost(
    settings: Settings, home: Home, lake: Lake, logged: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora.mail.LAST_SECONDS", 0.3)
    logs.configure("app", "info", "json")
    services = open_services(Settings(mail_url="smtp://127.0.0.1:9", mail_from="aurora@example.com"), home)  # pyright: ignore
    for _ in range(2):
        services.post.later(lambda: services.post.send("bob@example.com", "Subject", "Text"))
    began = time.monotonic()
    services.post.close()
    assert time.monotonic() - began < 2
    told = "".join(logged.readouterr())
    assert "mail_lost" in told
    assert '"waiting": 2' in told


def test_password_is_not_sent_to_a_mail_server_without_tls(
    home: Home, lake: Lake, accounts: Accounts, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def authenticator(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
        given.append(data)
        return AuthResult(success=True)

    monkeypatch.setattr("aurora.mail.RETRY_SECONDS", ())
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, authenticator=authenticator, auth_require_tls=False)
    controller.start()
    mail = {"mail_url": f"smtp://bob:pl4nted@127.0.0.1:{port}", "mail_from": "aurora@example.com"}
    services = open_services(Settings(**mail), home)  # pyright: ignore
    services.post.send("bob@example.com", "Subject", "Text")
    controller.stop()
    assert (given, inbox.mails) == ([], [])


def test_cookie_is_secure_behind_tls(services: Services) -> None:
    client = TestClient(pages_of(services), follow_redirects=False, base_url="https://sun.local")
    answer = send(client, "/login", username="ada", password=PASSWORD)
    lines = [line for line in answer.headers.get_list("set-cookie") if "Max-Age=4" in line]
    assert len(lines) == 1
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(lines[0].split("; "))
    assert "max-age" in answer.headers["strict-transport-security"]
    assert "strict-transport-security" not in browser(services).get("/login").headers


@pytest.mark.parametrize("path", [*PATHS, invited.PATH])
def test_open_pages_carry_the_headers_and_no_script(services: Services, path: str) -> None:
    answer = browser(services).get(path)
    assert answer.status_code == 200
    assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-store")
    assert "<script" not in answer.text


def test_page_escapes_every_value() -> None:
    assert "<i>" not in told("<i>", '"<i>').body.decode()


def test_deeds_are_in_the_audit_log(services: Services, accounts: Accounts, admin: User) -> None:
    client = signed_in(services)
    send(browser(services), "/login", username="ada", password="not the one")
    send(client, "/account/password", "/account", current_password=PASSWORD, password=NEW_PASSWORD)
    actions = [entry.action for entry in audit.entries(accounts, admin.user_id)]
    assert {"user.add", "login.start", "login.fail", "password.change"} <= set(actions)
