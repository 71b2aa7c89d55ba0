"""Issues forecasts: the next 24 clock hours of every site's channel, published to `gold/forecasts`."""

import time
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from aurora import __version__, logs
from aurora.accounts import leases
from aurora.accounts import sites as accounts_sites
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from ml.forecast import same_hour
from ml.forecast.backtest import BACK_DAYS
from ml.forecast.bands import Bands, fit_bands
from ml.forecast.correction import predict_kwh, with_sky
from ml.forecast.history import Place, load_history, measured_days, next_hours
from ml.forecast.registry import Champion, load_champions

HORIZON_HOURS = 24
LEAST_DAYS = 2
WAIT_SECONDS = 600


def issue_forecasts(lake: Lake, accounts: Accounts, home: Home, settings: Settings, now: datetime) -> int:
    """Publish a forecast of the next 24 clock hours for every site's channel that has one; returns its number of rows.

    A series without a champion is forecast by the median of the same hour while it has two measured days, and not at all before.

    Raises:
        Busy: If the publish lease stays taken.
    """
    began = time.monotonic()
    places = [Place.of(site) for site in accounts_sites.all_sites(accounts)]
    histories = load_history(manifest.newest(lake), places, now, BACK_DAYS)
    champions = load_champions(home)
    made = [
        forecast
        for place in places
        for channel in ("consumption", "production")
        if (history := histories.get((place.site_id, channel))) is not None
        and (forecast := forecast_series(place, channel, history, champions.get((place.site_id, channel)), now)) is not None
    ]
    log = logs.logger(__name__)
    if not made:
        log.warning("nothing to forecast", sites=len(places), least_days=LEAST_DAYS)
        return 0
    rows = pl.concat(made)
    refresh_id = _publish(lake, accounts, settings, rows)
    log.info("forecasts issued", refresh_id=refresh_id, rows=rows.height, seconds=round(time.monotonic() - began, 1))
    return rows.height


def _publish(lake: Lake, accounts: Accounts, settings: Settings, rows: pl.DataFrame) -> str:
    with leases.hold(accounts, leases.PUBLISH, WAIT_SECONDS) as lease:
        publication = manifest.begin(lake, lease, "forecast", settings.code_version or __version__)
        publication.add("gold/forecasts", rows)
        return publication.finish()


def forecast_series(place: Place, channel: str, history: pl.DataFrame, champion: Champion | None, now: datetime) -> pl.DataFrame | None:
    """Rows of `gold/forecasts` for one series, by its champion or else by the same-hour median; None where too little was measured."""
    hours = next_hours(place.time_zone, now, HORIZON_HOURS)
    is_solar = champion is not None and champion.curve.clear_sky_kwh is not None
    hours = with_sky(place, hours, is_solar=is_solar)
    if champion is not None:
        predicted, bands = predict_kwh(champion.curve, with_sky(place, history, is_solar=is_solar), hours), champion.bands
        name, version = champion.model_name, champion.model_version
    elif measured_days(history) >= LEAST_DAYS:
        predicted, bands = same_hour.predict(history, hours), _own_bands(history)
        name, version = same_hour.NAME, same_hour.VERSION
    else:
        return None
    if bands is None or np.isnan(predicted).any():
        return None
    is_dark = is_solar & (hours.get_column("sky").to_numpy() == 0)
    return _rows(hours, predicted, bands, is_dark).with_columns(
        pl.lit(place.site_id).alias("site_id"),
        pl.lit(channel).alias("channel"),
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("issued_at"),
        pl.lit(name).alias("model_name"),
        pl.lit(version).alias("model_version"),
    )


def _own_bands(history: pl.DataFrame) -> Bands | None:
    """Bands of the same-hour median: each day predicted from the days before it; None before there is a second day."""
    actual, predicted, hour = [], [], []
    for day in history.get_column("local_date").unique().sort().to_list()[1:]:
        asked = history.filter(local_date=day)
        predicted.append(same_hour.predict(history.filter(pl.col("local_date") < day), asked))
        actual.append(asked.get_column("energy_kwh").to_numpy())
        hour.append(asked.get_column("local_hour").to_numpy())
    if not actual:
        return None
    known = ~np.isnan(np.concatenate(predicted))
    return fit_bands(*_stacked(known, actual, predicted, hour)) if known.any() else None


def _stacked(known: np.ndarray, *parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate(part)[known] for part in parts]


def _rows(hours: pl.DataFrame, predicted_kwh: np.ndarray, bands: Bands, is_dark: np.ndarray) -> pl.DataFrame:
    """The forecast of each hour with its bounds, which are 0 where nothing can come."""
    bounds = bands.around(predicted_kwh, hours.get_column("local_hour").to_numpy())
    return hours.select("interval_start_at", pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("horizon_hours")).with_columns(
        pl.Series("predicted_kwh", predicted_kwh), *[pl.Series(name, np.where(is_dark, 0.0, bound)) for name, bound in bounds.items()]
    )
