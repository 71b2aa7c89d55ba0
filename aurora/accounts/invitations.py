"""Invitations: a membership for whoever holds the secret, which is shown once and kept as its SHA-256."""

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.facts import checked
from aurora.accounts.memberships import Role, give_role
from aurora.accounts.models import Invitation, Membership, Site
from aurora.accounts.owners import is_owner
from aurora.accounts.rights import RIGHTS
from aurora.accounts.sites import existing_site
from aurora.domain.texts import text
from aurora.errors import Conflict, Unknown, WrongFacts
from aurora.mail import Post

DAYS = 14
MOST_OPEN = 100
SHOWN = ("invitation_id", "site_id", "email", "role", "ends_at", "created_at", "expires_at")


class NewInvitation(Role):
    """A membership to offer; the address is where the invitation is sent, if mail is set up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "viewer", "email": "bob@example.org"}]})

    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f<>]+@[^@\s\x00-\x1f<>]+$")] | None = None


def invite(accounts: Accounts, site_id: str, user_id: str, by: str | None = None, **given: Any) -> dict[str, Any]:
    """Offer a membership; returns what `open_invitations` shows and the secret `token`.

    Raises:
        WrongFacts: If the end does not fit the role.
        Conflict: If too many are open.
        Unknown: If there is no such site.
    """
    facts, now, token = checked(NewInvitation, given), datetime.now(UTC), secrets.token_urlsafe(32)
    with accounts.transaction() as session:
        existing_site(session, site_id)
        if (session.scalar(select(func.count()).select_from(_open(site_id, now).subquery())) or 0) >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} invitations are open. Withdraw those that nobody will accept.")
        invitation = Invitation(
            invitation_id=str(uuid.uuid4()), site_id=site_id, token_hash=_digest(token), invited_by=user_id, created_at=now,
            expires_at=now + timedelta(days=DAYS), **facts,
        )  # fmt: skip
        session.add(invitation)
        note(session, "invitation.make", user_id=by, subject=("invitation", invitation.invitation_id), site_id=site_id)
    return _shown(invitation) | {"token": token}


def open_invitations(accounts: Accounts, site_id: str) -> list[dict[str, Any]]:
    """The invitations to a site that can still be accepted, the newest first."""
    with accounts.reading() as session:
        return [_shown(row) for row in session.scalars(_open(site_id, datetime.now(UTC)).order_by(Invitation.created_at.desc()))]


def withdraw(accounts: Accounts, invitation_id: str, site_id: str | None = None, by: str | None = None) -> str:
    """Make an invitation worthless, where a site is named one to that site; returns its site. Raises Unknown where there is none."""
    now = datetime.now(UTC)
    wanted = select(Invitation).where(Invitation.invitation_id == invitation_id, *_is_open(now))
    with accounts.transaction() as session:
        invitation = session.scalar(wanted if site_id is None else wanted.where(Invitation.site_id == site_id))
        if invitation is None:
            raise Unknown(f"There is no open invitation {invitation_id}.")
        invitation.revoked_at = now
        note(session, "invitation.withdraw", user_id=by, subject=("invitation", invitation_id), site_id=invitation.site_id)
        return invitation.site_id


def link(post: Post, token: str) -> str:
    """The address that whoever is invited opens to accept."""
    return f"{post.public_url}/invitation?token={token}"


def send_mail(post: Post, recipient: str, username: str, token: str, *, is_patient: bool = True) -> bool:
    """Mail the link of an invitation that `username` made, now; whether it was taken."""
    # The site's name is left out: whoever may name a site could otherwise write to strangers in Aurora's name.
    body = text("mail.invitation", username=username, url=link(post, token), days=DAYS)
    return post.send(recipient, text("mail.invitation_subject"), body, is_patient=is_patient)


def accept(accounts: Accounts, user_id: str, token: str, by: str | None = None) -> dict[str, Any]:
    """Make a person the member an invitation speaks of: site_id, role and ends_at.

    Raises:
        Conflict: If the person has that role there already, or a greater one, for as long; the invitation stays open.
        WrongFacts: If the secret is unknown, used, withdrawn or expired, or who invited owns the site no more; which of them is not said.
    """
    now = datetime.now(UTC)
    with accounts.transaction() as session:
        invitation = _held(session, token, now)
        site_id = invitation.site_id
        held = session.get(Membership, (site_id, user_id))
        if held is not None and _is_covered(held, invitation, now):
            raise Conflict(text("account.already_member", role=text(f"account.role_{held.role}")))
        give_role(session, site_id, user_id, invitation.role, invitation.ends_at)
        invitation.accepted_at, invitation.accepted_by = now, user_id
        note(session, "invitation.accept", user_id=by, subject=("user", user_id), site_id=site_id)
        session.flush()
        got = session.get_one(Membership, (site_id, user_id))
        return {"site_id": site_id, "role": got.role, "ends_at": got.ends_at}


def _is_covered(held: Membership, invitation: Invitation, now: datetime) -> bool:
    """Whether a membership gives all that an invitation offers."""
    if held.ends_at is not None and (held.ends_at <= now or invitation.ends_at is None or held.ends_at < invitation.ends_at):
        return False
    return all(invitation.role not in roles or held.role in roles for roles in RIGHTS.values())


def _held(session: Session, token: str, now: datetime) -> Invitation:
    """The open invitation with that secret, held with its site for this transaction. Raises WrongFacts."""
    found = select(Invitation).where(Invitation.token_hash == _digest(token))
    site_id = session.scalar(found.with_only_columns(Invitation.site_id))
    # The site first, as everything that changes members does: the other way round two of them could block each other.
    if site_id is not None and session.get(Site, site_id, with_for_update=True):
        invitation = session.scalar(found.where(*_is_open(now)).with_for_update())
        if invitation is not None and is_owner(session, site_id, invitation.invited_by):
            return invitation
    raise WrongFacts([("token", "is not that of an open invitation; ask for a new one")])


def _open(site_id: str, now: datetime):
    return select(Invitation).where(Invitation.site_id == site_id, *_is_open(now))


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > now)


def _shown(invitation: Invitation) -> dict[str, Any]:
    return {name: getattr(invitation, name) for name in SHOWN}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
