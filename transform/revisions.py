"""What a rebuild changed on days that were closed: the column, from, to, and why."""

from datetime import datetime, timedelta

import polars as pl

from aurora.domain import calendar

OPEN_DAYS = 2
TOLERANCE = 1e-9
COMPARED = (
    "consumption_kwh production_kwh grid_import_kwh grid_export_kwh battery_charge_kwh battery_discharge_kwh self_consumed_kwh"
    " cost export_revenue peak_kw base_load_kw completeness_ratio"
).split()
SITE_DAY = ["site_id", "local_date"]


def is_open(zones: dict[str, str], now: datetime) -> pl.Expr:
    """Whether a site's day is today, yesterday or later on its own calendar; other days are closed."""
    first_open = {site: calendar.local_date(now, zone) - timedelta(days=OPEN_DAYS - 1) for site, zone in zones.items()}
    return pl.col("local_date") >= pl.col("site_id").replace_strict(first_open, return_dtype=pl.Date)


def find(before: pl.DataFrame, after: pl.DataFrame, arrivals: pl.DataFrame, otherwise: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Rows of `gold/revisions`.

    Args:
        before: Published daily rows of closed days.
        after: Daily rows of the same days now; a day without one has vanished.
        arrivals: site_id, local_date, readings: how many readings of that day came in.
        otherwise: site_id, otherwise: the reason where none came.
        now: When the change was found.
    """
    old, new = (_long(frame, name) for frame, name in ((before, "value_before"), (after, "value_after")))
    changed = old.join(new, on=[*SITE_DAY, "column_name"], how="left").filter(
        ~(
            pl.col("value_before").eq_missing(pl.col("value_after"))
            | ((pl.col("value_before") - pl.col("value_after")).abs() <= TOLERANCE).fill_null(value=False)
        )
    )
    count = pl.col("readings")
    told = pl.when(count == 1).then(pl.lit("1 reading arrived late")).otherwise(pl.format("{} readings arrived late", count))
    return (
        changed.join(arrivals, on=SITE_DAY, how="left")
        .join(otherwise, on="site_id", how="left")
        .select(
            *SITE_DAY,
            "column_name",
            "value_before",
            "value_after",
            pl.when(count > 0).then(told).otherwise(pl.col("otherwise")).alias("reason"),
            pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("revised_at"),
        )
    )


def _long(daily: pl.DataFrame, name: str) -> pl.DataFrame:
    return daily.select(*SITE_DAY, pl.col(COMPARED).cast(pl.Float64)).unpivot(
        index=SITE_DAY, on=COMPARED, variable_name="column_name", value_name=name
    )
