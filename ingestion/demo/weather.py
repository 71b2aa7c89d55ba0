"""Clouds and temperature of the typical years that pvlib ships, moved under another place's sun.

pvlib has typical years of three places in the USA only; a demo site elsewhere gets their sky, not its own.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

HOURS = 8760
DAYLIGHT_W_PER_M2 = 30.0
CLEAREST_RATIO = 0.82


@dataclass(frozen=True)
class TypicalYear:
    """One year by the hour of local solar time, from 1 January.

    Attributes:
        clearness_ratio: Sunlight on the ground by sunlight above the air, each on a level plane; carried over the night.
        temperature_celsius: Of the air.
        wind_m_per_s: At 10 m.
    """

    clearness_ratio: np.ndarray
    temperature_celsius: np.ndarray
    wind_m_per_s: np.ndarray

    def at(self, values: np.ndarray, solar_hours: np.ndarray) -> np.ndarray:
        """Values between the hours; `solar_hours` counts from the start of any year."""
        place = np.mod(solar_hours - 0.5, HOURS)
        before = place.astype(np.int64) % HOURS
        share = place - np.floor(place)
        return values[before] * (1 - share) + values[(before + 1) % HOURS] * share


@cache
def typical_year(file_name: str) -> TypicalYear:
    """The typical year in one of pvlib's TMY3 files."""
    import pvlib

    frame, _facts = pvlib.iotools.read_tmy3(Path(pvlib.__file__).parent / "data" / file_name, coerce_year=2001, map_variables=True)
    ground, above = frame["ghi"].to_numpy(float), frame["ghi_extra"].to_numpy(float)
    is_day = above > DAYLIGHT_W_PER_M2
    hours = np.arange(HOURS)
    clearness = np.interp(hours, hours[is_day], np.clip(ground[is_day] / above[is_day], 0.02, CLEAREST_RATIO))
    return TypicalYear(clearness, frame["temp_air"].to_numpy(float), frame["wind_speed"].to_numpy(float))


def solar_hours(seconds: np.ndarray, longitude: float) -> np.ndarray:
    """Hours since 1 January by mean solar time at a longitude, for Unix times. [h]"""
    solar = seconds + longitude * 240.0
    starts = solar.astype("int64").astype("datetime64[s]").astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
    return (solar - starts) / 3600.0
