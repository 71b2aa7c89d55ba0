"""Calendars of places that changed their time zone from a local day on; days follow each other without gap or overlap."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from aurora.domain import calendar

TOKYO = "Europe/Berlin<2026-07-01<Asia/Tokyo"
NEW_YORK = "Europe/Berlin<2026-03-29<America/New_York"
BACK = "Europe/Berlin<2026-03-01<Asia/Tokyo<2026-07-01<Europe/Berlin"
HALVES = "Asia/Kathmandu<2026-10-04<Australia/Lord_Howe<2026-12-01<Pacific/Chatham"
DATE_LINE = "Pacific/Pago_Pago<2026-07-01<Pacific/Kiritimati"


def hours_of_days(zone_name: str, first: date, count: int) -> list[float]:
    return (calendar.days([zone_name], first, first + timedelta(days=count - 1))["day_seconds"] / 3600).to_list()


def test_last_day_in_the_old_zone_ends_where_the_first_in_the_new_one_begins() -> None:
    assert calendar.day_start(date(2026, 7, 1), TOKYO) == datetime(2026, 6, 30, 15, tzinfo=UTC)
    assert hours_of_days(TOKYO, date(2026, 6, 29), 4) == [24, 17, 24, 24]
    # Berlin would have jumped at 1 h UTC on 29 March; New York's 29 March begins at 4 h.
    assert calendar.day_start(date(2026, 3, 29), NEW_YORK) == datetime(2026, 3, 29, 4, tzinfo=UTC)
    assert hours_of_days(NEW_YORK, date(2026, 3, 27), 4) == [24, 29, 24, 24]
    assert calendar.local_date(datetime(2026, 3, 29, 3, 59, tzinfo=UTC), NEW_YORK) == date(2026, 3, 28)
    assert calendar.local_hour(datetime(2026, 6, 30, 14, 59, tzinfo=UTC), TOKYO) == 16
    assert calendar.local_hour(datetime(2026, 6, 30, 15, tzinfo=UTC), TOKYO) == 0
    # June of Berlin has 720 hours, less the 7 that Tokyo is ahead; July begins there and ends in Tokyo.
    assert calendar.month_seconds(date(2026, 6, 1), TOKYO) == 713 * 3600
    assert calendar.month_seconds(date(2026, 7, 1), TOKYO) == 744 * 3600


@pytest.mark.parametrize("zone_name", ["Europe/Berlin", TOKYO, NEW_YORK, BACK, HALVES, DATE_LINE])
def test_every_quarter_hour_lies_in_one_day_and_all_ways_of_asking_agree(zone_name: str) -> None:
    first, last = date(2026, 1, 1), date(2026, 12, 31)
    days, quarters = calendar.days([zone_name], first, last), calendar.quarters([zone_name], first, last)
    assert days["day_end_at"][:-1].to_list() == days["day_start_at"][1:].to_list()
    assert quarters["quarter_start_at"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=15)]
    counted = quarters.group_by("local_date").len().sort("local_date")
    with_time = days.filter(pl.col("day_seconds") > 0)
    assert (counted["len"] * 900).cast(pl.Int64).to_list() == with_time["day_seconds"].to_list()
    assert days["day_seconds"].min() >= 0  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    assert calendar.local_dates(quarters["quarter_start_at"], zone_name).to_list() == quarters["local_date"].to_list()
    assert quarters["local_date"].is_sorted()
    monthly = days.group_by("local_month").agg(pl.col("day_seconds").sum(), pl.col("month_seconds").first())
    assert monthly["day_seconds"].to_list() == monthly["month_seconds"].to_list()
    offsets = calendar.utc_offset_seconds(quarters["quarter_start_at"], zone_name)
    walls = ((quarters["quarter_start_at"].dt.epoch("s") + offsets) // 3600 % 24).cast(pl.Int8)
    assert walls.to_list() == quarters["local_hour"].to_list()


@pytest.mark.parametrize(
    ("zone_name", "day", "quarters"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 92), ("Europe/Berlin", date(2026, 10, 25), 100), ("Asia/Kolkata", date(2026, 3, 29), 96),
        ("Asia/Kathmandu", date(2026, 10, 25), 96), ("Australia/Lord_Howe", date(2026, 4, 5), 98),
        ("Australia/Lord_Howe", date(2026, 10, 4), 94), ("Pacific/Chatham", date(2026, 4, 5), 100),
        ("Pacific/Chatham", date(2026, 9, 27), 92),
    ],
)  # fmt: skip
def test_days_with_a_change_of_the_clock_have_as_many_quarters_as_were_counted_by_hand(zone_name: str, day: date, quarters: int) -> None:
    assert calendar.quarters([zone_name], day, day).height == quarters


def test_zone_on_a_day_and_its_name() -> None:
    assert calendar.moved_zone([], "Asia/Tokyo") == "Asia/Tokyo"
    assert calendar.moved_zone([("Europe/Berlin", date(2026, 3, 1)), ("Asia/Tokyo", date(2026, 7, 1))], "Europe/Berlin") == BACK
    asked = [calendar.zone_on(day, BACK) for day in (date(2026, 2, 28), date(2026, 3, 1), date(2026, 6, 30), date(2026, 7, 1))]
    assert asked == ["Europe/Berlin", "Asia/Tokyo", "Asia/Tokyo", "Europe/Berlin"]
    assert not calendar.is_time_zone(BACK)
