"""Spikes and zeros, judged on hourly gold in a real lake."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from aurora.accounts import leases
from aurora.accounts.database import Accounts
from aurora.domain import calendar
from aurora.lake import manifest
from aurora.lake.manifest import Publication
from aurora.lake.store import Lake
from transform.judge import judge

ZONE = "Europe/Berlin"
NOW = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)
FIRST, LAST = date(2026, 2, 2), date(2026, 6, 19)
SITES = pl.DataFrame({"site_id": ["home"], "time_zone": [ZONE], "fuse_a": [35.0], "pv_capacity_kw": [8.0]})
HISTORY = ["anomaly_id", "kind", "channel", "starts_at", "ends_at", "observed", "expected", "status", "baseline_version", "params"]

Publish = Callable[[], "contextmanager[Publication]"]


def clean_hours(first: date = FIRST, last: date = LAST, seed: int = 1, site_id: str = "home", zone: str = ZONE) -> pl.DataFrame:
    """Noisy hours of a home with panels: `gold/energy_hourly` without anything wrong."""
    random = np.random.default_rng(seed)
    clock = (
        calendar.quarters([zone], first, last)
        .group_by("hour_start_at", maintain_order=True)
        .agg(pl.col("local_date", "local_hour", "hour_seconds").first())
    )
    hour = clock["local_hour"].to_numpy()
    # The sun knows no summer time: production follows the zone's clock of the first day all year.
    winter = int((clock["local_hour"][0] - clock["hour_start_at"][0].hour) % 24)
    sun = np.clip(np.sin(((clock["hour_start_at"].dt.hour().cast(pl.Int64).to_numpy() + winter) % 24 - 5) / 14 * np.pi), 0, None)
    used = (0.25 + 0.6 * np.exp(-(((hour - 19) / 2.5) ** 2))) * random.lognormal(0, 0.3, len(hour))
    made = 4 * sun * random.beta(3, 1.5, len(hour))
    return clock.select(
        pl.lit(site_id).alias("site_id"),
        pl.col("hour_start_at").alias("interval_start_at"),
        pl.col("hour_seconds").alias("interval_seconds"),
        "local_date",
        pl.Series("consumption_kwh", used),
        pl.Series("production_kwh", made),
        pl.lit(1.0).alias("completeness_ratio"),
    )


def put(hours: pl.DataFrame, start: datetime, count: int, column: str, value: float | None) -> pl.DataFrame:
    """The hours with `count` of them, from `start` on, set to a value."""
    is_meant = pl.col("interval_start_at").is_between(start, start + timedelta(hours=count), closed="left")
    return hours.with_columns(pl.when(is_meant).then(pl.lit(value)).otherwise(column).alias(column))


@pytest.fixture
def publishing(lake: Lake, accounts: Accounts) -> Publish:
    @contextmanager
    def publish() -> Iterator[Publication]:
        with leases.hold(accounts, leases.PUBLISH, 1) as lease:
            publication = manifest.begin(lake, lease, "refresh", "test", NOW)
            yield publication
            publication.finish()

    return publish


@pytest.fixture
def judged(lake: Lake, publishing: Publish) -> Callable[..., pl.DataFrame]:
    """A function that publishes hours, judges the given days (default: all of them) and returns all anomalies."""

    def run(hours: pl.DataFrame, days: list[date] | None = None, now: datetime = NOW, sites: pl.DataFrame = SITES) -> pl.DataFrame:
        scope = hours.select("site_id", "local_date").unique()
        with publishing() as publication:
            publication.replace("gold/energy_hourly", hours, scope)
            daily = hours.group_by("site_id", "local_date").agg(pl.col("consumption_kwh", "production_kwh").sum())
            publication.replace("gold/energy_daily", daily, scope)
            judge(publication, scope if days is None else scope.filter(pl.col("local_date").is_in(days)), sites, now)
        return manifest.newest(lake).scan("gold/anomalies").sort("starts_at").collect()

    return run


def test_spike_is_found_with_the_energy_measured_and_expected(judged: Callable[..., pl.DataFrame]) -> None:
    start = datetime(2026, 5, 12, 13, tzinfo=UTC)
    hours = put(put(clean_hours(), start, 1, "consumption_kwh", 9.0), start + timedelta(hours=1), 1, "consumption_kwh", 11.5)
    found = judged(hours)
    assert found.height == 1
    row = found.row(0, named=True)
    assert (row["kind"], row["channel"], row["category"], row["status"]) == ("spike", "consumption", "behaviour", "closed")
    assert (row["starts_at"], row["ends_at"], row["local_date"]) == (start, start + timedelta(hours=2), date(2026, 5, 12))
    assert row["observed"] == pytest.approx(20.5)
    assert row["expected"] == pytest.approx(sum(_usual(hours, hour) for hour in (15, 16)), abs=1e-5)
    assert "20.5 kWh" in row["explanation"]
    assert "12 May 2026 from 15:00 to 17:00" in row["explanation"]


def _usual(hours: pl.DataFrame, local_hour: int) -> float:
    """Median of a working day's hour over the eight weeks before Monday 11 May, worked out apart from the code."""
    values = [
        energy
        for start, day, energy in hours.select("interval_start_at", "local_date", "consumption_kwh").iter_rows()
        if date(2026, 3, 16) <= day < date(2026, 5, 11) and day.weekday() < 5 and calendar.local_hour(start, ZONE) == local_hour
    ]
    assert len(values) == 40
    return float(np.median(values))


