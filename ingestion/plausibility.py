"""Whether what a file says can be true of its site: by the fuse, the size of the array, and the sun.

What is checked is a whole series, since single values may be wrong in any; what is found is what it probably is.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl

Finding = Literal["unit_too_large", "unit_too_small", "sign_swapped", "clock_shifted"]

VOLTS = 230.0
PHASES = 3
# What no house or business with an unknown fuse draws for an hour on end. [kW]
UNKNOWN_LIMIT_KW = 2_000.0
# An array gives more than its size in cold and under bright clouds; a fuse holds more than it says for minutes.
MARGIN = 1.5
THOUSAND = 1_000.0
CERTAIN, CERTAIN_UNKNOWN = 2.0, 20.0
# Below this share of what it could give an array that is measured rightly has never peaked in months of readings.
LEAST_PEAK_RATIO = 0.02
# A fridge alone draws more in some hour.
LEAST_DRAWN_KW = 0.01
LEAST_DAYS = 5.0
LEAST_VALUES = 48
# The newest: nobody's clock is judged by what it was years ago.
MOST_JUDGED = 35_136
TWILIGHT_DEGREES = -3.0
# Of its peak an array gives next to nothing while the sun is at the horizon, whichever way it faces.
GIVING_RATIO = 0.01
MOST_NIGHT_DAYS = 0.3
LONGEST_INTERVAL_SECONDS = 3 * 3600
SHIFTS = tuple(hours for hours in range(-13, 15) if hours)


@dataclass(frozen=True)
class SiteLimits:
    """What is known of a site that bounds its power.

    Attributes:
        fuse_a: Of the connection, three phases. [A]
        pv_capacity_kw: Of the array; 0 for none. [kW]
    """

    fuse_a: float | None = None
    pv_capacity_kw: float | None = None
    latitude: float | None = None
    longitude: float | None = None

    def most_kw(self, channel: str) -> float | None:
        """The most a channel can carry for long; None where nothing tells. [kW]"""
        if channel == "production":
            return MARGIN * self.pv_capacity_kw if self.pv_capacity_kw else None
        return MARGIN * self.fuse_a * VOLTS * PHASES / THOUSAND if self.fuse_a else None


@dataclass(frozen=True)
class Doubt:
    """What a series probably is that cannot be what it says.

    Attributes:
        is_certain: It cannot be true; else it is only unlikely.
        sentence: What was seen, and the way out.
    """

    column: str
    finding: Finding
    is_certain: bool
    sentence: str


def doubts(readings: pl.DataFrame, limits: SiteLimits) -> list[Doubt]:
    """What speaks against the series of a file.

    Args:
        readings: column, channel, measure, measured_at (UTC), interval_seconds, value [kW, kWh].
        limits: Of the site.
    """
    found: list[Doubt] = []
    for (column,), rows in readings.group_by("column", maintain_order=True):
        powers = mean_powers(rows.sort("measured_at")).tail(MOST_JUDGED)
        if powers.height < LEAST_VALUES:
            continue
        channel = str(rows["channel"][0])
        found += _by_size(str(column), channel, powers, limits)
        if channel == "production" and limits.latitude is not None and limits.longitude is not None:
            found += _by_the_sun(str(column), powers, limits.latitude, limits.longitude)
    return found


def mean_powers(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean power of a series by time: at, seconds, kw. Of registers between two readings, of samples as they are."""
    measure = rows["measure"][0]
    at = pl.col("measured_at").alias("at")
    if measure == "interval_kwh":
        seconds = pl.col("interval_seconds")
        return rows.select(at, seconds.alias("seconds"), (pl.col("value") * 3600 / seconds).alias("kw"))
    seconds = (pl.col("measured_at").shift(-1) - pl.col("measured_at")).dt.total_seconds()
    if measure == "power_kw":
        return rows.select(at, seconds.alias("seconds"), pl.col("value").alias("kw")).drop_nulls()
    power = (pl.col("value").shift(-1) - pl.col("value")) * 3600 / seconds
    whole = rows.select(at, seconds.alias("seconds"), power.alias("kw")).drop_nulls()
    return whole.filter((pl.col("seconds") > 0) & (pl.col("kw") >= 0))


