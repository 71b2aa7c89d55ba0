"""Energy, cost and carbon of a site or device over time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import polars as pl
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from app.api import encoding, negotiation
from app.api.access import AsOf, OwnSubject, Shared, Subject, VisibleSites, published
from app.api.errors import ExactJSON, InputError
from app.api.shapes import ComparisonAnswer, SummaryAnswer, TrendAnswer
from app.queries import calendars, device_reports, reports
from app.queries import comparison as comparing
from app.queries.periods import Interval, Period, Range, base_of, days_range, named
from app.services import Services
from aurora.accounts.models import Site
from aurora.domain.calendar import day_start, local_date
from aurora.domain.texts import text
from aurora.lake.manifest import Snapshot

MOST_POINTS = 50_000
EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
# The shortest a bucket can be, so that a page never holds more than was asked for.
SHORTEST_SECONDS = {"15min": 900, "hour": 1800, "day": 22 * 3600, "week": 7 * 86_400 - 7200, "month": 27 * 86_400, "year": 364 * 86_400}
# How much of a long history is read at once. [days]
DAYS_AT_ONCE = {"15min": 92, "hour": 366}
router = APIRouter(prefix="/reports", tags=["reports"], responses={401: {}, 404: {}, 410: {}})
_START = (
    "First instant: a plain date is a local day of the site, a time needs an offset. Files (CSV, Parquet) may leave it out: all history."
)
_END = "End, not included. A bucket belongs to the range its start lies in: `year` needs a range that holds 1 January."
_LIMIT = "Points a page at most; `next` is the address of the next page, null after the last."
_COMPARE_TO = "`previous_period`, `last_year`, `peers`, or the id of another site of yours."


class SummaryOf(NamedTuple):
    """All that the body of a summary follows from, but for the publication."""

    site_id: str
    name: str
    time_zone: str
    period: Period
    first: date
    end: date


_TRENDS = negotiation.described(negotiation.REPORT_FORMS, TrendAnswer)
_SUMMARY = negotiation.described([negotiation.JSON], SummaryAnswer)


@router.get(
    "/trends/{device_id}",
    summary="Points over time",
    response_class=Response,
    responses=_TRENDS,
)
def trends(
    subject: OwnSubject,
    request: Request,
    services: Shared,
    start_date: Annotated[str | None, Query(description=_START)] = None,
    end_date: Annotated[str | None, Query(description=_END)] = None,
    interval: Interval = "day",
    limit: Annotated[int | None, Query(ge=1, le=MOST_POINTS, description=_LIMIT)] = None,
    as_of: AsOf = None,
) -> Response:
    """The buckets that begin in the range, each whole: gold's columns for a site, the measured channels for a device."""
    form = negotiation.choose(request)
    snapshot = published(services, as_of)
    subject = _placed(services, subject, snapshot)
    etag = negotiation.tag(request, form, snapshot.refresh_id, _facts(subject))
    if form != negotiation.JSON:
        span = _history_or(services, snapshot, subject, start_date, end_date)
        return negotiation.unchanged(request, etag) or _trend_file(snapshot, subject, interval, span, form, etag)
    span = parse_range(start_date, end_date, subject.site.calendar)
    if limit is None and (count := span.buckets(interval)) > MOST_POINTS:
        raise InputError("interval", text("api.too_long", count=round(count), most=MOST_POINTS))
    with_energy(services, snapshot, subject)
    if held := negotiation.unchanged(request, etag):
        return held
    page, following = _page(_since_history(snapshot, subject, span) if limit else span, interval, limit)
    head = {**subject.ids, "interval": interval, "refresh_id": snapshot.refresh_id, "as_of": snapshot.finished_at}
    links = {"next": None if following is None else _next(request, following, snapshot)}
    points = _trend(snapshot, subject, interval, page).to_dicts()
    return ExactJSON({**head, **(links if limit else {}), "points": points}, headers=negotiation.headers(etag))


@router.get(
    "/summary/{device_id}",
    summary="Totals of a period",
    response_class=ExactJSON,
    responses=_SUMMARY,
)
async def summary(subject: OwnSubject, request: Request, services: Shared, period: Period = "today", as_of: AsOf = None) -> Response:
    """Totals of a named period in the site's local days; what is not over yet ends with today."""
    form = negotiation.choose(request, [negotiation.JSON])
    # What is known needs no thread, which costs more than the answer; whether the caller may see it was asked before.
    calendar = services.reader.at_hand(calendars.question(subject.site)) if as_of is None else None
    if calendar is None:
        subject = await run_in_threadpool(lambda: _placed(services, subject, published(services, as_of)))
    else:
        subject = Subject(calendars.with_calendar(subject.site, calendar[1]), subject.device)
    today = local_date(datetime.now(UTC), subject.site.calendar)
    question = SummaryOf(subject.site.site_id, subject.name, subject.site.calendar, period, *named(period, today))
    at_hand = services.reader.at_hand(question) if as_of is None else None
    snapshot, known = at_hand or await run_in_threadpool(known_summary, services, subject, question, as_of)
    etag = negotiation.tag(request, form, snapshot.refresh_id, _facts(subject), today)
    return negotiation.unchanged(request, etag) or Response(known, media_type=negotiation.JSON, headers=negotiation.headers(etag))


