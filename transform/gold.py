"""Gold: lays a rebuild's sources out on the workbench, lets dbt make the tables, commits them for the days they stand for."""

from dataclasses import dataclass

import polars as pl

from aurora.domain.calendar import month_seconds
from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Publication
from aurora.lake.store import Between
from transform.facts import Facts
from transform.silver import touched_calendar
from transform.workbench import Workbench

BY_DAY = ("energy_15min", "energy_hourly", "energy_daily", "cost_lines")
DAILY = "gold/energy_daily"


@dataclass(frozen=True)
class Gold:
    """What dbt made.

    Attributes:
        days: site_id, local_date it stands for.
        tables: Rows by table name without the layer.
    """

    days: pl.DataFrame
    tables: dict[str, pl.DataFrame]


def build(publication: Publication, workbench: Workbench, days: pl.DataFrame, facts: Facts, spans: pl.DataFrame) -> Gold:
    """Make the gold rows of some days from the silver that `publication` has committed.

    Args:
        publication: Its silver is up to date for `days`.
        workbench: Where dbt works.
        days: site_id, local_date.
        facts: Sites, devices and prices as they are now.
        spans: `dims/measured_channels` of the sites.
    """
    sites = days["site_id"].unique().to_list()
    of_sites = pl.col("site_id").is_in(sites)
    ids = sorted(facts.devices.filter(of_sites)["device_id"])
    made = workbench.make(
        {
            "silver_energy": _enumerated(_silver(publication, days), sites, ids),
            "sites": _enumerated(facts.sites.filter(of_sites), sites, ids),
            "devices": _enumerated(facts.devices.filter(of_sites), sites, ids),
            "measured_channels": _enumerated(spans.filter(of_sites), sites, ids),
            "tariff_prices": facts.prices,
            "calendar_quarters": _enumerated(touched_calendar(days, facts.zones), sites, ids),
            "energy_daily_untouched": _untouched(publication, days, facts),
        },
        (*BY_DAY, "energy_monthly"),
    )
    return Gold(days, {name: _strings(rows) for name, rows in made.items()})


def commit(publication: Publication, gold: Gold) -> None:
    """Put the rows in place of what the tables hold for the same days and months."""
    for name in BY_DAY:
        publication.replace(f"gold/{name}", gold.tables[name], gold.days)
    months = gold.days.select("site_id", pl.col("local_date").dt.truncate("1mo").alias("local_month")).unique()
    publication.replace("gold/energy_monthly", gold.tables["energy_monthly"], months)


def _silver(publication: Publication, days: pl.DataFrame) -> pl.DataFrame:
    low, high = days["local_date"].min(), days["local_date"].max()
    rows = publication.scan("silver/energy", [Between("local_date", low)]).filter(pl.col("local_date") <= high)
    wanted = ("site_id", "device_id", "channel", "interval_start_at", "energy_kwh", "covered_seconds", "span_start_at", "span_seconds")
    return rows.join(days.lazy(), on=["site_id", "local_date"], how="semi").select(wanted).collect()


def _untouched(publication: Publication, days: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Published daily rows of the months of `days`, without those days."""
    months = days.select("site_id", pl.col("local_date").dt.truncate("1mo").alias("local_month")).unique()
    low, high = months["local_month"].min(), months["local_month"].max()
    held = publication.scan(DAILY, [Between("local_date", low)]).with_columns(pl.col("local_date").dt.truncate("1mo").alias("local_month"))
    rows = (
        held.filter(pl.col("local_month") <= high)
        .join(months.lazy(), on=["site_id", "local_month"], how="semi")
        .join(days.lazy(), on=["site_id", "local_date"], how="anti")
        .collect()
    )
    months_long = _month_lengths(months, facts.zones)
    return rows.join(months_long, on=["site_id", "local_month"], how="left").drop("refresh_id")


def _month_lengths(months: pl.DataFrame, zones: dict[str, str]) -> pl.DataFrame:
    """site_id, local_month and the month's length on the site's calendar: month_seconds."""
    lengths = [month_seconds(month, zones[site]) for site, month in months.select("site_id", "local_month").iter_rows()]
    return months.with_columns(pl.Series("month_seconds", lengths, dtype=pl.Int64))


def _enumerated(frame: pl.DataFrame, sites: list[str], devices: list[str]) -> pl.DataFrame:
    """Ids and channels as enumerations, with which DuckDB joins and groups at twice the speed of strings."""
    kinds = {"site_id": sorted(sites), "device_id": devices, "channel": list(CHANNELS)}
    return frame.with_columns(pl.col(name).cast(pl.Enum(values)) for name, values in kinds.items() if name in frame.columns)


def _strings(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
