"""Training, issuing and scoring on a real lake, with Prophet and MLflow themselves."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aurora import home as homes
from aurora.accounts import people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.errors import Refused
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from ml.forecast import TrainedModel, issue_forecasts, prophet_model, registry, train
from ml.forecast.correction import clock_seconds, curve_kwh, predict_kwh, with_sky
from ml.forecast.curve import Curve
from ml.forecast.history import Place, clock_hours, measured_days
from ml.forecast.issuing import forecast_series
from ml.forecast.training import LEAST_DAYS, train_series

FIRST, LAST = date(2026, 3, 1), date(2026, 7, 4)
HELD_OUT_DAYS = 14


@dataclass(frozen=True)
class Trained:
    """One training and what it was made from."""

    lake: Lake
    accounts: Accounts
    home: Home
    settings: Settings
    models: list[TrainedModel]
    all_hours: pl.DataFrame


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> Trained:
    folder: Path = tmp_path_factory.mktemp("trained")
    settings = Settings(home=folder, lake_uri=str(folder / "lake"))  # pyright: ignore[reportCallIssue]
    home = homes.create(settings)
    lake, accounts = open_lake(settings.resolved_lake_uri), Accounts(f"sqlite:///{folder / 'accounts.sqlite'}")
    lake.create_tables()
    accounts.migrate()
    owner = people.add_user(accounts, "ada", "correct horse battery", "admin")
    sites.add_site(accounts, owner, name="Home", site_id="home", time_zone="Europe/Berlin", latitude=52.5, longitude=13.4)
    made = hours(FIRST, LAST)
    publish(lake, accounts, {"gold/energy_hourly": _until(made, now)})
    return Trained(lake, accounts, home, settings, train(lake, accounts, home, settings, now), made)


def _until(hours: pl.DataFrame, now: datetime) -> pl.DataFrame:
    return hours.filter(pl.col("interval_start_at") + timedelta(hours=1) <= now)


def _place() -> Place:
    return Place("home", "Europe/Berlin", 52.5, 13.4)


def _issued(trained: Trained, channel: str, at: datetime) -> pl.DataFrame:
    """A forecast issued at a time, beside what came."""
    champion = registry.load_champions(trained.home)["home", channel]
    known = clock_hours("Europe/Berlin", at - timedelta(days=28), at).join(_until(trained.all_hours, at), on="interval_start_at")
    rows = forecast_series(_place(), channel, known.with_columns(pl.col(f"{channel}_kwh").alias("energy_kwh")), champion, at)
    assert rows is not None
    return rows.join(trained.all_hours, on="interval_start_at").with_columns(pl.col(f"{channel}_kwh").alias("actual_kwh"))


@pytest.fixture(scope="module", params=["consumption", "production"])
def held_out(request: pytest.FixtureRequest, trained: Trained, now: datetime) -> pl.DataFrame:
    """Two weeks of daily forecasts after the training, beside what came."""
    return pl.concat([_issued(trained, request.param, now + timedelta(days=day)) for day in range(HELD_OUT_DAYS - 1)])


def test_forecast_beats_the_same_hour_of_last_week(held_out: pl.DataFrame, trained: Trained) -> None:
    channel = held_out["channel"][0]
    week_ago = trained.all_hours.select(pl.col("interval_start_at") + timedelta(days=7), pl.col(f"{channel}_kwh").alias("week_ago_kwh"))
    both = held_out.join(week_ago, on="interval_start_at")
    assert both.height == held_out.height
    error = (both["predicted_kwh"] - both["actual_kwh"]).abs().mean()
    assert error < 0.85 * (both["week_ago_kwh"] - both["actual_kwh"]).abs().mean()


def test_bands_hold_their_share_of_what_came(held_out: pl.DataFrame) -> None:
    lit = held_out.filter((pl.col("actual_kwh") > 0) & (pl.col("upper_80_kwh") > 0))
    inside = {level: lit["actual_kwh"].is_between(lit[f"lower_{level}_kwh"], lit[f"upper_{level}_kwh"]).mean() for level in ("80", "95")}
    assert 0.72 < inside["80"] < 0.9
    assert 0.9 < inside["95"] <= 1.0


def test_forecast_is_ordered_and_never_negative(held_out: pl.DataFrame) -> None:
    columns = ["lower_95_kwh", "lower_80_kwh", "predicted_kwh", "upper_80_kwh", "upper_95_kwh"]
    values = held_out.select(columns).to_numpy()
    assert values.min() >= 0
    assert (np.diff(values, axis=1) >= 0).all()


def test_production_is_zero_while_the_sun_is_down(trained: Trained, now: datetime) -> None:
    night = _issued(trained, "production", now).filter(pl.col("interval_start_at").dt.hour().is_in([22, 23, 0, 1]))
    assert night.height == 4
    assert night["predicted_kwh"].to_list() == [0.0] * 4
    assert night["upper_95_kwh"].to_list() == [0.0] * 4


def test_training_is_logged_as_one_run_with_figures_and_champions(trained: Trained) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri(trained.home), registry.tracking_uri(trained.home))
    runs = client.search_runs([client.get_experiment_by_name(registry.EXPERIMENT).experiment_id])
    assert [run.info.run_id for run in runs] == [trained.models[0].run_id]
    assert runs[0].info.status == "FINISHED"
    for channel in ("consumption", "production"):
        assert 0 < runs[0].data.metrics[f"{channel}.mase"] < 1
        assert 0.6 < runs[0].data.metrics[f"{channel}.coverage_80_ratio"] <= 1
        champion = client.get_model_version_by_alias(registry.registered_name(channel), registry.CHAMPION)
        assert (champion.run_id, str(champion.version)) == (trained.models[0].run_id, trained.models[0].model_version)
    assert runs[0].data.params["growth"] == "flat"


def test_logged_model_predicts_what_the_champions_curve_does(trained: Trained, now: datetime) -> None:
    import pandas as pd
    from mlflow import MlflowClient
    from prophet.serialize import model_from_json

    client = MlflowClient(registry.tracking_uri(trained.home), registry.tracking_uri(trained.home))
    file = Path(client.download_artifacts(trained.models[0].run_id, registry.MODELS_FILE))
    for channel, clock in (("consumption", "local"), ("production", "utc")):
        curve = registry.load_champions(trained.home)["home", channel].curve
        hours = with_sky(_place(), clock_hours("Europe/Berlin", now, now + timedelta(days=3)), is_solar=clock == "utc")
        model = model_from_json(json.dumps(json.loads(file.read_text())[channel]["home"]))
        is_off_day = hours["is_off_day"].to_numpy()
        asked = pd.DataFrame({"ds": pd.to_datetime(clock_seconds(hours, clock), unit="s"), "sky": hours["sky"].to_numpy()})
        predicted = model.predict(asked.assign(is_off_day=is_off_day, is_work_day=~is_off_day))["yhat"].clip(lower=0).to_numpy()
        lit = (hours["sky"].to_numpy() > 0) | (clock == "local")
        assert curve_kwh(curve, hours)[lit] == pytest.approx(predicted[lit], abs=1e-9)


def test_issued_forecast_is_published_for_the_next_24_clock_hours(trained: Trained, now: datetime) -> None:
    assert issue_forecasts(trained.lake, trained.accounts, trained.home, trained.settings, now) == 48
    rows = manifest.newest(trained.lake).scan("gold/forecasts").collect()
    for _, of_channel in rows.group_by("channel"):
        ordered = of_channel.sort("horizon_hours")
        assert ordered["horizon_hours"].to_list() == list(range(1, 25))
        assert ordered["interval_start_at"][0] == datetime(2026, 6, 20, 10, tzinfo=UTC)
        assert ordered["interval_start_at"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert set(rows["model_name"]) == {"prophet"}
    assert set(rows["model_version"]) == {"1"}
    assert set(rows["issued_at"]) == {now}


def test_issuing_again_keeps_what_was_issued_before(trained: Trained, now: datetime) -> None:
    before = manifest.newest(trained.lake).scan("gold/forecasts").collect().height
    issue_forecasts(trained.lake, trained.accounts, trained.home, trained.settings, now + timedelta(hours=1))
    assert manifest.newest(trained.lake).scan("gold/forecasts").collect().height == before + 48


def test_issuing_imports_neither_prophet_nor_mlflow(trained: Trained) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path; from aurora.home import Home;"
        "from aurora.accounts.database import Accounts; from aurora.lake.store import open_lake; from aurora.settings import Settings;"
        "from ml.forecast import issue_forecasts; root = Path(sys.argv[1]);"
        "n = issue_forecasts(open_lake(str(root / 'lake')), Accounts(f'sqlite:///{root}/accounts.sqlite'), Home(root, False), Settings(),"
        " datetime(2026, 6, 20, 12, tzinfo=UTC)); assert n == 48, n;"
        "heavy = {'prophet', 'mlflow', 'cmdstanpy'} & set(sys.modules); assert not heavy, heavy"
    )
    run = [sys.executable, "-c", script, str(trained.home.path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    assert done.returncode == 0, done.stderr


def test_short_history_is_forecast_by_the_median_of_the_same_hour(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    site: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    made = _until(hours(date(2026, 6, 14), date(2026, 6, 20)), now)
    publish(lake, accounts, {"gold/energy_hourly": made})
    assert train(lake, accounts, home, settings, now) == []
    assert issue_forecasts(lake, accounts, home, settings, now) == 48
    row = lake.scan("gold/forecasts").filter(channel="consumption", horizon_hours=1).collect().row(0, named=True)
    noons = made.filter(pl.col("interval_start_at").dt.hour() == 10)["consumption_kwh"].to_list()
    assert len(noons) == 6
    assert row["predicted_kwh"] == pytest.approx(float(np.median(noons)))
    assert (row["model_name"], row["model_version"]) == ("median_same_hour_7d", "1")


def test_series_is_trained_when_it_has_two_measured_weeks(hours: Callable[..., pl.DataFrame], now: datetime) -> None:
    made = _until(hours(date(2026, 6, 1), date(2026, 6, 14)), now)
    start = made["interval_start_at"][0]
    history = clock_hours("Europe/Berlin", start, now).join(made, on="interval_start_at").with_columns(energy_kwh="consumption_kwh")
    assert measured_days(history) == LEAST_DAYS
    trained = train_series(_place(), "consumption", history)
    assert trained is not None
    assert trained.score.hours == 7 * 24
    gap = history.filter((pl.col("local_date") < date(2026, 6, 3)) | (pl.col("local_date") > date(2026, 6, 12)))
    assert train_series(_place(), "consumption", gap.tail(60)) is None


def test_nothing_is_forecast_when_less_than_two_days_are_measured(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,
    site: Site,
    publish: Callable[..., None],
    hours: Callable[..., pl.DataFrame],
    now: datetime,
) -> None:
    publish(lake, accounts, {"gold/energy_hourly": _until(hours(date(2026, 6, 19), date(2026, 6, 20)), now)})
    assert issue_forecasts(lake, accounts, home, settings, now) == 0


def test_nothing_is_trained_or_issued_when_there_is_no_site(
    lake: Lake, accounts: Accounts, home: Home, settings: Settings, now: datetime
) -> None:
    assert train(lake, accounts, home, settings, now) == []
    assert issue_forecasts(lake, accounts, home, settings, now) == 0
    assert manifest.newest(lake).refresh_id == ""


def test_damaged_champions_are_refused_with_the_way_out(home: Home) -> None:
    registry.keep_champions(home, [])
    (home.path / "mlflow" / "champions.json").write_text("{")
    with pytest.raises(Refused, match="aurora train"):
        registry.load_champions(home)


def test_curve_has_no_sun_when_production_comes_at_night(hours: Callable[..., pl.DataFrame]) -> None:
    from ml.forecast.clear_sky import clear_sky_kw_per_m2, follows_sun

    made = hours(date(2026, 6, 1), date(2026, 6, 7))
    sky = clear_sky_kw_per_m2(_place(), made["interval_start_at"])
    assert follows_sun(made["production_kwh"].to_numpy(), sky)
    assert not follows_sun(np.ones(made.height), sky)


def test_clear_sky_stands_highest_at_solar_noon_and_is_dark_at_night() -> None:
    from ml.forecast.clear_sky import clear_sky_kw_per_m2

    day = pl.datetime_range(datetime(2026, 6, 20, tzinfo=UTC), datetime(2026, 6, 20, 23, tzinfo=UTC), "1h", eager=True)
    sky = clear_sky_kw_per_m2(_place(), day)
    assert int(sky.argmax()) == 11
    assert 0.8 < sky.max() < 1.1
    assert sky[[22, 23, 0, 1]].tolist() == [0.0] * 4


def test_prophet_follows_working_days_and_weekends_apart(hours: Callable[..., pl.DataFrame]) -> None:
    made = hours(date(2026, 5, 4), date(2026, 6, 14))
    history = made.with_columns(
        pl.col("interval_start_at").dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Int64).alias("local_hour"),
        (pl.col("local_date").dt.weekday() >= 6).alias("is_off_day"),
        pl.col("consumption_kwh").alias("energy_kwh"),
    )
    curve = prophet_model.fit(history, is_solar=False).curve
    seconds, dark = np.arange(24) * 3600, np.zeros(24)
    assert int(curve.energy_kwh(seconds, np.zeros(24, dtype=bool), dark).argmax()) == 19
    assert int(curve.energy_kwh(seconds, np.ones(24, dtype=bool), dark).argmax()) == 12


def test_recent_errors_move_the_curve_by_day_and_never_the_night() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    known = clock_hours("UTC", start, start + timedelta(days=7)).with_columns(pl.lit(0.5).alias("energy_kwh"), sky=pl.lit(0.2))
    asked = clock_hours("UTC", start + timedelta(days=7), start + timedelta(days=8)).with_columns(
        pl.when(pl.col("local_hour") < 12).then(0.0).otherwise(0.2).alias("sky")
    )
    curve = Curve(level_kwh=0.0, by_day={}, clear_sky_kwh=1.0, clock="utc")
    # The curve says 0.2 where 0.5 came: 0.7 of the 0.3 between them is taken over, by day alone.
    assert predict_kwh(curve, known, asked).tolist() == pytest.approx([0.0] * 12 + [0.41] * 12)
