"""The gate of the HTTP door: whom credentials speak for, and how often they may."""

import hashlib
import math
import threading
import time
from dataclasses import dataclass, replace

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from aurora.accounts.database import Accounts
from aurora.accounts.memberships import sites_owned_by
from aurora.accounts.tokens import Tokens
from ingestion.registry import FRESH_SECONDS, MOST_KEYS, KeyRing, Sender

MOST_FAILURES = RateLimitItemPerMinute(120, namespace="failures")
MOST_REQUESTS = RateLimitItemPerMinute(12_000, namespace="requests")
NO_CREDENTIALS = "Send a valid device or gateway key in the header X-API-Key, or a bearer token."


class Barred(Exception):
    """Credentials that let nobody in, or too often.

    Attributes:
        status: 401 or 429.
        seconds: How long to wait; 0 where that does not help.
    """

    def __init__(self, status: int, detail: str, seconds: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.seconds = seconds


@dataclass(frozen=True)
class _Person:
    sender: Sender | None
    at: float


class Gate:
    """Lets in devices, gateways and people. Safe to share between threads."""

    def __init__(self, keys: KeyRing, tokens: Tokens, accounts: Accounts) -> None:
        self._keys = keys
        self._tokens = tokens
        self._accounts = accounts
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._people: dict[bytes, _Person] = {}

    def sender(self, key: str | None, authorization: str | None, address: str) -> Sender:
        """Whom these credentials speak for. Good ones count alone, so that a device with a bad key bars no other at its address.

        Raises:
            Barred: 401 for none or bad ones; 429 after too many bad ones from an address, or too many requests with good ones.
        """
        scheme, _, token = (authorization or "").partition(" ")
        given = key or (token if scheme.lower() == "bearer" else "")
        found = self._keys.sender_of(key) if key else self._person(given) if given else None
        if found is None:
            if given:
                self._refuse_above(MOST_FAILURES, address, is_counted=True)
            raise Barred(401, NO_CREDENTIALS)
        digest = _digest(given).hex()
        self._refuse_above(MOST_REQUESTS, digest, is_counted=True)
        return found if found.is_person else replace(found, who=digest)

    def _person(self, token: str) -> Sender | None:
        """The owner a token belongs to, remembered for two seconds."""
        digest = _digest(token)
        known = self._people.get(digest)
        if known is None or time.monotonic() - known.at > FRESH_SECONDS:
            user = self._tokens.user(token)
            sites = sites_owned_by(self._accounts, user.user_id) if user is not None else frozenset[str]()
            sender = Sender(None, sites, is_person=True, who=user.user_id) if user is not None else None
            known = _Person(sender, time.monotonic())
            with self._lock:
                if len(self._people) >= MOST_KEYS:
                    self._people.clear()
                self._people[digest] = known
        return known.sender

    def _refuse_above(self, limit: RateLimitItem, who: str, *, is_counted: bool) -> None:
        if self._limiter.hit(limit, who) if is_counted else self._limiter.test(limit, who):
            return
        seconds = max(math.ceil(self._limiter.get_window_stats(limit, who).reset_time - time.time()), 1)
        raise Barred(429, f"Too many requests. Wait {seconds} s.", seconds)


def _digest(given: str) -> bytes:
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()
