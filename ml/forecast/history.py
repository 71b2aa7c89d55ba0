"""What models learn from: whole measured hours of a site's channel, without what was found to be wrong, with the site's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from aurora.accounts.models import Site
from aurora.domain import calendar
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

CHANNELS = ("consumption", "production")
WHOLE_HOUR_RATIO = 0.9
SATURDAY = 6
# Other findings tell of missing readings, of meters and of habits; what was measured then may come again.
WRONG_KINDS = ("spike", "zero")


@dataclass(frozen=True)
class Place:
    """What a forecast has to know about a site. Angles in degrees, azimuth 0 = north, clockwise."""

    site_id: str
    time_zone: str
    latitude: float
    longitude: float
    pv_tilt_degrees: float | None = None
    pv_azimuth_degrees: float | None = None

    @classmethod
    def of(cls, site: Site) -> "Place":
        """The place of an account's site."""
        return cls(site.site_id, site.calendar, site.latitude, site.longitude, site.pv_tilt_degrees, site.pv_azimuth_degrees)


def clock_hours(time_zone: str, start: datetime, end: datetime) -> pl.DataFrame:
    """The site's clock hours that begin in `start <= hour < end`.

    Returns:
        Sorted rows: interval_start_at, local_date, local_hour, is_off_day (Saturday or Sunday).
    """
    first, last = calendar.local_date(start, time_zone), calendar.local_date(end, time_zone)
    return (
        calendar.quarters([time_zone], first, last)
        .select(pl.col("hour_start_at").alias("interval_start_at"), "local_date", pl.col("local_hour").cast(pl.Int64))
        .unique(subset="interval_start_at", keep="first", maintain_order=True)
        .filter((pl.col("interval_start_at") >= start) & (pl.col("interval_start_at") < end))
        .with_columns((pl.col("local_date").dt.weekday() >= SATURDAY).alias("is_off_day"))
    )


def load_history(snapshot: Snapshot, places: Sequence[Place], now: datetime, days: int) -> dict[tuple[str, str], pl.DataFrame]:
    """Hours that a model may learn from, by (site_id, channel); a pair without any is left out.

    Left out are hours measured over less than 0.9 of their length, hours inside a spike or a zero, and days on which every hour is exactly
    zero: a dead plant or meter is not what comes next.

    Args:
        snapshot: The publication to read.
        places: Which sites.
        now: Hours that end later are left out.
        days: How many days to reach back.

    Returns:
        Sorted frames: interval_start_at, local_date, local_hour, is_off_day, energy_kwh.
    """
    since = now - timedelta(days=days)
    rows = (
        snapshot.scan("gold/energy_hourly", [Between("local_date", since.date() - timedelta(days=1))])
        .filter(
            pl.col("site_id").is_in([place.site_id for place in places]),
            pl.col("interval_start_at") >= since,
            pl.col("interval_start_at") + pl.duration(seconds=pl.col("interval_seconds")) <= now,
            pl.col("completeness_ratio") >= WHOLE_HOUR_RATIO,
        )
        .select("site_id", "interval_start_at", *[f"{channel}_kwh" for channel in CHANNELS])
        .collect()
    )
    is_wrong = pl.col("kind").is_in(WRONG_KINDS) & (pl.col("status") != "withdrawn")
    wrong = snapshot.scan("gold/anomalies").filter(is_wrong, pl.col("ends_at") > since).collect()
    found: dict[tuple[str, str], pl.DataFrame] = {}
    for place in places:
        hours = clock_hours(place.time_zone, since, now).join(rows.filter(site_id=place.site_id), on="interval_start_at")
        for channel in CHANNELS:
            learnable = _learnable(hours, channel, wrong.filter(site_id=place.site_id, channel=channel))
            if learnable.height:
                found[place.site_id, channel] = learnable
    return found


def _learnable(hours: pl.DataFrame, channel: str, wrong: pl.DataFrame) -> pl.DataFrame:
    energy = pl.col("energy_kwh")
    return (
        hours.select("interval_start_at", "local_date", "local_hour", "is_off_day", pl.col(f"{channel}_kwh").alias("energy_kwh"))
        .filter(energy.is_not_null())
        .filter((energy.max() > 0).over("local_date"))
        .sort("interval_start_at")
        .join_asof(wrong.select("starts_at", "ends_at").sort("starts_at"), left_on="interval_start_at", right_on="starts_at")
        .filter((pl.col("ends_at") <= pl.col("interval_start_at")).fill_null(value=True))
        .drop("starts_at", "ends_at")
    )


def measured_days(history: pl.DataFrame) -> float:
    """How many days' worth of hours a history holds."""
    return history.height / 24


def next_hours(time_zone: str, now: datetime, count: int) -> pl.DataFrame:
    """The next `count` whole clock hours of a site, as `clock_hours` gives them."""
    return clock_hours(time_zone, now.astimezone(UTC), now + timedelta(hours=count + 3)).head(count)
