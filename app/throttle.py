"""Slows down guessing: failed logins, new accounts and resets, by account and by address, over all processes.

A stranger who fails on purpose must not keep an owner out. Logins of an account are therefore counted apart for addresses at which
that account has logged in before and for all others. Both have the same limits, so that they tell nothing, and together they
stay at 100 failures in any hour at most, also across the edge of a window: 2 x (25 + 25).
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aurora.accounts import attempts, people
from aurora.accounts.attempts import Limit
from aurora.accounts.database import Accounts

BURST, HOUR = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True)
class Most:
    """How much is let through.

    Attributes:
        failures_of_account: Failed logins of one account in five minutes, from known and from other addresses each.
        failures_of_account_hour: The same in an hour.
        failures_of_address: Failed logins from one address in five minutes.
        failures_of_address_hour: The same in an hour.
        registrations: New accounts from one address in an hour.
        resets_of_account: Resets asked for one account in an hour.
        resets_of_address: Resets asked or tried from one address in an hour.
        mails_of_account: Invitations and confirmations that one account has sent in an hour.
        mails_to_recipient: The same to one e-mail address.
        members_of_account: User names that one account names as members in an hour.
    """

    failures_of_account: int = 10
    failures_of_account_hour: int = 25
    failures_of_address: int = 50
    failures_of_address_hour: int = 200
    registrations: int = 100
    resets_of_account: int = 5
    resets_of_address: int = 50
    mails_of_account: int = 30
    mails_to_recipient: int = 5
    members_of_account: int = 100


class Throttle:
    """The limits of one installation. What counts a try returns 0 where it may be made, else the seconds to wait."""

    def __init__(self, accounts: Accounts, most: Most | None = None) -> None:
        self._accounts = accounts
        self._most = most or Most()

    def begin(self, username: str, address: str) -> int:
        """A login, or another check of a password."""
        return self._begin(self._login(username, address))

    def succeeded(self, username: str, address: str) -> None:
        """The login just begun was right and does not count."""
        attempts.give_back(self._accounts, self._login(username, address))

    def register(self, address: str) -> int:
        """A new account."""
        return self._begin([Limit("register", network(address), self._most.registrations, HOUR)])

    def reset(self, account: str, address: str) -> int:
        """A mail with a way back in."""
        of_account = Limit("reset.account", account.strip().lower(), self._most.resets_of_account, HOUR)
        return self._begin([of_account, self._reset_address(address)])

    def spend_token(self, address: str) -> int:
        """A token from a mail."""
        return self._begin([self._reset_address(address)])

    def mail(self, user_id: str, recipient: str) -> int:
        """A mail that an account has sent to an address it names."""
        of_account = Limit("mail.account", user_id, self._most.mails_of_account, HOUR)
        return self._begin([of_account, Limit("mail.recipient", recipient.strip().lower(), self._most.mails_to_recipient, HOUR)])

    def member(self, user_id: str) -> int:
        """A member named by an account; the answer tells whether there is somebody of that name."""
        return self._begin([Limit("member.account", user_id, self._most.members_of_account, HOUR)])

    def _begin(self, limits: list[Limit]) -> int:
        return attempts.begin(self._accounts, limits, datetime.now(UTC))

    def _reset_address(self, address: str) -> Limit:
        return Limit("reset.address", network(address), self._most.resets_of_address, HOUR)

    def _login(self, username: str, address: str) -> list[Limit]:
        who = username.strip().lower()
        whence = "known" if people.is_known_address(self._accounts, who, address) else "other"
        return [
            Limit(f"login.{whence}", who, self._most.failures_of_account, BURST),
            Limit(f"login.{whence}", who, self._most.failures_of_account_hour, HOUR),
            Limit("login.address", network(address), self._most.failures_of_address, BURST),
            Limit("login.address", network(address), self._most.failures_of_address_hour, HOUR),
        ]


def network(address: str) -> str:
    """Whom an address stands for: itself, or its /64 under IPv6, where one person has as many as there are."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network(f"{found}/64", strict=False)) if found.version == 6 else str(found)
