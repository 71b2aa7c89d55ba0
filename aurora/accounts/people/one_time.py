"""Secrets sent by mail that are good for one use: kept as hashes, with an end."""

import secrets
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aurora.accounts.database import changed_rows
from aurora.accounts.models import OneTimeToken
from aurora.accounts.people.logins import digest

Purpose = Literal["reset_password", "confirm_email"]
LASTS: dict[Purpose, timedelta] = {"reset_password": timedelta(hours=1), "confirm_email": timedelta(days=3)}


def new_token(session: Session, user_id: str, purpose: Purpose, now: datetime, email: str | None = None) -> str:
    """A new secret for one purpose; only its hash is kept."""
    secret = secrets.token_urlsafe(32)
    expires_at = now + LASTS[purpose]
    session.add(
        OneTimeToken(token_hash=digest(secret), user_id=user_id, purpose=purpose, email=email, created_at=now, expires_at=expires_at)
    )
    return secret


def spend_token(session: Session, secret: str, purpose: Purpose, now: datetime) -> OneTimeToken | None:
    """The token that this secret is; None where it was used, has expired or never was. Of two at once only one gets it."""
    of_secret = (OneTimeToken.token_hash == digest(secret), OneTimeToken.purpose == purpose)
    spent = session.execute(
        update(OneTimeToken).where(*of_secret, OneTimeToken.used_at.is_(None), OneTimeToken.expires_at > now).values(used_at=now)
    )
    return session.scalar(select(OneTimeToken).where(*of_secret)) if changed_rows(spent) else None


def pending_email(session: Session, user_id: str, now: datetime) -> str | None:
    """The address that waits for its owner's confirmation."""
    return session.scalar(
        select(OneTimeToken.email)
        .where(
            OneTimeToken.user_id == user_id,
            OneTimeToken.purpose == "confirm_email",
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > now,
        )
        .order_by(OneTimeToken.created_at.desc())
        .limit(1)
    )


def forget_tokens(session: Session, user_id: str, purpose: Purpose) -> None:
    """Make worthless what was sent to a person for that purpose."""
    session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose))
