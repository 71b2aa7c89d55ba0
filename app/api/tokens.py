"""Access tokens of the API: short-lived, signed, and worthless once the password they were given for has changed."""

import hashlib
import hmac
import uuid
from datetime import datetime, timedelta

import jwt

from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.home import Home, secret_key
from aurora.settings import Settings

ALGORITHM = "HS256"
ISSUER = "aurora"
REFRESH_HOURS = 30 * 24


class Tokens:
    """Issues and checks the tokens of one installation.

    A refresh token is the secret id of a login that the accounts database keeps as a hash; it is good for one use.
    """

    def __init__(self, settings: Settings, home: Home, accounts: Accounts) -> None:
        self._key = hmac.digest(secret_key(settings, home).encode(), b"aurora.access-token", "sha256")
        self._key_id = hashlib.sha256(self._key).hexdigest()[:12]
        self._accounts = accounts
        self._lifetime = timedelta(minutes=settings.token_minutes)

    def issue(self, user: User, now: datetime) -> dict[str, str | int]:
        """A new access token and a new refresh token, as the API answers them."""
        claims = {
            "iss": ISSUER, "sub": user.user_id, "iat": now, "exp": now + self._lifetime, "jti": uuid.uuid4().hex, "pwd": self._mark(user),
        }  # fmt: skip
        return {
            "access_token": jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._key_id}),
            "token_type": "bearer",
            "expires_in": int(self._lifetime.total_seconds()),
            "refresh_token": people.start_login(self._accounts, user, REFRESH_HOURS, now),
            "user_id": user.user_id,
        }

    def user(self, token: str) -> User | None:
        """Whose access token it is; None where it is forged, expired, or given before the password changed."""
        try:
            claims = jwt.decode(token, self._key, [ALGORITHM], issuer=ISSUER, options={"require": ["sub", "exp", "iat", "pwd"]})
        except jwt.InvalidTokenError:
            return None
        user = people.user_by_id(self._accounts, str(claims["sub"]))
        return user if user and hmac.compare_digest(self._mark(user), str(claims["pwd"])) else None

    def renew(self, refresh_token: str, now: datetime) -> dict[str, str | int] | None:
        """New tokens for a refresh token, which ends with that; None where it is unknown, used or expired."""
        user = people.login_user(self._accounts, refresh_token, now)
        if user is None:
            return None
        people.end_login(self._accounts, refresh_token, now)
        return self.issue(user, now)

    def end(self, refresh_token: str, now: datetime) -> None:
        """Make a refresh token worthless."""
        people.end_login(self._accounts, refresh_token, now)

    def _mark(self, user: User) -> str:
        return hmac.new(self._key, user.password_hash.encode(), "sha256").hexdigest()[:16]
