"""The sun on a site's panels on a cloudless day, hour by hour."""

import numpy as np
import polars as pl

from ml.forecast.history import Place

SAMPLES_AN_HOUR = 4
DEFAULT_TILT_DEGREES = 30.0
SOUTH_DEGREES = 180.0
# Of a year's production so little may come while the sun is down; a wind turbine or an engine makes far more.
NIGHT_SHARE = 0.01


def clear_sky_kw_per_m2(place: Place, hours: pl.Series) -> np.ndarray:
    """Mean irradiance in the plane of the panels over each hour under a clear sky, 0 while the sun is down. [kW/m2]

    Simplified Solis with pvlib's default atmosphere; panels of unknown orientation are taken to lie at 30 degrees towards the equator.

    Args:
        place: Where the panels are.
        hours: Beginnings of the hours, UTC.
    """
    import pandas as pd
    from pvlib import clearsky, irradiance, solarposition

    step_seconds = 3600 // SAMPLES_AN_HOUR
    seconds = hours.dt.epoch("s").to_numpy()[:, None] + step_seconds * (np.arange(SAMPLES_AN_HOUR) + 0.5)
    times = pd.DatetimeIndex(pd.to_datetime(seconds.ravel().astype("int64"), unit="s", utc=True))
    sun = solarposition.get_solarposition(times, place.latitude, place.longitude)
    sky = clearsky.simplified_solis(sun["apparent_elevation"])
    tilt = DEFAULT_TILT_DEGREES if place.pv_tilt_degrees is None else place.pv_tilt_degrees
    towards_equator = SOUTH_DEGREES if place.latitude >= 0 else 0.0
    azimuth = towards_equator if place.pv_azimuth_degrees is None else place.pv_azimuth_degrees
    zenith, sun_azimuth = sun["apparent_zenith"], sun["azimuth"]
    total = irradiance.get_total_irradiance(tilt, azimuth, zenith, sun_azimuth, sky["dni"], sky["ghi"], sky["dhi"])
    on_panels = np.asarray(total["poa_global"])
    is_up = np.asarray(sun["apparent_elevation"]) > 0
    return np.where(is_up, np.nan_to_num(on_panels), 0.0).reshape(-1, SAMPLES_AN_HOUR).mean(axis=1) / 1000


def follows_sun(energy_kwh: np.ndarray, sky_kw_per_m2: np.ndarray) -> bool:
    """Whether production comes from the sun alone: next to nothing of it while the sun is down."""
    return float(energy_kwh[sky_kw_per_m2 == 0].sum()) <= NIGHT_SHARE * float(energy_kwh.sum())
