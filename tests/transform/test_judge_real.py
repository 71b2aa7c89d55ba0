"""Judging real meters that opendsm ships: what nobody put there is rarely found."""

from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from transform.judge.anomalies import find_anomalies
from transform.judge.baselines import fit_baselines, unfold_baselines
from transform.judge.hours import unfold

ZONE = "Europe/London"
SAMPLES = "eemeter/samples"


def real_hours(name: str) -> pl.DataFrame:
    """Hourly gold of a real British meter of half hours."""
    package = find_spec("opendsm")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / SAMPLES / name
    read = pl.read_csv(path, schema_overrides={"start": pl.String, "value": pl.Float64})
    start = pl.col("start").str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us").dt.replace_time_zone("UTC")
    return (
        read.with_columns(start)
        .unique("start")
        .group_by(pl.col("start").dt.truncate("1h").alias("interval_start_at"))
        .agg(pl.col("value").sum().alias("consumption_kwh"), (pl.col("value").count() / 2).alias("completeness_ratio"))
        .sort("interval_start_at")
        .with_columns(
            pl.lit("home").alias("site_id"),
            pl.lit(3600, dtype=pl.Int64).alias("interval_seconds"),
            pl.lit(None, dtype=pl.Float64).alias("production_kwh"),
            pl.col("interval_start_at").dt.convert_time_zone(ZONE).dt.date().alias("local_date"),
        )
    )


@pytest.mark.parametrize("sample", [0, 1, 2])
def test_real_home_has_few_spikes_and_no_critical_hours(sample: int) -> None:
    hours = unfold(real_hours(f"uk-electricity-hdd-only-hourly-sample-{sample}.csv.gz"), {"home": ZONE})
    weeks = hours.select("site_id", "channel", "week_start_date").unique()
    found = find_anomalies(hours, unfold_baselines(fit_baselines(hours, weeks)))
    years = hours.filter(channel="consumption").height / 8766
    assert years > 1
    spikes = found.filter(kind="spike")
    assert spikes.height / years < 6
    assert spikes.filter(pl.col("observed") > 5 * pl.col("limit")).is_empty()