def _by_size(column: str, channel: str, powers: pl.DataFrame, limits: SiteLimits) -> list[Doubt]:
    """Whether the powers are a thousand times too large or too small."""
    most = limits.most_kw(channel)
    usual = float(powers["kw"].quantile(0.99) or 0.0)
    peak = float(powers["kw"].max() or 0.0)  # pyright: ignore[reportArgumentType]
    bound = most or UNKNOWN_LIMIT_KW
    if usual > bound:
        unit = "--unit Wh (or W)" if usual / THOUSAND <= bound else "--unit and --measure"
        told = f"the site's facts allow {bound:,.0f} kW" if most else f"no site of an unknown fuse draws more than {bound:,.0f} kW for long"
        sentence = f"{column} comes to {usual:,.0f} kW, and {told}. It is probably in Wh or W: say {unit}, or correct the site's facts."
        return [Doubt(column, "unit_too_large", usual > (CERTAIN if most else CERTAIN_UNKNOWN) * bound, sentence)]
    days = float(powers["seconds"].sum()) / 86_400
    if 0 < peak < _least_peak_kw(channel, most) and days >= LEAST_DAYS:
        told = f", of an array of {most / MARGIN:g} kW" if most and channel == "production" else ""
        sentence = f"{column} never comes to more than {peak * THOUSAND:,.3g} W{told}. It may be in kWh or MWh."
        return [Doubt(column, "unit_too_small", False, sentence)]
    return []


def _least_peak_kw(channel: str, most: float | None) -> float:
    """What a channel that is measured rightly comes to sooner or later; 0 where nothing tells. [kW]"""
    if channel == "production":
        return LEAST_PEAK_RATIO * most / MARGIN if most else 0.0
    return LEAST_DRAWN_KW if channel in {"consumption", "grid_import"} else 0.0


def _by_the_sun(column: str, powers: pl.DataFrame, latitude: float, longitude: float) -> list[Doubt]:
    """Whether what should be the sun's comes at night, and by how many hours the clock would be off."""
    usual_seconds = float(powers["seconds"].median() or 0.0)  # pyright: ignore[reportArgumentType]
    peak = float(powers["kw"].quantile(0.999) or 0.0)
    middle = powers.select((pl.col("at") + pl.duration(seconds=pl.col("seconds") / 2)).alias("at"))["at"]
    giving = (powers["kw"] > GIVING_RATIO * peak).to_numpy()
    given_days = middle.filter(pl.Series(giving)).dt.date()
    if peak <= 0 or given_days.n_unique() < LEAST_DAYS or usual_seconds > LONGEST_INTERVAL_SECONDS:
        return []
    known = pl.Series(middle.filter(pl.Series(giving)))
    days = known.dt.date().to_numpy()
    at_night = _night_days(known, days, latitude, longitude, 0)
    if at_night <= MOST_NIGHT_DAYS:
        return []
    shares = {hours: _night_days(known, days, latitude, longitude, hours) for hours in SHIFTS}
    best = min(shares, key=lambda hours: (shares[hours], abs(hours)))
    seen = f"On {at_night:.0%} of its days {column} gives power while the sun is down"
    if shares[best] > at_night / 4:
        return [Doubt(column, "sign_swapped", False, f"{seen}. It is probably not production, or its sign is turned.")]
    way = "Say the zone of its times with --time-zone, or correct the site's place."
    return [Doubt(column, "clock_shifted", False, f"{seen}. Its clock is probably {abs(best)} h {'slow' if best > 0 else 'fast'}. {way}")]


def _night_days(moments: pl.Series, days: np.ndarray, latitude: float, longitude: float, hours: int) -> float:
    """Share of the days on which one of the moments, so many hours later, is by night."""
    is_night = sun_elevation(moments + timedelta(hours=hours), latitude, longitude) < TWILIGHT_DEGREES
    return len(np.unique(days[is_night])) / len(np.unique(days))


def sun_elevation(moments: pl.Series, latitude: float, longitude: float) -> np.ndarray:
    """Height of the sun over the horizon at each moment. [degree]"""
    import pandas as pd
    from pvlib.solarposition import get_solarposition

    index = pd.DatetimeIndex(moments.to_numpy(), tz="UTC")
    return np.asarray(get_solarposition(index, latitude, longitude, method="ephemeris")["elevation"])
