"""What a member of somebody else's site can reach from a site of their own: its contract, its members, its invitations."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from aurora.accounts import memberships
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.lake.store import Lake
from tests.app.published import publish
from tests.app.test_places_api import ENERGY, PLACE, Person, as_bob, bob, client, house

__all__ = ["as_bob", "bob", "client", "house"]
FEED_IN = ENERGY | {"part": "feed_in", "direction": "export"}
CONTRACT = {"name": "Flat", "currency": "EUR", "prices": [ENERGY, FEED_IN]}


@pytest.fixture
def as_ada(client, accounts: Accounts, site: Site) -> Person:
    """The owner of `home`, which has a contract that bob may read."""
    ada = Person(client, "ada")
    assert ada("PUT", "/sites/home/tariffs", CONTRACT).status_code == 200
    return ada


def price_history(lake: Lake, accounts: Accounts, tariff_id: str) -> None:
    line = {"site_id": "home", "local_date": date(2026, 3, 1), "direction": "import", "quantity": 1.0, "quantity_unit": "kWh"}
    money = {"unit_price": 0.123456789, "amount": Decimal("0.123457"), "currency": "EUR", "tariff_id": tariff_id}
    rows = pl.DataFrame([line | money | {"part": part} for part in ("energy", "feed_in")])
    publish(lake, accounts, "refresh", {"gold/cost_lines": rows}, datetime.now(UTC))


@pytest.mark.parametrize(("role", "status"), [("viewer", 400), ("consultant", 200), ("owner", 200)])
def test_tariff_is_shared_by_whoever_may_change_it_alone(
    as_bob: Person, as_ada: Person, accounts: Accounts, role: str, status: int
) -> None:
    ends_at = datetime(2100, 1, 1, tzinfo=UTC) if role == "consultant" else None
    memberships.add_member(accounts, "home", username="bob", role=role, ends_at=ends_at)
    foreign = as_bob("GET", "/sites/home/tariffs").json()["tariff_id"]
    changed = as_bob("PUT", "/sites/house", {"tariff_id": foreign})
    assert changed.status_code == status
    assert as_bob("POST", "/sites", PLACE | {"tariff_id": foreign}).status_code == (201 if status == 200 else 400)
    if status == 400:
        unknown = as_bob("PUT", "/sites/house", {"tariff_id": "nothing"})
        assert changed.json() == unknown.json()


def test_part_that_prices_history_stays_after_the_tariff_was_shared(as_bob: Person, as_ada: Person, accounts: Accounts, lake: Lake) -> None:
    first = as_ada("GET", "/sites/home/tariffs").json()["tariff_id"]
    price_history(lake, accounts, first)
    memberships.add_member(accounts, "home", username="bob", role="owner")
    assert as_bob("PUT", "/sites/house", {"tariff_id": first}).status_code == 200
    forked = as_ada("PUT", "/sites/home/tariffs", CONTRACT | {"name": "Next"})
    assert forked.json()["tariff_id"] != first
    assert as_ada("PUT", "/sites/home/tariffs", CONTRACT | {"prices": [ENERGY]}).status_code == 409
    assert as_ada("PUT", "/sites/home/tariffs", CONTRACT | {"currency": "SEK"}).status_code == 409
    assert as_ada("GET", "/sites/home/tariffs").json() == forked.json()


def test_contract_that_prices_history_is_neither_taken_away_nor_replaced(as_ada: Person, accounts: Accounts, lake: Lake) -> None:
    poorer = as_ada("POST", "/sites", PLACE).json()["site_id"]
    other = as_ada("PUT", f"/sites/{poorer}/tariffs", CONTRACT | {"prices": [ENERGY]}).json()["tariff_id"]
    held = as_ada("GET", "/sites/home").json()["tariff_id"]
    assert as_ada("PUT", f"/sites/{poorer}", {"tariff_id": None}).json()["tariff_id"] is None
    assert as_ada("PUT", f"/sites/{poorer}", {"tariff_id": held}).status_code == 200
    again = as_ada("PUT", f"/sites/{poorer}/tariffs", CONTRACT | {"prices": [ENERGY]}).json()["tariff_id"]
    assert again not in {other, held}
    price_history(lake, accounts, held)
    for tariff_id in (None, again):
        assert as_ada("PUT", "/sites/home", {"tariff_id": tariff_id}).status_code == 409
    assert as_ada("PUT", "/sites/home", {"tariff_id": held, "name": "New"}).status_code == 200
    assert as_ada("GET", "/sites/home").json()["tariff_id"] == held


def test_accepting_has_a_limit(as_bob: Person) -> None:
    answers = [as_bob("POST", "/invitations/accept", {"token": "x" * 43}) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {400, 429}
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(("held", "offered", "status"), [("owner", "viewer", 409), ("viewer", "viewer", 409), ("viewer", "owner", 200)])
def test_invitation_is_not_used_up_by_whoever_is_a_member_already(
    as_bob: Person, as_ada: Person, accounts: Accounts, held: str, offered: str, status: int
) -> None:
    memberships.add_member(accounts, "home", username="bob", role=held)
    made = as_ada("POST", "/sites/home/invitations", {"role": offered}).json()
    assert as_bob("POST", "/invitations/accept", {"token": made["token"]}).status_code == status
    still_open = [row["invitation_id"] for row in as_ada("GET", "/sites/home/invitations").json()["invitations"]]
    assert still_open == ([made["invitation_id"]] if status == 409 else [])


def test_membership_that_is_over_is_neither_made_nor_shown(as_ada: Person, bob: User, accounts: Accounts) -> None:
    given = {"role": "viewer", "ends_at": "2020-01-01T00:00:00Z"}
    for path, body in (("members", given | {"username": "bob"}), ("invitations", given)):
        refused = as_ada("POST", f"/sites/home/{path}", body)
        assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, "ends_at")
    with accounts.transaction() as session:
        memberships.give_role(session, "home", bob.user_id, "viewer", datetime(2020, 1, 1, tzinfo=UTC))
    assert [row["username"] for row in as_ada("GET", "/sites/home/members").json()["members"]] == ["ada"]
