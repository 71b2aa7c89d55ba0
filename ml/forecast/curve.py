"""Prophet's curve as plain numbers, so that forecasts are issued again without Prophet, and by the thousand.

With flat growth Prophet's forecast is a level plus a weighted sum of known features; a test holds the two against each other.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Curve:
    """An additive daily curve.

    Attributes:
        level_kwh: Mean of the curve.
        by_day: Fourier weights of one day, sine and cosine by turns, for `all`, or for `work` and `off` days. [kWh]
        clear_sky_kwh: Energy for each kW/m2 of clear-sky irradiance; None where the sun plays no part.
        clock: Whose hours the curve follows: `local`, or `utc` as the sun does.
    """

    level_kwh: float
    by_day: dict[str, list[float]]
    clear_sky_kwh: float | None
    clock: str

    def energy_kwh(self, clock_seconds: np.ndarray, is_off_day: np.ndarray, sky_kw_per_m2: np.ndarray) -> np.ndarray:
        """Energy of each hour, never negative, and 0 while the sun is down where the sun plays a part. [kWh]

        Args:
            clock_seconds: Beginnings of the hours as `clock` shows them, seconds since 1970.
            is_off_day: Whether each is on a Saturday or Sunday.
            sky_kw_per_m2: Clear-sky irradiance of each hour; not looked at where the sun plays no part.
        """
        energy = np.full(len(clock_seconds), self.level_kwh)
        for days, weights in self.by_day.items():
            chosen = {"all": np.ones(len(energy), dtype=bool), "work": ~is_off_day, "off": is_off_day}[days]
            energy[chosen] += fourier(clock_seconds[chosen], len(weights) // 2) @ np.array(weights)
        if self.clear_sky_kwh is None:
            return np.maximum(energy, 0.0)
        return np.where(sky_kw_per_m2 > 0, np.maximum(energy + self.clear_sky_kwh * sky_kw_per_m2, 0.0), 0.0)

    def as_json(self) -> dict[str, Any]:
        """The curve as JSON takes it."""
        return asdict(self)


def fourier(seconds: np.ndarray, order: int) -> np.ndarray:
    """Sine and cosine by turns of 1 to `order` periods a day, one row per time."""
    angle = 2 * np.pi * (seconds[:, None] / SECONDS_A_DAY) * np.arange(1, order + 1)
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(len(seconds), 2 * order)
