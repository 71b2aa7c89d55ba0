"""Inviting by command: what is made, who invites, until when, and the end of an invitation."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from aurora.accounts import invitations, memberships, people
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.errors import Refused, Unknown, WrongFacts
from orchestration.cli.invitations import end_of
from tests.kernel.test_places import aurora

__all__ = ["aurora"]
INVITE = ("site", "invite", "home", "--email", "bob@example.com")


def test_invitation_is_made_listed_accepted_and_withdrawn(aurora: Callable[..., dict], accounts: Accounts, site: Site) -> None:
    made = aurora(*INVITE, "--role", "consultant", "--until", "2100-03-27")
    assert made["link"].endswith(f"/invitation?token={made['token']}")
    assert made["is_mailed"] is False
    listed = aurora("site", "invitations", "Home")["invitations"]
    assert [(row["invitation_id"], row["email"], "token" in row) for row in listed] == [(made["invitation_id"], "bob@example.com", False)]
    bob = people.add_user(accounts, "bob", "correct horse battery", "user")
    assert invitations.accept(accounts, bob.user_id, made["token"])["role"] == "consultant"
    other = aurora(*INVITE)
    assert aurora("site", "invitation", "withdraw", other["invitation_id"])["site_id"] == site.site_id
    with pytest.raises(Unknown):
        aurora("site", "invitation", "withdraw", other["invitation_id"])
    assert aurora("site", "invitations", "home")["invitations"] == []


def test_consultant_needs_an_end_and_several_owners_a_name(aurora: Callable[..., dict], accounts: Accounts, site: Site) -> None:
    with pytest.raises(WrongFacts):
        aurora(*INVITE, "--role", "consultant")
    people.add_user(accounts, "eve", "correct horse battery", "user")
    with pytest.raises(Refused, match="does not own"):
        aurora(*INVITE, "--by", "eve")
    memberships.add_member(accounts, "home", username="eve", role="owner")
    with pytest.raises(Refused, match="--by"):
        aurora(*INVITE)
    assert aurora(*INVITE, "--by", "eve")["role"] == "viewer"


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, None),
        ("2026-03-28", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("2026-10-25", datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("2026-03-29T12:00:00Z", datetime(2026, 3, 29, 12, tzinfo=UTC)),
    ],
)
def test_last_day_ends_at_the_sites_own_midnight(until: str | None, expected: datetime | None) -> None:
    assert end_of(until, "Europe/Berlin") == expected


@pytest.mark.parametrize("until", ["tomorrow", "2026-13-01", "2026-03-29T12:00:00", ""])
def test_end_that_is_no_time_is_refused(until: str) -> None:
    with pytest.raises(Refused):
        end_of(until, "Europe/Berlin")
