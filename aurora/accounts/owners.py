"""What owning a site holds up: that somebody who can log in always does, and the invitations an owner made."""

from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session, aliased

from aurora.accounts.models import Invitation, Membership, Site, User


def is_active() -> tuple[ColumnElement[bool], ...]:
    """Whether a person can log in."""
    return (User.is_disabled.is_(False), User.deleted_at.is_(None))


def is_owner(session: Session, site_id: str, user_id: str) -> bool:
    """Whether a person who can log in owns the site."""
    held = select(Membership.user_id).join(User, User.user_id == Membership.user_id)
    owns = Membership.site_id == site_id, Membership.user_id == user_id, Membership.role == "owner"
    return session.scalar(held.where(*owns, *is_active())) is not None


def has_other_owner(session: Session, site_id: str, user_id: str) -> bool:
    """Whether somebody else who can log in owns the site."""
    held = select(Membership.user_id).join(User, User.user_id == Membership.user_id)
    owns = Membership.site_id == site_id, Membership.user_id != user_id, Membership.role == "owner"
    return session.scalar(held.where(*owns, *is_active()).limit(1)) is not None


def sites_owned_alone(session: Session, user_id: str) -> list[Site]:
    """The sites by name that nobody else who can log in owns; all that the person owns are held for this transaction."""
    mine = select(Membership.site_id).where(Membership.user_id == user_id, Membership.role == "owner")
    # In the order of their ids, so that two who leave at once wait for each other and do not block each other.
    session.execute(select(Site.site_id).where(Site.site_id.in_(mine)).order_by(Site.site_id).with_for_update())
    other = aliased(Membership)
    shared = exists().where(
        other.site_id == Site.site_id, other.role == "owner", other.user_id != user_id, User.user_id == other.user_id, *is_active()
    )
    return list(session.scalars(select(Site).where(Site.site_id.in_(mine), ~shared).order_by(Site.name)))


def revoke_invitations(session: Session, user_id: str, now: datetime, site_id: str | None = None) -> None:
    """Make worthless the open invitations a person made, where named to that site alone."""
    opened = Invitation.invited_by == user_id, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None)
    ended = update(Invitation).where(*opened).values(revoked_at=now)
    session.execute(ended.where(Invitation.site_id == site_id) if site_id is not None else ended)
