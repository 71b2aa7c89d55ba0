"""The demo: the same for the same seed, closed balances, the marks of real data, and devices that send over real MQTT."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from aurora import home as homes
from aurora.accounts import sites
from aurora.accounts.keys import holder_of
from aurora.domain.channels import CHANNELS
from aurora.home import Home
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.demo import SEED, login_device, prepare, pull_recorded
from ingestion.demo.energy import site_series
from ingestion.demo.history import MARKS, join_histories, make_history
from ingestion.demo.live import LivePower, connect_fleet
from ingestion.demo.plants import PLANTS
from ingestion.demo.recordings import answer
from ingestion.demo.replaying import recordings_served
from ingestion.demo.sites import make_sites, read_keys
from ingestion.listener import broker_address
from ingestion.messages import WeatherValue
from ingestion.simulator import simulate
from ingestion.sources import open_meteo
from ingestion.sources.registry import wanted_sources
from orchestration.cli.running import _weather_text
from orchestration.running import status

NOW = datetime(2026, 7, 15, 10, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def history() -> pl.DataFrame:
    """The demo's history, those on time and those late."""
    made = join_histories([part for _plant, part in make_history(SEED, NOW)])
    frames = [pl.DataFrame(table).with_columns(pl.lit(late).alias("late")) for table, late in ((made.on_time, False), (made.late, True))]
    return pl.concat(frames)


def test_history_is_the_same_for_the_same_seed(history: pl.DataFrame) -> None:
    again = join_histories([part for _plant, part in make_history(SEED, NOW)])
    assert pl.DataFrame(again.on_time).equals(history.filter(~pl.col("late")).drop("late"))
    other = join_histories([part for _plant, part in make_history(SEED + 1, NOW)])
    assert not pl.DataFrame(other.on_time).get_column("value").equals(history.filter(~pl.col("late")).get_column("value"))


def test_history_covers_thirteen_months_up_to_the_last_whole_quarter(history: pl.DataFrame) -> None:
    ends = history.filter(pl.col("measure") == "interval_kwh").get_column("measured_at")
    assert ends.max() == datetime(2026, 7, 15, 9, 45, tzinfo=UTC)
    assert NOW - ends.min() > timedelta(days=395)  # type: ignore[operator]
    assert history.filter(pl.col("value") < 0).is_empty()


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.site_id for plant in PLANTS])
def test_balance_of_a_site_closes_in_every_quarter(plant) -> None:
    power = site_series(plant, NOW.date() - timedelta(days=10), NOW.date(), SEED).power_kw
    used = power["consumption"] + power["grid_export"] + power["battery_charge"]
    given = power["production"] + power["grid_import"] + power["battery_discharge"]
    assert np.abs(used - given).max() < 1e-9
    assert min(values.min() for values in power.values()) >= 0


def test_sun_yields_what_a_roof_in_that_place_does() -> None:
    for plant, low, high in ((PLANTS[0], 700, 1100), (PLANTS[2], 1200, 1800)):
        year = site_series(plant, NOW.date() - timedelta(days=365), NOW.date() - timedelta(days=1), SEED).power_kw["production"].sum() / 4
        assert low < year / plant.fact("pv_capacity_kw") < high


def test_history_bears_the_marks_of_real_data(history: pl.DataFrame) -> None:
    marks = {mark.kind: mark for mark in MARKS}
    register = history.filter(pl.col("measure") == "register_kwh").sort("measured_at").get_column("value")
    assert (register.diff() < 0).sum() == 1
    meter = history.filter((pl.col("device_id") == marks["gap"].device_id) & (pl.col("channel") == "grid_import"))
    assert meter.sort("measured_at").get_column("measured_at").diff().max() == timedelta(hours=6, minutes=15)
    bakery = history.filter(pl.col("device_id") == marks["spike"].device_id).get_column("value")
    assert bakery.max() > 3 * bakery.quantile(0.999)  # type: ignore[operator]
    assert (bakery == 0).sum() == 7 * 4
    late = history.filter(pl.col("late"))
    on_time_keys = history.filter(~pl.col("late")).select("device_id", "channel", "measured_at")
    assert late.height == 9 * 4 + 8
    assert late.join(on_time_keys, on=["device_id", "channel", "measured_at"], how="semi").height == 8


