"""Fits Prophet to a history. The only module that imports it."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml.forecast.curve import Curve

if TYPE_CHECKING:
    from prophet import Prophet

NAME = "prophet"
TRAIN_DAYS = 56
LOAD_ORDER = 10
SUN_ORDER = 6
PARAMETERS = {"growth": "flat", "train_days": TRAIN_DAYS, "load_order": LOAD_ORDER, "sun_order": SUN_ORDER, "day_types": "work,off"}


@dataclass(frozen=True)
class Fitted:
    """A fitted model: its curve, and the whole of it as Prophet writes it."""

    curve: Curve
    document: str


def clock_seconds(hours: pl.DataFrame, clock: str) -> np.ndarray:
    """Beginnings of hours as the site's clock or UTC shows them, seconds since 1970."""
    if clock == "utc":
        return hours.get_column("interval_start_at").dt.epoch("s").to_numpy()
    return hours.select(pl.col("local_date").cast(pl.Datetime("us")).dt.epoch("s") + pl.col("local_hour") * 3600).to_series().to_numpy()


def fit(history: pl.DataFrame, sky_kw_per_m2: np.ndarray | None, *, with_document: bool = False) -> Fitted:
    """Prophet's curve through a history: by work and off days on the site's clock, or with the sun on UTC.

    Args:
        history: Rows as `history.load_history` gives them.
        sky_kw_per_m2: Clear-sky irradiance of each row where the channel follows the sun.
        with_document: Whether the model is kept as Prophet writes it, to be logged.
    """
    import cmdstanpy
    import pandas as pd
    from prophet import Prophet
    from prophet.serialize import model_to_json

    cmdstanpy.utils.get_logger().setLevel(logging.WARNING)
    model = Prophet(
        growth="flat", daily_seasonality=False, weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0  # pyright: ignore[reportArgumentType]
    )
    clock = "local" if sky_kw_per_m2 is None else "utc"
    rows = pd.DataFrame(
        {"ds": pd.to_datetime(clock_seconds(history, clock), unit="s"), "y": history.get_column("energy_kwh").to_numpy()}
    )
    if sky_kw_per_m2 is None:
        rows["is_off_day"] = history.get_column("is_off_day").to_numpy()
        rows["is_work_day"] = ~rows["is_off_day"]
        model.add_seasonality("work", period=1, fourier_order=LOAD_ORDER, condition_name="is_work_day")
        model.add_seasonality("off", period=1, fourier_order=LOAD_ORDER, condition_name="is_off_day")
    else:
        rows["sky"] = sky_kw_per_m2
        model.add_seasonality("all", period=1, fourier_order=SUN_ORDER)
        model.add_regressor("sky", standardize=False)
    model.fit(rows)
    curve = _curve(model, clock)
    if with_document:
        # The document serves predictions; the history it was fitted to stands in the lake.
        model.history = model.history.tail(2)  # pyright: ignore[reportOptionalMemberAccess]
    return Fitted(curve, model_to_json(model) if with_document else "")


def _curve(model: "Prophet", clock: str) -> Curve:
    """The curve in kWh from Prophet's scaled parameters."""
    columns = model.train_component_cols
    beta = np.asarray(model.params["beta"])[0] * model.y_scale
    by_day = {name: beta[columns[name].to_numpy() == 1].tolist() for name in model.seasonalities}
    sky = float(beta[columns["sky"].to_numpy() == 1][0]) if "sky" in columns else None
    return Curve(float(np.asarray(model.params["m"])[0][0] * model.y_scale), by_day, sky, clock)