@router.get(
    "/comparison/{device_id}",
    summary="A period against another",
    response_class=ExactJSON,
    responses=negotiation.described([negotiation.JSON], ComparisonAnswer),
)
def comparison(
    subject: OwnSubject,
    request: Request,
    services: Shared,
    sites: VisibleSites,
    compare_to: Annotated[str, Query(description=_COMPARE_TO, max_length=64)] = "previous_period",
    period: Period = "month",
    as_of: AsOf = None,
) -> Response:
    """Totals of a period and of what it is held against, over as many days of each, with the change of every figure."""
    form = negotiation.choose(request, [negotiation.JSON])
    if compare_to not in {"previous_period", "last_year", "peers"} and compare_to not in sites:
        raise HTTPException(404, text("api.compare_to_unknown", compare_to=compare_to))
    snapshot = with_energy(services, published(services, as_of), subject)
    subject = _placed(services, subject, snapshot)
    sites = {name: calendars.site_of(services.reader, snapshot, site) for name, site in sites.items() if name == compare_to}
    today = local_date(datetime.now(UTC), subject.site.calendar)
    etag = negotiation.tag(request, form, snapshot.refresh_id, _facts(subject), _site_facts(sites.get(compare_to)), today)
    if held := negotiation.unchanged(request, etag):
        return held
    head = {**subject.ids, "compare_to": compare_to, "refresh_id": snapshot.refresh_id, "as_of": snapshot.finished_at}
    if compare_to == "peers":
        return ExactJSON({**head, **_peers(snapshot, subject.site)}, headers=negotiation.headers(etag))
    current, base = _both(services, snapshot, subject, period, compare_to, sites, today)
    body = {**head, "period": period, "current": current, "base": base, "changes": comparing.changes(current, base)}
    return ExactJSON(body, headers=negotiation.headers(etag))


def _placed(services: Services, subject: Subject, snapshot: Snapshot) -> Subject:
    """The subject with the calendar of a publication, by which its days and hours are named."""
    return Subject(calendars.site_of(services.reader, snapshot, subject.site), subject.device)


def _both(
    services: Services, snapshot: Snapshot, subject: Subject, period: Period, compare_to: str, sites: dict[str, Site], today: date
) -> tuple[dict[str, Any], dict[str, Any]]:
    current = _totals(snapshot, subject, *named(period, today))
    if compare_to == "previous_period" or compare_to == "last_year":
        return current, _totals(snapshot, subject, *base_of(period, compare_to, today))
    other = Subject(sites[compare_to], None)
    with_energy(services, snapshot, other)
    return current, _totals(snapshot, other, *named(period, local_date(datetime.now(UTC), other.site.calendar)))


def _peers(snapshot: Snapshot, site: Site) -> dict[str, Any]:
    found = comparing.peers(snapshot, site)
    if found is None:
        raise HTTPException(404, text("api.needs_peers", site_id=site.site_id))
    return found


def _totals(snapshot: Snapshot, subject: Subject, first: date, end: date) -> dict[str, Any]:
    """Totals of some local days, with the range of time they are of."""
    found: dict[str, Any] = (
        device_reports.summary(snapshot, subject.device, subject.site, first, end)
        if subject.device
        else reports.summary(snapshot, subject.site, first, end)
    )
    span = days_range(first, end, subject.site.calendar)
    return {**subject.ids, "period_start_at": span.start_at, "period_end_at": span.end_at, **found}


def known_summary(services: Services, subject: Subject, question: SummaryOf, as_of: str | None) -> tuple[Snapshot, bytes]:
    """A publication and the body of its answer, kept until the next."""
    snapshot = published(services, as_of)

    def body() -> bytes:
        head = {**subject.ids, "period": question.period, "refresh_id": snapshot.refresh_id, "as_of": snapshot.finished_at}
        return bytes(ExactJSON(head | _totals(with_energy(services, snapshot, subject), subject, question.first, question.end)).body)

    return snapshot, services.reader.answer_of(snapshot, question, body)


def _trend(snapshot: Snapshot, subject: Subject, interval: Interval, span: Range) -> pl.DataFrame:
    if subject.device:
        return device_reports.trend(snapshot, subject.device, subject.site, interval, span)
    return reports.trend(snapshot, subject.site, interval, span)


def _page(span: Range, interval: Interval, limit: int | None) -> tuple[Range, datetime | None]:
    """The first buckets of a range, and where the next page begins; None after the last."""
    if limit is None or (span.end_at - span.start_at).total_seconds() <= limit * SHORTEST_SECONDS[interval]:
        return span, None
    until = span.start_at + timedelta(seconds=limit * SHORTEST_SECONDS[interval])
    return Range(span.start_at, until, span.time_zone), until


