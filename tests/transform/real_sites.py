"""Real homes, shops, a steelworks and panels as gold and silver have them, without anything put into them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from aurora.domain import calendar
from aurora.domain.channels import CHANNELS

QUARTER_SECONDS = 900
# Months in which the source holds an outage as zeros, by its README.
OUTAGES = {
    "sgsc_10006704": (datetime(2012, 10, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)),
    "sgsc_10017994": (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC)),
}
SIMBENCH = {"H0-A_pu": 3.0, "H0-B_pu": 3.0, "H0-C_pu": 3.0, "G0-A_pu": 20.0, "G1-A_pu": 20.0}


@dataclass(frozen=True)
class RealSite:
    """One series as a site of its own.

    Attributes:
        hourly: Columns of `gold/energy_hourly` that judging reads.
        silver: Columns of `silver/energy` that judging reads, with week_start_date; one device `meter`.
    """

    name: str
    zone: str
    hourly: pl.DataFrame
    silver: pl.DataFrame

    @property
    def years(self) -> float:
        """How long it was measured. [year]"""
        return self.hourly.filter(pl.col("completeness_ratio") > 0).height / 8766


def real_sites(folder: Path) -> list[RealSite]:
    """Every series of `series` in the folder of test data that is one site's."""
    read = {path.stem: pl.read_parquet(path) for path in sorted((folder / "series").glob("*.parquet"))}
    homes = read["citylearn_fontana_hourly"].with_columns(
        pl.max_horizontal(pl.col("load_kwh") - pl.col("pv_kwh"), 0.0).alias("import_kwh"),
        pl.max_horizontal(pl.col("pv_kwh") - pl.col("load_kwh"), 0.0).alias("export_kwh"),
    )
    whole = {"load_kwh": "consumption", "pv_kwh": "production", "import_kwh": "grid_import", "export_kwh": "grid_export"}
    found = [
        _site(str(name), "America/Los_Angeles", 3600, part, whole) for (name,), part in homes.group_by("series_id", maintain_order=True)
    ]
    found += [
        _site(str(name), "Australia/Brisbane", 1800, part, {"load_kwh": "consumption"})
        for (name,), part in read["sgsc_nsw_30min"].group_by("series_id", maintain_order=True)
    ]
    french = read["emhass_fr_house_30min"].with_columns((pl.col("pv_w").fill_null(0) / 2000).alias("pv_kwh"))
    found.append(_site("emhass", "Europe/Paris", 1800, french, {"load_kwh": "consumption", "pv_kwh": "production"}))
    found.append(_site("steel", "Asia/Seoul", 900, read["steel_kr_15min"], {"load_kwh": "consumption"}))
    found.append(_site("uk", "Europe/London", 1800, read["uk_electricity_sample_1"], {"load_kwh": "consumption"}))
    found.append(_site("pvdaq", "America/Denver", 900, read["pvdaq_system50_15min"], {"pv_kwh": "production"}))
    german = read["simbench_de_15min"].with_columns((pl.col("PV1_pu") * 1.25).alias("pv_kwh"))
    for column, most_kw in SIMBENCH.items():
        own = {"load_kwh": "consumption"} | ({"pv_kwh": "production"} if column == "H0-A_pu" else {})
        scaled = german.with_columns((pl.col(column) * most_kw / 4).alias("load_kwh"))
        found.append(_site(column[:4].lower(), "Europe/Berlin", 900, scaled, own))
    return found


def _site(name: str, zone: str, seconds: int, frame: pl.DataFrame, channels: Mapping[str, str]) -> RealSite:
    rows = frame.with_columns(pl.col("ts_utc").dt.cast_time_unit("us").alias("at")).unique("at", keep="first").sort("at")
    if name in OUTAGES:
        rows = rows.filter(~pl.col("at").is_between(*OUTAGES[name], closed="left"))
    named = rows.select("at", *(pl.col(column).cast(pl.Float64).alias(channel) for column, channel in channels.items()))
    dates = named["at"].dt.date()
    clock = calendar.quarters([zone], dates[0], dates[-1])
    parts = range(max(1, seconds // QUARTER_SECONDS))
    spread = pl.concat([named.with_columns(pl.col("at").dt.offset_by(f"{part * 15}m")) for part in parts]) if seconds > 900 else named
    shared = spread.with_columns(pl.exclude("at") / len(parts)).join(clock, left_on="at", right_on="quarter_start_at").sort("at")
    return RealSite(
        name, zone, _hourly(name, shared, clock, list(channels.values())), _silver(name, shared, seconds, list(channels.values()))
    )


def _hourly(name: str, quarters: pl.DataFrame, clock: pl.DataFrame, measured: list[str]) -> pl.DataFrame:
    hours = clock.group_by("hour_start_at").agg(pl.col("local_date", "hour_seconds").first())
    covered = pl.min_horizontal([pl.col(channel).count() for channel in measured]) * QUARTER_SECONDS
    sums = quarters.group_by("hour_start_at").agg(
        *(pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(f"{c}_kwh") for c in measured), covered.alias("covered")
    )
    rows = hours.join(sums, on="hour_start_at", how="left").sort("hour_start_at")
    others = [pl.lit(None, dtype=pl.Float64).alias(f"{channel}_kwh") for channel in CHANNELS if channel not in measured]
    return rows.select(
        pl.lit(name).alias("site_id"), pl.col("hour_start_at").alias("interval_start_at"), pl.col("hour_seconds").alias("interval_seconds"),
        "local_date", (pl.col("covered").fill_null(0) / pl.col("hour_seconds")).alias("completeness_ratio"),
        *(f"{channel}_kwh" for channel in measured), *others,
    )  # fmt: skip


def _silver(name: str, quarters: pl.DataFrame, seconds: int, measured: list[str]) -> pl.DataFrame:
    longest = seconds if seconds > QUARTER_SECONDS else None
    long = quarters.unpivot(on=measured, index=["at", "local_date"], variable_name="channel", value_name="energy_kwh").drop_nulls()
    return long.select(
        pl.lit(name).alias("site_id"), pl.lit("meter").alias("device_id"), "channel", pl.col("at").alias("interval_start_at"), "energy_kwh",
        pl.lit(900.0).alias("covered_seconds"), pl.lit(longest, dtype=pl.Int64).alias("span_seconds"), "local_date",
        pl.col("local_date").dt.truncate("1w").alias("week_start_date"),
    ).sort("channel", "interval_start_at")  # fmt: skip
