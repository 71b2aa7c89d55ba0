"""Logins of browsers: a signed cookie that names a row of accounts, and the tokens that tie a form to its browser."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from itsdangerous import BadSignature, Signer, TimestampSigner

from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.people import Grant, Whence
from aurora.home import Home, secret_key
from aurora.settings import Settings

FORM_SECONDS = 3600


class Sessions:
    """The browser logins of one installation.

    Cookie names carry the port, because browsers share cookies between the ports of a host and two installations may run side by side.
    """

    def __init__(self, settings: Settings, home: Home, accounts: Accounts) -> None:
        key = secret_key(settings, home)
        self._accounts = accounts
        self._hours = settings.session_hours
        self._cookie_signer = TimestampSigner(key, salt="aurora.session")
        self._login_signer = TimestampSigner(key, salt="aurora.login-form")
        self._own_signer = Signer(key, salt="aurora.own-form")
        self.cookie_name = f"aurora_session_{settings.app_port}"
        self.form_cookie_name = f"aurora_form_{settings.app_port}"

    @property
    def seconds(self) -> int:
        """How long a login lasts."""
        return self._hours * 3600

    def start(self, user: User, now: datetime, whence: Whence | None = None) -> str:
        """Begin a login with a new id and return the cookie's value."""
        return self._cookie_signer.sign(people.start_login(self._accounts, user, self._hours, now, "browser", whence)).decode()

    def grant(self, cookies: Mapping[str, str], now: datetime) -> Grant | None:
        """Whose login the cookies carry, and which; None without one, and where it is forged, expired or ended."""
        session_id = self._session_id(cookies)
        return people.grant_of(self._accounts, session_id, now) if session_id else None

    def user(self, cookies: Mapping[str, str], now: datetime) -> User | None:
        """Whose login the cookies carry; None without one, and where it is forged, expired or ended."""
        found = self.grant(cookies, now)
        return found.user if found else None

    def end(self, cookies: Mapping[str, str], now: datetime) -> None:
        """End the login the cookies carry, if any."""
        if session_id := self._session_id(cookies):
            people.end_login(self._accounts, session_id, now)

    def _session_id(self, cookies: Mapping[str, str]) -> str | None:
        try:
            return self._cookie_signer.unsign(cookies.get(self.cookie_name, ""), max_age=self.seconds).decode()
        except BadSignature:
            return None

    def form_nonce(self, cookies: Mapping[str, str]) -> str:
        """The browser's mark that login forms are tied to: the cookie's, else a new one."""
        known = cookies.get(self.form_cookie_name, "")
        return known if len(known) == len(_new_nonce()) and known.isascii() else _new_nonce()

    def login_token(self, nonce: str) -> str:
        """The hidden field of a login form for the browser with that mark."""
        return self._login_signer.sign(nonce).decode()

    def is_own_login_form(self, token: str, cookies: Mapping[str, str]) -> bool:
        """Whether a login form was handed to this browser in the last hour."""
        try:
            nonce = self._login_signer.unsign(token, max_age=FORM_SECONDS).decode()
        except BadSignature:
            return False
        return secrets.compare_digest(nonce.encode(), cookies.get(self.form_cookie_name, "").encode())

    def own_token(self, action: str, cookies: Mapping[str, str]) -> str:
        """The hidden field of a form that does `action`; it fits this login and this action alone."""
        return self._own_signer.get_signature(f"{action}\n{self._session_id(cookies) or ''}").decode()

    def is_own_form(self, action: str, token: str, cookies: Mapping[str, str]) -> bool:
        """Whether a form that does `action` was made for this login."""
        session_id = self._session_id(cookies)
        return session_id is not None and self._own_signer.verify_signature(f"{action}\n{session_id}", token.encode("ascii", "replace"))

    def logout_token(self, cookies: Mapping[str, str]) -> str:
        """The hidden field of a sign-out form; it fits this login alone."""
        return self.own_token("logout", cookies)

    def is_own_logout_form(self, token: str, cookies: Mapping[str, str]) -> bool:
        """Whether a sign-out form was made for this login."""
        return self.is_own_form("logout", token, cookies)


def _new_nonce() -> str:
    return secrets.token_urlsafe(24)
