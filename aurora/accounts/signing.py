"""The keys that access tokens are signed with: one that signs, and older ones that are believed until their tokens have expired."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aurora.home import Home, secret_key, write_private
from aurora.settings import Settings

FILE = "token_keys.json"


@dataclass(frozen=True)
class SigningKey:
    """A key and the name it goes by in the header of a token."""

    key_id: str
    secret: bytes
    believed_until: datetime | None = None


class KeyRing:
    """The signing keys of one installation.

    Every key is derived from the installation's secret key and a seed. The first seed is fixed, so that several machines with one
    AURORA_SECRET_KEY agree without sharing a file; `rotate` adds seeds in `secrets/token_keys.json` of the home, which is read again as
    soon as it changes.
    """

    def __init__(self, settings: Settings, home: Home) -> None:
        self._root = secret_key(settings, home).encode()
        self._file = home.secrets / FILE
        self._lifetime = timedelta(minutes=settings.token_minutes)
        self._read_at: int | None = None
        self._keys: dict[str, SigningKey] = {}

    @property
    def signing(self) -> SigningKey:
        """The key that new tokens are signed with."""
        return next(iter(self._fresh().values()))

    def find(self, key_id: object, now: datetime) -> SigningKey | None:
        """The key of that name; None where it is unknown or no longer believed."""
        found = self._fresh().get(key_id) if isinstance(key_id, str) else None
        return found if found and (found.believed_until is None or found.believed_until > now) else None

    def rotate(self, now: datetime) -> str:
        """Sign with a new key from now on, and return its name. Keys before it are believed for the lifetime of a token."""
        until = (now + self._lifetime).isoformat()
        kept = [entry for entry in self._entries() if not entry["until"] or datetime.fromisoformat(entry["until"]) > now]
        entries = [{"seed": secrets.token_urlsafe(32), "until": None}, *({**entry, "until": entry["until"] or until} for entry in kept)]
        write_private(self._file, json.dumps(entries))
        return self.signing.key_id

    def _fresh(self) -> dict[str, SigningKey]:
        try:
            changed_at = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            changed_at = 0
        if changed_at != self._read_at:
            keys = [self._derived(entry) for entry in self._entries()]
            self._keys, self._read_at = {key.key_id: key for key in keys}, changed_at
        return self._keys

    def _entries(self) -> list[dict[str, Any]]:
        try:
            return json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return [{"seed": "", "until": None}]

    def _derived(self, entry: dict[str, Any]) -> SigningKey:
        secret = hmac.digest(self._root, b"aurora.access-token" + entry["seed"].encode(), "sha256")
        until = datetime.fromisoformat(entry["until"]) if entry["until"] else None
        return SigningKey(hashlib.sha256(secret).hexdigest()[:12], secret, until)
