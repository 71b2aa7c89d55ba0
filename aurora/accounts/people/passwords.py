"""Passwords: what may be one, its hash, and whether somebody knows it."""

import secrets
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aurora.accounts import audit
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.people.logins import end_logins
from aurora.accounts.people.one_time import forget_tokens
from aurora.errors import WrongFacts

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_PASSWORD_LENGTH = 10
MOST_PASSWORD_BYTES = 1024


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    # Argon2id with 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106, about 50 ms of two cores.
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _stand_in_hash() -> str:
    """A hash to verify against when there is no such account, so that the work tells nothing."""
    return _hasher().hash(secrets.token_urlsafe(16))


@cache
def common_passwords() -> frozenset[str]:
    """The passwords most often found in leaks, in small letters: the list that zxcvbn ships (30,000, MIT)."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def check_password(password: str, *names: str | None) -> None:
    """Refuse what is no good password for somebody with these names. Raises WrongFacts."""
    small = password.lower()
    if len(password) < LEAST_PASSWORD_LENGTH:
        reason = f"needs at least {LEAST_PASSWORD_LENGTH} characters"
    elif not _is_kept(password):
        reason = f"has at most {MOST_PASSWORD_BYTES} bytes of text"
    elif small in {name.lower() for name in names if name}:
        reason = "must not be the user name or the e-mail address"
    elif small in common_passwords() or len(set(small)) == 1:
        reason = "is among the most common ones; choose one that nobody else would"
    else:
        return
    raise WrongFacts([("password", reason)])


def hash_password(password: str, *names: str | None) -> str:
    """Argon2id hash of a password. Raises WrongFacts where it is too short, too long, common, or one of the person's `names`."""
    check_password(password, *names)
    return _hasher().hash(password)


def check_login(accounts: Accounts, username: str, password: str, address: str | None = None) -> User | None:
    """The person these credentials belong to; None otherwise, after the same work: a look-up, a hash, an audit entry."""
    with accounts.reading() as session:
        user = session.scalar(select(User).where(func.lower(User.username) == username.lower().replace("\x00", " ")))
    if is_password_of(user, password) and user and not user.is_disabled and user.deleted_at is None:
        return user
    with accounts.transaction() as session:
        # Not the name that was typed: it may be a password in the wrong field.
        audit.note(session, "login.fail", subject=("user", user.user_id) if user else None, address=address)
    return None


def is_password_of(user: User | None, password: str) -> bool:
    """Whether it is the person's password; the same work for nobody at all."""
    from argon2.exceptions import InvalidHashError, VerificationError

    fits = _is_kept(password)
    try:
        _hasher().verify(user.password_hash if user else _stand_in_hash(), password if fits else "")
    except (VerificationError, InvalidHashError):
        return False
    return fits and user is not None


def replace_password(accounts: Accounts, user: User, password: str, action: str, by: str | None = None, address: str | None = None) -> None:
    """Change a password, end all of that person's logins and make worthless every link that was sent. Raises WrongFacts.

    Args:
        action: What the audit log calls it.
        by: Id of who does it; None for the command line.
    """
    hashed = hash_password(password, user.username, user.email)
    with accounts.transaction() as session:
        put_hash(session, user, hashed, action, by, address)


def put_hash(session: Session, user: User, hashed: str, action: str, by: str | None, address: str | None) -> None:
    """What `replace_password` does, with a password that was judged and hashed already."""
    session.execute(update(User).where(User.user_id == user.user_id).values(password_hash=hashed))
    end_logins(session, user.user_id)
    forget_tokens(session, user.user_id, "reset_password")
    # Whoever asked for another address may be why the password had to change.
    forget_tokens(session, user.user_id, "confirm_email")
    audit.note(session, action, user_id=by, subject=("user", user.user_id), address=address)


def _is_kept(password: str) -> bool:
    """Whether a password can be hashed: it is text, and no more of it than anybody types."""
    try:
        return len(password.encode()) <= MOST_PASSWORD_BYTES
    except UnicodeEncodeError:
        return False
