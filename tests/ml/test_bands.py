"""Bands from past errors."""

import numpy as np
import pytest

from ml.forecast.bands import coverage, fit_bands


@pytest.fixture
def errors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actual, predicted and hour of 200 days whose errors are ten times larger in the evening."""
    random = np.random.default_rng(3)
    hour = np.tile(np.arange(24), 200)
    spread = np.where(hour >= 18, 1.0, 0.1)
    return 5 + spread * random.standard_normal(len(hour)), np.full(len(hour), 5.0), hour


def test_bands_hold_80_and_95_percent_of_later_errors(errors: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    actual, predicted, hour = errors
    half = len(hour) // 2
    bands = fit_bands(actual[:half], predicted[:half], hour[:half])
    bounds = bands.around(predicted[half:], hour[half:])
    quiet = (hour[half:] > 1) & (hour[half:] < 16)
    held = {level: coverage(actual[half:][quiet], {name: bound[quiet] for name, bound in bounds.items()}, level) for level in ("80", "95")}
    assert held["80"] == pytest.approx(0.8, abs=0.03)
    assert held["95"] == pytest.approx(0.95, abs=0.02)


def test_bands_are_wide_when_the_hours_errors_are(errors: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    bounds = fit_bands(*errors).around(np.full(24, 5.0), np.arange(24))
    width = bounds["upper_80_kwh"] - bounds["lower_80_kwh"]
    assert width[20] / width[10] == pytest.approx(10, rel=0.15)


def test_bands_are_ordered_and_never_negative_when_errors_are_one_sided() -> None:
    hour = np.tile(np.arange(24), 10)
    bounds = fit_bands(np.full(len(hour), 0.2), np.full(len(hour), 1.0), hour).around(np.array([0.5]), np.array([12]))
    ordered = [bounds["lower_95_kwh"][0], bounds["lower_80_kwh"][0], 0.5, bounds["upper_80_kwh"][0], bounds["upper_95_kwh"][0]]
    assert ordered == [0.0, 0.0, 0.5, 0.5, 0.5]


def test_bands_are_refused_without_errors() -> None:
    with pytest.raises(ValueError, match="past errors"):
        fit_bands(np.array([]), np.array([]), np.array([]))
