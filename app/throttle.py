"""Slows down the guessing of passwords: failed attempts are counted by account and by address."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

MINUTES = 5
MOST_OF_ACCOUNT = 10
MOST_OF_ADDRESS = 50


class Throttle:
    """Failed attempts of the last minutes. An attempt counts from its start, so that many at once do not slip through."""

    def __init__(self, of_account: int = MOST_OF_ACCOUNT, of_address: int = MOST_OF_ADDRESS) -> None:
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._of_account = RateLimitItemPerMinute(of_account, MINUTES, namespace="account")
        self._of_address = RateLimitItemPerMinute(of_address, MINUTES, namespace="address")

    def begin(self, username: str, address: str) -> int:
        """Count an attempt; returns 0 where it may be made, else the seconds to wait."""
        counted: list[tuple[RateLimitItem, str]] = []
        for item, who in self._keys(username, address):
            if not self._limiter.hit(item, who):
                self._give_back(counted)
                return max(math.ceil(self._limiter.get_window_stats(item, who).reset_time - time.time()), 1)
            counted.append((item, who))
        return 0

    def succeeded(self, username: str, address: str) -> None:
        """The attempt just begun was right: it is not counted, and the account starts afresh."""
        of_account, of_address = self._keys(username, address)
        self._limiter.clear(*of_account)
        self._give_back([of_address])

    def _keys(self, username: str, address: str) -> list[tuple[RateLimitItem, str]]:
        return [(self._of_account, username.strip().lower()[:64]), (self._of_address, address)]

    def _give_back(self, counted: list[tuple[RateLimitItem, str]]) -> None:
        for item, who in counted:
            self._storage.decr(item.key_for(who))
