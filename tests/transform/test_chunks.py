"""The site-days of a large rebuild in pieces: each day once, whole weeks of sites that share files, the same weeks for all of a piece."""

from datetime import date, timedelta

import polars as pl
import pytest

from aurora.lake.layout import SITES_A_FILE
from transform import chunks as pieces

MONDAY = date(2026, 6, 1)
WEEK = pl.col("local_date").dt.truncate("1w")


def _days(sites: int, days: int) -> pl.DataFrame:
    dates = pl.DataFrame({"local_date": [MONDAY + timedelta(days=n) for n in range(days)]})
    return pl.DataFrame({"site_id": [f"site{n:05d}" for n in range(sites)]}).join(dates, how="cross")


@pytest.mark.parametrize(("sites", "days"), [(1, 400), (40, 400), (1_000, 40), (1_200, 17), (10_000, 2), (2_600, 30)])
def test_every_day_is_in_one_piece_of_whole_weeks(sites: int, days: int) -> None:
    every = _days(sites, days)
    found = list(pieces.chunks(every.sample(fraction=1.0, shuffle=True, seed=7)))
    assert [done for done, _ in found] == pl.Series([part.height for _, part in found]).cum_sum().to_list()
    assert pl.concat([part for _, part in found]).sort("site_id", "local_date").equals(every)
    assert all(part.height <= max(pieces.SITE_DAYS_A_CHUNK, 7 * SITES_A_FILE) for _, part in found)
    told = [part.group_by("site_id", WEEK).len() for _, part in found]
    assert pl.concat(told).height == every.group_by("site_id", WEEK).len().height
    for _, part in found:
        of_sites = part.group_by("site_id").agg(WEEK.min().alias("first"), WEEK.max().alias("last"))
        assert of_sites.select("first", "last").unique().height == 1
    assert len(found) <= 2 * every.height / pieces.SITE_DAYS_A_CHUNK + -(-sites // SITES_A_FILE)


def test_of_a_site_earlier_weeks_come_first() -> None:
    seen: dict[str, date] = {}
    for _, part in pieces.chunks(_days(1_000, 60)):
        for site, first, last in part.group_by("site_id").agg(WEEK.min(), WEEK.max().alias("last")).iter_rows():
            assert site not in seen or seen[site] < first
            seen[site] = last


def test_one_late_day_of_one_site_leaves_a_small_refresh_in_one_piece() -> None:
    late = pl.DataFrame({"site_id": ["site00007"], "local_date": [MONDAY - timedelta(days=200)]})
    ((done, only),) = pieces.chunks(pl.concat([_days(1_000, 1), late]))
    assert done == only.height == 1_001
    assert list(pieces.chunks(only.head(0))) == []