def test_spike_is_filed_as_data_when_the_connection_cannot_carry_it(judged: Callable[..., pl.DataFrame]) -> None:
    found = judged(put(clean_hours(), datetime(2026, 5, 12, 13, tzinfo=UTC), 1, "consumption_kwh", 900.0))
    assert found.select("category", "severity").rows() == [("data", "critical")]


def test_zero_is_found_when_a_meter_counts_nothing_for_ten_hours(judged: Callable[..., pl.DataFrame]) -> None:
    start = datetime(2026, 5, 13, 20, tzinfo=UTC)
    found = judged(put(clean_hours(), start, 10, "consumption_kwh", 0.0))
    assert found.select("kind", "category", "starts_at", "ends_at", "observed").rows() == [
        ("zero", "meter", start, start + timedelta(hours=10), 0.0)
    ]


def test_zero_is_not_found_when_hours_are_unmeasured(judged: Callable[..., pl.DataFrame]) -> None:
    assert judged(put(clean_hours(), datetime(2026, 5, 13, 20, tzinfo=UTC), 10, "consumption_kwh", None)).is_empty()


def test_production_zero_stays_one_anomaly_over_the_night(judged: Callable[..., pl.DataFrame]) -> None:
    found = judged(put(clean_hours(), datetime(2026, 5, 12, 0, tzinfo=UTC), 48, "production_kwh", 0.0))
    assert found.select("kind", "channel", "category").rows() == [("zero", "production", "plant")]
    assert found["ends_at"][0] - found["starts_at"][0] > timedelta(hours=30)


def test_zero_stays_one_when_an_hour_of_energy_comes_in_between(judged: Callable[..., pl.DataFrame]) -> None:
    start = datetime(2026, 5, 13, 2, tzinfo=UTC)
    hours = put(clean_hours(), start, 20, "consumption_kwh", 0.0)
    found = judged(put(hours, start + timedelta(hours=9), 1, "consumption_kwh", 0.4))
    assert found.select("kind", "starts_at", "ends_at", "observed").rows() == [("zero", start, start + timedelta(hours=20), 0.0)]


def test_clean_year_raises_few_alarms(judged: Callable[..., pl.DataFrame], count: Callable[[int, int], int]) -> None:
    years = count(3, 30)
    names = [f"home{number}" for number in range(years)]
    hours = pl.concat([clean_hours(date(2025, 6, 2), date(2026, 5, 31), seed, name) for seed, name in enumerate(names)])
    found = judged(hours, sites=pl.DataFrame({"site_id": names, "time_zone": ZONE}))
    assert found.height <= years, "more than one false alarm a site and year"
    assert found.filter(pl.col("severity") == "critical").is_empty()


