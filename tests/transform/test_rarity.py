"""What nobody put into real series is rarely found in them, kind by kind; what their labels say is found."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aurora.domain import meters
from tests.transform.real_sites import RealSite, real_sites
from transform.judge import anomalies, balance, devices, sun, usage
from transform.judge.baselines import fit_baselines, fit_centres, unfold_baselines, unfold_centres
from transform.judge.hours import unfold

PLACES = {
    "America/Los_Angeles": (34.1, -117.4), "Australia/Brisbane": (-33.0, 151.0), "Europe/Paris": (48.8, 2.3), "Asia/Seoul": (34.9, 127.7),
    "Europe/London": (51.5, 0.0), "America/Denver": (39.7, -105.2), "Europe/Berlin": (51.0, 10.0),
}  # fmt: skip
# Findings a site and year that each kind may have at most; measured in brackets. Of `clock_shift` and many of `zero` the README of the
# series tells: a clock that follows summer time, outages kept as zeros. A gap is there or not, so it has none.
MOST_A_YEAR = {
    "spike": 1.3,  # 1.06
    "zero": 1.0,  # 0.79
    "night_load": 0.8,  # 0.59
    "base_load": 0.6,  # 0.39
    "out_of_hours": 0.4,  # 0.28
    "clock_shift": 0.4,  # 0.32
    "drop": 0.3,  # 0.20
}


def judged_alone(site: RealSite, facts: dict[str, Any]) -> pl.DataFrame:
    """What is found at a site, each week against its own baseline: kind, starts_at, ends_at."""
    hours = unfold(site.hourly, {site.name: site.zone})
    weeks = hours.select("site_id", "channel", "week_start_date").unique()
    usual = unfold_baselines(fit_baselines(hours, weeks))
    centres = unfold_centres(fit_centres(sun.day_centres(hours), weeks.select("site_id", "week_start_date").unique()))
    told = {site.name: facts}
    found = [
        anomalies.find_anomalies(hours, usual), usage.find_usage(hours, usual), balance.find_contradictions(site.hourly, told),
        sun.find_clock_shifts(hours, centres), sun.find_swaps(site.hourly, told), devices.find_flatlines(site.silver),
    ]  # fmt: skip
    return pl.concat([rows.select("kind", "starts_at", "ends_at") for rows in found])


@pytest.mark.needs("test_data")
@pytest.mark.timeout(300)
def test_each_kind_is_rare_in_real_series(test_data: Path) -> None:
    sites = real_sites(test_data)
    years = sum(site.years for site in sites)
    found = Counter[str]()
    for site in sites:
        latitude, longitude = PLACES[site.zone]
        found.update(judged_alone(site, {"latitude": latitude, "longitude": longitude})["kind"].to_list())
    print(f"{years:.1f} site-years seen: { {kind: round(number / years, 2) for kind, number in sorted(found.items())} }")
    assert years > 20
    assert {kind: number / years for kind, number in found.items() if number / years > MOST_A_YEAR.get(kind, 0)} == {}


def _labelled(test_data: Path, name: str, label: str) -> pl.DataFrame:
    """A labelled inverter of one kilowatt by the quarter hour: at, power_kw, is_labelled."""
    read = pl.read_csv(test_data / "anomaly" / name, schema_overrides={label: pl.String})
    at = pl.col("timestamp").str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us").dt.replace_time_zone("UTC")
    return read.select(
        at.alias("at"), pl.col("value_normalized").alias("power_kw"), (pl.col(label).str.to_lowercase() == "true").alias("is_labelled")
    )


@pytest.mark.needs("test_data")
def test_flatline_is_what_the_labels_of_a_stale_inverter_say(test_data: Path) -> None:
    rows = _labelled(test_data, "ac_power_inv_2173_stale_data.csv.gz", "stale_data_mask")
    silver = rows.select(
        pl.lit("roof").alias("site_id"), pl.lit("inverter").alias("device_id"), pl.lit("production").alias("channel"),
        pl.col("at").alias("interval_start_at"), (pl.col("power_kw") / 4).alias("energy_kwh"), pl.lit(900.0).alias("covered_seconds"),
        pl.lit(None, dtype=pl.Int64).alias("span_seconds"), pl.col("at").dt.date().alias("local_date"),
        pl.col("at").dt.date().dt.truncate("1w").alias("week_start_date"),
    )  # fmt: skip
    found = devices.find_flatlines(silver)
    marked = rows.join_where(found.select("starts_at", "ends_at"), pl.col("at") >= pl.col("starts_at"), pl.col("at") < pl.col("ends_at"))
    hit, labelled = (frame.filter("is_labelled").height for frame in (marked, rows))
    print(f"{found.height} flatlines seen; {hit} of {labelled} labelled quarter hours, {marked.height - hit} others")
    assert found.height == 3
    assert hit >= 0.98 * labelled
    assert hit >= 0.98 * marked.height


@pytest.mark.needs("test_data")
def test_outliers_above_the_array_are_left_out_and_nothing_else_is(test_data: Path) -> None:
    rows = _labelled(test_data, "ac_power_inv_7539_outliers.csv.gz", "outlier")
    # A negative value is refused where it lands.
    landed = rows.filter(pl.col("power_kw") >= 0)
    readings = landed.select(
        pl.lit("inverter").alias("device_id"), pl.lit("production").alias("channel"), pl.lit("power_kw").alias("measure"),
        pl.col("at").alias("measured_at"), pl.lit(None, dtype=pl.Int64).alias("interval_seconds"), pl.col("power_kw").alias("value"),
        pl.lit("mqtt").alias("source"), pl.col("at").alias("received_at"), pl.int_range(pl.len()).alias("sequence"),
        pl.lit(None, dtype=pl.String).alias("quality"),
    )  # fmt: skip
    bounds = pl.DataFrame({"device_id": ["inverter"], "channel": ["production"], "most_kw": [1.2]})
    events = meters.energy(readings, bounds=bounds).events
    told = landed.join(events.select(pl.col("at")), on="at", how="semi")
    caught = rows.height - landed.height + told.filter("is_labelled").height
    print(f"{caught} of {rows.filter('is_labelled').height} outliers seen")
    assert told["is_labelled"].all()
    assert rows.filter(pl.col("power_kw") < 0)["is_labelled"].all()
    assert caught == 4