def test_preparing_twice_lands_once(lake: Lake, accounts, admin, home, settings) -> None:
    told: list[tuple[int, int]] = []
    prepare(lake, accounts, home, settings, now=NOW, progress=lambda done, total, _label: told.append((done, total)))
    first = lake.scan(bronze.READINGS).select(pl.len()).collect().item()
    prepare(lake, accounts, home, settings, now=NOW + timedelta(days=1))
    assert lake.scan(bronze.READINGS).select(pl.len()).collect().item() == first > 290_000
    assert [done for done, _total in told] == sorted(done for done, _total in told)
    assert told[-1][0] == told[-1][1]
    assert [site.site_id for site in sites.all_sites(accounts)] == sorted(plant.site_id for plant in PLANTS)
    login = login_device(accounts, home)
    holder = holder_of(accounts, login["key"])
    assert holder is not None
    assert holder.device is not None
    assert (holder.device.device_id, holder.device.role) == (login["device_id"], "sub")


def test_live_power_goes_on_where_history_ends_and_changes() -> None:
    for plant in PLANTS:
        power = LivePower(plant, SEED)
        series = site_series(plant, NOW.date() - timedelta(days=3), NOW.date(), SEED)
        values = [power.at(NOW + timedelta(seconds=5 * step)) for step in range(20)]
        mean = np.interp(NOW.timestamp(), series.starts + 450, series.power_kw["consumption"])
        assert np.mean([value["consumption"] for value in values]) == pytest.approx(mean, rel=0.25)
        assert len({value["consumption"] for value in values}) > 10
        for value in values:
            used = value["consumption"] + value["grid_export"] + value["battery_charge"]
            assert used == pytest.approx(value["production"] + value["grid_import"] + value["battery_discharge"], abs=1e-9)
            assert min(value[channel] for channel in CHANNELS) >= 0


def test_demo_devices_send_over_mqtt_with_their_own_keys(ingestion, lake: Lake, accounts, admin, home, settings, eventually) -> None:
    make_sites(accounts, home)
    fleet = connect_fleet(broker_address(settings, home), read_keys(home), datetime.now(UTC))
    main = [device for plant in PLANTS for device in plant.devices if device.role == "main"]
    wanted = {(device.device_id, channel) for device in main for channel in device.channels}
    try:
        eventually(lambda: all(live.client.is_connected() for live in fleet))
        for live in fleet:
            live.send(datetime.now(UTC))
        eventually(lambda: set(lake.scan(bronze.READINGS).select("device_id", "channel").collect().iter_rows()) == wanted)
    finally:
        for live in fleet:
            live.client.disconnect()
            live.client.loop_stop()
    assert lake.scan(bronze.REJECTED).collect().is_empty()


def test_simulated_devices_land_at_the_rate_asked_for(ingestion, lake: Lake, accounts, admin, home, settings, eventually) -> None:
    done = simulate(settings, home, accounts, 3, 50.0, 3.0)
    assert 100 <= done.sent <= 150
    assert done.acknowledged == done.sent
    eventually(lambda: lake.scan(bronze.READINGS).select(pl.len()).collect().item() == done.sent)
    assert lake.scan(bronze.READINGS).collect().get_column("device_id").n_unique() == 3


@pytest.fixture
def demo_home(settings) -> Home:
    """A home of the demo, without its devices."""
    return homes.create(settings, is_demo=True)


def of_sources(lake: Lake, table: str) -> pl.DataFrame:
    return lake.scan(table).collect()


