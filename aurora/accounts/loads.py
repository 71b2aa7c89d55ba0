"""Imports of files, so that they can be listed, repeated alike and undone."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Load
from aurora.errors import Unknown

MOST_MAPPING_LETTERS = 4_000


def all_loads(accounts: Accounts) -> list[Load]:
    """Every import, the newest first."""
    with accounts.reading() as session:
        return list(session.scalars(select(Load).order_by(Load.loaded_at.desc())))


def find_load(accounts: Accounts, load_id: str) -> Load:
    """The import of that id. Raises Unknown where there is none."""
    with accounts.reading() as session:
        found = session.get(Load, load_id)
    if found is None:
        raise Unknown(f"There is no import {load_id}. `aurora import list` shows them.")
    return found


def noted(mapping: dict[str, Any], header: str, chosen: dict[str, Any], known_from: list[str], qualities: dict[str, int]) -> str:
    """What is kept of how a file was read, as the text of `loads.mapping`.

    Args:
        mapping: Its columns' meaning.
        header: Fingerprint of its columns' names.
        chosen: What a person said of them, now or for a file of the same header before.
        known_from: Earlier imports that had values of the file already.
        qualities: How many values it says to be something else than measured, by what it says.
    """
    text = json.dumps(mapping | {"header": header, "chosen": chosen, "known_from": known_from, "qualities": qualities})
    return text if len(text) <= MOST_MAPPING_LETTERS else json.dumps({"known_from": known_from})[:MOST_MAPPING_LETTERS]


def notes(load: Load) -> dict[str, Any]:
    """What was kept of how a file was read; empty where it cannot be told."""
    try:
        found: dict[str, Any] = json.loads(load.mapping)
    except ValueError:
        # Long ones used to be cut off.
        return {}
    return found


def fingerprint(names: Sequence[str]) -> str:
    """Stands for columns of these names in this order."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()[:16]


def of_header(accounts: Accounts, site_id: str, header: str) -> list[Load]:
    """Imports of a site whose files had the same columns and for which somebody said what they mean, the newest first."""
    known = [load for load in all_loads(accounts) if load.site_id == site_id]
    return [load for load in known if notes(load).get("header") == header and notes(load).get("chosen")]


def relying_on(accounts: Accounts, load_id: str) -> list[Load]:
    """Imports whose files held values that this one had brought: they were not landed again, so its rows stand for theirs too."""
    return [load for load in all_loads(accounts) if load_id in notes(load).get("known_from", [])]
