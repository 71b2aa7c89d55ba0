"""What later refreshes changed on closed days of one site. The caller asks only for sites its user may see."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from app.queries.reader import LakeReader, rows_of_site
from aurora.accounts.models import Site
from aurora.lake.manifest import Snapshot


@dataclass(frozen=True)
class Change:
    """One figure of a day, before and after; None where it was or is unknown."""

    column: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class DayChanged:
    """What one refresh changed on one local day.

    Attributes:
        completeness_ratio: How much of the day is measured by now; None where nothing of it is published any more.
    """

    local_date: date
    revised_at: datetime
    reason: str
    changes: list[Change]
    completeness_ratio: float | None


@dataclass(frozen=True)
class Changes:
    """The newest changes of days, and how many there are in all."""

    count: int
    newest: list[DayChanged]


def changes(reader: LakeReader, site: Site, most: int) -> Changes:
    """The newest `most` days that were changed at a site: the newest refresh first, of each refresh the newest day."""
    return reader.answer(("changes", site.site_id, most), lambda snapshot: _changes(snapshot, site.site_id, most))


def _changes(snapshot: Snapshot, site_id: str, most: int) -> Changes:
    order = ["revised_at", "refresh_id", "local_date", "column_name"]
    rows = rows_of_site(snapshot, "gold/revisions", site_id).sort(order, descending=[True, True, True, False]).to_dicts()
    days = [list(found) for _, found in groupby(rows, key=lambda row: tuple(row[name] for name in order[:3]))]
    measured = rows_of_site(snapshot, "gold/energy_daily", site_id).select("local_date", "completeness_ratio")
    completeness = dict(measured.iter_rows())
    return Changes(len(days), [_day(found, completeness) for found in days[:most]])


def _day(rows: list[dict[str, Any]], completeness: dict[date, float | None]) -> DayChanged:
    first = rows[0]
    figures = [Change(row["column_name"], row["value_before"], row["value_after"]) for row in rows]
    return DayChanged(first["local_date"], first["revised_at"], first["reason"] or "", figures, completeness.get(first["local_date"]))
