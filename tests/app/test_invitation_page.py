"""The page that takes an invitation: with a login, without one, and for whoever comes back from signing in or registering."""

import httpx
import pytest
from starlette.testclient import TestClient

from app.services import Services, open_services
from aurora.accounts import invitations, memberships, people
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.test_auth_pages import NEW_PASSWORD, PASSWORD, browser, send, token_in

ACCEPT = "/invitation"


@pytest.fixture
def services(settings: Settings, home: Home, lake: Lake, admin: User) -> Services:
    return open_services(settings, home)


@pytest.fixture
def secret(accounts: Accounts, site: Site, admin: User) -> str:
    people.add_user(accounts, "bob", PASSWORD, "user")
    return invitations.invite(accounts, site.site_id, admin.user_id, role="viewer")["token"]


def role_of(accounts: Accounts, site: Site, name: str) -> str | None:
    return {row["username"]: row["role"] for row in memberships.members_of(accounts, site.site_id)}.get(name)


def signed_in(services: Services) -> TestClient:
    client = browser(services)
    assert send(client, "/login", username="bob", password=PASSWORD).headers["location"] == "/"
    return client


def accept(client: TestClient, secret: str, **changed: str) -> httpx.Response:
    page = client.get(f"{ACCEPT}?token={secret}")
    return client.post(ACCEPT, data={"token": token_in(page, ACCEPT), "secret": secret} | changed)


def test_member_is_made_by_the_button_and_not_by_opening_the_page(services: Services, accounts: Accounts, site: Site, secret: str) -> None:
    client = signed_in(services)
    assert client.get(f"{ACCEPT}?token={secret}").status_code == 200
    assert role_of(accounts, site, "bob") is None
    answer = accept(client, secret)
    assert answer.status_code == 200
    assert site.name in answer.text
    assert role_of(accounts, site, "bob") == "viewer"
    assert accept(client, secret).status_code == 400


def test_who_signs_in_first_comes_back_to_the_invitation(services: Services, accounts: Accounts, site: Site, secret: str) -> None:
    client = browser(services)
    page = client.get(f"{ACCEPT}?token={secret}").text
    assert f'href="/login?invitation={secret}"' in page
    assert "<form" not in page
    wrong = send(client, "/login", f"/login?invitation={secret}", username="bob", password="not the one", invitation=secret)
    assert f'name="invitation" value="{secret}"' in wrong.text
    answer = client.post("/login", data={"token": token_in(wrong, "/login"), "username": "bob", "password": PASSWORD, "invitation": secret})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ACCEPT}?token={secret}")
    assert client.get(f"/login?invitation={secret}").headers["location"] == f"{ACCEPT}?token={secret}"
    assert accept(client, secret).status_code == 200
    assert role_of(accounts, site, "bob") == "viewer"


def test_who_registers_first_comes_back_to_the_invitation(services: Services, accounts: Accounts, site: Site, secret: str) -> None:
    client = browser(services)
    opened = f"/register?invitation={secret}"
    assert f'name="invitation" value="{secret}"' in client.get(opened).text
    facts = {"username": "eve", "email": "eve@example.com", "password": NEW_PASSWORD, "invitation": secret}
    answer = send(client, "/register", opened, **facts)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ACCEPT}?token={secret}")
    assert accept(client, secret).status_code == 200
    assert role_of(accounts, site, "eve") == "viewer"


@pytest.mark.parametrize(
    "given", ["//evil.example", "https://evil.example", "x" * 200, 'a"><script>alert(1)</script>', "", "a\r\nSet-Cookie: x=1"]
)
def test_what_is_no_secret_leads_nowhere(services: Services, secret: str, given: str) -> None:
    client = browser(services)
    for path in ("/login", "/register", ACCEPT):
        page = client.get(path, params={"invitation": given, "token": given})
        assert page.status_code == 200
        assert "evil" not in page.text
        assert "<script>" not in page.text
    answer = send(client, "/login", username="bob", password=PASSWORD, invitation=given)
    assert answer.headers["location"] == "/"
    assert client.get("/login", params={"invitation": given}).headers["location"] == "/"


def test_form_is_refused_when_it_is_not_this_logins(services: Services, accounts: Accounts, site: Site, secret: str) -> None:
    client, other = signed_in(services), signed_in(services)
    foreign = token_in(other.get(f"{ACCEPT}?token={secret}"), ACCEPT)
    own = token_in(client.get(f"{ACCEPT}?token={secret}"), ACCEPT)
    refused = [
        client.post(ACCEPT, data={"secret": secret}),
        client.post(ACCEPT, data={"secret": secret, "token": foreign}),
        client.post(ACCEPT, data={"secret": secret, "token": own}, headers={"Origin": "https://evil.example"}),
        browser(services).post(ACCEPT, data={"secret": secret, "token": own}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert client.post(ACCEPT, data={"secret": "x" * 9000}).status_code == 413
    assert role_of(accounts, site, "bob") is None


def test_guessing_secrets_has_a_limit(services: Services, secret: str) -> None:
    client = signed_in(services)
    answers = {accept(client, "x" * 43).status_code for _ in range(60)}
    assert answers == {400, 429}


def test_closed_registration_offers_the_login_alone(settings: Settings, home: Home, lake: Lake, secret: str) -> None:
    client = browser(open_services(settings.model_copy(update={"registration": "closed"}), home))
    page = client.get(f"{ACCEPT}?token={secret}").text
    assert "/login?invitation=" in page
    assert "/register" not in page


def test_withdrawn_invitation_is_worthless(services: Services, accounts: Accounts, site: Site, secret: str) -> None:
    (known,) = invitations.open_invitations(accounts, site.site_id)
    assert invitations.withdraw(accounts, known["invitation_id"]) == site.site_id
    assert accept(signed_in(services), secret).status_code == 400
    assert role_of(accounts, site, "bob") is None


def test_member_who_accepts_again_is_told_so_and_a_link_without_its_secret_too(
    services: Services, accounts: Accounts, site: Site, secret: str
) -> None:
    memberships.add_member(accounts, site.site_id, username="bob", role="owner")
    client = signed_in(services)
    answer = accept(client, secret)
    assert answer.status_code == 409
    assert "already a member of this site, as its owner" in answer.text
    assert len(invitations.open_invitations(accounts, site.site_id)) == 1
    for visitor in (client, browser(services)):
        page = visitor.get(ACCEPT).text
        assert "This link is incomplete" in page
        assert "You are invited" not in page
