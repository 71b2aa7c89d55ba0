"""What `aurora up` says once everything answers."""

import pytest

from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.settings import Settings
from orchestration.cli.context import Context
from orchestration.cli.running import _print_addresses


def test_login_is_asked_for_only_while_there_is_no_admin(
    settings: Settings, home: Home, accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    people.add_user(accounts, "bob", "correct horse battery", "user")
    _print_addresses(Context(settings, home))
    assert "Make a login: aurora user add NAME --role admin" in capsys.readouterr().out
    people.add_user(accounts, "ada", "correct horse battery", "admin")
    _print_addresses(Context(settings, home))
    told = capsys.readouterr().out
    assert "Make a login" not in told
    assert "Aurora is running" in told
