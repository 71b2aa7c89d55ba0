"""Trains a curve for every site's channel with enough history, scores it on its own past and makes it the champion."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from aurora import logs
from aurora.accounts import sites as accounts_sites
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from ml.forecast import prophet_model, registry, same_hour
from ml.forecast.backtest import BACK_DAYS, LEAST_KNOWN_DAYS, Predictor, backtest, score
from ml.forecast.bands import fit_bands
from ml.forecast.clear_sky import follows_sun
from ml.forecast.correction import predict_kwh, with_sky
from ml.forecast.curve import Curve
from ml.forecast.history import Place, load_history, measured_days

LEAST_DAYS = 14
WEEK = timedelta(days=7)
# The earliest week of the backtest is predicted from as many days as the final model, and MASE's scale looks a week further back.
HISTORY_DAYS = prophet_model.TRAIN_DAYS + BACK_DAYS + WEEK.days


@dataclass(frozen=True)
class TrainedModel:
    """A champion and how it did in its backtest. `reference_mase` is the same-hour median's, on the same hours."""

    site_id: str
    channel: str
    model_name: str
    model_version: str
    run_id: str
    days: int
    mae_kwh: float
    mase: float | None
    reference_mase: float | None
    coverage_80_ratio: float | None
    coverage_95_ratio: float | None


def train(
    lake: Lake,
    accounts: Accounts,
    home: Home,
    settings: Settings,  # noqa: ARG001
    now: datetime,
    progress: Callable[[int, int, str], None] | None = None,
    sites: Sequence[str] | None = None,
) -> list[TrainedModel]:
    """Train every site (or the given ones) and log it as one MLflow run; returns the new champions.

    A series with less than 14 measured days is left out and forecast by `same_hour` until it has them; without any series nothing is
    logged and the list is empty.

    Args:
        lake: Where the history is.
        accounts: Which sites there are.
        home: Where MLflow's store and the champions are kept.
        settings: Of this installation.
        now: What is known ends here.
        progress: Told (series done, series in all, what is done).
        sites: Ids of the sites to train; None for all.
    """
    began = time.monotonic()
    places = {site.site_id: Place.of(site) for site in accounts_sites.all_sites(accounts) if sites is None or site.site_id in sites}
    histories = load_history(manifest.newest(lake), list(places.values()), now, HISTORY_DAYS)
    enough = {key: history for key, history in histories.items() if measured_days(history) >= LEAST_DAYS}
    trained: list[registry.Trained] = []
    for done, ((site_id, channel), history) in enumerate(enough.items(), 1):
        one = train_series(places[site_id], channel, history)
        trained += [] if one is None else [one]
        if progress is not None:
            progress(done, len(enough), "Training")
    if not trained:
        logs.logger(__name__).warning("nothing to train", sites=len(places), least_days=LEAST_DAYS)
        return []
    champions = _publish(home, trained, now)
    seconds = round(time.monotonic() - began, 1)
    logs.logger(__name__).info("trained", series=len(trained), run_id=champions[0].run_id, seconds=seconds)
    return [
        _summary(one, champion, round(measured_days(enough[one.site_id, one.channel])))
        for one, champion in zip(trained, champions, strict=True)
    ]


def train_series(place: Place, channel: str, history: pl.DataFrame) -> registry.Trained | None:
    """Fit one series, and the bands and scores of its backtest; None where gaps leave nothing to test on."""
    is_solar = channel == "production"
    history = with_sky(place, history, is_solar=is_solar)
    if is_solar and not follows_sun(history.get_column("energy_kwh").to_numpy(), history.get_column("sky").to_numpy()):
        is_solar, history = False, with_sky(place, history, is_solar=False)
    tried = backtest(history, _weekly_prophet(history, is_solar=is_solar))
    reference = backtest(history, same_hour.predict)
    if tried.is_empty() or reference.is_empty():
        return None
    fitted = prophet_model.fit(_newest_days(history), is_solar=is_solar, with_document=True)
    bands = fit_bands(*[tried.get_column(name).to_numpy() for name in ("energy_kwh", "predicted_kwh", "local_hour")])
    return registry.Trained(place.site_id, channel, fitted.curve, bands, score(history, tried), score(history, reference), fitted.document)


def _weekly_prophet(history: pl.DataFrame, *, is_solar: bool) -> Predictor:
    """Prophet as it would have been: refitted every seven days back from the end of the history, corrected every day."""
    end = _end(history)
    curves: dict[int, Curve | None] = {}

    def predict(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
        week = (end - _end(asked)) // WEEK
        if week not in curves:
            before = history.filter(pl.col("interval_start_at") <= end - WEEK * (week + 1))
            is_enough = before.height > 0 and _end(before) - _end(history.head(1)) >= timedelta(days=LEAST_KNOWN_DAYS)
            curves[week] = prophet_model.fit(_newest_days(before), is_solar=is_solar).curve if is_enough else None
        curve = curves[week]
        return np.full(asked.height, np.nan) if curve is None else predict_kwh(curve, known, asked)

    return predict


def _end(hours: pl.DataFrame) -> datetime:
    end = hours.get_column("interval_start_at").max()
    assert isinstance(end, datetime)
    return end


def _newest_days(history: pl.DataFrame) -> pl.DataFrame:
    start = pl.col("interval_start_at")
    return history.filter(start > start.max() - pl.duration(days=prophet_model.TRAIN_DAYS))


def _publish(home: Home, trained: Sequence[registry.Trained], now: datetime) -> list[registry.Champion]:
    """Log a training and make it what forecasts are issued from."""
    run = registry.log_run(home, prophet_model.PARAMETERS | {"now": now.isoformat()}, trained, now)
    champions = [
        registry.Champion(
            site_id=one.site_id,
            channel=one.channel,
            model_name=prophet_model.NAME,
            model_version=run.versions[one.channel],
            run_id=run.run_id,
            trained_at=now.isoformat(),
            curve=one.curve,
            bands=one.bands,
        )
        for one in trained
    ]
    registry.keep_champions(home, champions)
    return champions


def _summary(one: registry.Trained, champion: registry.Champion, days: int) -> TrainedModel:
    return TrainedModel(
        site_id=one.site_id,
        channel=one.channel,
        model_name=champion.model_name,
        model_version=champion.model_version,
        run_id=champion.run_id,
        days=days,
        mae_kwh=one.score.mae_kwh,
        mase=one.score.mase,
        reference_mase=one.reference.mase,
        coverage_80_ratio=one.score.coverage_80_ratio,
        coverage_95_ratio=one.score.coverage_95_ratio,
    )
