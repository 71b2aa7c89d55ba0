"""Logins of browsers and programs: begun, looked up at every request, renewed, listed and ended.

A login's secret is kept as a hash. A browser's secret stays; a program's is a refresh token, good for one use. A used one that is
presented again was stolen, by its first or its second user: the login ends. There is no time of grace: a program that lost an
answer logs in again.
"""

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from aurora.accounts import audit
from aurora.accounts.database import Accounts, changed_rows
from aurora.accounts.models import Login, LoginSecret, User
from aurora.errors import Unknown

Kind = Literal["browser", "api"]
MOST_AGENT = 256
# How old `last_used_at` may grow before it is written again: every request would otherwise wait for a commit.
USED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Grant:
    """Who asks, and by which login."""

    user: User
    login_id: str


@dataclass(frozen=True)
class Whence:
    """Where a login was begun: IP address and the program's own name."""

    address: str | None = None
    user_agent: str | None = None


def digest(secret: str) -> str:
    """What is kept of a secret with 256 random bits: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def start_login(accounts: Accounts, user: User, hours: int, now: datetime, kind: Kind = "browser", whence: Whence | None = None) -> str:
    """Begin a login and return its secret."""
    return begin_login(accounts, user, hours, now, kind, whence)[1]


def begin_login(accounts: Accounts, user: User, hours: int, now: datetime, kind: Kind, whence: Whence | None = None) -> tuple[str, str]:
    """Begin a login and return its id and its secret."""
    secret, login_id, whence = secrets.token_urlsafe(32), str(uuid.uuid4()), whence or Whence()
    with accounts.transaction() as session:
        session.add(
            Login(
                login_id=login_id,
                user_id=user.user_id,
                kind=kind,
                user_agent=(whence.user_agent or "").replace("\x00", "")[:MOST_AGENT] or None,
                address=whence.address or None,
                created_at=now,
                last_used_at=now,
                expires_at=now + timedelta(hours=hours),
            )
        )
        session.flush()
        session.add(LoginSecret(secret_hash=digest(secret), login_id=login_id, issued_at=now))
        audit.note(session, "login.start", user_id=user.user_id, subject=("login", login_id), address=whence.address)
    return login_id, secret


def grant_of(accounts: Accounts, secret: str, now: datetime) -> Grant | None:
    """Who holds the secret of a browser's login; None where it has ended, expired or never was."""
    asked = (
        select(User, Login.login_id, Login.last_used_at)
        .join(Login, Login.user_id == User.user_id)
        .join(LoginSecret, LoginSecret.login_id == Login.login_id)
        .where(LoginSecret.secret_hash == digest(secret), Login.kind == "browser", *_lasts(now))
    )
    with accounts.reading() as session:
        found = session.execute(asked).one_or_none()
    if found is None:
        return None
    user, login_id, last_used_at = found
    if now - last_used_at > USED_WITHIN:
        with accounts.transaction() as session:
            session.execute(update(Login).where(Login.login_id == login_id).values(last_used_at=now))
    return Grant(user, login_id)


def login_user(accounts: Accounts, secret: str, now: datetime) -> User | None:
    """The person a browser's login belongs to; None where it has ended, expired or never was."""
    found = grant_of(accounts, secret, now)
    return found.user if found else None


def renew_login(accounts: Accounts, secret: str, hours: int, now: datetime) -> tuple[Grant, str] | None:
    """Who holds a refresh token, and the next one; None where it is worthless. One that was used before ends its login."""
    with accounts.transaction() as session:
        of_secret = LoginSecret.secret_hash == digest(secret)
        spent = session.execute(update(LoginSecret).where(of_secret, LoginSecret.used_at.is_(None)).values(used_at=now))
        login_id = session.scalar(select(LoginSecret.login_id).join(Login).where(of_secret, Login.kind == "api"))
        if login_id is None:
            return None
        if not changed_rows(spent):
            _end_stolen(session, login_id, now)
            return None
        user = session.scalar(select(User).join(Login, Login.user_id == User.user_id).where(Login.login_id == login_id, *_lasts(now)))
        if user is None:
            return None
        following = secrets.token_urlsafe(32)
        session.add(LoginSecret(secret_hash=digest(following), login_id=login_id, issued_at=now))
        until = now + timedelta(hours=hours)
        session.execute(update(Login).where(Login.login_id == login_id).values(last_used_at=now, expires_at=until))
    return Grant(user, login_id), following


def _end_stolen(session: Session, login_id: str, now: datetime) -> None:
    ended = session.execute(update(Login).where(Login.login_id == login_id, Login.revoked_at.is_(None)).values(revoked_at=now))
    if changed_rows(ended):
        audit.note(session, "login.reuse", subject=("login", login_id))


def _lasts(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Login.revoked_at.is_(None), Login.expires_at > now, User.is_disabled.is_(False), User.deleted_at.is_(None))


def end_login(accounts: Accounts, secret: str, now: datetime) -> None:
    """End the login that the secret belongs to."""
    named = select(LoginSecret.login_id).where(LoginSecret.secret_hash == digest(secret))
    with accounts.transaction() as session:
        found = session.execute(select(Login.login_id, Login.user_id).where(Login.login_id.in_(named), Login.revoked_at.is_(None))).first()
        if found:
            end_logins(session, found.user_id, now, only=found.login_id)
            audit.note(session, "login.end", user_id=found.user_id, subject=("login", found.login_id))


def logins_of(accounts: Accounts, user_id: str, now: datetime) -> list[Login]:
    """The logins of a person that have not ended, the last used first."""
    with accounts.reading() as session:
        return list(
            session.scalars(
                select(Login)
                .where(Login.user_id == user_id, Login.revoked_at.is_(None), Login.expires_at > now)
                .order_by(Login.last_used_at.desc(), Login.login_id)
            )
        )


def revoke_login(accounts: Accounts, user_id: str, login_id: str, now: datetime) -> None:
    """End one login of a person. Raises Unknown where they have none with that id."""
    with accounts.transaction() as session:
        known = session.scalar(
            select(Login.login_id).where(
                Login.login_id == login_id.replace("\x00", ""), Login.user_id == user_id, Login.revoked_at.is_(None)
            )
        )
        if known is None:
            raise Unknown("There is no such login of yours. GET /v1/users/me/sessions lists them.")
        end_logins(session, user_id, now, only=known)
        audit.note(session, "login.revoke", user_id=user_id, subject=("login", known))


def revoke_others(accounts: Accounts, user_id: str, kept: str, now: datetime) -> None:
    """End all logins of a person but one."""
    with accounts.transaction() as session:
        ended = Login.user_id == user_id, Login.login_id != kept, Login.revoked_at.is_(None)
        session.execute(update(Login).where(*ended).values(revoked_at=now))
        audit.note(session, "login.revoke_others", user_id=user_id, subject=("user", user_id))


def end_logins(session: Session, user_id: str, now: datetime | None = None, only: str | None = None) -> None:
    """End all logins of a person, or one of them, in the transaction of `session`."""
    changed = update(Login).where(Login.user_id == user_id, Login.revoked_at.is_(None)).values(revoked_at=now or datetime.now(UTC))
    session.execute(changed.where(Login.login_id == only) if only else changed)


def is_known_address(accounts: Accounts, username: str, address: str) -> bool:
    """Whether a person has logged in from that address and that login is still kept."""
    asked = (
        select(Login.login_id)
        .join(User, User.user_id == Login.user_id)
        .where(func.lower(User.username) == username.lower().replace("\x00", " "), Login.address == address)
        .limit(1)
    )
    with accounts.reading() as session:
        return session.scalar(asked) is not None
