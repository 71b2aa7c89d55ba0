"""Since when and until when each channel of each device has been measured: what a day's completeness is held against.

A device counts as measuring a channel from its first quarter hour with readings to its last; a site counts a channel as measured from the
first on. When a span grows or shrinks, the days between its old end and its new one are touched: they expect another set of readings.
"""

from dataclasses import dataclass

import polars as pl

from aurora.lake.among import among
from aurora.lake.manifest import Publication
from transform import scope

PAIR = ["device_id", "channel"]
SITE_PAIR = ["site_id", *PAIR]
SPAN_COLUMNS = [*SITE_PAIR, "first_at", "last_at", "first_local_date", "last_local_date"]


@dataclass(frozen=True)
class Measured:
    """Spans after a rebuild of silver.

    Attributes:
        spans: Columns `SPAN_COLUMNS`, of the touched sites.
        touched: site_id, local_date of days on which something else is expected now.
    """

    spans: pl.DataFrame
    touched: pl.DataFrame


def update(publication: Publication, rebuilt: pl.DataFrame, days: pl.DataFrame, main_devices: list[str]) -> Measured:
    """Bring the spans of the sites of `days` up to date.

    Args:
        publication: Its silver table still holds the state before.
        rebuilt: New silver rows of the touched days.
        days: site_id, local_date that were rebuilt.
        main_devices: Those that alone say from when to when their site is measured.
    """
    sites = days["site_id"].unique().to_list()
    held = publication.scan("dims/measured_channels").filter(among("site_id", sites)).select(SPAN_COLUMNS).collect()
    found = _spans(rebuilt)
    lost = _ends_in(held, days, found)
    if not lost.is_empty():
        silver = publication.scan("silver/energy").filter(among("site_id", sites)).collect()
        elsewhere = silver.join(days, on=["site_id", "local_date"], how="anti").join(lost, on=SITE_PAIR, how="semi")
        held = pl.concat([held.join(lost, on=SITE_PAIR, how="anti"), _spans(elsewhere)])
    spans = (
        pl.concat([held, found])
        .group_by("site_id", *PAIR)
        .agg(pl.col("first_at").min(), pl.col("last_at").max(), pl.col("first_local_date").min(), pl.col("last_local_date").max())
    )
    before = publication.scan("dims/measured_channels").filter(among("site_id", sites)).select(SPAN_COLUMNS).collect()
    is_main = pl.col("device_id").is_in(main_devices)
    moved = pl.concat([_moved(before, spans), _moved(before.filter(is_main), spans.filter(is_main))]).unique()
    return Measured(spans.select(SPAN_COLUMNS), moved)


def _spans(energy: pl.DataFrame) -> pl.DataFrame:
    return energy.group_by("site_id", *PAIR).agg(
        pl.col("interval_start_at").min().alias("first_at"),
        (pl.col("interval_start_at").max() + pl.duration(minutes=15)).alias("last_at"),
        pl.col("local_date").min().alias("first_local_date"),
        pl.col("local_date").max().alias("last_local_date"),
    ).select(SPAN_COLUMNS)  # fmt: skip


def _ends_in(held: pl.DataFrame, days: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Pairs whose first or last quarter lay in a rebuilt day and is not there any more, or is on another day of the site's calendar."""
    after = found.select(*SITE_PAIR, pl.exclude(SITE_PAIR).name.suffix("_new"))
    joined = held.join(after, on=SITE_PAIR, how="left")
    lost: list[pl.DataFrame] = []
    stays = {
        "first": (pl.col("first_at_new") <= pl.col("first_at")) & (pl.col("first_local_date_new") <= pl.col("first_local_date")),
        "last": (pl.col("last_at_new") >= pl.col("last_at")) & (pl.col("last_local_date_new") >= pl.col("last_local_date")),
    }
    for edge, still in stays.items():
        inside = joined.join(days.rename({"local_date": f"{edge}_local_date"}), on=["site_id", f"{edge}_local_date"], how="semi")
        lost.append(inside.filter(~still.fill_null(value=False)).select(SITE_PAIR))
    return pl.concat(lost).unique()


def _moved(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Days on which other readings are expected now than before.

    Those between the old and the new ends of each device's channel and of each site; and where a site's channel begins elsewhere, those
    between the two beginnings, up to the site's last day where it was not measured at all.
    """
    site_last = pl.concat([before, after]).group_by("site_id").agg(pl.col("last_local_date").max().alias("site_last"))
    starts = (
        _ends(before, ["site_id", "channel"])
        .join(_ends(after, ["site_id", "channel"]), on=["site_id", "channel"], how="full", suffix="_new", coalesce=True)
        .join(site_last, on="site_id")
        .with_columns(pl.coalesce("first_local_date", "site_last"), pl.coalesce("first_local_date_new", "site_last"))
    )
    pieces = [_between(starts, "first_local_date", "first_local_date_new")]
    for unit in (["site_id", *PAIR], ["site_id"]):
        both = _ends(before, unit).join(_ends(after, unit), on=unit, how="full", suffix="_new", coalesce=True)
        pieces += [
            _between(both, "first_local_date", "first_local_date_new"),
            _between(both, "last_local_date", "last_local_date_new"),
            _between(both.filter(pl.col("first_local_date").is_null()), "first_local_date_new", "last_local_date_new"),
            _between(both.filter(pl.col("first_local_date_new").is_null()), "first_local_date", "last_local_date"),
        ]
    return pl.concat(pieces).unique()


def _ends(spans: pl.DataFrame, unit: list[str]) -> pl.DataFrame:
    return spans.group_by(unit).agg(pl.col("first_local_date").min(), pl.col("last_local_date").max())


def _between(rows: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    # An end that moves within its day moves by readings of that day, which is rebuilt for them.
    known = rows.filter(pl.col(one) != pl.col(other))
    if known.is_empty():
        return scope.no_days()
    dates = pl.date_ranges(pl.min_horizontal(one, other), pl.max_horizontal(one, other)).alias("local_date")
    return known.select("site_id", dates).explode("local_date")


def write(publication: Publication, measured: Measured, sites: list[str]) -> None:
    """Commit the spans of the sites."""
    publication.replace("dims/measured_channels", measured.spans, pl.DataFrame({"site_id": sites}, schema={"site_id": pl.String}))
