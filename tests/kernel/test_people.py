"""People in the accounts database: who leaves, what stays, what is forgotten, and that a last admin never does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from aurora.accounts import audit, invitations, people, sites
from aurora.accounts.attempts import Limit, begin, give_back
from aurora.accounts.database import Accounts
from aurora.accounts.models import AuditEntry, Invitation, Login, LoginSecret, Membership, Site, User
from aurora.accounts.people import passwords
from aurora.errors import Conflict, Refused, WrongFacts
from tests.kernel.test_accounts import postgresql  # noqa: F401 a fixture

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC)


def test_person_who_leaves_is_shut_out_at_once(accounts: Accounts, admin: User) -> None:
    bob = people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    secret = people.start_login(accounts, bob, 1, NOW)
    people.delete_user(accounts, bob, NOW)
    assert people.login_user(accounts, secret, NOW) is None
    assert people.check_login(accounts, "bob", PASSWORD) is None
    assert people.user_by_id(accounts, bob.user_id) is None
    with pytest.raises(Refused):
        people.user_by_name(accounts, "bob")


def test_name_and_email_are_free_again_once_purged_and_not_before(accounts: Accounts, admin: User) -> None:
    bob = people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    people.start_login(accounts, bob, 1, NOW, "browser", people.Whence("192.0.2.1", "Firefox"))
    people.delete_user(accounts, bob, NOW, "192.0.2.1")
    assert people.purge(accounts, NOW + timedelta(days=29), 30)["users"] == 0
    for name, email in (("Bob", "other@example.com"), ("bobby", "BOB@example.com")):
        with pytest.raises(Conflict):
            people.add_user(accounts, name, PASSWORD, "user", email)
    assert people.purge(accounts, NOW + timedelta(days=30), 30)["users"] == 1
    assert people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com").user_id != bob.user_id


def test_purge_leaves_ids_alone_in_the_audit_log(accounts: Accounts, admin: User) -> None:
    bob = people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    people.start_login(accounts, bob, 1, NOW, "browser", people.Whence("192.0.2.1", "Firefox"))
    people.delete_user(accounts, bob, NOW, "192.0.2.1")
    people.purge(accounts, NOW + timedelta(days=31), 30)
    entries = audit.entries(accounts, bob.user_id)
    assert {"user.add", "login.start", "user.delete", "user.purge"} <= {entry.action for entry in entries}
    assert {(entry.address, entry.details) for entry in entries} == {(None, None)}
    with accounts.reading() as session:
        assert session.scalars(select(Login).where(Login.user_id == bob.user_id)).all() == []
        assert session.scalars(select(LoginSecret)).all() == []


def test_owner_cannot_leave_a_site_without_one(accounts: Accounts, admin: User, site: Site) -> None:
    second = people.add_user(accounts, "second", PASSWORD, "admin")
    with pytest.raises(Conflict, match="Home \\(home\\)"):
        people.delete_user(accounts, admin, NOW)
    with accounts.transaction() as session:
        session.add(Membership(site_id=site.site_id, user_id=second.user_id, role="owner", ends_at=None))
    people.delete_user(accounts, admin, NOW)
    assert [place.site_id for place in people.visible_sites(accounts, second.user_id, NOW)] == ["home"]
    assert people.visible_sites(accounts, admin.user_id, NOW) == []


def test_address_of_an_invitation_is_forgotten_once_it_is_long_over(accounts: Accounts, admin: User, site: Site) -> None:
    made = {name: invitations.invite(accounts, "home", admin.user_id, role="viewer", email=f"{name}@example.org")
            for name in ("open", "withdrawn", "accepted")}  # fmt: skip
    invitations.withdraw(accounts, made["withdrawn"]["invitation_id"], "home")
    bob = people.add_user(accounts, "bob", PASSWORD, "user")
    invitations.accept(accounts, bob.user_id, made["accepted"]["token"])

    def kept(at: datetime) -> set[str | None]:
        people.purge(accounts, at, 30)
        with accounts.reading() as session:
            return set(session.scalars(select(Invitation.email))) - {None}

    assert kept(NOW + timedelta(days=29)) == {f"{name}@example.org" for name in made}
    assert kept(NOW + timedelta(days=31)) == {"open@example.org"}
    assert kept(NOW + timedelta(days=invitations.DAYS + 31)) == set()


def test_export_shows_invitations_to_a_confirmed_address_alone(accounts: Accounts, admin: User, site: Site) -> None:
    made = invitations.invite(accounts, "home", admin.user_id, role="viewer", email="bob@example.com")
    bob = people.add_user(accounts, "bob", PASSWORD, "user", "BOB@example.com")
    assert people.export_of(accounts, bob, NOW)["invitations"] == []
    bob.email_confirmed_at = NOW
    assert [row["invitation_id"] for row in people.export_of(accounts, bob, NOW)["invitations"]] == [made["invitation_id"]]


def test_last_admin_stays(accounts: Accounts, admin: User) -> None:
    gone = people.add_user(accounts, "gone", PASSWORD, "admin")
    shut = people.add_user(accounts, "shut", PASSWORD, "admin")
    people.delete_user(accounts, gone, NOW)
    people.disable(accounts, "shut")
    for deed in (
        lambda: people.delete_user(accounts, admin, NOW),
        lambda: people.disable(accounts, "ada"),
        lambda: people.set_role(accounts, "ada", "user"),
    ):
        with pytest.raises(Conflict, match="last admin"):
            deed()
    assert people.only_admin(accounts).user_id == admin.user_id
    assert shut.role == "admin"


POOR = ["short", "Qwertyuiop", "1234567890", "zzzzzzzzzzzz", "ada@example.com", "ADA@example.com", "x" * 1025, "\ud800" * 12]


@pytest.mark.parametrize("password", POOR)
def test_password_is_refused(password: str) -> None:
    with pytest.raises(WrongFacts):
        people.hash_password(password, "ada", "ada@example.com")


@pytest.mark.parametrize("password", ["correct horse battery", "x1" * 512, "пароль длинный", "with \x00 a zero", "  blanks around  "])
def test_password_is_taken_as_it_is(accounts: Accounts, password: str) -> None:
    people.add_user(accounts, "ada", password, "user")
    assert people.check_login(accounts, "ADA", password)
    assert people.check_login(accounts, "ada", password + " ") is None
    assert people.check_login(accounts, "ada", password.strip() + "?") is None


def test_password_hash_is_argon2id_with_64_mebibytes(
    accounts: Accounts, product_hasher: Callable[[], PasswordHasher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", product_hasher)
    assert people.hash_password(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    people.add_user(accounts, "ada", PASSWORD, "user")
    assert people.check_login(accounts, "ada", PASSWORD)
    assert people.check_login(accounts, "ada", PASSWORD + " ") is None
    assert len(passwords.common_passwords()) > 20_000


def test_session_secret_is_kept_as_a_hash_only(accounts: Accounts, admin: User) -> None:
    secret = people.start_login(accounts, admin, 1, NOW)
    with accounts.reading() as session:
        kept = [str(vars(row)) for table in (Login, LoginSecret, AuditEntry) for row in session.scalars(select(table))]
    assert kept
    assert all(secret not in row for row in kept)


def test_one_failure_too_many_is_counted_for_nobody(accounts: Accounts) -> None:
    few, many = Limit("a", "x", 1, timedelta(hours=1)), Limit("b", "x", 2, timedelta(hours=1))
    assert begin(accounts, [few, many], NOW) == 0
    assert [begin(accounts, [few, many], NOW) for _ in range(3)] == [3600] * 3
    assert [begin(accounts, [many], NOW) for _ in range(2)] == [0, 3600]
    give_back(accounts, [many])
    assert begin(accounts, [many], NOW) == 0


def test_reset_secret_ends_with_its_time_and_with_the_next_password(accounts: Accounts, admin: User) -> None:
    sent: list[str] = []
    post = SimpleNamespace(
        is_configured=True, public_url="https://sun", later=lambda job: job(), send=lambda _to, _subject, body: sent.append(body)
    )
    people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    for _ in range(3):
        people.send_reset(accounts, post, "bob")  # pyright: ignore
    first, second, third = (body.split("token=")[1].split()[0] for body in sent)
    from aurora.accounts.models import OneTimeToken
    from aurora.accounts.people.logins import digest

    with accounts.transaction() as session:
        session.execute(update(OneTimeToken).where(OneTimeToken.token_hash == digest(first)).values(expires_at=NOW))
    with pytest.raises(Refused):
        people.reset_password(accounts, first, "a staple of its own")
    with pytest.raises(Refused):
        people.confirm_email(accounts, post, second)  # pyright: ignore
    people.reset_password(accounts, second, "a staple of its own")
    with pytest.raises(Refused):
        people.reset_password(accounts, third, "another staple of it")
    assert people.check_login(accounts, "bob", "a staple of its own")


def test_reset_is_not_sent_to_who_is_shut_out(accounts: Accounts, admin: User) -> None:
    sent: list[str] = []
    post = SimpleNamespace(is_configured=True, public_url="https://sun", later=lambda job: job(), send=lambda *given: sent.append(given[0]))
    for name in ("gone", "shut", "kept"):
        people.add_user(accounts, name, PASSWORD, "user", f"{name}@example.com")
    people.disable(accounts, "shut")
    people.delete_user(accounts, people.user_by_name(accounts, "gone"), NOW)
    for name in ("gone", "shut", "kept", "nobody", "a\x00b"):
        people.send_reset(accounts, post, name)  # pyright: ignore
        people.send_reset(accounts, post, f"{name}@example.com")  # pyright: ignore
    assert sent == ["kept@example.com"] * 2


def test_sites_of_an_ended_membership_are_not_visible(accounts: Accounts, admin: User, site: Site) -> None:
    bob = people.add_user(accounts, "bob", PASSWORD, "consultant")
    with accounts.transaction() as session:
        session.add(Membership(site_id=site.site_id, user_id=bob.user_id, role="consultant", ends_at=NOW + timedelta(days=1)))
    assert [place.site_id for place in people.visible_sites(accounts, bob.user_id, NOW)] == ["home"]
    assert people.visible_sites(accounts, bob.user_id, NOW + timedelta(days=1)) == []
    assert [place.site_id for place in sites.all_sites(accounts)] == ["home"]


@pytest.mark.needs("postgresql")
def test_people_come_and_go_on_postgresql(postgresql: str) -> None:  # noqa: F811 the fixture
    accounts = Accounts(postgresql)
    accounts.migrate()
    ada = people.add_user(accounts, "ada", PASSWORD, "admin")
    bob = people.add_user(accounts, "bob", PASSWORD, "user", "bob@example.com")
    login_id, secret = people.begin_login(accounts, bob, 1, NOW, "api", people.Whence("192.0.2.1", "curl"))
    renewed = people.renew_login(accounts, secret, 1, NOW)
    assert renewed is not None
    assert renewed[0].login_id == login_id
    assert people.renew_login(accounts, secret, 1, NOW) is None
    assert people.renew_login(accounts, renewed[1], 1, NOW) is None
    assert people.check_login(accounts, "a\x00da", PASSWORD) is None
    assert people.is_known_address(accounts, "bob", "192.0.2.1")
    limit = Limit("a", "x", 1, timedelta(hours=1))
    assert [begin(accounts, [limit], NOW) for _ in range(2)] == [0, 3600]
    assert people.export_of(accounts, bob, NOW)["logins"]
    people.delete_user(accounts, bob, NOW)
    assert people.purge(accounts, NOW + timedelta(days=31), 30)["users"] == 1
    assert people.only_admin(accounts).user_id == ada.user_id
    accounts.engine.dispose()
