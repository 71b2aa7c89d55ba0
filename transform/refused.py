"""What was refused of each device, by the local day on which it came: `rejected` of `gold/data_quality`.

A refusal belongs to the day it came on, not to the one it speaks of: what is refused often names no time that could be believed. It is
counted once and stays counted when it is replayed, for what is good by then is among the readings. Whom nobody knew, and what a topic of
several devices does not tell apart, is no device's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import polars as pl

from aurora.domain.topics import patterns_of, sole_reader, split_topic
from aurora.lake import changes
from aurora.lake.layout import conform_frame
from aurora.lake.manifest import Publication, Snapshot
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES
from transform import scope
from transform.scope import SITE_DAY

REJECTED = "bronze/rejected"
QUALITY = "gold/data_quality"
DAY = timedelta(days=1)
# Refused before there was a device: one that is made later was not refused then.
NOBODYS = ("unknown_device", "unknown_topic")
DEVICE_DAY = ["site_id", "device_id", "local_date"]
NOTHING_CAME = {"received": 0, "duplicates": 0, "late": 0, "estimated": 0, "completeness_ratio": 0.0}


@dataclass(frozen=True)
class Refused:
    """`bronze/rejected` at one version.

    Attributes:
        devices: device_id, site_id, time_zone, kind, topic.
        since: Refusals that came later are all there; older ones may be gone, and what was counted of their days stands.
    """

    lake: Lake
    version: int
    devices: pl.DataFrame
    since: datetime

    @classmethod
    def of_devices(cls, lake: Lake, devices: pl.DataFrame, since: datetime) -> "Refused":
        """What there is now. Weather stations are left out: what they send is counted nowhere."""
        known = devices.filter(pl.col("kind") != "weather_station").select("device_id", "site_id", "time_zone", "kind", "topic")
        return cls(lake, lake.version(REJECTED), known, since)

    @property
    def first_date(self) -> date:
        """The first local date, in any zone, all of whose refusals are there."""
        return (self.since + 2 * DAY).date()

    def with_counts(self, quality: pl.DataFrame, days: pl.DataFrame, published: Snapshot | Publication) -> pl.DataFrame:
        """Rows of `gold/data_quality` of some days with `rejected`, and rows of devices of which nothing came but what was refused.

        Args:
            quality: Rows of the days, without it.
            days: site_id, local_date.
            published: What was counted of days whose refusals may be gone; null where nothing was.
        """
        is_known = pl.col("local_date") >= self.first_date
        counts = pl.concat([self._counted(days.filter(is_known)), _standing(days.filter(~is_known), published)])
        rows = conform_frame(quality, TABLES[QUALITY]).drop("rejected", "refresh_id").join(counts, on=DEVICE_DAY, how="full", coalesce=True)
        rejected = pl.when(is_known).then(pl.col("rejected").fill_null(0)).otherwise("rejected").alias("rejected")
        rows = rows.filter(pl.col("received").is_not_null() | (pl.col("rejected") > 0)).with_columns(rejected)
        is_bare = pl.col("received").is_null()
        return rows.with_columns(pl.when(is_bare).then(pl.lit(value)).otherwise(name).alias(name) for name, value in NOTHING_CAME.items())

    def update(self, publication: Publication, rebuilt: pl.DataFrame) -> None:
        """Count anew what was refused on days of which no reading changed.

        Args:
            publication: Where it is committed.
            rebuilt: site_id, local_date of days that were counted with their readings.
        """
        days = self._days_changed(publication.before).join(rebuilt, on=SITE_DAY, how="anti")
        if days.is_empty():
            return
        held = publication.scan(QUALITY).join(days.lazy(), on=SITE_DAY, how="semi").drop("refresh_id").collect()
        publication.replace(QUALITY, self.with_counts(held.filter(pl.col("received") > 0), days, publication), days)

    def _days_changed(self, before: Snapshot) -> pl.DataFrame:
        """Days whose count differs from what the publication before had seen: site_id, local_date."""
        after = before.consumed.get(REJECTED, 0)
        try:
            found = changes.changes_between(self.lake, REJECTED, after, self.version)
        except changes.LogGone:
            return self._count(self.lake.scan(REJECTED, version=self.version)).select(SITE_DAY).unique()
        new = self._count(self.lake.scan(REJECTED, paths=found.added))
        if found.withdrawn:
            held = self.lake.scan(REJECTED, version=after).filter(pl.col("source").is_in(found.withdrawn))
            new = pl.concat([new, self._count(held)])
        return new.select(SITE_DAY).unique()

    def _counted(self, days: pl.DataFrame) -> pl.DataFrame:
        """How many there are of each device on some days: site_id, device_id, local_date, rejected."""
        if days.is_empty():
            return self._count(self.lake.scan(REJECTED, paths=[]))
        first, last = days.select(pl.col("local_date").min().alias("first"), pl.col("local_date").max().alias("last")).row(0)
        near = Between("received_at", _midnight(first) - DAY, _midnight(last) + 2 * DAY)
        return self._count(self.lake.scan(REJECTED, version=self.version, between=[near])).join(days, on=SITE_DAY, how="semi")

    def _count(self, rows: pl.LazyFrame) -> pl.DataFrame:
        first = rows.filter(pl.col("replayed_at").is_null() & ~pl.col("reason").is_in(NOBODYS))
        grouped = first.group_by("topic", (pl.col("received_at").dt.epoch("us") // 900_000_000).alias("quarter")).len("rejected").collect()
        owners = self._owners(grouped["topic"].unique().drop_nulls())
        owned = grouped.join(owners, on="topic").join(self.devices, on="device_id")
        dated = scope.dated(owned.with_columns((pl.col("quarter") * 900_000_000).alias("start_us")))
        return dated.group_by(DEVICE_DAY).agg(pl.col("rejected").sum().cast(pl.Int64))

    def _owners(self, topics: Iterable[str]) -> pl.DataFrame:
        """Whose each topic is: topic, device_id."""
        found = {
            topic: (route[0] if (route := split_topic(topic)) else sole_reader(topic, self._patterns, self._gateways)) for topic in topics
        }
        return pl.DataFrame({"topic": list(found), "device_id": list(found.values())}, schema={"topic": pl.String, "device_id": pl.String})

    @cached_property
    def _patterns(self) -> list[tuple[str, str]]:
        rows = self.devices.select("device_id", "topic").iter_rows()
        return [(pattern, device) for device, topic in rows for pattern in patterns_of(topic)]

    @cached_property
    def _gateways(self) -> set[str]:
        return set(self.devices.filter(pl.col("kind") == "gateway")["device_id"])


def _standing(old: pl.DataFrame, published: Snapshot | Publication) -> pl.DataFrame:
    """What was counted of days: site_id, device_id, local_date, rejected."""
    rows = published.scan(QUALITY, [Between("local_date", old["local_date"].min())]) if old.height else published.scan(QUALITY).head(0)
    return rows.join(old.lazy(), on=SITE_DAY, how="semi").select(*DEVICE_DAY, "rejected").collect()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
