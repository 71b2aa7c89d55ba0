"""Ranges of time as people ask for them: local days and months, named periods, buckets of a report."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from aurora.domain.calendar import day_start, local_date

Interval = Literal["15min", "hour", "day", "week", "month", "year"]
Period = Literal["today", "yesterday", "week", "month", "year", "last_7_days", "last_30_days", "last_month", "last_year"]
_BUCKETS: dict[Period, Interval] = {"week": "week", "month": "month", "year": "year", "last_month": "month", "last_year": "year"}
INTERVAL_SECONDS = {"15min": 900, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 28 * 86_400, "year": 365 * 86_400}


@dataclass(frozen=True)
class Range:
    """A half-open range of time at a place."""

    start_at: datetime
    end_at: datetime
    time_zone: str

    @property
    def days(self) -> tuple[date, date]:
        """The local days that begin in the range, as (first, the one after the last)."""
        return _first_day_from(self.start_at, self.time_zone), _first_day_from(self.end_at, self.time_zone)

    def buckets(self, interval: Interval) -> float:
        """About how many buckets of that length the range holds."""
        return (self.end_at - self.start_at).total_seconds() / INTERVAL_SECONDS[interval]


def _first_day_from(moment: datetime, time_zone: str) -> date:
    day = local_date(moment, time_zone)
    return day if day_start(day, time_zone) >= moment else day + timedelta(days=1)


def days_range(first: date, end: date, time_zone: str) -> Range:
    """The local days from `first` up to, but not with, `end`."""
    return Range(day_start(first, time_zone), day_start(end, time_zone), time_zone)


def named(period: Period, today: date) -> tuple[date, date]:
    """The local days of a named period, as (first, the one after the last); what is not over yet ends with today."""
    tomorrow = today + timedelta(days=1)
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    return {
        "today": (today, tomorrow),
        "yesterday": (today - timedelta(days=1), today),
        "week": (today - timedelta(days=today.weekday()), tomorrow),
        "month": (month, tomorrow),
        "year": (year, tomorrow),
        "last_7_days": (tomorrow - timedelta(days=7), tomorrow),
        "last_30_days": (tomorrow - timedelta(days=30), tomorrow),
        "last_month": ((month - timedelta(days=1)).replace(day=1), month),
        "last_year": (year.replace(year=year.year - 1), year),
    }[period]


def base_of(period: Period, compare_to: Literal["previous_period", "last_year"], today: date) -> tuple[date, date]:
    """The local days that a named period is held against, as (first, the one after the last): as many days as have begun of it.

    `previous_period` is the one before: of a running week, month or year its first days. `last_year` begins on the same date a year
    earlier, a week on its own weekday (52 weeks earlier). Neither reaches into the period itself.
    """
    first, end = named(period, today)
    bucket = _BUCKETS.get(period)
    if compare_to == "last_year":
        start = first - timedelta(weeks=52) if period in {"week", "last_7_days"} else _year_before(first)
    else:
        start = bucket_start(first - timedelta(days=1), bucket) if bucket else first - (end - first)
    whole = bucket_end(start, bucket) if bucket else first
    return start, whole if period in {"last_month", "last_year"} else min(start + (end - first), whole, first)


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def bucket_start(day: date, interval: Interval) -> date:
    """First day of the week (Monday), month or year a day lies in; the day itself for `day`."""
    if interval == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day.replace(month=1, day=1) if interval == "year" else day


def bucket_end(start: date, interval: Interval) -> date:
    """The day after the last of the bucket that begins at `start`."""
    if interval == "year":
        return start.replace(year=start.year + 1)
    if interval == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if interval == "week" else 1)


def whole_buckets(first: date, end: date, interval: Interval) -> tuple[date, date]:
    """The days of all buckets that begin in a range of days, as (first, the one after the last)."""
    start = bucket_start(first, interval)
    if start < first:
        start = bucket_end(start, interval)
    last = bucket_start(end - timedelta(days=1), interval)
    return (start, bucket_end(last, interval)) if last >= start else (start, start)
