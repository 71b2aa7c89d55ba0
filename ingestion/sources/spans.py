"""Which time to ask for."""

from datetime import UTC, datetime, timedelta

from ingestion.sources.rows import Span

FIRST_DAYS = 30
AGAIN = timedelta(days=1)


def days_ahead(since: datetime | None, now: datetime, *, most_days: int, ahead: timedelta = timedelta(days=2)) -> list[Span]:
    """Spans of whole UTC days from a day before `since`, or a month back, to the end of tomorrow.

    What was answered for the last day is asked for again: it may have been corrected since, or been only part of it.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = today + ahead
    start = today - timedelta(days=FIRST_DAYS) if since is None else min(since - AGAIN, today - AGAIN)
    start = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spans: list[Span] = []
    while start < end:
        until = min(start + timedelta(days=most_days), end)
        spans.append((start, until))
        start = until
    return spans
