"""Who may do what at which site."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.facts import Facts, Moment, checked
from aurora.accounts.models import Membership, User
from aurora.accounts.owners import has_other_owner, revoke_invitations
from aurora.accounts.rights import MemberRole
from aurora.accounts.sites import existing_site
from aurora.errors import Conflict, Unknown, WrongFacts


def _to_come(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("is over already; name a time to come")
    return moment


class Role(Facts):
    """What somebody may do at a site, and until when; a consultant's end must be named, an owner has none."""

    role: MemberRole
    ends_at: Annotated[Moment, AfterValidator(_to_come)] | None = None

    @model_validator(mode="after")
    def _ends_as_its_role_needs(self) -> "Role":
        if self.role == "consultant" and self.ends_at is None:
            raise ValueError("a consultant needs ends_at, the time the membership ends")
        if self.role == "owner" and self.ends_at is not None:
            raise ValueError("an owner has no ends_at; make somebody who comes for a time a consultant")
        return self


class NewMember(Role):
    """Somebody to become a member, named by user name or by id."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"username": "bob", "role": "consultant", "ends_at": "2030-01-01T00:00:00Z"}]}
    )

    username: Annotated[str, Field(max_length=64)] | None = None
    user_id: Annotated[str, Field(max_length=36)] | None = None

    @model_validator(mode="after")
    def _names_one_person(self) -> "NewMember":
        if (self.username is None) == (self.user_id is None):
            raise ValueError("name the person by either username or user_id")
        return self


def role_at(accounts: Accounts, user_id: str, site_id: str, now: datetime) -> str | None:
    """A person's role at a site; None for whoever is no member or no longer one."""
    current = or_(Membership.ends_at.is_(None), Membership.ends_at > now)
    with accounts.reading() as session:
        return session.scalar(select(Membership.role).where(Membership.user_id == user_id, Membership.site_id == site_id, current))


def sites_owned_by(accounts: Accounts, user_id: str) -> frozenset[str]:
    """Ids of the sites a person owns."""
    owned = select(Membership.site_id).where(Membership.user_id == user_id, Membership.role == "owner")
    with accounts.reading() as session:
        return frozenset(session.scalars(owned))


def members_of(accounts: Accounts, site_id: str) -> list[dict[str, Any]]:
    """The members of a site whose membership is not over, by user name: user_id, username, role, ends_at."""
    chosen = (
        select(Membership.user_id, User.username, Membership.role, Membership.ends_at)
        .join(User, User.user_id == Membership.user_id)
        .where(Membership.site_id == site_id, or_(Membership.ends_at.is_(None), Membership.ends_at > datetime.now(UTC)))
        .order_by(User.username)
    )
    with accounts.reading() as session:
        return [dict(row) for row in session.execute(chosen).mappings()]


def add_member(accounts: Accounts, site_id: str, by: str | None = None, **given: Any) -> dict[str, Any]:
    """Make somebody a member, or give a member another role: user_id, username, role, ends_at.

    Raises:
        WrongFacts: If there is no such person, or the end does not fit the role.
        Conflict: If the site would be left without an owner.
        Unknown: If there is no such site.
    """
    facts = checked(NewMember, given)
    with accounts.transaction() as session:
        existing_site(session, site_id)
        user = _person(session, facts)
        give_role(session, site_id, user.user_id, facts["role"], facts.get("ends_at"))
        note(session, "member.add", user_id=by, subject=("user", user.user_id), site_id=site_id, details={"role": facts["role"]})
        return {"user_id": user.user_id, "username": user.username, "role": facts["role"], "ends_at": facts.get("ends_at")}


def remove_member(accounts: Accounts, site_id: str, user_id: str, by: str | None = None) -> None:
    """End a membership.

    Raises:
        Conflict: If it is the last owner's.
        Unknown: If there is none.
    """
    with accounts.transaction() as session:
        existing_site(session, site_id)
        membership = session.get(Membership, (site_id, user_id))
        if membership is None:
            raise Unknown(f"{user_id} is no member of {site_id}.")
        _keep_an_owner(session, membership)
        session.delete(membership)
        revoke_invitations(session, user_id, datetime.now(UTC), site_id)
        note(session, "member.remove", user_id=by, subject=("user", user_id), site_id=site_id)


def give_role(session: Session, site_id: str, user_id: str, role: str, ends_at: datetime | None) -> None:
    """Give a person a role at a site within a transaction that holds the site. Raises Conflict for the last owner's loss of it."""
    held = session.get(Membership, (site_id, user_id))
    if held is None:
        session.add(Membership(site_id=site_id, user_id=user_id, role=role, ends_at=ends_at))
        return
    if role != "owner":
        _keep_an_owner(session, held)
        revoke_invitations(session, user_id, datetime.now(UTC), site_id)
    held.role, held.ends_at = role, ends_at


def _person(session: Session, facts: dict[str, Any]) -> User:
    name = "username" if facts.get("username") is not None else "user_id"
    column = func.lower(User.username) if name == "username" else User.user_id
    wanted = facts[name].lower() if name == "username" else facts[name]
    user = None if "\x00" in wanted else session.scalar(select(User).where(column == wanted, User.deleted_at.is_(None)))
    if user is None or user.is_disabled:
        raise WrongFacts([(name, "names nobody with a login; invite them instead")])
    return user


def _keep_an_owner(session: Session, leaving: Membership) -> None:
    if leaving.role == "owner" and not has_other_owner(session, leaving.site_id, leaving.user_id):
        raise Conflict("That is the site's last owner. Make somebody else an owner first, or delete the site.")
