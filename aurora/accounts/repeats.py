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
from aurora.errors import Conflict

KEPT = timedelta(hours=24)
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


def recall(accounts: Accounts, request: Request, now: datetime) -> dict[str, Any] | None:
    """What this request was answered; None where it is new.

    Raises:
        Conflict: If the key was used for another body.
    """
    with accounts.reading() as session:
        known = session.get(Repeat, request.key)
    if known is None or known.ends_at <= now:
        return None
    if known.body != request.body:
        raise Conflict("This Idempotency-Key was used for another body. Use a new key for each request.")
    return json.loads(known.answer)


def keep(accounts: Accounts, request: Request, answer: dict[str, Any], now: datetime) -> None:
    """Keep an answer for a day; of two of one request at once either stays. Older ones go."""
    try:
        with accounts.transaction() as session:
            session.execute(delete(Repeat).where(Repeat.ends_at <= now))
            session.add(Repeat(request=request.key, body=request.body, answer=json.dumps(answer), ends_at=now + KEPT))
    except IntegrityError:
        return
