"""Imports of files, so that they can be listed."""

from sqlalchemy import select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Load


def all_loads(accounts: Accounts) -> list[Load]:
    """Every import, the newest first."""
    with accounts.reading() as session:
        return list(session.scalars(select(Load).order_by(Load.loaded_at.desc())))
