"""The folder an installation lives in: what `init` makes there, its secrets, and the notes its processes leave."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurora import __version__
from aurora.errors import NotReady
from aurora.settings import Settings, is_initialised

SECRET_BYTES = 32


@dataclass(frozen=True)
class Home:
    """One installation's folder.

    Attributes:
        path: The folder.
        is_demo: Whether it holds generated data; shown wherever its figures are.
    """

    path: Path
    is_demo: bool

    @property
    def run(self) -> Path:
        """Folder of notes that live only as long as the processes."""
        return self.path / "run"

    @property
    def secrets(self) -> Path:
        """Folder of secrets, readable by the owner alone."""
        return self.path / "secrets"

    def secret(self, name: str) -> str:
        """The secret `name`, made at its first use; its file has mode 0600."""
        file = self.secrets / name
        if not file.exists() or not file.read_text(encoding="utf-8").strip():
            write_private(file, secrets.token_urlsafe(SECRET_BYTES))
        return file.read_text(encoding="utf-8").strip()

    def note(self, name: str, content: dict[str, Any]) -> None:
        """Leave a note for other processes under `run/<name>.json`, whole or not at all."""
        write_private(self.run / f"{name}.json", json.dumps(content))

    def read_note(self, name: str) -> dict[str, Any]:
        """The note `name`; empty where there is none."""
        try:
            return json.loads((self.run / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def clear_notes(self) -> None:
        """Forget the notes of processes that are gone."""
        shutil.rmtree(self.run, ignore_errors=True)


def create(settings: Settings, *, is_demo: bool = False) -> Home:
    """Make (or open) the home of `settings` with its marker file and secret key."""
    path = settings.home.expanduser().absolute()
    path = path / "demo" if is_demo else path
    path.mkdir(parents=True, exist_ok=True)
    marker = path / "aurora.json"
    if not marker.exists():
        write_private(marker, json.dumps({"made_by": __version__, "is_demo": is_demo}))
    home = Home(path, is_demo)
    home.secret("secret_key")
    return home


def open_home(settings: Settings) -> Home:
    """The initialised home of `settings`.

    Raises:
        NotReady: If nothing is initialised there; says which command does.
    """
    path = settings.resolved_home
    if not is_initialised(path):
        raise NotReady(f"Nothing is set up in {path}. Run `aurora init` there, or `aurora demo` to try it with generated data.")
    try:
        marker = json.loads((path / "aurora.json").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise NotReady(f"{path / 'aurora.json'} is damaged. Remove it and run `aurora init`; no data is lost.") from None
    return Home(path, bool(marker.get("is_demo")))


def secret_key(settings: Settings, home: Home) -> str:
    """The key that signs sessions and tokens: the environment's, else the home's own.

    Raises:
        NotReady: If the home's key is missing or empty.
    """
    if given := settings.secret_key.get_secret_value():
        return given
    file = home.secrets / "secret_key"
    key = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if not key:
        raise NotReady(f"The secret key is missing: set AURORA_SECRET_KEY, or run `aurora init` to make a new one in {file}.")
    return key


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` with mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)
