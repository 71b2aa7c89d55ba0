"""Requests that carry an `Idempotency-Key`: what was answered once is answered again for a day, and nothing is done twice."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from aurora.accounts.database import Accounts
from aurora.accounts.models import Repeat
from aurora.errors import Busy, Conflict

KEPT = timedelta(hours=24)
# Longer than any request is at work; one whose process died is tried again after it.
HELD = timedelta(minutes=2)
AT_WORK = ""
LONGEST_KEY = 255


@dataclass(frozen=True)
class Request:
    """One request under a key, as two hashes: who sent which key where, and what it said."""

    key: str
    body: str


def request_of(sender: str, path: str, key: str, body: bytes) -> Request:
    """The request of a sender, who is named by his credentials, under his key."""
    named = "\x00".join((sender, path, key)).encode("utf-8", "surrogatepass")
    return Request(hashlib.sha256(named).hexdigest(), hashlib.sha256(body).hexdigest())


def is_key(text: str) -> bool:
    """Whether a text can be an idempotency key: printable ASCII, not too long."""
    return 0 < len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()


def begin(accounts: Accounts, request: Request, now: datetime) -> dict[str, Any] | None:
    """What this request was answered; None where it is new, which is then held until `finish` or `forget`, two minutes at most.

    Raises:
        Conflict: If the key was used for another body.
        Busy: If the same request is still at work.
    """
    try:
        with accounts.transaction() as session:
            session.execute(delete(Repeat).where(Repeat.ends_at <= now))
            session.add(Repeat(request=request.key, body=request.body, answer=AT_WORK, ends_at=now + HELD))
    except IntegrityError:
        with accounts.reading() as session:
            known = session.get(Repeat, request.key)
        if known is not None and known.body != request.body:
            raise Conflict("This Idempotency-Key was used for another body. Use a new key for each request.") from None
        if known is None or known.answer == AT_WORK:
            raise Busy("The same request is still at work. Send it again in a few seconds.") from None
        return json.loads(known.answer)
    return None


def finish(accounts: Accounts, request: Request, answer: dict[str, Any], now: datetime) -> None:
    """Keep an answer for a day."""
    with accounts.transaction() as session:
        session.merge(Repeat(request=request.key, body=request.body, answer=json.dumps(answer), ends_at=now + KEPT))


def forget(accounts: Accounts, request: Request) -> None:
    """Let the key be used again: nothing was done."""
    with accounts.transaction() as session:
        session.execute(delete(Repeat).where(Repeat.request == request.key, Repeat.answer == AT_WORK))
