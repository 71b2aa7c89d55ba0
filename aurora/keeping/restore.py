"""`restore`: a backup put into an empty home, after every file of it was checked."""

import shutil
from pathlib import Path

from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.keeping import databases
from aurora.keeping.backup import ACCOUNTS, HOME, LAKE, Contents, read_contents
from aurora.keeping.files import Progress, damaged, in_parallel
from aurora.lake.storage import Storage, open_storage
from aurora.settings import Settings

MARKER = "aurora.json"
MODELS = Path("mlflow") / "mlflow.db"
MOST_NAMED = 20


def check(folder: Path, progress: Progress = lambda _done, _total, _label: None) -> Contents:
    """What the backup in `folder` holds, every file of it whole.

    Raises:
        Refused: Names the files that are damaged or missing.
    """
    contents = read_contents(folder)
    problems = damaged(folder, contents.files, progress)
    if problems:
        more = f" and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise Refused(f"{folder} is damaged: {'; '.join(problems[:MOST_NAMED])}{more}. Take another backup; nothing was restored.")
    return contents


def restore(folder: Path, settings: Settings, progress: Progress = lambda _done, _total, _label: None) -> Contents:
    """Put the backup in `folder` into the home, lake and accounts database of `settings`, which hold nothing yet.

    Raises:
        Refused: If one of them holds something, or the backup is damaged; nothing is changed then.
    """
    home = settings.home.expanduser().absolute()
    _refuse_used_home(home)
    contents = check(folder, progress)
    is_demo = _is_demo(folder)
    lake_uri = str(home / "lake") if is_demo else settings.resolved_lake_uri
    database_url = f"sqlite:///{home / ACCOUNTS}" if is_demo else settings.resolved_database_url
    storage, accounts = open_storage(lake_uri), Accounts(database_url)
    if not storage.is_empty():
        raise Refused(f"The lake at {lake_uri} holds something already. Set AURORA_LAKE_URI to an empty place, or empty it.")
    if not databases.is_empty(accounts):
        raise Refused("The accounts database holds something already. Set AURORA_DATABASE_URL to an empty one.")
    home.mkdir(parents=True, exist_ok=True)
    _restore_lake(folder, contents, storage, progress)
    databases.restore_accounts(folder / ACCOUNTS, accounts)
    accounts.engine.dispose()
    _restore_home(folder, contents, home)
    return contents


def _refuse_used_home(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        raise Refused(f"{home} is not empty. Set AURORA_HOME to an empty folder, or move what is in {home} away.")


def _is_demo(folder: Path) -> bool:
    import json

    marker = folder / HOME / MARKER
    return bool(json.loads(marker.read_text(encoding="utf-8")).get("is_demo"))


def _restore_lake(folder: Path, contents: Contents, storage: Storage, progress: Progress) -> None:
    prefix = f"{LAKE}/"
    paths = [one.path.removeprefix(prefix) for one in contents.files if one.path.startswith(prefix)]

    def put(path: str) -> None:
        storage.write_bytes(path, (folder / LAKE / path).read_bytes())

    for _ in in_parallel(put, paths, progress, "restoring the lake"):
        pass


def _restore_home(folder: Path, contents: Contents, home: Path) -> None:
    """Put the home's files back, the marker last: a home without it is not set up."""
    prefix = f"{HOME}/"
    paths = [one.path.removeprefix(prefix) for one in contents.files if one.path.startswith(prefix)]
    for path in sorted(paths, key=lambda path: path == MARKER):
        target = home / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / HOME / path, target)
        target.chmod(0o600)
        if path == str(MODELS):
            databases.replace_in_texts(target, Path(contents.home).as_uri(), home.as_uri())
