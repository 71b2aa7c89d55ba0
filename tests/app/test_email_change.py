"""Another e-mail address for an account: what a stolen session cannot do with it, and how many mails anybody can have sent."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from app.api.server import build
from app.services import Services, open_services
from aurora.accounts import people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.errors import Refused, WrongFacts
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.test_auth import bearer, log_in
from tests.app.test_auth_pages import Inbox, inbox, posting, send, signed_in  # noqa: F401 fixtures

# ruff: noqa: F811 the fixtures

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a staple of its own"
OLD, NEW = "ada@example.com", "thief@example.org"
PLACE = {"name": "Haus", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4}


@pytest.fixture
def plain(settings: Settings, home: Home, lake: Lake, admin: User) -> Iterator[TestClient]:
    """The API without mail."""
    with TestClient(build(open_services(settings, home))) as made:
        yield made


@pytest.fixture
def mailing(posting: Services, accounts: Accounts, admin: User) -> Iterator[TestClient]:
    """The API with mail, and ada with a confirmed address."""
    with accounts.transaction() as session:
        user = session.get_one(User, admin.user_id)
        user.email, user.email_confirmed_at = OLD, datetime.now(UTC)
    with TestClient(build(posting)) as made:
        yield made


def put(client: TestClient, **given: object):
    return client.put("/v1/users/me", json=given, headers=bearer(log_in(client).json()))


@pytest.mark.parametrize("given", [{}, {"current_password": "not the password"}, {"current_password": None}])
@pytest.mark.parametrize("email", [NEW, None])
def test_other_email_needs_the_password(mailing: TestClient, posting: Services, inbox: tuple[Inbox, int], given: dict, email: str) -> None:
    answer = put(mailing, email=email, full_name="Thief", **given)
    posting.post.finish()
    assert (answer.status_code, answer.json()["detail"][0]["field"]) == (400, "current_password")
    assert inbox[0].mails == []
    ada = people.user_by_name(posting.accounts, "ada")
    assert (ada.email, ada.full_name) == (OLD, None)
    assert put(mailing, email=OLD.upper(), full_name="Ada").status_code == 200


def test_account_page_needs_the_password_for_another_email(posting: Services, accounts: Accounts, mailing: TestClient) -> None:
    client = signed_in(posting)
    assert send(client, "/account/profile", "/account", full_name="Thief", email=NEW).status_code == 400
    assert send(client, "/account/profile", "/account", full_name="Thief", email="").status_code == 400
    ada = people.user_by_name(accounts, "ada")
    assert (ada.email, ada.full_name) == (OLD, None)
    assert send(client, "/account/profile", "/account", full_name="Ada").status_code == 200
    assert send(client, "/account/profile", "/account").status_code == 200
    ada = people.user_by_name(accounts, "ada")
    assert (ada.email, ada.full_name) == (OLD, "Ada")


def test_link_that_confirms_is_worthless_after_another_password(
    mailing: TestClient,
    posting: Services,
    inbox: tuple[Inbox, int],
    admin: User,
) -> None:
    assert put(mailing, email=NEW, current_password=PASSWORD).status_code == 200
    posting.post.finish()
    people.replace_password(posting.accounts, admin, NEW_PASSWORD, "password.change")
    with pytest.raises(Refused):
        people.confirm_email(posting.accounts, posting.post, inbox[0].secret(0))
    assert people.user_by_name(posting.accounts, "ada").email == OLD


def test_move_is_told_to_the_old_address_and_ends_resets(mailing: TestClient, posting: Services, inbox: tuple[Inbox, int]) -> None:
    people.send_reset(posting.accounts, posting.post, "ada")
    posting.post.finish()
    assert put(mailing, email=NEW, current_password=PASSWORD).json()["pending_email"] == NEW
    posting.post.finish()
    people.confirm_email(posting.accounts, posting.post, inbox[0].secret(1))
    posting.post.finish()
    assert [mail["To"] for mail in inbox[0].mails] == [OLD, NEW, OLD]
    assert "token=" not in inbox[0].text(2)
    with pytest.raises(Refused):
        people.reset_password(posting.accounts, inbox[0].secret(0), NEW_PASSWORD)
    assert people.user_by_name(posting.accounts, "ada").email == NEW


def test_reset_sent_to_the_only_address_ever_given_confirms_it(mailing: TestClient, posting: Services, inbox: tuple[Inbox, int]) -> None:
    given = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    assert mailing.post("/v1/auth/register", json=given).status_code == 201
    posting.post.finish()
    people.send_reset(posting.accounts, posting.post, "bob")
    posting.post.finish()
    with pytest.raises(WrongFacts):
        people.reset_password(posting.accounts, inbox[0].secret(1), "bob")
    people.reset_password(posting.accounts, inbox[0].secret(1), NEW_PASSWORD)
    bob = people.user_by_name(posting.accounts, "bob")
    assert (bob.email, bob.email_confirmed_at is not None) == ("bob@example.com", True)


@pytest.mark.parametrize("email", ["no address", "bob@example.com"])
def test_profile_changes_wholly_or_not_at_all(plain: TestClient, accounts: Accounts, email: str) -> None:
    people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    assert put(plain, full_name="Ada", email=email, current_password=PASSWORD).status_code in {400, 409}
    assert people.user_by_name(accounts, "ada").full_name is None
    assert put(plain, full_name="Ada", email=NEW, current_password=PASSWORD).json()["email"] == NEW


def test_mails_have_a_limit_by_recipient_and_by_account(mailing: TestClient, posting: Services, accounts: Accounts, admin: User) -> None:
    sites.add_site(accounts, admin, site_id="house", **PLACE)
    headers = bearer(log_in(mailing).json())

    def invite(email: str) -> int:
        answer = mailing.post("/v1/sites/house/invitations", json={"role": "viewer", "email": email}, headers=headers)
        assert (answer.status_code == 429) == ("retry-after" in answer.headers)
        return answer.status_code

    assert [invite(name) for name in (["bob@example.org"] * 3 + ["BOB@example.org"] * 3)] == [201] * 5 + [429]
    assert put(mailing, email="bob@example.org", current_password=PASSWORD).status_code == 429
    assert invite("dora@example.org") == 201
    assert 429 in [invite(f"p{number}@example.org") for number in range(30)]
    assert put(mailing, email=NEW, current_password=PASSWORD).status_code == 429
    posting.post.finish()


def test_user_names_named_as_members_have_a_limit(plain: TestClient, accounts: Accounts, admin: User) -> None:
    sites.add_site(accounts, admin, site_id="house", **PLACE)
    headers = bearer(log_in(plain).json())
    given = {"username": "nobody", "role": "viewer"}
    found = [plain.post("/v1/sites/house/members", json=given, headers=headers).status_code for _ in range(101)]
    assert found == [400] * 100 + [429]


def test_refusals_of_the_way_back_name_the_field(plain: TestClient) -> None:
    for empty in ({}, {"email": None}, {"username": ""}):
        assert plain.post("/v1/auth/password-reset", json=empty).status_code == 400
    answer = plain.post("/v1/auth/password-reset/confirm", json={"token": "x", "password": NEW_PASSWORD})
    assert (answer.status_code, [row["field"] for row in answer.json()["detail"]]) == (400, ["token"])
    answer = plain.post("/v1/auth/password-reset/confirm", json={"token": "x", "password": "short"})
    assert (answer.status_code, [row["field"] for row in answer.json()["detail"]]) == (400, ["password"])


def test_logout_with_a_bad_bearer_is_refused(plain: TestClient) -> None:
    assert plain.post("/v1/auth/logout", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
