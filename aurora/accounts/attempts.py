"""Counts what people try, in the accounts database, so that one limit holds for all processes and outlives a restart.

The counting libraries at hand keep their counts in one process or ask for a server of its own; pages and API are two processes of a small
installation. A window is fixed, so at most twice its limit fits into any span of its length.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from aurora.accounts.database import Accounts
from aurora.accounts.models import Attempts


@dataclass(frozen=True)
class Limit:
    """At most `most` tries by `who` in `window`, counted under `name`."""

    name: str
    who: str
    most: int
    window: timedelta

    @property
    def bucket(self) -> str:
        """The key it is counted under; a hash, for a name can be a password typed into the wrong field."""
        return hashlib.sha256(f"{self.name}\n{int(self.window.total_seconds())}\n{self.who}".encode("utf-8", "replace")).hexdigest()


def begin(accounts: Accounts, limits: Sequence[Limit], now: datetime) -> int:
    """Count one try under all limits; returns 0 where it may be made, else the seconds to wait, and then nothing is counted.

    A try counts from its start, so that many at once do not slip through; `give_back` takes one back that was no failure.
    """
    with accounts.transaction() as session:
        session.execute(delete(Attempts).where(Attempts.ends_at <= now))
        # In the order of their keys, so that two processes never wait for each other.
        for limit in sorted(limits, key=lambda limit: limit.bucket):
            _count(session, limit, now)
        asked = select(Attempts).where(Attempts.bucket.in_([limit.bucket for limit in limits]))
        found = {row.bucket: row for row in session.scalars(asked)}
        over = [found[limit.bucket].ends_at for limit in limits if found[limit.bucket].tries > limit.most]
        if over:
            _take_back(session, limits)
    return max((max(math.ceil((ends_at - now).total_seconds()), 1) for ends_at in over), default=0)


def give_back(accounts: Accounts, limits: Sequence[Limit]) -> None:
    """Take back one try under all limits: it was no failure."""
    with accounts.transaction() as session:
        _take_back(session, limits)


def _count(session: Session, limit: Limit, now: datetime) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    added = insert(Attempts).values(bucket=limit.bucket, tries=1, ends_at=now + limit.window)
    session.execute(added.on_conflict_do_update(index_elements=["bucket"], set_={"tries": Attempts.tries + 1}))


def _take_back(session: Session, limits: Sequence[Limit]) -> None:
    fewer = case((Attempts.tries > 0, Attempts.tries - 1), else_=0)
    session.execute(update(Attempts).where(Attempts.bucket.in_([limit.bucket for limit in limits])).values(tries=fewer))