def test_baselines_stay_frozen_when_history_changes(judged: Callable[..., pl.DataFrame], lake: Lake) -> None:
    hours = put(clean_hours(), datetime(2026, 5, 12, 13, tzinfo=UTC), 2, "consumption_kwh", 9.0)
    key = ["site_id", "channel", "week_start_date"]
    found = judged(hours).select(HISTORY)
    before = lake.scan("meta/baselines").sort(key).collect()
    factor = pl.when(pl.col("local_date") < date(2026, 5, 11)).then(3.0).otherwise(1.0)
    changed = hours.with_columns(pl.col("consumption_kwh") * factor)
    again = judged(changed).select(HISTORY)
    assert before.height > 20
    assert lake.scan("meta/baselines").sort(key).collect().equals(before)
    assert again.filter(pl.col("starts_at") >= datetime(2026, 5, 11, tzinfo=UTC)).equals(found)


def test_judging_the_touched_day_gives_what_judging_all_gives(judged: Callable[..., pl.DataFrame]) -> None:
    midnight = datetime(2026, 5, 13, 22, tzinfo=UTC)
    hours = put(clean_hours(), midnight - timedelta(hours=5), 10, "consumption_kwh", 0.0)
    assert judged(hours).height == 1
    mended = put(hours, midnight, 2, "consumption_kwh", 0.4)
    touched = judged(mended, [date(2026, 5, 14)]).select(HISTORY)
    assert touched.select("starts_at", "ends_at").rows() == [
        (midnight - timedelta(hours=5), midnight),
        (midnight + timedelta(hours=2), midnight + timedelta(hours=5)),
    ]
    assert judged(mended).select(HISTORY).equals(touched)


def test_anomaly_is_closed_when_an_hour_has_passed_without_it(judged: Callable[..., pl.DataFrame]) -> None:
    hours = put(clean_hours(), datetime(2026, 6, 19, 12, tzinfo=UTC), 10, "consumption_kwh", 0.0)
    end = datetime(2026, 6, 19, 22, tzinfo=UTC)
    assert judged(hours, now=end + timedelta(minutes=10))["status"].to_list() == ["open"]
    assert judged(hours, [FIRST], now=end + timedelta(minutes=61))["status"].to_list() == ["closed"]


def test_anomaly_disappears_when_a_correction_takes_its_reason(judged: Callable[..., pl.DataFrame]) -> None:
    clean = clean_hours()
    start = datetime(2026, 5, 12, 13, tzinfo=UTC)
    assert judged(put(clean, start, 1, "consumption_kwh", 9.0)).height == 1
    assert judged(clean, [date(2026, 5, 12)]).is_empty()


def test_week_is_not_judged_without_two_measured_weeks_before_it(judged: Callable[..., pl.DataFrame], lake: Lake) -> None:
    hours = clean_hours(FIRST, FIRST + timedelta(days=20))
    spiked = put(hours, datetime(2026, 2, 12, 12, tzinfo=UTC), 1, "consumption_kwh", 50.0)
    assert judged(spiked).is_empty()
    assert set(lake.scan("meta/baselines").collect()["week_start_date"]) == {date(2026, 2, 16)}


def test_device_is_named_when_it_alone_measures_the_channel(judged: Callable[..., pl.DataFrame], publishing: Publish) -> None:
    measured = {"site_id": ["home", "home", "home"], "channel": ["consumption", "production", "production"]}
    with publishing() as publication:
        publication.add("dims/measured_channels", pl.DataFrame(measured | {"device_id": ["meter", "east", "west"]}))
    hours = put(clean_hours(), datetime(2026, 5, 12, 13, tzinfo=UTC), 1, "consumption_kwh", 9.0)
    hours = put(hours, datetime(2026, 5, 14, 7, tzinfo=UTC), 8, "production_kwh", 0.0)
    found = judged(hours).filter(pl.col("kind").is_in(["spike", "zero"]))
    assert found.select("channel", "device_id").rows() == [("consumption", "meter"), ("production", None)]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Sydney", "America/New_York"])
def test_spike_stands_at_the_sites_clock_hour_in_any_zone(judged: Callable[..., pl.DataFrame], zone: str) -> None:
    noon = calendar.day_start(date(2026, 5, 12), zone) + timedelta(hours=12)
    hours = put(clean_hours(zone=zone), noon, 1, "consumption_kwh", 9.0)
    found = judged(hours, sites=pl.DataFrame({"site_id": ["home"], "time_zone": [zone]})).filter(local_date=date(2026, 5, 12))
    assert found["starts_at"].to_list() == [noon]
    assert "from 12:00 to 13:00" in found["explanation"][0]
