"""Getting in and out over the API, and what somebody who wants to get in without the right finds."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
from sqlalchemy import select
from starlette.testclient import TestClient

from app import serving
from app.api.server import build
from app.services import open_services
from app.throttle import Most, Throttle, network
from aurora.accounts import audit, people
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.people import passwords
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a staple of its own"


@pytest.fixture
def client(settings: Settings, home: Home, lake: Lake, admin: User) -> Iterator[TestClient]:
    with TestClient(build(open_services(settings, home))) as made:
        yield made


def log_in(client: TestClient, username: str = "ada", password: str = PASSWORD) -> httpx.Response:
    return client.post("/v1/auth/token", data={"username": username, "password": password})


def bearer(pair: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def me(client: TestClient, pair: dict) -> int:
    return client.get("/v1/users/me", headers=bearer(pair)).status_code


def register(client: TestClient, **given: object) -> httpx.Response:
    return client.post("/v1/auth/register", json={"username": "bob", "email": "bob@example.com", "password": NEW_PASSWORD} | given)


def test_register_makes_a_user_who_can_log_in(client: TestClient) -> None:
    answer = register(client)
    assert answer.status_code == 201
    assert {"user_id", "username", "email", "role", "created_at"} == answer.json().keys()
    assert (answer.json()["role"], answer.json()["email"]) == ("user", "bob@example.com")
    assert me(client, log_in(client, "bob", NEW_PASSWORD).json()) == 200


def test_register_gives_no_role_that_was_asked_for(client: TestClient, accounts: Accounts) -> None:
    answer = register(client, role="admin", is_disabled=False, user_id="chosen", email_confirmed_at="2020-01-01T00:00:00Z")
    assert answer.json()["role"] == "user"
    made = people.user_by_name(accounts, "bob")
    assert (made.role, made.user_id != "chosen", made.email_confirmed_at) == ("user", True, None)


def test_profile_takes_no_role_and_no_name(client: TestClient, accounts: Accounts) -> None:
    register(client)
    pair = log_in(client, "bob", NEW_PASSWORD).json()
    given = {"role": "admin", "username": "root", "full_name": "Bob", "language": "de"}
    answer = client.put("/v1/users/me", json=given, headers=bearer(pair)).json()
    assert (answer["role"], answer["username"], answer["full_name"], answer["language"]) == ("user", "bob", "Bob", "de")


def test_register_is_refused_when_name_or_email_is_taken(client: TestClient) -> None:
    register(client)
    assert register(client, username="BOB", email="other@example.com").status_code == 409
    assert register(client, username="bob2", email="BOB@example.com").status_code == 409


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"username": "аda"}, "username"),
        ({"username": "a\u200bda"}, "username"),
        ({"username": "ada\n"}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"username": ""}, "username"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"),
        ({"email": "a@example.com, b@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "Password123"}, "password"),
        ({"password": "aaaaaaaaaaaaaa"}, "password"),
        ({"password": "bob@Example.com"}, "password"),
        ({"password": "ü" * 600}, "password"),
        ({"username": "longusername", "password": "LongUserName"}, "password"),
        ({"password": None}, "password"),
    ],
)
def test_register_names_the_field_that_cannot_be_taken(client: TestClient, given: dict, field: str) -> None:
    answer = register(client, **given)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["detail"]] == [field]


def test_register_is_refused_when_closed(settings: Settings, home: Home, lake: Lake, admin: User) -> None:
    closed = settings.model_copy(update={"registration": "closed"})
    with TestClient(build(open_services(closed, home))) as client:
        assert register(client).status_code == 403
        assert client.post("/v1/auth/register", json={}).status_code == 403


def test_login_says_and_does_the_same_when_there_is_no_such_account(
    client: TestClient, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "shut"):
        people.add_user(accounts, name, PASSWORD, "user")
    people.disable(accounts, "shut")
    people.delete_user(accounts, people.user_by_name(accounts, "gone"), datetime.now(UTC))
    verified: list[str] = []
    hasher = type(passwords._hasher())
    real = hasher.verify
    monkeypatch.setattr(hasher, "verify", lambda self, hashed, password: verified.append(hashed) or real(self, hashed, password))
    answers = [log_in(client, name, password) for name, password in (
        ("ada", "wrong password"), ("nobody", PASSWORD), ("gone", PASSWORD), ("shut", PASSWORD), ("a\x00b", PASSWORD), ("ada", "x" * 5000),
    )]  # fmt: skip
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, '{"detail":"User name or password is not right."}')}
    assert len(verified) == len(answers)
    assert {hashed.rsplit("$", 2)[0] for hashed in verified} == {verified[0].rsplit("$", 2)[0]}


def test_reset_says_the_same_whoever_is_asked_about(client: TestClient) -> None:
    given = [{"username": "ada"}, {"username": "nobody"}, {"email": "nobody@example.com"}, {"email": "no mail"}]
    answers = [client.post("/v1/auth/password-reset", json=wish) for wish in given]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1


def test_guesser_has_to_wait_at_both_processes_and_after_a_restart(settings: Settings, home: Home, lake: Lake, admin: User) -> None:
    statuses = []
    for _start in range(4):
        with TestClient(build(open_services(settings, home))) as client:
            statuses += [log_in(client, password=f"wrong {n} wrong").status_code for n in range(4)]
    assert statuses == [401] * 10 + [429] * 6


def test_successes_do_not_count(client: TestClient) -> None:
    assert [log_in(client).status_code for _ in range(15)] == [200] * 15
    failed = [log_in(client, password="wrong password").status_code for _ in range(9)]
    assert [*failed, log_in(client).status_code, log_in(client, password="wrong password").status_code] == [401] * 9 + [200, 401]
    answer = log_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300


def test_owner_gets_in_where_they_were_before_while_a_stranger_guesses(accounts: Accounts, admin: User) -> None:
    throttle = Throttle(accounts)
    people.start_login(accounts, admin, 1, datetime.now(UTC), "api", people.Whence("192.0.2.7"))
    tried = [throttle.begin("ada", f"198.51.100.{n}") for n in range(12)]
    assert tried[:10] == [0] * 10
    assert all(tried[10:])
    assert throttle.begin("Ada", "192.0.2.7") == 0
    assert throttle.begin("ada", "203.0.113.9") > 0


def test_account_takes_at_most_a_hundred_failures_in_any_hour() -> None:
    most = Most()
    assert 2 * 2 * most.failures_of_account_hour <= 100


def test_address_that_tries_many_accounts_has_to_wait(accounts: Accounts) -> None:
    throttle = Throttle(accounts)
    tried = [throttle.begin(f"person{n}", f"2001:db8::{n:x}") for n in range(51)]
    assert tried[:50] == [0] * 50
    assert tried[50] > 0
    assert throttle.begin("person0", "2001:db8:0:1::1") == 0


def test_network_of_an_address_is_what_one_person_has() -> None:
    assert network("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert [network(address) for address in ("::ffff:192.0.2.1", "192.0.2.1", "testclient")] == ["192.0.2.1", "192.0.2.1", "testclient"]


def test_register_and_reset_have_limits_too(settings: Settings, home: Home, lake: Lake, accounts: Accounts, admin: User) -> None:
    few = Throttle(accounts, Most(registrations=2, resets_of_account=2, resets_of_address=4))
    with TestClient(build(open_services(settings, home), few)) as client:
        made = [register(client, username=f"p{n}", email=f"p{n}@example.com") for n in range(3)]
        asked = [client.post("/v1/auth/password-reset", json={"username": "ada"}) for _ in range(3)]
        spent = [client.post("/v1/auth/password-reset/confirm", json={"token": "x", "password": NEW_PASSWORD}) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 429]
    assert [answer.status_code for answer in asked] == [202, 202, 429]
    assert [answer.status_code for answer in spent] == [400, 400, 429]
    assert all(int(answers[-1].headers["retry-after"]) > 0 for answers in (made, asked, spent))


@pytest.mark.parametrize("way", ["refresh token", "bearer"])
def test_logout_ends_access_and_refresh_at_once(client: TestClient, way: str) -> None:
    pair, other = log_in(client).json(), log_in(client).json()
    body = {"json": {"refresh_token": pair["refresh_token"]}} if way == "refresh token" else {"headers": bearer(pair)}
    assert client.post("/v1/auth/logout", **body).status_code == 204  # pyright: ignore
    assert me(client, pair) == 401
    assert client.post("/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401
    assert me(client, other) == 200
    assert client.post("/v1/auth/logout").status_code == 401


def test_password_change_ends_every_other_login(client: TestClient, accounts: Accounts, admin: User) -> None:
    pair, other = log_in(client).json(), log_in(client).json()
    cookie = people.start_login(accounts, admin, 1, datetime.now(UTC))
    given = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    wrong = client.put("/v1/users/me/password", json=given | {"current_password": "not it, really"}, headers=bearer(pair))
    assert (wrong.status_code, wrong.json()["detail"][0]["field"]) == (400, "current_password")
    answer = client.put("/v1/users/me/password", json=given, headers=bearer(pair))
    assert answer.status_code == 200
    assert [me(client, found) for found in (answer.json(), pair, other)] == [200, 401, 401]
    assert people.login_user(accounts, cookie, datetime.now(UTC)) is None
    assert (log_in(client).status_code, log_in(client, password=NEW_PASSWORD).status_code) == (401, 200)


def test_password_change_makes_a_guesser_wait(client: TestClient) -> None:
    pair = log_in(client).json()
    given = {"current_password": "not the password", "new_password": NEW_PASSWORD}
    statuses = [client.put("/v1/users/me/password", json=given, headers=bearer(pair)).status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]


def test_sessions_are_listed_and_ended_one_by_one(client: TestClient, accounts: Accounts) -> None:
    first, second = log_in(client).json(), log_in(client).json()
    listed = client.get("/v1/users/me/sessions", headers=bearer(first)).json()["sessions"]
    assert [login["is_current"] for login in listed].count(True) == 1
    assert {"session_id", "kind", "user_agent", "address", "created_at", "last_used_at", "expires_at", "is_current"} == listed[0].keys()
    other = next(login["session_id"] for login in listed if not login["is_current"])
    people.add_user(accounts, "eve", PASSWORD, "user")
    assert client.delete(f"/v1/users/me/sessions/{other}", headers=bearer(log_in(client, "eve").json())).status_code == 404
    assert me(client, second) == 200
    assert client.delete(f"/v1/users/me/sessions/{other}", headers=bearer(first)).status_code == 204
    assert (me(client, first), me(client, second)) == (200, 401)


def test_all_other_sessions_end_together(client: TestClient) -> None:
    first, second = log_in(client).json(), log_in(client).json()
    assert client.delete("/v1/users/me/sessions", headers=bearer(first)).status_code == 204
    assert (me(client, first), me(client, second)) == (200, 401)


def test_secrets_are_in_no_log_and_in_no_audit_entry(
    client: TestClient, accounts: Accounts, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    planted = "pl4nted-secret-of-ada"
    caplog.set_level("DEBUG")
    register(client, password=planted)
    log_in(client, planted, planted)
    pair = log_in(client, "bob", planted).json()
    client.get(f"/v1/users/me?token={pair['access_token']}", headers=bearer(pair))
    client.post("/v1/auth/refresh", json={"refresh_token": planted})
    client.post("/v1/auth/password-reset", json={"username": planted})
    client.post("/v1/auth/password-reset/confirm", json={"token": planted, "password": planted})
    client.put("/v1/users/me/password", json={"current_password": planted, "new_password": "short"}, headers=bearer(pair))
    out, err = capfd.readouterr()
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    told = out + err + logged + "".join(str(vars(entry)) for entry in audit.entries(accounts))
    assert "login.fail" in told
    assert "/v1/auth/password-reset/confirm" in told
    assert planted not in told
    assert pair["access_token"] not in told
    assert pair["refresh_token"] not in told


def test_failures_of_the_last_hour_are_forgotten_in_time(accounts: Accounts) -> None:
    from aurora.accounts import attempts
    from aurora.accounts.models import Attempts

    now, limit = datetime.now(UTC), attempts.Limit("login", "ada", 1, timedelta(minutes=5))
    assert [attempts.begin(accounts, [limit], now) for _ in range(2)] == [0, 300]
    assert attempts.begin(accounts, [limit], now + timedelta(minutes=5)) == 0
    with accounts.reading() as session:
        assert [row.tries for row in session.scalars(select(Attempts))] == [1]


def test_answers_of_the_api_carry_the_headers(client: TestClient) -> None:
    for path in ("/v1/users/me", "/v1/docs", "/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert client.get("/v1/users/me").headers["cache-control"] == "no-store"


def test_description_has_the_style_that_the_policy_admits(client: TestClient) -> None:
    answer = client.get("/v1/docs")
    style = answer.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("trusted", "seen"), [("", "127.0.0.1"), ("192.0.2.0/24", "127.0.0.1"), ("127.0.0.1", "198.51.100.7")])
def test_forwarded_address_is_believed_from_trusted_proxies_only(
    settings: Settings, home: Home, lake: Lake, accounts: Accounts, admin: User, trusted: str, seen: str
) -> None:
    listener = serving.bind("127.0.0.1", 0, "AURORA_API_PORT")
    port, api = listener.getsockname()[1], build(open_services(settings, home))
    server = uvicorn.Server(serving.configured(api, trusted))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    forged = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7", "X-Forwarded-Proto": "https"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=forged) as client:
        answer = client.post("/v1/auth/token", data={"username": "ada", "password": PASSWORD})
    server.should_exit = True
    thread.join(10)
    assert answer.status_code == 200
    assert [entry.address for entry in audit.entries(accounts) if entry.action == "login.start"] == [seen]
    assert ("strict-transport-security" in answer.headers) is (seen != "127.0.0.1")


def test_form_larger_than_a_body_may_be_is_refused(settings: Settings, home: Home, lake: Lake, admin: User) -> None:
    small = settings.model_copy(update={"max_body_bytes": 2048})
    with TestClient(build(open_services(small, home))) as client:
        assert log_in(client, password="x" * 4096).status_code == 413
        assert client.post("/v1/auth/register", json={"username": "x" * 4096}).status_code == 413
        assert log_in(client).status_code == 200
