"""Fits Prophet to a history. The only module that imports it."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml.forecast.correction import BY_CLOCK, clock_seconds
from ml.forecast.curve import Curve

if TYPE_CHECKING:
    from prophet import Prophet

NAME = "prophet"
TRAIN_DAYS = 56
LOAD_ORDER = 10
SUN_ORDER = 6
PARAMETERS = {
    "growth": "flat", "train_days": TRAIN_DAYS, "load_order": LOAD_ORDER, "sun_order": SUN_ORDER, "day_types": "work,off",
    "recent": ", ".join(f"{clock}: {recent.days} d x {recent.share}" for clock, recent in BY_CLOCK.items()),
}  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """A fitted model: its curve, and the whole of it as Prophet writes it."""

    curve: Curve
    document: str


def fit(history: pl.DataFrame, *, is_solar: bool, with_document: bool = False) -> Fitted:
    """Prophet's curve through a history: by work and off days on the site's clock, or with the sun on UTC.

    Args:
        history: Rows as `history.load_history` gives them, with `sky` where the channel follows the sun.
        is_solar: Whether it does.
        with_document: Whether the model is kept as Prophet writes it, to be logged.
    """
    import cmdstanpy
    import pandas as pd
    from prophet import Prophet
    from prophet.serialize import model_to_json

    cmdstanpy.utils.get_logger().setLevel(logging.WARNING)
    model = Prophet(
        growth="flat",
        daily_seasonality=False,  # pyright: ignore[reportArgumentType]
        weekly_seasonality=False,  # pyright: ignore[reportArgumentType]
        yearly_seasonality=False,  # pyright: ignore[reportArgumentType]
        uncertainty_samples=0,
    )
    clock = "utc" if is_solar else "local"
    rows = pd.DataFrame({"ds": pd.to_datetime(clock_seconds(history, clock), unit="s"), "y": history.get_column("energy_kwh").to_numpy()})
    if not is_solar:
        rows["is_off_day"] = history.get_column("is_off_day").to_numpy()
        rows["is_work_day"] = ~rows["is_off_day"]
        model.add_seasonality("work", period=1, fourier_order=LOAD_ORDER, condition_name="is_work_day")
        model.add_seasonality("off", period=1, fourier_order=LOAD_ORDER, condition_name="is_off_day")
    else:
        rows["sky"] = history.get_column("sky").to_numpy()
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
    assert columns is not None, "the model is fitted"
    beta = np.asarray(model.params["beta"])[0] * model.y_scale
    by_day = {name: beta[columns[name].to_numpy() == 1].tolist() for name in model.seasonalities}
    sky = float(beta[columns["sky"].to_numpy() == 1][0]) if "sky" in columns else None
    return Curve(float(np.asarray(model.params["m"])[0][0] * model.y_scale), by_day, sky, clock)