def _next(request: Request, following: datetime, snapshot: Snapshot) -> str:
    """Address of the next page, of the same publication, so that no page repeats or misses a point."""
    asked = dict(request.query_params) | {"start_date": following.isoformat(), "as_of": snapshot.refresh_id}
    return f"{request.url.path}?{urlencode(asked)}"


def _history_or(services: Services, snapshot: Snapshot, subject: Subject, start_date: str | None, end_date: str | None) -> Range:
    """The range that is asked for; where a bound is left out, that of the whole history."""
    with_energy(services, snapshot, subject)
    if start_date and end_date:
        return parse_range(start_date, end_date, subject.site.calendar)
    history = _history(snapshot, subject)
    return parse_range(start_date or history.start_at.isoformat(), end_date or history.end_at.isoformat(), subject.site.calendar)


def _history(snapshot: Snapshot, subject: Subject) -> Range:
    """The range of all buckets of whatever length that hold energy of a subject which has some."""
    history = device_reports.history(snapshot, subject.device, subject.site) if subject.device else reports.history(snapshot, subject.site)
    assert history is not None, "with_energy found some"
    # A bucket begins in the range it belongs to, so all history begins with the year that its first reading lies in, or its first week.
    first = local_date(history.start_at, subject.site.calendar).replace(month=1, day=1) - timedelta(days=7)
    return Range(day_start(first, subject.site.calendar), history.end_at, subject.site.calendar)


def _since_history(snapshot: Snapshot, subject: Subject, span: Range) -> Range:
    """The range without the time before all history, so that a first page is not empty."""
    start = _history(snapshot, subject).start_at
    return Range(start, span.end_at, span.time_zone) if span.start_at < start < span.end_at else span


def _trend_file(snapshot: Snapshot, subject: Subject, interval: Interval, span: Range, form: str, etag: str) -> Response:
    """All points of a range as a file; columns in which nothing is known are left out."""

    def frames() -> Iterator[pl.DataFrame]:
        return (_trend(snapshot, subject, interval, part) for part in _parts(span, interval))

    kinds: dict[str, pl.DataType] = {}
    for frame in frames():
        kinds |= {name: kind for name, kind in frame.schema.items() if frame.get_column(name).null_count() < frame.height}
    key = {"15min": "interval_start_at", "hour": "interval_start_at", "day": "local_date", "week": "local_date"}.get(
        interval, "local_month"
    )
    kinds = {key: pl.Datetime("us", "UTC") if key == "interval_start_at" else pl.Date()} | kinds
    alike = (_like(frame, kinds) for frame in frames() if frame.height)
    name = f"{subject.name}-{interval}"
    empty = pl.DataFrame(schema=kinds)
    if form == negotiation.CSV:
        zone = subject.site.calendar
        local = (encoding.with_local_time(frame, zone) for frame in chain([empty], alike))
        return negotiation.file_response(encoding.csv_parts(local), form, name, etag)
    return negotiation.file_response(encoding.encoded(alike, empty.to_arrow().schema, form), form, name, etag)


def _like(frame: pl.DataFrame, kinds: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with these columns, null where it has none."""
    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name) for name, kind in kinds.items()
    )


def _parts(span: Range, interval: Interval) -> Iterator[Range]:
    """A long range in parts that are read one after the other."""
    step = timedelta(days=DAYS_AT_ONCE.get(interval, 400 * 366))
    start = span.start_at
    while start < span.end_at:
        yield Range(start, min(start + step, span.end_at), span.time_zone)
        start += step


def _facts(subject: Subject) -> list[Any]:
    return [subject.name, *_site_facts(subject.site)]


def _site_facts(site: Site | None) -> list[Any]:
    return [site.site_id, site.calendar, site.currency] if site else []


def with_energy(services: Services, snapshot: Snapshot, subject: Subject) -> Snapshot:
    """The publication, where it has any energy of the subject; else 404 with what is needed."""
    device, site = subject.device, subject.site
    known = services.reader.answer_of(
        snapshot,
        ("has_energy", subject.name),
        lambda: device_reports.has_energy(snapshot, device) if device else reports.has_energy(snapshot, site),
    )
    if not known:
        raise HTTPException(404, text("api.needs_energy", subject=subject.name))
    return snapshot


def parse_range(start_date: str | None, end_date: str | None, time_zone: str) -> Range:
    """The range two parameters name. Raises InputError."""
    start, end = instant("start_date", start_date, time_zone), instant("end_date", end_date, time_zone)
    for field, moment in (("start_date", start), ("end_date", end)):
        if not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
            raise InputError(field, text("api.not_a_date"))
    if end <= start:
        raise InputError("end_date", text("api.not_after_start"))
    return Range(start, end, time_zone)


def instant(field: str, given: str | None, time_zone: str) -> datetime:
    """The instant a parameter names: a plain date is the start of that day. Raises InputError."""
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
