"""The calendar that a publication's days and hours follow: not the site's of now where it has changed its zone since."""

import json
from typing import Any

import polars as pl

from app.queries.reader import LakeReader, rows_of_site
from aurora.accounts.models import Site
from aurora.lake.manifest import Snapshot

FACTS = ["time_zone", "past_time_zones"]


def site_of(reader: LakeReader, snapshot: Snapshot, site: Site) -> Site:
    """The site with the calendar that it has in a publication; as it is where that does not tell."""
    return with_calendar(site, reader.answer_of(snapshot, question(site), lambda: _facts(snapshot, site.site_id)))


def question(site: Site) -> tuple[str, str]:
    """Under what a publication's answer is kept, for those who take it where it is at hand."""
    return "calendar", site.site_id


def with_calendar(site: Site, published: dict[str, Any] | None) -> Site:
    """The site with the `FACTS` of a publication, None being unknown ones; itself where they are its own."""
    if published is None or all(getattr(site, name) == value for name, value in published.items()):
        return site
    facts = {name: getattr(site, name) for name in Site.__table__.columns.keys()}  # noqa: SIM118 - columns, not a dictionary
    return Site(**facts | published)


def _facts(snapshot: Snapshot, site_id: str) -> dict[str, Any] | None:
    rows = rows_of_site(snapshot, "dims/sites", site_id).filter(pl.col("valid_until").is_null())
    if rows.is_empty():
        return None
    time_zone, past = rows.select(FACTS).row(0)
    return {"time_zone": time_zone, "past_time_zones": json.loads(past) if past else None}
