"""Everything the accounts hold about one person, for that person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from aurora.accounts import audit
from aurora.accounts.database import Accounts
from aurora.accounts.models import Acknowledgement, Device, Feedback, Invitation, Login, Membership, Model, Overrule, Site, User

HIDDEN = {"password_hash", "token_hash", "secret_hash", "key_hash"}


def export_of(accounts: Accounts, user: User, now: datetime) -> dict[str, Any]:
    """Profile, memberships, sites and devices, logins, invitations, what a person said and did, without any secret."""
    with accounts.reading() as session:
        memberships = session.scalars(select(Membership).where(Membership.user_id == user.user_id)).all()
        site_ids = [member.site_id for member in memberships if member.ends_at is None or member.ends_at > now]
        to_them = Invitation.accepted_by == user.user_id
        # An address that nobody confirmed may be somebody else's, and so may what was sent there.
        if user.email and user.email_confirmed_at:
            to_them = or_(to_them, func.lower(Invitation.email) == user.email.lower())
        return {
            "exported_at": now,
            "profile": facts(user),
            "memberships": _rows(memberships),
            "sites": _rows(session.scalars(select(Site).where(Site.site_id.in_(site_ids))).all()),
            "devices": _rows(session.scalars(select(Device).where(Device.site_id.in_(site_ids))).all()),
            "logins": _rows(session.scalars(select(Login).where(Login.user_id == user.user_id)).all()),
            "invitations": _rows(session.scalars(select(Invitation).where(or_(Invitation.invited_by == user.user_id, to_them))).all()),
            "feedback": _rows(session.scalars(select(Feedback).where(Feedback.user_id == user.user_id)).all()),
            "meter_decisions": _rows(session.scalars(select(Overrule).where(Overrule.user_id == user.user_id)).all()),
            "known_findings": _rows(session.scalars(select(Acknowledgement).where(Acknowledgement.user_id == user.user_id)).all()),
            "audit": _rows(audit.entries(accounts, user.user_id, most=100_000)),
        }


def facts(row: Model) -> dict[str, Any]:
    """The columns of a row, without hashes of secrets."""
    return {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name not in HIDDEN}


def _rows(rows: Sequence[Model]) -> list[dict[str, Any]]:
    return [facts(row) for row in rows]
