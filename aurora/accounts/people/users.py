"""Who has a login: making people, finding them, their role and profile."""

import re
import uuid
from datetime import UTC, datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aurora.accounts import audit
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.owners import is_active, revoke_invitations
from aurora.accounts.people.logins import end_logins
from aurora.accounts.people.passwords import hash_password, replace_password
from aurora.errors import Conflict, Refused, WrongFacts

ROLES = ("admin", "consultant", "user")
# ASCII alone: a letter of another script can pass for another person's name.
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_EMAIL = 254


def add_user(accounts: Accounts, username: str, password: str, role: str, email: str | None = None, address: str | None = None) -> User:
    """Make a person with a login.

    Raises:
        WrongFacts: If the name, e-mail or password cannot be taken.
        Conflict: If the name or e-mail is somebody else's.
        Refused: If there is no such role.
    """
    _check_role(role)
    if not USERNAME.fullmatch(username):
        reason = "has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit"
        raise WrongFacts([("username", reason)])
    email = check_email(email) if email else None
    user = User(
        user_id=str(uuid.uuid4()),
        username=username,
        email=email,
        password_hash=hash_password(password, username, email),
        role=role,
        is_disabled=False,
        created_at=datetime.now(UTC),
    )
    with accounts.transaction() as session:
        if session.scalar(select(User.user_id).where(func.lower(User.username) == username.lower())):
            raise Conflict(f"There is already a user named {username}. Choose another name.")
        if email:
            keep_email_free(session, email)
        session.add(user)
        # A person who comes from an address registers; everybody else is added by command.
        by = user.user_id if address is not None else None
        audit.note(session, "user.add", user_id=by, subject=("user", user.user_id), address=address, details={"role": role})
    return user


