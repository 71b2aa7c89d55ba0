"""Words and figures of cards."""

from datetime import UTC, date, datetime

import pytest

from app.pages import cards
from app.queries.changes import Change, DayChanged
from aurora.accounts.models import Site
from aurora.domain.texts import catalogue
from transform.revisions import COMPARED

AT = datetime(2026, 11, 10, 17, 45, tzinfo=UTC)
SITE = Site(site_id="home", name="Home", time_zone="Europe/Berlin", currency="EUR")


def test_every_figure_that_revisions_compare_has_a_name() -> None:
    assert {f"column.{name}" for name in COMPARED} <= catalogue("en").keys()


@pytest.mark.parametrize(
    ("column", "after", "shown"),
    [("peak_at", AT.timestamp(), "– → 18:45"), ("emissions_kg_co2", 3.2, "3.20 kg CO₂"), ("self_sufficiency_ratio", 0.5, "– → 50%")],
)
def test_changed_figure_is_shown_in_its_unit(column: str, after: float, shown: str) -> None:
    day = DayChanged(date(2026, 11, 10), AT, "1 reading was corrected", [Change(column, None, after)], 1.0)
    assert shown in cards.day_changed(day, SITE)
