"""Energy, cost and carbon of a site or device over time."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from app.api.access import AsOf, OwnSubject, Shared, Subject, published
from app.api.errors import ExactJSON, InputError
from app.queries import device_reports, reports
from app.queries.periods import Interval, Period, Range, days_range, named
from aurora.domain.calendar import day_start, local_date
from aurora.domain.texts import text
from aurora.lake.manifest import Snapshot

MOST_POINTS = 50_000
EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
router = APIRouter(prefix="/reports", tags=["reports"], responses={401: {}, 404: {}, 410: {}})
_START = "First instant: a plain date is a local day of the site, a time needs an offset."
_END = "End, not included."


@router.get("/trends/{device_id}", summary="Points over time", response_class=ExactJSON)
def trends(
    subject: OwnSubject,
    services: Shared,
    start_date: Annotated[str | None, Query(description=_START)] = None,
    end_date: Annotated[str | None, Query(description=_END)] = None,
    interval: Interval = "day",
    as_of: AsOf = None,
) -> ExactJSON:
    """The buckets that begin in the range, each whole: gold's columns for a site, the measured channels for a device."""
    span = parse_range(start_date, end_date, subject.site.time_zone)
    if (count := span.buckets(interval)) > MOST_POINTS:
        raise InputError("interval", text("api.too_long", count=round(count), most=MOST_POINTS))
    snapshot = with_energy(published(services, as_of), subject)
    points = (
        device_reports.trend(snapshot, subject.device, subject.site, interval, span)
        if subject.device
        else reports.trend(snapshot, subject.site, interval, span)
    )
    return ExactJSON({**subject.ids, "interval": interval, "refresh_id": snapshot.refresh_id, "points": points})


@router.get("/summary/{device_id}", summary="Totals of a period", response_class=ExactJSON)
def summary(subject: OwnSubject, services: Shared, period: Period = "today", as_of: AsOf = None) -> ExactJSON:
    """Totals of a named period in the site's local days; what is not over yet ends with today."""
    zone_name = subject.site.time_zone
    first, end = named(period, local_date(datetime.now(UTC), zone_name))
    snapshot = with_energy(published(services, as_of), subject)
    found: dict[str, Any] = (
        device_reports.summary(snapshot, subject.device, subject.site, first, end)
        if subject.device
        else reports.summary(snapshot, subject.site, first, end)
    )
    span = days_range(first, end, zone_name)
    head = {"period": period, "period_start_at": span.start_at, "period_end_at": span.end_at, "refresh_id": snapshot.refresh_id}
    return ExactJSON({**subject.ids, **head, **found})


def with_energy(snapshot: Snapshot, subject: Subject) -> Snapshot:
    """The publication, where it has any energy of the subject; else 404 with what is needed."""
    known = device_reports.has_energy(snapshot, subject.device) if subject.device else reports.has_energy(snapshot, subject.site)
    if not known:
        raise HTTPException(404, text("api.needs_energy", subject=subject.name))
    return snapshot


def parse_range(start_date: str | None, end_date: str | None, time_zone: str) -> Range:
    """The range two parameters name. Raises InputError."""
    start, end = _instant("start_date", start_date, time_zone), _instant("end_date", end_date, time_zone)
    for field, moment in (("start_date", start), ("end_date", end)):
        if not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
            raise InputError(field, text("api.not_a_date"))
    if end <= start:
        raise InputError("end_date", text("api.not_after_start"))
    return Range(start, end, time_zone)


def _instant(field: str, given: str | None, time_zone: str) -> datetime:
    if not given:
        raise InputError(field, text("api.required"))
    try:
        if len(given) == len("2026-03-29"):
            return day_start(date.fromisoformat(given), time_zone)
        # A plus sign that a caller forgot to encode arrives as a space.
        moment = datetime.fromisoformat(given.strip().replace(" ", "+") if given.count(":") > 1 else given)
        if moment.tzinfo is None:
            raise InputError(field, text("api.needs_offset"))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(field, text("api.not_a_date")) from None