def check_email(email: str) -> str:
    """The e-mail address in the form it is kept. Raises WrongFacts where it cannot be one; nothing is asked of the network."""
    try:
        found = validate_email(email, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        raise WrongFacts([("email", "is not an e-mail address, such as ada@example.com")]) from None
    if len(found.normalized) > MOST_EMAIL:
        raise WrongFacts([("email", f"is longer than {MOST_EMAIL} characters")])
    return found.normalized


def keep_email_free(session: Session, email: str, except_user_id: str = "") -> None:
    """Refuse an e-mail address that is somebody else's. Raises Conflict."""
    if owner_of_email(session, email, except_user_id):
        raise _taken_email()


def _taken_email() -> Conflict:
    return Conflict("That e-mail address belongs to another account. Use another one, or log in to that account.")


def owner_of_email(session: Session, email: str, except_user_id: str = "") -> User | None:
    """Whose e-mail address it is."""
    return session.scalar(select(User).where(func.lower(User.email) == email.lower(), User.user_id != except_user_id))


def user_by_name(accounts: Accounts, username: str) -> User:
    """The person of that name. Raises Refused where there is none."""
    with accounts.reading() as session:
        user = session.scalar(select(User).where(func.lower(User.username) == username.lower(), User.deleted_at.is_(None)))
    if user is None:
        raise Refused(f"There is no user named {username}. `aurora user add` makes one.")
    return user


def user_by_name_or_email(accounts: Accounts, given: str) -> User | None:
    """The person of that name or e-mail address who may log in; None where there is none."""
    if "\x00" in given:
        return None
    with accounts.reading() as session:
        return session.scalar(
            select(User).where(
                or_(func.lower(User.username) == given.lower(), func.lower(User.email) == given.lower()),
                User.is_disabled.is_(False),
                User.deleted_at.is_(None),
            )
        )


def user_by_id(accounts: Accounts, user_id: str) -> User | None:
    """The person with that id, unless disabled, deleted or unknown."""
    with accounts.reading() as session:
        user = session.get(User, user_id)
    return user if user and not user.is_disabled and user.deleted_at is None else None


def all_users(accounts: Accounts) -> list[User]:
    """Everybody, by name, also those who are disabled or wait to be purged."""
    with accounts.reading() as session:
        return list(session.scalars(select(User).order_by(User.username)))


def only_admin(accounts: Accounts) -> User:
    """The one admin there is. Raises Refused where there are none or several."""
    with accounts.reading() as session:
        admins = session.scalars(select(User).where(*_active_admin())).all()
    if len(admins) != 1:
        raise Refused(
            "There is no admin yet. Make one with `aurora user add NAME --role admin --password-stdin`."
            if not admins
            else "There are several admins: say whose site it is with --owner USER."
        )
    return admins[0]


def has_admin(accounts: Accounts) -> bool:
    """Whether there is an admin who can log in."""
    with accounts.reading() as session:
        return session.scalar(select(User.user_id).where(*_active_admin()).limit(1)) is not None


def set_password(accounts: Accounts, username: str, password: str) -> None:
    """Give a person another password and end all of their logins. Raises Refused."""
    replace_password(accounts, user_by_name(accounts, username), password, "password.set")


def set_role(accounts: Accounts, username: str, role: str) -> None:
    """Give a person another role. Raises Refused, also where nobody would be admin any more."""
    _check_role(role)
    user = user_by_name(accounts, username)
    with accounts.transaction() as session:
        if role != "admin":
            keep_an_admin(session, user)
        session.execute(update(User).where(User.user_id == user.user_id).values(role=role))
        audit.note(session, "user.role", subject=("user", user.user_id), details={"from": user.role, "to": role})


def disable(accounts: Accounts, username: str) -> None:
    """Shut a person out at once. Raises Refused, also for the last admin."""
    user = user_by_name(accounts, username)
    with accounts.transaction() as session:
        keep_an_admin(session, user)
        session.execute(update(User).where(User.user_id == user.user_id).values(is_disabled=True))
        end_logins(session, user.user_id)
        revoke_invitations(session, user.user_id, datetime.now(UTC))
        audit.note(session, "user.disable", subject=("user", user.user_id))


def enable(accounts: Accounts, username: str) -> None:
    """Let a person in again who was shut out. Raises Refused where there is none of that name."""
    user = user_by_name(accounts, username)
    with accounts.transaction() as session:
        session.execute(update(User).where(User.user_id == user.user_id).values(is_disabled=False))
        audit.note(session, "user.enable", subject=("user", user.user_id))


def keep_an_admin(session: Session, user: User) -> None:
    """Refuse to go on where `user` is the last admin; the admins are held for this transaction. Raises Conflict."""
    admins = session.scalars(select(User.user_id).where(*_active_admin()).order_by(User.user_id).with_for_update()).all()
    if list(admins) == [user.user_id]:
        raise Conflict(f"{user.username} is the last admin. Make another one first: `aurora user role NAME admin`.")


def set_profile(session: Session, user: User, changes: dict[str, str | None]) -> None:
    """Change what a person says of themselves, `full_name` and `language`; None forgets it."""
    session.execute(update(User).where(User.user_id == user.user_id).values(**changes))
    audit.note(session, "user.change", user_id=user.user_id, subject=("user", user.user_id))


def set_email(session: Session, user: User, email: str | None) -> None:
    """Change a person's e-mail address at once, unconfirmed; None forgets it. Raises Conflict where it is somebody else's."""
    if email:
        keep_email_free(session, email, user.user_id)
    try:
        session.execute(update(User).where(User.user_id == user.user_id).values(email=email, email_confirmed_at=None))
    except IntegrityError:
        # Somebody else took it since it was free.
        raise _taken_email() from None
    audit.note(session, "user.email", user_id=user.user_id, subject=("user", user.user_id))


def is_other_email(user: User, email: str | None) -> bool:
    """Whether it is another address than the person has, or none."""
    return (email or "").lower() != (user.email or "").lower()


def _active_admin() -> tuple[ColumnElement[bool], ...]:
    return (User.role == "admin", *is_active())


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refused(f"The role must be one of {', '.join(ROLES)}.")
