"""Reports of a site over gold: points of a trend and totals of a period. Columns are gold's."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from app.queries.periods import Interval, Range, bucket_end, bucket_start, days_range, whole_buckets
from app.queries.reader import rows_of_site
from aurora.accounts.models import Site
from aurora.domain.calendar import days as calendar_days
from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

_NOT_SHOWN = ("site_id", "refresh_id", "interval_seconds", "day_seconds", "month_seconds")
_ADDED_UP = [*(f"{channel}_kwh" for channel in CHANNELS), "cost", "export_revenue", "emissions_kg_co2"]
_COVERED = [f"{channel}_covered_seconds" for channel in CHANNELS]


def has_energy(snapshot: Snapshot, site: Site) -> bool:
    """Whether any energy of the site was published."""
    rows = snapshot.scan("gold/energy_monthly").filter(pl.col("site_id") == site.site_id)
    return not rows.select("local_month").head(1).collect().is_empty()


def history(snapshot: Snapshot, site: Site) -> Range | None:
    """The months that have any energy of the site; None where there is none."""
    months = rows_of_site(snapshot, "gold/energy_monthly", site.site_id).get_column("local_month")
    first, last = months.min(), months.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return None
    return days_range(first, bucket_end(last, "month"), site.calendar)


def trend(snapshot: Snapshot, site: Site, interval: Interval, span: Range) -> pl.DataFrame:
    """Points of the buckets that begin in `span`, each whole, oldest first: gold's columns after interval_start_at, local_date or
    local_month."""
    if interval in {"15min", "hour"}:
        table = "gold/energy_15min" if interval == "15min" else "gold/energy_hourly"
        rows = rows_of_site(snapshot, table, site.site_id, [Between("interval_start_at", span.start_at, span.end_at)])
        return _points(rows.drop("local_date"), "interval_start_at")
    first, end = whole_buckets(*span.days, interval)
    if interval == "day":
        return _points(_days(snapshot, site, first, end), "local_date")
    if interval == "month":
        rows = rows_of_site(snapshot, "gold/energy_monthly", site.site_id)
        return _points(rows.filter(pl.col("local_month").is_between(first, end, closed="left")), "local_month")
    column = "local_date" if interval == "week" else "local_month"
    rows = _days(snapshot, site, first, end)
    starts = rows.get_column("local_date").map_elements(lambda day: bucket_start(day, interval), return_dtype=pl.Date)
    groups = rows.with_columns(starts.alias("_start")).sort("_start").group_by("_start", maintain_order=True)
    points = [{column: start, **totals(part, site, start, bucket_end(start, interval))} for (start,), part in groups]
    kinds = {column: pl.Date} | {name: kind for name, kind in rows.schema.items() if name not in {*_NOT_SHOWN, *_COVERED, "local_date"}}
    return pl.DataFrame(points, schema=kinds)


def summary(snapshot: Snapshot, site: Site, first: date, end: date) -> dict[str, Any]:
    """Totals of the local days from `first` up to, but not with, `end`."""
    return totals(_days(snapshot, site, first, end), site, first, end)


def _days(snapshot: Snapshot, site: Site, first: date, end: date) -> pl.DataFrame:
    return rows_of_site(snapshot, "gold/energy_daily", site.site_id, [Between("local_date", first, end)]).sort("local_date")


def _points(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    shown = [name for name in rows.columns if name not in {key, *_NOT_SHOWN, *_COVERED}]
    return rows.sort(key).select(key, *shown).fill_nan(None)


def totals(rows: pl.DataFrame, site: Site, first: date, end: date) -> dict[str, Any]:
    """Columns of gold over some days: sums of what is known (null where nothing is), what follows from the sums as it does in gold's rows,
    completeness of the whole time.

    Args:
        rows: Rows of gold/energy_daily from `first` up to, but not with, `end`.
        site: Where.
        first: First local day.
        end: The day after the last.
    """
    sums = rows.select(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in _ADDED_UP).row(0, named=True)
    peak = rows.drop_nulls("peak_kw").sort("peak_kw", "peak_at", descending=[True, False]).head(1)
    currencies = rows.get_column("currency").drop_nulls().unique().to_list()
    self_consumed_kwh = _self_consumed(sums["production_kwh"], sums["grid_export_kwh"])
    return {
        **sums,
        "self_consumed_kwh": self_consumed_kwh,
        "currency": currencies[0] if len(currencies) == 1 else None,
        "completeness_ratio": _completeness(rows, site, first, end),
        "derived_channels": sorted({name for names in rows.get_column("derived_channels").drop_nulls().to_list() for name in names}),
        "peak_kw": peak.item(0, "peak_kw") if peak.height else None,
        "peak_at": peak.item(0, "peak_at") if peak.height else None,
        "base_load_kw": rows.get_column("base_load_kw").mean(),
        "self_sufficiency_ratio": _self_sufficiency(sums["consumption_kwh"], sums["grid_import_kwh"]),
        "self_consumption_ratio": _ratio(self_consumed_kwh, sums["production_kwh"]),
    }


def _self_consumed(production_kwh: float | None, grid_export_kwh: float | None) -> float | None:
    return None if production_kwh is None or grid_export_kwh is None else max(production_kwh - grid_export_kwh, 0.0)


def _self_sufficiency(consumption_kwh: float | None, grid_import_kwh: float | None) -> float | None:
    share = _ratio(grid_import_kwh, consumption_kwh)
    return None if share is None else max(1 - share, 0.0)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _completeness(rows: pl.DataFrame, site: Site, first: date, end: date) -> float | None:
    """Seconds covered by readings / seconds of all the days, the least over the channels that are expected."""
    sums = rows.select(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in _COVERED).row(0)
    covered = [seconds for seconds in sums if seconds is not None]
    return min(min(covered) / seconds_of_days(site.calendar, first, end), 1.0) if covered else None


def seconds_of_days(time_zone: str, first: date, end: date) -> int:
    """Length of the local days from `first` up to, but not with, `end`. [s]"""
    return int(calendar_days([time_zone], first, end - timedelta(days=1)).get_column("day_seconds").sum())
