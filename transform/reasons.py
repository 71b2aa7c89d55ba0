"""Why figures of closed days changed: what a refresh took in for each site-day, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import polars as pl

from aurora.domain.meters.readings import KEY, ORDER
from transform import scope
from transform.bronze import Bronze
from transform.scope import SITE_DAY

DAY = timedelta(days=1)
REASON = scope.SITE_DAYS | {"reason": pl.String}
OF_WITHDRAWAL = "an import was withdrawn"
OF_FACT = "a fact of the site, a device or the tariff changed"
OF_ZONE = "the site's time zone is another one from a day on"
OF_PERSON = "a decision how a meter was read was reversed, or stands again"
OF_UNIT = "a change of a meter's unit was found, or is none any more"
OF_EARLIER = "an earlier refresh had left the day pending"
OF_REBUILD = "the whole history was rebuilt"
OF_ANOTHER_DAY = "a reading of another day reaches into this one"
# What became of readings, told of one and of more.
OF_READINGS = {
    "late": ("1 reading arrived late", "{} readings arrived late"),
    "corrected": ("1 reading was corrected", "{} readings were corrected"),
    "withdrawn": ("1 reading was withdrawn", "{} readings were withdrawn"),
}


@dataclass(frozen=True)
class Reasons:
    """What a refresh knows of the days it rebuilds.

    Attributes:
        told: site_id, local_date, reason: what reaches a day, beside readings of its own.
        changed: New rows of `bronze/readings`.
        devices: device_id, site_id, time_zone.
        earlier: All readings as they were the publication before.
    """

    told: pl.DataFrame
    changed: pl.DataFrame
    devices: pl.DataFrame
    earlier: Bronze

    def of(self, days: pl.DataFrame) -> pl.DataFrame:
        """Every reason of each of some site-days, joined: site_id, local_date, reason."""
        if days.is_empty():
            return pl.DataFrame(schema=REASON)
        every = pl.concat([self._of_readings(days), self.told.join(days, on=SITE_DAY, how="semi")])
        joined = every.group_by(SITE_DAY).agg(pl.col("reason").unique(maintain_order=True).str.join("; "))
        return days.join(joined, on=SITE_DAY, how="left").with_columns(pl.col("reason").fill_null(OF_ANOTHER_DAY))

    def _of_readings(self, days: pl.DataFrame) -> pl.DataFrame:
        """How many readings of the days themselves came, were corrected and were withdrawn, in this order: as `REASON`."""
        arrived = _of_days(self.changed, self.devices, days)
        if arrived.is_empty():
            return pl.DataFrame(schema=REASON)
        held = self.earlier.at(arrived["measured_at"].dt.date().unique(), arrived["device_id"].unique())
        were = _last(held.join(arrived, on=KEY, how="semi").select(*KEY, *ORDER, "interval_seconds"))
        now = _last(pl.concat([were, arrived.select(were.columns)]))
        both = now.join(were, on=KEY, how="left", suffix="_before").join(arrived.select(*KEY, *SITE_DAY).unique(KEY), on=KEY)
        told = both.with_columns(_became().alias("became")).drop_nulls("became").group_by(*SITE_DAY, "became").len()
        order = pl.col("became").replace_strict({name: place for place, name in enumerate(OF_READINGS)}, return_dtype=pl.Int64)
        rows = [
            (site, day, OF_READINGS[became][count > 1].format(count))
            for site, day, became, count in told.sort(*SITE_DAY, order).iter_rows()
        ]
        return pl.DataFrame(rows, schema=REASON, orient="row")


def of_days(told: Mapping[str, pl.DataFrame], changed: pl.DataFrame, devices: pl.DataFrame, earlier: Bronze) -> Reasons:
    """Reasons from the site-days that each of them reaches; see `Reasons`."""
    named = [days.select(*SITE_DAY, pl.lit(reason).alias("reason")) for reason, days in told.items()]
    return Reasons(pl.concat([pl.DataFrame(schema=REASON), *named]), changed, devices, earlier)


def _of_days(changed: pl.DataFrame, devices: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """New readings that were measured on the days, with their site_id and local_date."""
    first, last = (datetime.combine(day, time(), UTC) for day in (days["local_date"].min(), days["local_date"].max()))  # pyright: ignore[reportArgumentType]
    near = changed.filter(pl.col("measured_at").is_between(first - DAY, last + 2 * DAY))
    of_sites = near.join(devices.join(days, on="site_id", how="semi"), on="device_id")
    return scope.dated(of_sites.with_columns(pl.col("measured_at").dt.epoch("us").alias("start_us"))).join(days, on=SITE_DAY, how="semi")


def _last(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each key the reading that counts, withdrawals among them."""
    return rows.sort(ORDER, nulls_last=False).unique(KEY, keep="last")


def _became() -> pl.Expr:
    """`late`, `corrected` or `withdrawn`; null where a reading says what was known."""
    was, now = pl.col("value_before"), pl.col("value")
    is_other = (was != now) | pl.col("interval_seconds_before").ne_missing(pl.col("interval_seconds"))
    return (
        pl.when(was.is_null() & now.is_not_null())
        .then(pl.lit("late"))
        .when(was.is_not_null() & now.is_null())
        .then(pl.lit("withdrawn"))
        .when(was.is_not_null() & is_other)
        .then(pl.lit("corrected"))
    )
