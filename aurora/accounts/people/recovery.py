"""How somebody gets in: registering, confirming an e-mail address, and coming back after a forgotten password.

Where mail is configured nobody learns from an answer whether an address is known: an address becomes a person's when its owner
confirms it, and a person who registers with somebody else's gets the same account without one, while its owner is told. The work is
the same too: what depends on who is asked about happens in the background.
"""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aurora.accounts import audit
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.people.one_time import forget_tokens, new_token, pending_email, spend_token
from aurora.accounts.people.passwords import check_password, hash_password, put_hash
from aurora.accounts.people.users import (
    add_user,
    check_email,
    is_other_email,
    owner_of_email,
    set_email,
    set_profile,
    user_by_name_or_email,
)
from aurora.domain.texts import text
from aurora.errors import Conflict, Refused
from aurora.mail import Post


def register(accounts: Accounts, post: Post, username: str, password: str, email: str, address: str | None = None) -> User:
    """A new person, always of role `user`; with mail configured without the e-mail address until its owner confirms it.

    Raises:
        WrongFacts: If the name, e-mail or password cannot be taken.
        Conflict: If the user name is taken; without mail also for a taken e-mail address.
    """
    email = check_email(email)
    check_password(password, username, email)
    try:
        user = add_user(accounts, username, password, "user", None if post.is_configured else email, address)
    except IntegrityError:
        raise Conflict(f"There is already a user named {username}. Choose another name.") from None
    if post.is_configured:
        change_profile(accounts, post, user, {"email": email})
    return user


def change_profile(accounts: Accounts, post: Post, user: User, changes: dict[str, str | None]) -> None:
    """Change what is named of `full_name`, `language` and `email`, all or nothing; None forgets it.

    An e-mail address is the person's at once without mail, else when its owner confirms it.

    Raises:
        WrongFacts: If it is no e-mail address.
        Conflict: Without mail, if the address is somebody else's.
    """
    wish, secret = changes.get("email"), None
    email = check_email(wish) if wish else None
    with accounts.transaction() as session:
        if said := {name: changes[name] for name in ("full_name", "language") if name in changes}:
            set_profile(session, user, said)
        if "email" in changes:
            secret = _take_email(session, user, email, is_offered=post.is_configured)
    if email and secret:
        post.later(lambda: _send_offer(accounts, post, user, email, secret))


def _take_email(session: Session, user: User, email: str | None, *, is_offered: bool) -> str | None:
    """Make it the person's address, or return the secret that its owner needs for that."""
    if email and is_offered:
        return _offered(session, user, email) if is_other_email(user, email) or user.email_confirmed_at is None else None
    if is_other_email(user, email):
        set_email(session, user, email)
    forget_tokens(session, user.user_id, "confirm_email")
    return None


def _offered(session: Session, user: User, email: str) -> str:
    forget_tokens(session, user.user_id, "confirm_email")
    audit.note(session, "email.offer", user_id=user.user_id, subject=("user", user.user_id))
    return new_token(session, user.user_id, "confirm_email", datetime.now(UTC), email)


def _send_offer(accounts: Accounts, post: Post, user: User, email: str, secret: str) -> None:
    with accounts.reading() as session:
        owner = owner_of_email(session, email, user.user_id)
    if owner:
        body = text("mail.taken", username=owner.username, url=f"{post.public_url}/reset")
        post.send(email, text("mail.taken_subject"), body)
    else:
        body = text("mail.confirm", username=user.username, url=f"{post.public_url}/confirm?token={secret}")
        post.send(email, text("mail.confirm_subject"), body)


def confirm_email(accounts: Accounts, post: Post, secret: str, address: str | None = None) -> None:
    """Make a confirmed e-mail address its person's, and tell the one so far; resets that were sent to that are worthless.

    Raises:
        Refused: If the secret is worthless or the address somebody else's by now.
    """
    now = datetime.now(UTC)
    with accounts.transaction() as session:
        token = spend_token(session, secret, "confirm_email", now)
        user = session.get(User, token.user_id, with_for_update=True) if token else None
        if token is None or user is None or token.email is None or owner_of_email(session, token.email, token.user_id):
            raise Refused(text("account.bad_link"))
        former = user.email if user.email and is_other_email(user, token.email) else None
        user.email, user.email_confirmed_at = token.email, now
        try:
            session.flush()
        except IntegrityError:
            # Of two who confirm the same address at once the first has it.
            raise Refused(text("account.bad_link")) from None
        forget_tokens(session, user.user_id, "reset_password")
        audit.note(session, "email.confirm", user_id=user.user_id, subject=("user", user.user_id), address=address)
    if former:
        body = text("mail.moved", username=user.username, url=post.public_url)
        post.later(lambda: post.send(former, text("mail.moved_subject"), body))


def send_reset(accounts: Accounts, post: Post, given: str) -> None:
    """Send a way back in to whoever has that user name or e-mail address, in the background. Says nothing; without mail it does nothing."""
    if post.is_configured:
        post.later(lambda: _send_reset(accounts, post, given.strip()))


def _send_reset(accounts: Accounts, post: Post, given: str) -> None:
    user = user_by_name_or_email(accounts, given)
    if user is None:
        return
    now = datetime.now(UTC)
    with accounts.transaction() as session:
        # A person who never confirmed an address has no other way back than the one they gave.
        email = user.email or pending_email(session, user.user_id, now)
        if email is None or (user.email is None and owner_of_email(session, email)):
            return
        secret = new_token(session, user.user_id, "reset_password", now, email)
        audit.note(session, "password.ask_reset", subject=("user", user.user_id))
    body = text("mail.reset", username=user.username, url=f"{post.public_url}/reset/confirm?token={secret}")
    post.send(email, text("mail.reset_subject"), body)


def reset_password(accounts: Accounts, secret: str, password: str, address: str | None = None) -> User:
    """Give a person who holds the secret of a mail another password; all of their logins end.

    Raises:
        WrongFacts: If the password cannot be taken; the secret stays good.
        Refused: If the secret is worthless.
    """
    hashed, now = hash_password(password), datetime.now(UTC)
    with accounts.transaction() as session:
        token = spend_token(session, secret, "reset_password", now)
        user = session.scalar(_may_return(token.user_id)) if token else None
        if token is None or user is None:
            raise Refused(text("account.bad_link"))
        check_password(password, user.username, user.email)
        put_hash(session, user, hashed, "password.reset", user.user_id, address)
        # The mail went to the only address they ever gave, and arrived.
        if user.email is None and token.email and not owner_of_email(session, token.email):
            user.email, user.email_confirmed_at = token.email, now
    return user


def _may_return(user_id: str):
    return select(User).where(User.user_id == user_id, User.is_disabled.is_(False), User.deleted_at.is_(None))
