"""How somebody goes: shut out at once, forgotten after a while."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from aurora.accounts import audit
from aurora.accounts.database import Accounts, changed_rows
from aurora.accounts.models import AuditEntry, Invitation, Login, Membership, OneTimeToken, User
from aurora.accounts.owners import revoke_invitations, sites_owned_alone
from aurora.accounts.people.logins import end_logins
from aurora.accounts.people.users import keep_an_admin
from aurora.errors import Conflict

FAILED_LOGIN_DAYS = 90


def delete_user(accounts: Accounts, user: User, now: datetime, address: str | None = None) -> None:
    """Shut a person out for good; their row stays until it is purged.

    Raises:
        Conflict: If nobody else owns a site of theirs, or they are the last admin; says the way out.
    """
    with accounts.transaction() as session:
        keep_an_admin(session, user)
        if alone := sites_owned_alone(session, user.user_id):
            names = ", ".join(f"{site.name} ({site.site_id})" for site in alone)
            raise Conflict(f"You alone own {names}. Make somebody else an owner or delete what you alone own, then try again.")
        session.execute(update(User).where(User.user_id == user.user_id).values(deleted_at=now))
        end_logins(session, user.user_id, now)
        session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user.user_id))
        session.execute(delete(Membership).where(Membership.user_id == user.user_id))
        revoke_invitations(session, user.user_id, now)
        audit.note(session, "user.delete", user_id=user.user_id, subject=("user", user.user_id), address=address)


def purge(accounts: Accounts, now: datetime, days: int) -> dict[str, int]:
    """Forget who was deleted more than `days` ago, with their logins, e-mail and feedback, and what has long ended.

    Of an invitation that was accepted, withdrawn or expired as long ago the address is forgotten.

    Their user name and e-mail are free again. In the audit log their id stays, without addresses and details.

    Returns:
        How many `users`, `logins` and `entries` of failed logins are gone.
    """
    before = now - timedelta(days=days)
    with accounts.transaction() as session:
        gone = list(session.execute(select(User.user_id, User.email).where(User.deleted_at <= before)))
        for user_id, email in gone:
            _forget(session, user_id, email)
        ended = session.execute(delete(Login).where(or_(Login.expires_at <= before, Login.revoked_at <= before)))
        session.execute(delete(OneTimeToken).where(OneTimeToken.expires_at <= before))
        over = or_(Invitation.expires_at <= before, Invitation.revoked_at <= before, Invitation.accepted_at <= before)
        session.execute(update(Invitation).where(over, Invitation.email.is_not(None)).values(email=None))
        failed = AuditEntry.action == "login.fail", AuditEntry.at <= now - timedelta(days=FAILED_LOGIN_DAYS)
        entries = session.execute(delete(AuditEntry).where(*failed))
    return {"users": len(gone), "logins": changed_rows(ended), "entries": changed_rows(entries)}


def _forget(session: Session, user_id: str, email: str | None) -> None:
    of_them = or_(AuditEntry.user_id == user_id, AuditEntry.subject_id == user_id)
    session.execute(update(AuditEntry).where(of_them).values(address=None, details=None))
    if email:
        session.execute(update(Invitation).where(func.lower(Invitation.email) == email.lower()).values(email=None))
    session.execute(delete(User).where(User.user_id == user_id))
    audit.note(session, "user.purge", subject=("user", user_id))
