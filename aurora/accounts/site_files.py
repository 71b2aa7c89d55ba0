"""Sites from a CSV file with a column for each fact: all of them in one transaction, or none with every bad row named."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aurora.accounts.database import Accounts
from aurora.accounts.facts import NewSite, checked
from aurora.accounts.models import User
from aurora.accounts.sites import make_site
from aurora.errors import Refused, WrongFacts

MOST_SITES = 10_000
MOST_NAMED = 20


@dataclass(frozen=True)
class SiteRow:
    """One line of the file: its number, the id wished for, and its facts."""

    line: int
    site_id: str | None
    facts: dict[str, Any]


def read_sites(text: str, as_fact: Callable[[str, str], Any]) -> list[SiteRow]:
    """The rows of a CSV with a header; an empty cell is a fact not given.

    Args:
        text: The file's content; separated by commas or semicolons.
        as_fact: Turns the text of a named cell into the fact.

    Raises:
        Refused: If the header is no good, there are too many rows, or a fact cannot be true; names every bad line.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        found = list(_rows(rows, as_fact))
    except csv.Error as error:
        raise Refused(f"Line {rows.line_num}: {error}. Save the file as CSV with a header line.") from None
    problems = [f"line {row.line}: {problem}" for row in found for problem in _problems(row)]
    if not found or len(found) > MOST_SITES:
        raise Refused(f"The file holds {len(found)} sites; give 1 to {MOST_SITES}, one a line below a header.")
    if problems:
        more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise Refused(f"Nothing was made: {'; '.join(problems[:MOST_NAMED])}{more}. Correct the lines and import the file again.")
    return found


def add_sites(accounts: Accounts, owner: User, rows: Iterable[SiteRow], *, is_dry_run: bool = False) -> list[str]:
    """Make a site of each row, all or none; returns their ids, those of a dry run as they would be.

    Raises:
        Refused: If one cannot be made; names its line.
    """
    made: list[str] = []
    try:
        with accounts.transaction() as session:
            for row in rows:
                try:
                    made.append(make_site(session, owner.user_id, checked(NewSite, row.facts), row.site_id).site_id)
                except Refused as refused:
                    raise Refused(f"Nothing was made: line {row.line}: {refused}") from None
            if is_dry_run:
                raise _Undone
    except _Undone:
        pass
    return made


class _Undone(Exception):
    """Ends a transaction that is not to last."""


def _rows(rows: "csv.DictReader[str]", as_fact: Callable[[str, str], Any]) -> Iterable[SiteRow]:
    known = {"site_id", *NewSite.model_fields}
    names = [name.strip().lower() for name in rows.fieldnames or []]
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names) or "name" not in names:
        what = f"unknown columns {', '.join(unknown)}" if unknown else "each column once, and a column name, are needed"
        raise Refused(f"The header cannot be read: {what}. Columns are {', '.join(sorted(known))}.")
    rows.fieldnames = names
    for row in rows:
        line = rows.line_num
        if None in row or None in row.values():
            raise Refused(f"Line {line} has another number of cells than the header. Correct it.")
        given = {name: cell.strip() for name, cell in row.items() if cell.strip()}
        site_id = given.pop("site_id", None)
        yield SiteRow(line, site_id, {name: as_fact(name, cell) for name, cell in given.items()})


def _problems(row: SiteRow) -> list[str]:
    try:
        checked(NewSite, row.facts)
    except WrongFacts as wrong:
        return [f"{name} {reason}" for name, reason in wrong.problems]
    return []


def _separator(text: str) -> str:
    header = text.split("\n", 1)[0]
    return ";" if header.count(";") > header.count(",") else ","
