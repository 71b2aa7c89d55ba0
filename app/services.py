"""What every request and page of one process shares: settings, accounts, the lake's readers."""

from dataclasses import dataclass

from app.queries.live import LiveReader
from app.queries.reader import LakeReader
from app.sessions import Sessions
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.mail import Post
from aurora.settings import Settings


@dataclass(frozen=True)
class Services:
    """The parts of one process, opened once."""

    settings: Settings
    home: Home
    accounts: Accounts
    reader: LakeReader
    live: LiveReader
    sessions: Sessions
    post: Post


_installed: Services | None = None


def open_services(settings: Settings, home: Home) -> Services:
    """Open all parts. Raises NotReady where the installation is incomplete."""
    accounts = Accounts(settings.resolved_database_url)
    lake = open_lake(settings.resolved_lake_uri)
    sessions, post = Sessions(settings, home, accounts), Post(settings)
    return Services(settings, home, accounts, LakeReader(lake), LiveReader(lake), sessions, post)


def install(services: Services) -> None:
    """Make `services` what `current` returns: page scripts are run by Streamlit, which hands them nothing."""
    global _installed
    _installed = services


def current() -> Services:
    """The services of this process; `install` comes first."""
    assert _installed is not None, "install() comes before the first page"
    return _installed
