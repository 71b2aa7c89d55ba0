"""Local time, worked out once: quarters, clock hours, local days and months of a time zone, as tables that others join.

The rules come from the `tzdata` package alone, so that every machine and every engine agrees. No other module converts time zones.

A zone is a name such as `Europe/Berlin`, or that of a calendar that changed its zone: `Europe/Berlin<2026-07-01<Asia/Tokyo` is Berlin's up
to 30 June and Tokyo's from 1 July on. The last day in the old zone ends where the first in the new one begins, so days follow each other
without gap or overlap; it has as many hours as that takes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

QUARTER_SECONDS = 900
DAY_SECONDS = 86_400
MICRO = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FROM = "<"


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone `name` as the `tzdata` package has it. Raises KeyError where it has none."""
    source = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    if not name or name.startswith((".", "/")) or ".." in name or not source.is_file():
        raise KeyError(name)
    with source.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def is_time_zone(name: str) -> bool:
    """Whether `name` is a zone of the tz database."""
    try:
        zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True)
class _Stretch:
    """A time in one zone: its first local day and instant, None where it has always been."""

    tz: ZoneInfo
    first: date | None
    begins_at: datetime | None


def moved_zone(past: Sequence[tuple[str, date]], now: str) -> str:
    """Name of the calendar of a place that changed its zone.

    Args:
        past: Zones that it had and the local day from which each no longer counts, in order.
        now: The zone it has since the last of those days.
    """
    return FROM.join([*(f"{name}{FROM}{until.isoformat()}" for name, until in past), now])


def zone_on(day: date, zone_name: str) -> str:
    """Name of the zone in the tz database that a calendar follows on a local day."""
    names = zone_name.split(FROM)
    later = sum(date.fromisoformat(first) <= day for first in names[1::2])
    return names[2 * later]


def first_difference(one: str, other: str) -> date | None:
    """The first local day on which two calendars follow different zones; None where they never do, or differ from the beginning on."""
    if one.split(FROM)[0] == other.split(FROM)[0]:
        for day in sorted({date.fromisoformat(first) for name in (one, other) for first in name.split(FROM)[1::2]}):
            if zone_on(day, one) != zone_on(day, other):
                return day
    return None


@cache
def _stretches(zone_name: str) -> tuple[_Stretch, ...]:
    names = zone_name.split(FROM)
    found = [_Stretch(zone(names[0]), None, None)]
    for first, name in zip(map(date.fromisoformat, names[1::2]), names[2::2], strict=True):
        found.append(_Stretch(zone(name), first, _midnight(first, zone(name))))
    return tuple(found)


def clock_zone(moment: datetime, zone_name: str) -> ZoneInfo:
    """The zone that a calendar's clocks show at an instant."""
    known = _stretches(zone_name)
    return next((one.tz for one in reversed(known) if one.begins_at is None or one.begins_at <= moment), known[0].tz)


def local_date(moment: datetime, zone_name: str) -> date:
    """The day that the site's calendar shows at `moment`."""
    latest: date | None = None
    for one in reversed(_stretches(zone_name)):
        if one.begins_at is None or one.begins_at <= moment:
            day = moment.astimezone(one.tz).date()
            return day if latest is None else min(day, latest)
        assert one.first is not None, "only the first stretch has always been"
        latest = one.first - timedelta(days=1)
    raise AssertionError("the first stretch has always been")


def local_hour(moment: datetime, zone_name: str) -> int:
    """The hour that the site's clock shows at `moment`. [0-23]"""
    return moment.astimezone(clock_zone(moment, zone_name)).hour


def day_start(day: date, zone_name: str) -> datetime:
    """First instant of a local day, in UTC; where midnight is skipped by the clock, the instant of the jump."""
    limit: datetime | None = None
    for one in reversed(_stretches(zone_name)):
        if one.first is None or one.first <= day:
            start = _midnight(day, one.tz)
            return start if limit is None else min(start, limit)
        limit = one.begins_at if limit is None or one.begins_at is None else min(one.begins_at, limit)
    raise AssertionError("the first stretch has always been")


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    start = datetime.combine(day, time(), tz).astimezone(UTC)
    while start.astimezone(tz).date() < day:
        start += timedelta(seconds=QUARTER_SECONDS)
    # A midnight that the clock shows twice belongs to the day from its first showing on.
    return start


def days(zone_names: Iterable[str], first: date, last: date) -> pl.DataFrame:
    """Local days of some zones.

    Returns:
        One row per zone and day from `first` to `last`, both included, sorted: zone, local_date, local_month, day_start_at, day_end_at,
        day_seconds, month_seconds.
    """
    names = sorted(set(zone_names))
    return pl.concat([_zone_days(name, first, last) for name in names]) if names else _zone_days("UTC", first, first).head(0)