def test_demo_lands_recorded_weather_prices_and_carbon_marked_as_recorded(lake: Lake, accounts, admin, demo_home, settings) -> None:
    make_sites(accounts, demo_home)
    pull_recorded(lake, accounts, demo_home, settings, SEED, NOW)
    told = demo_home.read_note("sources")["pulled"]
    assert {(one["source"], one["state"]) for one in told} == {
        (f"recorded:{name}", "ok") for name in ("open_meteo", "electricity_maps", "uk_carbon")
    } | {("recorded:entsoe", "not_published_yet")}
    sky = of_sources(lake, "bronze/weather")
    assert set(sky["source"]) == {"recorded:open_meteo"}
    assert sky["station_id"].n_unique() == len(PLANTS)
    observed, foreseen = sky.filter(~pl.col("is_forecast")), sky.filter("is_forecast")
    assert observed["measured_at"].max() == datetime(2026, 7, 15, 10, tzinfo=UTC)
    assert NOW - observed["measured_at"].min() > timedelta(days=364)  # type: ignore[operator]
    assert foreseen["measured_at"].max() > NOW + timedelta(days=6)  # type: ignore[operator]
    prices, carbon = of_sources(lake, "bronze/prices"), of_sources(lake, "bronze/carbon")
    assert (set(prices["zone"]), set(prices["currency"])) == ({"DE-LU"}, {"EUR"})
    # Before noon the day ahead is not there yet.
    assert prices["interval_start_at"].max() == datetime(2026, 7, 15, 23, tzinfo=UTC)
    assert {(row["zone"], row["basis"]) for row in carbon.iter_rows(named=True)} == {
        ("DE", "lifecycle"), ("US-CAL-CISO", "lifecycle"), ("GB", "operational")
    }  # fmt: skip
    assert carbon.filter("is_forecast").height > 0


def test_recorded_light_is_the_one_the_roofs_had(lake: Lake, accounts, admin, demo_home, settings) -> None:
    body = answer(
        "/v1/forecast", {"latitude": "36.74", "longitude": "-119.79", "start_date": "2026-07-01", "end_date": "2026-07-10"}, NOW, SEED
    )[1]  # fmt: skip
    found = [one for one in open_meteo.parse(json.loads(body), "w", NOW) if one.quantity == "ghi_w_per_m2"]
    light = pl.DataFrame({"at": [one.measured_at for one in found], "ghi": [one.value for one in found]})
    series = site_series(PLANTS[2], NOW.date() - timedelta(days=15), NOW.date(), SEED)
    hours = series.starts // 3600 * 3600
    power = pl.DataFrame({"at": hours, "kw": series.power_kw["production"]}).group_by("at").mean()
    joined = light.join(power.with_columns(pl.from_epoch("at").dt.replace_time_zone("UTC").dt.cast_time_unit("us")), on="at")
    assert joined.height > 230
    assert joined.select(pl.corr("ghi", "kw")).item() > 0.98


def test_real_home_and_demo_whose_settings_name_services_ask_no_recordings(lake: Lake, accounts, admin, home, demo_home, settings) -> None:
    make_sites(accounts, home)
    pull_recorded(lake, accounts, home, settings, SEED, NOW)
    pull_recorded(lake, accounts, demo_home, settings.model_copy(update={"sources": "tibber"}), SEED, NOW)
    assert demo_home.read_note("recordings") == home.read_note("recordings") == {}
    with recordings_served(demo_home, SEED) as url:
        assert {source.name for source, _ in wanted_sources(settings, accounts, demo_home)} > {"recorded:entsoe"}
        assert wanted_sources(settings, accounts, home) == []
    demo_home.note("recordings", {"url": url, "pid": 2**22 + 1, "started_at": 0.0})
    assert wanted_sources(settings, accounts, demo_home) == []


def test_status_says_how_old_weather_is(lake: Lake) -> None:
    assert status.weather(lake, NOW) is None
    observed = WeatherValue("w", "temperature_celsius", NOW - timedelta(hours=30), 3.0, is_forecast=False)
    foreseen = WeatherValue("w", "temperature_celsius", NOW - timedelta(hours=1), 3.0, is_forecast=True)
    lake.land(bronze.WEATHER, bronze.weather_table([observed, foreseen], "recorded:open_meteo", NOW))
    found = status.weather(lake, NOW)
    assert found is not None
    assert (found["age_seconds"], found["source"]) == (30 * 3600, "recorded:open_meteo")
    assert _weather_text(found) == ["Weather       observed until 2026-07-14 04:07 UTC, 30.0 h ago, by recorded:open_meteo"]
