"""Access tokens of people: short-lived, signed, and worthless once their login has ended or the password has changed."""

import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import jwt
from jwt.types import Options
from sqlalchemy import bindparam, select

from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.accounts.models import Login, User
from aurora.accounts.people import Grant, Whence
from aurora.accounts.signing import KeyRing, SigningKey
from aurora.home import Home
from aurora.settings import Settings

ALGORITHM = "HS256"
ISSUER, AUDIENCE = "aurora", "aurora-api"
MOST_REMEMBERED = 4096
# Ours have about 500 bytes.
MOST_TOKEN_BYTES = 4096
REFRESH_HOURS = 30 * 24
# How far the clocks of two processes may be apart for the tokens of one to open the other.
MOST_AHEAD = timedelta(minutes=5)
# When it was issued is judged at each use: what is found of a token is remembered.
OPTIONS: Options = {"require": ["iss", "aud", "sub", "sid", "iat", "exp", "pwd"], "verify_iat": False}
# One statement, put together once: it is asked at every request.
_COLUMNS = list(User.__table__.columns)
_NAMES = [column.name for column in _COLUMNS]
_GRANTED = (
    select(*_COLUMNS)
    .join(Login.__table__, Login.user_id == User.user_id)
    .where(
        Login.login_id == bindparam("sid"),
        User.user_id == bindparam("sub"),
        Login.kind == "api",
        Login.revoked_at.is_(None),
        Login.expires_at > bindparam("now"),
        User.is_disabled.is_(False),
        User.deleted_at.is_(None),
    )
)


Signed = tuple[SigningKey, dict[str, Any]]


class Tokens:
    """Issues and checks the tokens of one installation.

    A token names the key that signed it (`kid`), its login (`sid`) and a mark of the password (`pwd`). The algorithm is ours,
    never the token's.
    """

    def __init__(self, settings: Settings, home: Home, accounts: Accounts) -> None:
        self._keys = KeyRing(settings, home)
        self._accounts = accounts
        self._reading = accounts.engine.execution_options(is_reading=True)
        self._lifetime = timedelta(minutes=settings.token_minutes)
        self._signed: dict[bytes, Signed] = {}
        self._lock = Lock()

    def issue(self, user: User, now: datetime, whence: Whence | None = None) -> dict[str, str | int]:
        """A new login with its access token and refresh token, as the API answers them."""
        login_id, secret = people.begin_login(self._accounts, user, REFRESH_HOURS, now, "api", whence)
        return self._pair(Grant(user, login_id), secret, now)

    def renew(self, refresh_token: str, now: datetime) -> dict[str, str | int] | None:
        """New tokens for a refresh token, which is used up; None where it is unknown, used or expired."""
        renewed = people.renew_login(self._accounts, refresh_token, REFRESH_HOURS, now)
        return self._pair(*renewed, now) if renewed else None

    def grant(self, token: str) -> Grant | None:
        """Who an access token was given to and by which login; None where it is forged, expired or its login has ended."""
        if len(token) > MOST_TOKEN_BYTES:
            return None
        now = datetime.now(UTC)
        key, claims = self._verified(token) or (None, {})
        if key is None or not _is_timely(claims, now) or self._keys.find(key.key_id, now) != key:
            return None
        user = self._granted(str(claims["sub"]), str(claims["sid"]), now)
        if user is None or not hmac.compare_digest(_mark(key, user).encode(), str(claims["pwd"]).encode("utf-8", "replace")):
            return None
        return Grant(user, str(claims["sid"]))

    def _verified(self, token: str) -> Signed | None:
        """What `_verify` says. Remembered where it is ours, as taking one apart costs more than asking the database who it is."""
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._signed.get(name)
        if known is None and (known := self._verify(token)):
            with self._lock:
                if len(self._signed) >= MOST_REMEMBERED:
                    del self._signed[next(iter(self._signed))]
                self._signed[name] = known
        return known

    def _verify(self, token: str) -> Signed | None:
        """The key and the claims of a token we signed."""
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"), datetime.now(UTC))
            if key is None:
                return None
            return key, jwt.decode(token, key.secret, [ALGORITHM], options=OPTIONS, issuer=ISSUER, audience=AUDIENCE)
        except jwt.InvalidTokenError:
            return None

    def user(self, token: str) -> User | None:
        """Whose access token it is; None where it is worthless."""
        found = self.grant(token)
        return found.user if found else None

    def end(self, refresh_token: str, now: datetime) -> None:
        """End the login that a refresh token belongs to, and with it its access tokens."""
        people.end_login(self._accounts, refresh_token, now)

    def _granted(self, user_id: str, login_id: str, now: datetime) -> User | None:
        with self._reading.connect() as connection:
            row = connection.execute(_GRANTED, {"sub": user_id, "sid": login_id, "now": now}).one_or_none()
        return User(**dict(zip(_NAMES, row, strict=True))) if row else None

    def _pair(self, grant: Grant, secret: str, now: datetime) -> dict[str, str | int]:
        key, user = self._keys.signing, grant.user
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": user.user_id, "sid": grant.login_id, "iat": now, "exp": now + self._lifetime,
            "jti": uuid.uuid4().hex, "pwd": _mark(key, user),
        }  # fmt: skip
        return {
            "access_token": jwt.encode(claims, key.secret, ALGORITHM, headers={"kid": key.key_id}),
            "token_type": "bearer",
            "expires_in": int(self._lifetime.total_seconds()),
            "refresh_token": secret,
            "user_id": user.user_id,
        }


def _is_timely(claims: dict[str, Any], now: datetime) -> bool:
    """Whether a token has not expired, and was not issued by a clock far ahead, which would have it last for long."""
    return claims["exp"] > now.timestamp() and claims["iat"] <= (now + MOST_AHEAD).timestamp()


def _mark(key: SigningKey, user: User) -> str:
    return hmac.new(key.secret, user.password_hash.encode(), "sha256").hexdigest()[:16]
