"""What a rebuild changed on days that were closed: the column, from, to, and why."""

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from aurora.domain import calendar
from aurora.lake.among import among
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between
from transform.scope import SITE_DAY

OPEN_DAYS = 2
TOLERANCE = 1e-9
DAILY, REVISIONS = "gold/energy_daily", "gold/revisions"
# A time is compared, and told, as seconds since 1970.
COMPARED = (
    "consumption_kwh production_kwh grid_import_kwh grid_export_kwh battery_charge_kwh battery_discharge_kwh self_consumed_kwh"
    " cost export_revenue emissions_kg_co2 peak_kw peak_at base_load_kw self_sufficiency_ratio self_consumption_ratio completeness_ratio"
).split()


def is_open(zones: dict[str, str], now: datetime) -> pl.Expr:
    """Whether a site's day is today, yesterday or later on its own calendar; other days are closed."""
    first_open = {site: calendar.local_date(now, zone) - timedelta(days=OPEN_DAYS - 1) for site, zone in zones.items()}
    return pl.col("local_date") >= pl.col("site_id").replace_strict(first_open, return_dtype=pl.Date)


def published(before: Snapshot, closed: pl.DataFrame) -> pl.DataFrame:
    """Published daily rows of closed days; of a day whose row had vanished one that knows nothing.

    Args:
        before: The publication.
        closed: site_id, local_date.
    """
    if closed.is_empty():
        return before.scan(DAILY).head(0).collect()
    held = before.scan(DAILY, [Between("local_date", closed["local_date"].min())]).join(closed.lazy(), on=SITE_DAY, how="semi").collect()
    without = closed.join(held, on=SITE_DAY, how="anti")
    told = before.scan(REVISIONS).filter(among("site_id", without["site_id"].unique())).select(SITE_DAY).unique().collect()
    return pl.concat([held, without.select(SITE_DAY).join(told, on=SITE_DAY, how="semi")], how="diagonal")


def find(before: pl.DataFrame, after: pl.DataFrame, why: Callable[[pl.DataFrame], pl.DataFrame], now: datetime) -> pl.DataFrame:
    """Rows of `gold/revisions`.

    Args:
        before: Daily rows of closed days, as `published` gives them.
        after: Daily rows of the same days now; a day without one has vanished.
        why: Gives site-days their reason; see `transform.reasons`.
        now: When the change was found.
    """
    old, new = (_long(frame, name) for frame, name in ((before, "value_before"), (after, "value_after")))
    changed = old.join(new, on=[*SITE_DAY, "column_name"], how="left").filter(
        ~(
            pl.col("value_before").eq_missing(pl.col("value_after"))
            | ((pl.col("value_before") - pl.col("value_after")).abs() <= TOLERANCE).fill_null(value=False)
        )
    )
    return changed.join(why(changed.select(SITE_DAY).unique()), on=SITE_DAY).select(
        *SITE_DAY,
        "column_name",
        "value_before",
        "value_after",
        "reason",
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("revised_at"),
    )


def _long(daily: pl.DataFrame, name: str) -> pl.DataFrame:
    figures = daily.with_columns(pl.col("peak_at").dt.epoch("s")).select(*SITE_DAY, pl.col(COMPARED).cast(pl.Float64))
    return figures.unpivot(index=SITE_DAY, on=COMPARED, variable_name="column_name", value_name=name)
