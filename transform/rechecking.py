"""Random cells of gold worked out anew from the raw readings, without dbt: whether what is published follows from what came.

Readings become quarter hours as in a refresh, by `aurora.domain.meters`; what adds them up to hours and days is written apart here.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from aurora.domain.channels import CHANNELS
from aurora.lake.manifest import Snapshot
from transform import facts, silver
from transform.bronze import READINGS, Bronze
from transform.facts import Facts
from transform.scope import SITE_DAY
from transform.sealed import SEALED
from transform.switches import EVENTS, UNIT_SWITCH

CELLS = 100
TOLERANCE_KWH = 1e-6
CELL = [*SITE_DAY, "channel", "interval_start_at"]
DAILY, HOURLY = "gold/energy_daily", "gold/energy_hourly"


@dataclass(frozen=True)
class Rechecked:
    """What became of the cells.

    Attributes:
        compared: How many were worked out anew.
        skipped: Cells of the same days, and whole days, that were passed over, by the reason.
        apart: Cells that are not what the raw readings say, by name with both figures.
    """

    compared: int
    skipped: dict[str, int]
    apart: list[str]


def recheck(snapshot: Snapshot, seed: int, since: date, most: int = CELLS) -> Rechecked:
    """Work out anew so many random cells of hourly and daily energy, half of each, as of a publication.

    Args:
        snapshot: The publication, with the readings that went into it.
        seed: Decides which cells.
        since: Days before it are not looked at: their quarter hours are past their time.
        most: How many.
    """
    days, skipped = _days(snapshot, since)
    days = days.sample(min(most, days.height), seed=seed, shuffle=True)
    if days.is_empty():
        return Rechecked(0, skipped, [])
    known = _facts(snapshot)
    raw = _worked_out(snapshot, days, known)
    measured = _measured(snapshot, known)
    chosen: list[pl.DataFrame] = []
    for table, share in ((DAILY, most // 2), (HOURLY, most - most // 2)):
        cells = _cells(snapshot, table, days).join(measured, on=["site_id", "channel"], how="semi")
        skipped["derived"] = skipped.get("derived", 0) + cells.filter("is_derived").height
        own = cells.filter(~pl.col("is_derived")).sort(CELL)
        chosen.append(own.sample(min(share, own.height), seed=seed).with_columns(pl.lit(table).alias("table")))
    both = pl.concat(chosen).join(raw, on=CELL, how="left", nulls_equal=True)
    apart = (pl.col("published").fill_null(0) - pl.col("worked_out").fill_null(0)).abs() > TOLERANCE_KWH
    return Rechecked(both.height, skipped, [_told(row) for row in both.filter(apart).sort("table", *CELL).to_dicts()])


def _days(snapshot: Snapshot, since: date) -> tuple[pl.DataFrame, dict[str, int]]:
    """Published site-days whose raw readings are all there, and how many are not for which reason."""
    days = snapshot.scan(DAILY).filter(pl.col("local_date") >= since).select(SITE_DAY).sort(SITE_DAY).collect()
    pending = [(site, day) for site, dates in snapshot.pending.items() for day in dates]
    waiting = pl.DataFrame(pending, schema={"site_id": pl.String, "local_date": pl.Date}, orient="row")
    devices = snapshot.scan("dims/devices").select("device_id", "site_id").unique()
    sealed = snapshot.scan(SEALED).select("device_id", "measured_date").unique().join(devices, on="device_id").collect()
    beside = pl.concat(
        [sealed.select("site_id", pl.col("measured_date").dt.offset_by(f"{n}d").alias("local_date")) for n in (-2, -1, 0, 1, 2)]
    )
    settled = days.join(waiting, on=SITE_DAY, how="anti")
    left = settled.join(beside.unique(), on=SITE_DAY, how="anti")
    return left, {"pending days": days.height - settled.height, "days without raw readings": settled.height - left.height}


def _facts(snapshot: Snapshot) -> Facts:
    """Facts as the publication had them."""
    now = pl.col("valid_until").is_null()
    sites = facts.with_calendar(snapshot.scan("dims/sites").filter(now).collect())
    devices = snapshot.scan("dims/devices").filter(now).collect().join(sites.select("site_id", "time_zone"), on="site_id")
    reversed_ = snapshot.scan(EVENTS).filter(pl.col("is_overruled")).select("event_id", "decided_by").collect()
    return Facts(sites, devices, snapshot.scan("dims/tariff_prices").head(0).collect(), [], {}, dict(reversed_.iter_rows()))


def _worked_out(snapshot: Snapshot, days: pl.DataFrame, known: Facts) -> pl.DataFrame:
    """Energy of each hour, and of each day (interval_start_at null), that the main devices' readings come to: `CELL`, worked_out."""
    switches = snapshot.scan(EVENTS).filter(pl.col("kind") == UNIT_SWITCH).collect()
    bronze = Bronze(snapshot.lake, snapshot.consumed[READINGS])
    energy = silver.build(days, known, bronze, known.metering(switches)).energy
    main = known.devices.filter(pl.col("role") == "main").select("device_id")
    clock = silver.touched_calendar(days, known.zones).select(
        "site_id", pl.col("quarter_start_at").alias("interval_start_at"), "hour_start_at"
    )
    placed = energy.join(main, on="device_id", how="semi").join(clock, on=["site_id", "interval_start_at"])
    hours = placed.drop("interval_start_at").rename({"hour_start_at": "interval_start_at"}).group_by(CELL).agg(pl.col("energy_kwh").sum())
    whole = (
        hours.group_by(CELL[:3])
        .agg(pl.col("energy_kwh").sum())
        .with_columns(pl.lit(None, hours.schema["interval_start_at"]).alias(CELL[3]))
    )
    return pl.concat([hours, whole.select(hours.columns)]).rename({"energy_kwh": "worked_out"})


def _measured(snapshot: Snapshot, known: Facts) -> pl.DataFrame:
    """Channels that some main device of a site measures: the others are ruled out or unknown."""
    main = known.devices.filter(pl.col("role") == "main").select("device_id", "site_id")
    return (
        snapshot.scan("dims/measured_channels")
        .join(main.lazy(), on=["device_id", "site_id"])
        .select("site_id", "channel")
        .unique()
        .collect()
    )


def _cells(snapshot: Snapshot, table: str, days: pl.DataFrame) -> pl.DataFrame:
    """The published cells of some days: `CELL`, published, is_derived."""
    columns = [f"{channel}_kwh" for channel in CHANNELS]
    rows = snapshot.scan(table).join(days.lazy(), on=SITE_DAY, how="semi").collect()
    if "interval_start_at" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("interval_start_at"))
    index = [*SITE_DAY, "interval_start_at", "derived_channels"]
    cells = rows.unpivot(on=columns, index=index, variable_name="channel", value_name="published")
    named = cells.with_columns(pl.col("channel").str.strip_suffix("_kwh"))
    derived = pl.col("derived_channels").list.contains(pl.col("channel")).fill_null(value=False)
    return named.with_columns(derived.alias("is_derived")).drop("derived_channels")


def _told(cell: dict[str, object]) -> str:
    when = cell["interval_start_at"] or cell["local_date"]
    return f"{cell['table']} {cell['site_id']} {when} {cell['channel']}: published {cell['published']}, from readings {cell['worked_out']}"
