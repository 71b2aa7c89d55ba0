"""What cannot follow any more because a day's raw readings are gone: told in `gold/revisions`, with figures that stand as they were.

A reading that is withdrawn, a register reading that comes late, and a fact by which a device's readings are read change nothing on a sealed
day (see `transform.sealed`). Whoever brought them is told so there: a row whose value before is its value after.
"""

from datetime import datetime, timedelta

import polars as pl

from aurora.lake.among import among
from aurora.lake.manifest import Publication
from aurora.lake.sealing import READING_FACTS, SEALED
from aurora.lake.store import Between
from transform import metered, scope
from transform.facts import Facts

DAY = timedelta(days=1)
PLACE = ["site_id", "local_date", "channel"]
FIGURE = ["site_id", "local_date", "column_name"]
WHY = "the raw readings of the day are gone, and its figures stand"


def find(publication: Publication, changed: pl.DataFrame, known: Facts, now: datetime) -> pl.DataFrame:
    """Rows of `gold/revisions` of figures that something new cannot change; without those of figures that this publication changed.

    Args:
        publication: Its daily rows are those of after the rebuild.
        changed: New rows of `bronze/readings`.
        known: Facts as of now; what they were the publication before tells.
        now: When it was found.
    """
    counting = known.devices.filter(pl.col("role") == "main")
    of_changed = counting.filter(pl.col("site_id").is_in(known.changed_sites))
    found = pl.concat([_of_readings(publication, changed, counting), _of_facts(publication, of_changed)])
    if found.is_empty():
        return found
    told = (
        found.group_by(PLACE)
        .agg(pl.col("reason").unique().sort().str.join("; "))
        .with_columns((pl.col("channel") + "_kwh").alias("column_name"), pl.format(f"{{}}, but {WHY}", "reason").alias("reason"))
    )
    own = publication.scan("gold/revisions").filter(pl.col("refresh_id") == publication.refresh_id).select(FIGURE).collect()
    rows = told.join(_figures(publication, told), on=FIGURE).join(own, on=FIGURE, how="anti")
    return rows.select(
        *FIGURE, pl.col("value").alias("value_before"), pl.col("value").alias("value_after"), "reason",
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("revised_at"),
    )  # fmt: skip


def _of_readings(publication: Publication, changed: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Site-days and channels whose sealed figures new readings speak of in vain, and which readings those are: `PLACE`, reason."""
    is_withdrawal = pl.col("value").is_null()
    asked = changed.filter(is_withdrawal | (pl.col("measure") == "register_kwh")).with_columns(
        pl.col("measured_at").dt.date().alias("date")
    )
    sealed = _sealed(publication, asked)
    vain = asked.join(sealed, on=["device_id", "date"])
    if vain.is_empty():
        return _nothing()
    named = metered.as_metered(vain, devices).join(devices.select("device_id", "site_id", "time_zone"), on="device_id")
    days = scope.dated(named.with_columns(pl.col("measured_at").dt.epoch("us").alias("start_us")))
    counted = days.group_by(*PLACE, pl.col("value").is_null().alias("is_withdrawn")).len("count")
    readings = pl.when(pl.col("count") == 1).then(pl.lit("1 reading was")).otherwise(pl.format("{} readings were", "count"))
    what = pl.when("is_withdrawn").then(pl.lit("withdrawn")).otherwise(pl.lit("read late off a register"))
    return counted.select(*PLACE, pl.format("{} {}", readings, what).alias("reason"))


def _sealed(publication: Publication, asked: pl.DataFrame) -> pl.DataFrame:
    """Sealed days among those of some readings: device_id, date."""
    if asked.is_empty():
        return asked.select("device_id", "date")
    near = Between("measured_date", asked["date"].min(), asked["date"].max() + DAY)  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    rows = publication.scan(SEALED, [near]).filter(among("device_id", asked["device_id"].unique()))
    return rows.select("device_id", pl.col("measured_date").alias("date")).unique().collect()


def _of_facts(publication: Publication, devices: pl.DataFrame) -> pl.DataFrame:
    """The same of devices of which a fact by which they are read is another one now."""
    if devices.is_empty():
        return _nothing()
    facts = sorted(READING_FACTS)
    before = publication.before.scan("dims/devices").filter(pl.col("valid_until").is_null()).select("device_id", *facts).collect()
    same = devices.join(before, on=["device_id", *facts], nulls_equal=True, how="semi")
    altered = devices.join(before, on="device_id", how="semi").join(same, on="device_id", how="anti")
    if altered.is_empty():
        return _nothing()
    rows = publication.scan(SEALED).filter(among("device_id", altered["device_id"])).select("device_id", "channel", "interval_start_at")
    quarters = rows.collect().join(altered.select("device_id", "site_id", "time_zone"), on="device_id")
    days = scope.dated(quarters.with_columns(pl.col("interval_start_at").dt.epoch("us").alias("start_us")))
    return days.select(*PLACE, pl.format("a fact of {} changed", "device_id").alias("reason")).unique()


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"site_id": pl.String, "local_date": pl.Date, "channel": pl.String, "reason": pl.String})


def _figures(publication: Publication, told: pl.DataFrame) -> pl.DataFrame:
    """Daily figures of the site-days: site_id, local_date, column_name, value."""
    days, columns = told.select("site_id", "local_date").unique(), told["column_name"].unique().to_list()
    daily = publication.scan("gold/energy_daily", [Between("local_date", days["local_date"].min())])
    held = daily.join(days.lazy(), on=["site_id", "local_date"], how="semi").select("site_id", "local_date", *columns).collect()
    return held.unpivot(index=["site_id", "local_date"], on=columns, variable_name="column_name", value_name="value")