@cache
def _zone_days(zone_name: str, first: date, last: date) -> pl.DataFrame:
    count = (last - first).days + 1
    starts = [day_start(first + timedelta(days=offset), zone_name) for offset in range(count + 1)]
    frame = pl.DataFrame(
        {"local_date": [first + timedelta(days=offset) for offset in range(count)], "day_start_at": starts[:-1], "day_end_at": starts[1:]},
        schema={"local_date": pl.Date, "day_start_at": pl.Datetime("us", "UTC"), "day_end_at": pl.Datetime("us", "UTC")},
    )
    months = {day: month_seconds(day, zone_name) for day in frame.get_column("local_date").dt.truncate("1mo").unique().to_list()}
    return frame.select(
        pl.lit(zone_name).alias("zone"),
        "local_date",
        pl.col("local_date").dt.truncate("1mo").alias("local_month"),
        "day_start_at",
        "day_end_at",
        (pl.col("day_end_at") - pl.col("day_start_at")).dt.total_seconds().alias("day_seconds"),
        pl.col("local_date").dt.truncate("1mo").replace_strict(months, return_dtype=pl.Int64).alias("month_seconds"),
    )


@cache
def month_seconds(month: date, zone_name: str) -> int:
    """Length of the local month that `month` lies in. [s]"""
    first = month.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return int((day_start(following, zone_name) - day_start(first, zone_name)).total_seconds())


def utc_offset_seconds(moments: pl.Series, zone_name: str) -> pl.Series:
    """How far the site's clock is ahead of UTC at each instant. [s]"""
    # An offset holds for a whole UTC quarter hour, so each quarter is asked once.
    seconds = {start: _offset(zone_name, start) for start in moments.dt.truncate("15m").unique().drop_nulls().to_list()}
    starts = moments.dt.truncate("15m")
    return starts.replace_strict(seconds, return_dtype=pl.Int64) if seconds else starts.cast(pl.Int64)


def quarters(zone_names: Iterable[str], first: date, last: date) -> pl.DataFrame:
    """UTC quarter hours of the local days of some zones.

    Returns:
        One row per zone and quarter of the days from `first` to `last`, both included, sorted: zone, quarter_start_at, local_date,
        local_month, hour_start_at (first instant of the site's clock hour), hour_seconds, local_hour, day_seconds, month_seconds.
    """
    names = sorted(set(zone_names))
    return pl.concat([_zone_quarters(name, first, last) for name in names]) if names else _zone_quarters("UTC", first, first).head(0)


def _zone_quarters(zone_name: str, first: date, last: date) -> pl.DataFrame:
    per_day = _zone_days(zone_name, first, last)
    start, end = per_day.get_column("day_start_at")[0], per_day.get_column("day_end_at")[-1]
    begins = np.arange(int(start.timestamp()), int(end.timestamp()), QUARTER_SECONDS, dtype=np.int64)
    offsets = _offsets(zone_name, begins)
    wall_hours = (begins + offsets) // 3600
    # A clock hour ends where the wall hour or the offset changes, so an hour shown twice is two hours.
    is_new = np.ones(len(begins), dtype=bool)
    is_new[1:] = (wall_hours[1:] != wall_hours[:-1]) | (offsets[1:] != offsets[:-1])
    hour = np.cumsum(is_new) - 1
    return (
        pl.DataFrame(
            {
                "zone": pl.Series([zone_name], dtype=pl.String).new_from_index(0, len(begins)),
                "quarter_start_at": pl.Series(begins * MICRO).cast(pl.Datetime("us", "UTC")),
                "hour_start_at": pl.Series(begins[is_new][hour] * MICRO).cast(pl.Datetime("us", "UTC")),
                "hour_seconds": pl.Series(np.bincount(hour)[hour] * QUARTER_SECONDS).cast(pl.Int64),
                "local_hour": pl.Series(wall_hours % 24).cast(pl.Int8),
            }
        )
        .sort("quarter_start_at")
        .join_asof(
            per_day.select("local_date", "local_month", "day_start_at", "day_seconds", "month_seconds"),
            left_on="quarter_start_at",
            right_on="day_start_at",
            strategy="backward",
            check_sortedness=False,
        )
        .drop("day_start_at")
    )


def _offsets(zone_name: str, begins: np.ndarray) -> np.ndarray:
    """Offset from UTC at each second of `begins`. [s] Looked up once a UTC day, and by the quarter on days on which it changes."""
    day_numbers = begins // DAY_SECONDS

    def offset(second: int) -> int:
        return _offset(zone_name, EPOCH + timedelta(seconds=second))

    known = {int(day): offset(int(day) * DAY_SECONDS) for day in np.unique(np.append(day_numbers, day_numbers[-1:] + 1))}
    result = np.array([known[day] for day in day_numbers.tolist()], dtype=np.int64)
    for day, held in known.items():
        if day + 1 in known and known[day + 1] != held:
            for index in np.flatnonzero(day_numbers == day):
                result[index] = offset(int(begins[index]))
    return result


def _offset(zone_name: str, moment: datetime) -> int:
    return int(moment.astimezone(clock_zone(moment, zone_name)).utcoffset().total_seconds())  # pyright: ignore[reportOptionalMemberAccess]


def local_hours(moments: pl.Series, zone_name: str) -> pl.Series:
    """The hour that the site's clock shows at each instant. [0-23]"""
    return ((moments.dt.epoch("s") + utc_offset_seconds(moments, zone_name)) // 3600 % 24).cast(pl.Int8)


def local_dates(moments: pl.Series, zone_name: str) -> pl.Series:
    """The day that the site's calendar shows at each instant."""
    known = moments.dt.truncate("15m")
    days_of = {start: local_date(start, zone_name) for start in known.unique().drop_nulls().to_list()}
    return known.replace_strict(days_of, return_dtype=pl.Date) if days_of else known.cast(pl.Date)
