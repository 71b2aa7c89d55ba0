"""Forecasts: Prophet's curves for consumption and production, bands from their past errors, runs in MLflow, accuracy as it turns out."""

from ml.forecast.accuracy import score_forecasts
from ml.forecast.issuing import issue_forecasts
from ml.forecast.training import TrainedModel, train

__all__ = ["TrainedModel", "issue_forecasts", "score_forecasts", "train"]
