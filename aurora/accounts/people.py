"""People: who they are, their passwords and logins, and which sites they may see."""

import hashlib
import re
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from aurora.accounts.database import Accounts
from aurora.accounts.models import Membership, Site, User, WebSession
from aurora.errors import Refused

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROLES = ("admin", "consultant", "user")
LEAST_PASSWORD_LENGTH = 10
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _stand_in_hash() -> str:
    """A hash to verify against when there is no such account, so that the work tells nothing."""
    return _hasher().hash(secrets.token_urlsafe(16))


def add_user(accounts: Accounts, username: str, password: str, role: str, email: str | None = None) -> User:
    """Make a person with a login.

    Raises:
        Refused: If the name, role or password cannot be taken.
    """
    if not USERNAME.fullmatch(username):
        raise Refused("A user name has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit.")
    if role not in ROLES:
        raise Refused(f"The role must be one of {', '.join(ROLES)}.")
    user = User(
        user_id=str(uuid.uuid4()),
        username=username,
        email=email,
        password_hash=hash_password(password),
        role=role,
        is_disabled=False,
        created_at=datetime.now(UTC),
    )
    with accounts.transaction() as session:
        if session.scalar(select(User.user_id).where(func.lower(User.username) == username.lower())):
            raise Refused(f"There is already a user named {username}. Choose another name.")
        session.add(user)
    return user


def hash_password(password: str) -> str:
    """Argon2id hash of a password. Raises Refused where it is too short."""
    if len(password) < LEAST_PASSWORD_LENGTH:
        raise Refused(f"A password needs at least {LEAST_PASSWORD_LENGTH} characters.")
    return _hasher().hash(password)


def check_login(accounts: Accounts, username: str, password: str) -> User | None:
    """The person these credentials belong to; None otherwise, after the same work."""
    from argon2.exceptions import VerificationError

    with accounts.reading() as session:
        user = session.scalar(select(User).where(func.lower(User.username) == username.lower()))
    try:
        _hasher().verify(user.password_hash if user else _stand_in_hash(), password)
    except VerificationError:
        return None
    return user if user and not user.is_disabled else None


def user_by_name(accounts: Accounts, username: str) -> User:
    """The person of that name. Raises Refused where there is none."""
    with accounts.reading() as session:
        user = session.scalar(select(User).where(func.lower(User.username) == username.lower()))
    if user is None:
        raise Refused(f"There is no user named {username}. `aurora user add` makes one.")
    return user


def user_by_id(accounts: Accounts, user_id: str) -> User | None:
    """The person with that id, unless disabled or unknown."""
    with accounts.reading() as session:
        user = session.get(User, user_id)
    return user if user and not user.is_disabled else None


def only_admin(accounts: Accounts) -> User:
    """The one admin there is. Raises Refused where there are none or several."""
    with accounts.reading() as session:
        admins = session.scalars(select(User).where(User.role == "admin", User.is_disabled.is_(False))).all()
    if len(admins) != 1:
        raise Refused(
            "There is no admin yet. Make one with `aurora user add NAME --role admin --password-stdin`."
            if not admins
            else "There are several admins: say whose site it is with --owner USER."
        )
    return admins[0]


def set_password(accounts: Accounts, username: str, password: str) -> None:
    """Change a password and end all of that person's logins. Raises Refused."""
    user = user_by_name(accounts, username)
    hashed = hash_password(password)
    with accounts.transaction() as session:
        session.execute(update(User).where(User.user_id == user.user_id).values(password_hash=hashed))
        _end_logins(session, user.user_id)


def set_role(accounts: Accounts, username: str, role: str) -> None:
    """Give a person another role. Raises Refused, also where nobody would be admin any more."""
    if role not in ROLES:
        raise Refused(f"The role must be one of {', '.join(ROLES)}.")
    user = user_by_name(accounts, username)
    with accounts.transaction() as session:
        if role != "admin":
            _keep_an_admin(session, user)
        session.execute(update(User).where(User.user_id == user.user_id).values(role=role))


def disable(accounts: Accounts, username: str) -> None:
    """Shut a person out at once. Raises Refused, also for the last admin."""
    user = user_by_name(accounts, username)
    with accounts.transaction() as session:
        _keep_an_admin(session, user)
        session.execute(update(User).where(User.user_id == user.user_id).values(is_disabled=True))
        _end_logins(session, user.user_id)


def _keep_an_admin(session: Session, user: User) -> None:
    others = session.scalar(
        select(func.count()).select_from(User).where(User.role == "admin", User.is_disabled.is_(False), User.user_id != user.user_id)
    )
    if user.role == "admin" and not others:
        raise Refused(f"{user.username} is the last admin. Make another one first: `aurora user role NAME admin`.")


def _end_logins(session: Session, user_id: str) -> None:
    session.execute(
        update(WebSession).where(WebSession.user_id == user_id, WebSession.revoked_at.is_(None)).values(revoked_at=datetime.now(UTC))
    )


def start_login(accounts: Accounts, user: User, hours: int, now: datetime) -> str:
    """Begin a browser login and return its secret id, which is kept only as a hash."""
    session_id = secrets.token_urlsafe(32)
    with accounts.transaction() as session:
        session.add(
            WebSession(session_hash=_digest(session_id), user_id=user.user_id, created_at=now, expires_at=now + timedelta(hours=hours))
        )
    return session_id


def login_user(accounts: Accounts, session_id: str, now: datetime) -> User | None:
    """The person a browser login belongs to; None where it has ended, expired or never was."""
    with accounts.reading() as session:
        return session.scalar(
            select(User)
            .join(WebSession, WebSession.user_id == User.user_id)
            .where(
                WebSession.session_hash == _digest(session_id),
                WebSession.revoked_at.is_(None),
                WebSession.expires_at > now,
                User.is_disabled.is_(False),
            )
        )


def end_login(accounts: Accounts, session_id: str, now: datetime) -> None:
    """End a browser login."""
    with accounts.transaction() as session:
        session.execute(update(WebSession).where(WebSession.session_hash == _digest(session_id)).values(revoked_at=now))


def visible_sites(accounts: Accounts, user_id: str, now: datetime) -> list[Site]:
    """The sites a person may see, by name: those of a membership that has not ended. Everything that shows a site asks this."""
    with accounts.reading() as session:
        return list(
            session.scalars(
                select(Site)
                .join(Membership, Membership.site_id == Site.site_id)
                .where(Membership.user_id == user_id, or_(Membership.ends_at.is_(None), Membership.ends_at > now))
                .order_by(Site.name, Site.site_id)
            )
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
