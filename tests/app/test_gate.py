"""The pages refuse everything without a login, and a login is what it should be. All against the real process."""

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from itsdangerous import TimestampSigner
from sqlalchemy import update
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from aurora.accounts import people
from aurora.accounts.models import Login
from aurora.home import secret_key
from tests.app.running import PASSWORD, Installation, form_token, running_pages

PAGES = ["/", "/?site=home", "/overview", "/index.html", "/favicon.png", "/login/", "/LOGIN", "/healthz/x", "//", "/logout"]
PARTS = [
    "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream", "/_stcore/allowed-message-origins",
    "/_stcore/agent/openapi.json", "/_stcore/upload_file/a/b", "/_stcore/script-health-check", "/static/index.html", "/static/js/index.js",
    "/media/abc.png", "/component/a/index.html", "/app/static/x", "/v1/sites", "/login/../_stcore/health", "/./static/index.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_pages(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture
def client(pages: Installation) -> Iterator[httpx.Client]:
    with pages.client() as made:
        yield made


def ask(pages: Installation, method: str, path: str) -> tuple[int, str | None]:
    """Ask with the path exactly as given; a client library would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", pages.settings.app_port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("location")


def stream(pages: Installation, cookies: dict[str, str]) -> int | None:
    """Status with which the stream opens. Raises InvalidStatus where it is refused."""
    header = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
    with connect(f"ws://127.0.0.1:{pages.settings.app_port}/_stcore/stream", additional_headers=header, open_timeout=10) as opened:
        return opened.response.status_code if opened.response else None


@pytest.mark.parametrize("path", PAGES)
def test_gate_sends_pages_to_login_when_nobody_is_logged_in(pages: Installation, path: str) -> None:
    assert ask(pages, "GET", path) == (303, "/login")


@pytest.mark.parametrize("path", PARTS)
def test_gate_refuses_parts_when_nobody_is_logged_in(pages: Installation, path: str) -> None:
    status, location = ask(pages, "GET", path)
    assert (status, location) in {(401, None), (303, "/login")}
    assert "stcore" not in path.split("/")[1] or status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/logout", "/_stcore/agent/interact"])
def test_gate_refuses_other_methods_when_nobody_is_logged_in(pages: Installation, method: str, path: str) -> None:
    assert ask(pages, method, path) == (401, None)


def test_websocket_is_refused_when_nobody_is_logged_in(pages: Installation) -> None:
    with pytest.raises(InvalidStatus) as refused:
        stream(pages, {})
    assert refused.value.response.status_code == 403


def test_websocket_opens_when_logged_in(pages: Installation, client: httpx.Client) -> None:
    pages.log_in(client)
    assert stream(pages, dict(client.cookies)) == 101


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/healthz", "/v1/readyz", "/login", "/login.css"])
def test_health_and_login_are_open(pages: Installation, path: str) -> None:
    assert ask(pages, "GET", path)[0] == 200


def test_login_gives_a_guarded_cookie(pages: Installation, client: httpx.Client) -> None:
    answer = pages.log_in(client)
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(pages_cookie(pages)))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={12 * 3600}"} <= set(cookie.split("; "))
    assert client.get("/").status_code == 200


def pages_cookie(pages: Installation) -> str:
    return f"aurora_session_{pages.settings.app_port}"


def test_login_gives_a_new_session_each_time_and_ends_the_old_one(pages: Installation, client: httpx.Client) -> None:
    pages.log_in(client)
    first = dict(client.cookies)
    with pages.client() as other:
        other.cookies.update(first)
        assert other.get("/").status_code == 200
    token = pages.client().get("/login")
    page = token.text.split('name="token" value="')[1].split('"')[0]
    client.cookies.update(token.cookies)
    client.post("/login", data={"username": "ada", "password": PASSWORD, "token": page})
    assert client.cookies[pages_cookie(pages)] != first[pages_cookie(pages)]
    with pages.client() as other:
        other.cookies.update(first)
        assert other.get("/").status_code == 303


def test_login_says_the_same_when_the_user_is_unknown(pages: Installation, client: httpx.Client) -> None:
    wrong, unknown = pages.log_in(client, password="not the password"), pages.log_in(client, username="adam")
    assert wrong.status_code == unknown.status_code == 401
    assert "User name or password is not right." in wrong.text
    assert form_text(wrong, "ada") == form_text(unknown, "adam")
    assert client.get("/").status_code == 303


def form_text(answer: httpx.Response, username: str) -> str:
    token = answer.text.split('name="token" value="')[1].split('"')[0]
    return answer.text.replace(token, "").replace(f'value="{username}"', "")


def test_login_escapes_the_user_name(pages: Installation, client: httpx.Client) -> None:
    assert "<script>" not in pages.log_in(client, username="<script>alert(1)</script>").text


def test_login_is_refused_when_the_form_is_not_this_browsers(pages: Installation, client: httpx.Client) -> None:
    fields = {"username": "ada", "password": PASSWORD}
    foreign = form_token(pages.client(), "/login")
    own = form_token(client, "/login")
    statuses = [
        client.post("/login", data=fields).status_code,
        client.post("/login", data={**fields, "token": foreign}).status_code,
        client.post("/login", data={**fields, "token": own + "x"}).status_code,
        client.post("/login", data={**fields, "token": own}, headers={"Origin": "https://evil.example"}).status_code,
    ]
    assert statuses == [403, 403, 403, 403]
    assert client.post("/login", data={**fields, "token": own}, headers={"Origin": pages.url}).status_code == 303


def test_login_refuses_a_body_larger_than_a_form(client: httpx.Client) -> None:
    assert client.post("/login", data={"username": "a" * 100_000}).status_code == 413


def test_login_makes_a_guesser_wait(pages: Installation, client: httpx.Client) -> None:
    people.add_user(pages.accounts, "guessed", PASSWORD, "user")
    statuses = [pages.log_in(client, "guessed", f"wrong {n}").status_code for n in range(11)]
    assert statuses == [401] * 10 + [429]
    held = pages.log_in(client, "guessed")
    assert held.status_code == 429
    assert 0 < int(held.headers["retry-after"]) <= 300
    assert pages.log_in(client).status_code == 303


@pytest.mark.parametrize("odd", ['x={"a":1}', "no name", "a,b=c", 'y="'])
def test_session_lasts_beside_an_odd_cookie(pages: Installation, client: httpx.Client, odd: str) -> None:
    pages.log_in(client)
    name = pages_cookie(pages)
    answer = httpx.get(pages.url, headers={"Cookie": f"{odd}; {name}={client.cookies[name]}"})
    assert answer.status_code == 200


def test_session_ends_when_the_cookie_is_changed(pages: Installation, client: httpx.Client) -> None:
    pages.log_in(client)
    name = pages_cookie(pages)
    value = client.cookies[name]
    for forged in (value[:-2] + ("aa" if value[-2:] != "aa" else "bb"), "x" + value, value.split(".")[0], "", "\u0000" * 3):
        with pytest.raises(InvalidStatus):
            stream(pages, {name: forged.replace("\u0000", "0")})
        answer = httpx.get(pages.url, headers={"Cookie": f"{name}={forged}".replace("\u0000", "0")})
        assert answer.status_code == 303


def test_session_ends_when_its_time_is_over(pages: Installation, client: httpx.Client) -> None:
    pages.log_in(client)
    with pages.accounts.transaction() as session:
        session.execute(update(Login).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert client.get("/").status_code == 303


def test_session_ends_when_the_cookie_is_older_than_a_login_may_be(pages: Installation) -> None:
    class Yesterday(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - 24 * 3600

    session_id = people.start_login(pages.accounts, pages.user, 48, datetime.now(UTC))
    key = secret_key(pages.settings, pages.home)
    for signer, status in ((TimestampSigner(key, salt="aurora.session"), 200), (Yesterday(key, salt="aurora.session"), 303)):
        cookie = {"Cookie": f"{pages_cookie(pages)}={signer.sign(session_id).decode()}"}
        assert httpx.get(pages.url, headers=cookie).status_code == status


def test_session_ends_when_the_person_is_disabled(pages: Installation, client: httpx.Client) -> None:
    people.add_user(pages.accounts, "leaver", PASSWORD, "user")
    pages.log_in(client, "leaver")
    assert client.get("/").status_code == 200
    people.disable(pages.accounts, "leaver")
    assert client.get("/").status_code == 303
    assert pages.log_in(client, "leaver").status_code == 401


def test_logout_makes_the_old_cookie_worthless(pages: Installation, client: httpx.Client) -> None:
    pages.log_in(client)
    old = dict(client.cookies)
    assert client.post("/logout", data={"token": "forged"}).status_code == 403
    assert client.get("/").status_code == 200
    answer = client.post("/logout", data={"token": form_token(client, "/logout")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    client.cookies.update(old)
    assert client.get("/").status_code == 303
    with pytest.raises(InvalidStatus):
        stream(pages, old)


def test_answers_carry_security_headers(pages: Installation, client: httpx.Client) -> None:
    for path in ("/login", "/healthz", "/"):
        headers = client.get(path).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert "script-src 'self' 'sha256-" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


def test_answers_keep_a_callers_request_id(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "abcdefgh-1"}).headers["x-request-id"] == "abcdefgh-1"
    assert client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"] != "a b\tc"
