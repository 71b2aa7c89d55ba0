"""Who owns a site: what an owner's going takes along, and that the last one who can still log in never goes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from aurora.accounts import invitations, memberships, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.accounts.people.one_time import new_token
from aurora.errors import Conflict, WrongFacts
from aurora.mail import Post
from aurora.settings import Settings
from tests.kernel.test_accounts import postgresql  # noqa: F401 a fixture

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC)
PLACE = {"name": "Haus", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4}
ROUNDS = 6


@pytest.fixture
def carl(accounts: Accounts, admin: User, site: Site) -> User:
    """A second owner of the site."""
    made = people.add_user(accounts, "carl", PASSWORD, "user")
    memberships.add_member(accounts, site.site_id, username="carl", role="owner")
    return made


def _remove(accounts: Accounts, carl: User) -> None:
    memberships.remove_member(accounts, "home", carl.user_id)


def _demote(accounts: Accounts, carl: User) -> None:
    memberships.add_member(accounts, "home", username="carl", role="viewer")


def _disable(accounts: Accounts, carl: User) -> None:
    people.disable(accounts, "carl")


def _delete(accounts: Accounts, carl: User) -> None:
    people.delete_user(accounts, carl, NOW)


@pytest.mark.parametrize("go", [_remove, _demote, _disable, _delete])
def test_invitation_falls_with_the_owner_who_made_it(accounts: Accounts, admin: User, carl: User, go: Callable) -> None:
    dora = people.add_user(accounts, "dora", PASSWORD, "user")
    of_carl = invitations.invite(accounts, "home", carl.user_id, role="owner")
    of_ada = invitations.invite(accounts, "home", admin.user_id, role="viewer")
    go(accounts, carl)
    assert [row["invitation_id"] for row in invitations.open_invitations(accounts, "home")] == [of_ada["invitation_id"]]
    with pytest.raises(WrongFacts):
        invitations.accept(accounts, dora.user_id, of_carl["token"])
    assert invitations.accept(accounts, dora.user_id, of_ada["token"])["role"] == "viewer"


def test_invitation_of_who_is_no_owner_is_worthless(accounts: Accounts, admin: User, site: Site) -> None:
    dora = people.add_user(accounts, "dora", PASSWORD, "user")
    made = invitations.invite(accounts, "home", dora.user_id, role="owner")
    with pytest.raises(WrongFacts):
        invitations.accept(accounts, dora.user_id, made["token"])
    assert memberships.role_at(accounts, dora.user_id, "home", NOW) is None


def test_owner_who_accepts_less_is_told_that_they_stay_owner(accounts: Accounts, admin: User, carl: User) -> None:
    made = invitations.invite(accounts, "home", admin.user_id, role="viewer")
    with pytest.raises(Conflict, match="already a member of this site, as its owner"):
        invitations.accept(accounts, carl.user_id, made["token"])


def test_owner_beside_a_disabled_one_is_the_last(accounts: Accounts, admin: User, carl: User) -> None:
    people.add_user(accounts, "second", PASSWORD, "admin")
    people.disable(accounts, "carl")
    with pytest.raises(Conflict, match="alone own"):
        people.delete_user(accounts, admin, NOW)
    with pytest.raises(Conflict, match="last owner"):
        memberships.remove_member(accounts, "home", admin.user_id)
    people.enable(accounts, "carl")
    assert people.check_login(accounts, "carl", PASSWORD)
    people.delete_user(accounts, admin, NOW)
    assert memberships.sites_owned_by(accounts, carl.user_id) == {"home"}


def _at_once(*deeds: Callable[[], None]) -> list[str]:
    """Names of what the deeds, begun together, were refused with; empty for what went through."""
    start, refused = threading.Barrier(len(deeds)), []

    def act(deed: Callable[[], None]) -> None:
        start.wait()
        try:
            deed()
        except Exception as error:
            refused.append(type(error).__name__)

    threads = [threading.Thread(target=act, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


@pytest.mark.needs("postgresql")
def test_of_two_admins_who_go_at_once_one_stays_on_postgresql(postgresql: str) -> None:  # noqa: F811 the fixture
    accounts = Accounts(postgresql)
    accounts.migrate()
    kept = people.add_user(accounts, "admin", PASSWORD, "admin")
    for number in range(ROUNDS):
        other = people.add_user(accounts, f"admin{number}", PASSWORD, "admin")
        leave = [lambda user=user: people.delete_user(accounts, user, NOW) for user in (kept, other)]
        assert _at_once(*leave) == ["Conflict"], number
        kept = people.only_admin(accounts)
    accounts.engine.dispose()


@pytest.mark.needs("postgresql")
def test_of_two_owners_who_go_at_once_one_stays_on_postgresql(postgresql: str) -> None:  # noqa: F811 the fixture
    accounts = Accounts(postgresql)
    accounts.migrate()
    for number in range(ROUNDS):
        owners = [people.add_user(accounts, f"owner{number}{end}", PASSWORD, "user") for end in "ab"]
        site = sites.add_site(accounts, owners[0], **PLACE)
        memberships.add_member(accounts, site.site_id, user_id=owners[1].user_id, role="owner")
        leave = [lambda user=user: people.delete_user(accounts, user, NOW) for user in owners]
        assert _at_once(*leave) == ["Conflict"], number
    accounts.engine.dispose()


@pytest.mark.needs("postgresql")
def test_of_two_who_take_one_email_at_once_one_is_told_on_postgresql(postgresql: str) -> None:  # noqa: F811 the fixture
    accounts = Accounts(postgresql)
    accounts.migrate()
    post = Post(Settings(mail_url=SecretStr("")))  # pyright: ignore[reportCallIssue] - every setting has a default
    for number in range(ROUNDS):
        people_now = [people.add_user(accounts, f"mail{number}{end}", PASSWORD, "user") for end in "ab"]
        wish: dict[str, str | None] = {"email": f"one{number}@example.com"}
        take = [lambda user=user, wish=wish: people.change_profile(accounts, post, user, wish) for user in people_now]
        assert _at_once(*take) == ["Conflict"], number
    accounts.engine.dispose()


@pytest.mark.needs("postgresql")
def test_of_two_who_confirm_one_email_at_once_one_is_told_on_postgresql(postgresql: str) -> None:  # noqa: F811 the fixture
    accounts = Accounts(postgresql)
    accounts.migrate()
    post = Post(Settings(mail_url=SecretStr("")))  # pyright: ignore[reportCallIssue] - every setting has a default
    for number in range(ROUNDS):
        people_now = [people.add_user(accounts, f"sure{number}{end}", PASSWORD, "user") for end in "ab"]
        with accounts.transaction() as session:
            secrets = [new_token(session, user.user_id, "confirm_email", NOW, f"two{number}@example.com") for user in people_now]
        confirm = [lambda secret=secret: people.confirm_email(accounts, post, secret) for secret in secrets]
        assert _at_once(*confirm) == ["Refused"], number
    accounts.engine.dispose()
