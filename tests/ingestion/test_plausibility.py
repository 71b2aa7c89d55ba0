"""Units, signs and clocks that cannot be true of a site are told for what they probably are."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ingestion.plausibility import SiteLimits, doubts, sun_elevation

BERLIN = SiteLimits(fuse_a=63, pv_capacity_kw=10.0, latitude=52.5, longitude=13.4)
START = datetime(2026, 4, 1, tzinfo=UTC)
QUARTERS = 96 * 14


def moments(shift_hours: float = 0) -> pl.Series:
    return pl.Series([START + timedelta(minutes=15 * n, hours=shift_hours) for n in range(QUARTERS)], dtype=pl.Datetime("us", "UTC"))


def sunny(scale: float = 1.0) -> np.ndarray:
    """Energy of quarters of an array of 10 kW under a plain sky. [kWh]"""
    height = np.radians(sun_elevation(moments() + timedelta(minutes=7.5), 52.5, 13.4))
    return np.clip(np.sin(height), 0, None) * 8.0 / 4 * scale


def series(values: np.ndarray, channel: str = "production", *, shift_hours: float = 0, measure: str = "interval_kwh") -> pl.DataFrame:
    return pl.DataFrame(
        {"measured_at": moments(shift_hours), "value": values, "column": "c", "channel": channel, "measure": measure}
    ).with_columns(interval_seconds=pl.lit(900 if measure == "interval_kwh" else None, pl.Int64))


def found(readings: pl.DataFrame, limits: SiteLimits = BERLIN) -> list[tuple[str, bool]]:
    return [(doubt.finding, doubt.is_certain) for doubt in doubts(readings, limits)]


@pytest.mark.parametrize("measure", ["interval_kwh", "power_kw", "register_kwh"])
def test_what_can_be_true_raises_no_doubt(measure: str) -> None:
    values = {"interval_kwh": sunny(), "power_kw": sunny() * 4, "register_kwh": np.cumsum(sunny()) + 500}[measure]
    assert found(series(values, measure=measure)) == []
    house = np.full(QUARTERS, 0.3)
    assert found(series(house, "consumption")) == []
    assert found(series(house * 100, "consumption"), SiteLimits()) == []


@pytest.mark.parametrize("measure", ["interval_kwh", "power_kw", "register_kwh"])
def test_watt_hours_read_as_kilowatt_hours_are_certain(measure: str) -> None:
    values = {"interval_kwh": sunny(1000), "power_kw": sunny(4000), "register_kwh": np.cumsum(sunny(1000))}[measure]
    readings = series(values, measure=measure)
    assert ("unit_too_large", True) in found(readings)
    assert "--unit Wh" in doubts(readings, BERLIN)[0].sentence
    assert found(series(np.full(QUARTERS, 300.0), "grid_import", measure="interval_kwh")) == [("unit_too_large", True)]
    assert found(series(np.full(QUARTERS, 25.0), "grid_import")) == [("unit_too_large", False)]
    assert found(series(np.full(QUARTERS, 300.0), "grid_import"), SiteLimits()) == []


@pytest.mark.parametrize("limits", [BERLIN, SiteLimits()])
def test_kilowatt_hours_read_as_watt_hours_are_doubted(limits: SiteLimits) -> None:
    house = np.random.default_rng(1).uniform(0.0001, 0.0009, QUARTERS)
    assert found(series(house, "grid_import"), limits) == [("unit_too_small", False)]
    assert found(series(house, "grid_export"), limits) == []
    assert found(series(np.zeros(QUARTERS), "grid_import"), limits) == []
    assert found(series(house * 100, "grid_import"), limits) == []
    assert found(series(sunny(0.001)), limits) == ([("unit_too_small", False)] if limits.pv_capacity_kw else [])


@pytest.mark.parametrize("hours", [-10, -2, -1, 1, 3])
def test_a_clock_that_is_off_is_told_by_its_hours(hours: int) -> None:
    found_here = doubts(series(sunny(), shift_hours=-hours), BERLIN)
    assert [doubt.finding for doubt in found_here] == ["clock_shifted"]
    assert f"probably {abs(hours)} h {'slow' if hours > 0 else 'fast'}" in found_here[0].sentence


def test_a_clock_that_is_off_is_told_of_hours_too() -> None:
    hourly = (
        series(sunny(), shift_hours=-1)
        .group_by_dynamic("measured_at", every="1h")
        .agg(
            pl.col("value").sum(),
            pl.col("column", "channel", "measure").first(),
            pl.col("interval_seconds").sum().alias("interval_seconds"),
        )
    )
    told = doubts(hourly, BERLIN)
    assert [doubt.finding for doubt in told] == ["clock_shifted"]
    assert "probably 1 h slow" in told[0].sentence


def test_what_comes_by_night_is_no_production() -> None:
    assert found(series(np.full(QUARTERS, 0.5))) == [("sign_swapped", False)]


def test_few_values_and_unknown_places_are_not_judged() -> None:
    assert found(series(sunny(1000)).head(40)) == []
    assert found(series(sunny(), shift_hours=6), SiteLimits(pv_capacity_kw=10)) == []
    assert found(series(np.zeros(QUARTERS))) == []


def test_an_import_in_the_wrong_unit_is_refused_until_its_unit_is_said(lake, accounts, settings, site, tmp_path) -> None:
    from aurora.accounts import sites
    from aurora.errors import Refused
    from ingestion.files import import_file

    sites.change_site(accounts, site.site_id, fuse_a=35)
    file = tmp_path / "use.csv"
    lines = [f"{START + timedelta(minutes=15 * n):%Y-%m-%dT%H:%M:%SZ},{120 + n % 7}" for n in range(200)]
    file.write_text("time,consumption\n" + "\n".join(lines))
    with pytest.raises(Refused, match="probably in Wh"):
        import_file(lake, accounts, settings, file, site.site_id, dry_run=True)
    done = import_file(lake, accounts, settings, file, site.site_id, unit="Wh")
    assert (done.new, done.doubts) == (200, [])
    sites.change_site(accounts, site.site_id, pv_capacity_kw=10, latitude=52.5, longitude=13.4)
    roof = tmp_path / "roof.csv"
    rows = zip(moments(shift_hours=-2), sunny(), strict=True)
    roof.write_text("time,production_kwh\n" + "\n".join(f"{at:%Y-%m-%dT%H:%M:%SZ},{kwh:.4f}" for at, kwh in rows))
    told = import_file(lake, accounts, settings, roof, site.site_id)
    assert [one["finding"] for one in told.doubts] == ["clock_shifted"]
    assert told.new == QUARTERS
