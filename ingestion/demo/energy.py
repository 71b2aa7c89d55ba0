"""What a demo site consumes, produces, stores and takes from the grid, by the quarter hour: physics and profiles."""

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from aurora.domain import calendar
from aurora.domain.calendar import QUARTER_SECONDS
from aurora.domain.channels import CHANNELS
from ingestion.demo.plants import PLANTS, Plant
from ingestion.demo.weather import solar_hours, typical_year

HOURS_PER_QUARTER = 0.25
QUARTERS_PER_DAY = 96
GAMMA_PER_KELVIN = -0.0037
SYSTEM_LOSS_RATIO = 0.14
ROUND_TRIP_RATIO = 0.9
LEAST_CHARGE_RATIO = 0.1
FAINT_LOAD_KW = 0.06
# Dynamisation of the household profile: BDEW, Standardlastprofile Strom 2025.
DYNAMISATION = (-3.92e-10, 3.20e-7, -7.02e-5, 2.10e-3, 1.24)
KINDS_OF_DAY = {"WT": 0, "SA": 1, "FT": 2}


@dataclass(frozen=True)
class SiteSeries:
    """Mean power of every channel of a site.

    Attributes:
        starts: Unix time at which each quarter hour starts. [s]
        power_kw: One array a channel; `consumption + grid_export + battery_charge = production + grid_import + battery_discharge`.
    """

    starts: np.ndarray
    power_kw: dict[str, np.ndarray]


def site_series(plant: Plant, first: date, last: date, seed: int) -> SiteSeries:
    """The series of the local days from `first` to `last`, both included."""
    quarters = calendar.quarters([plant.time_zone], first, last)
    starts = quarters.get_column("quarter_start_at").dt.epoch("s").to_numpy()
    days = quarters.get_column("local_date").to_numpy().astype("datetime64[D]").astype(np.int64)
    quarter_of_day = quarters.get_column("local_hour").to_numpy().astype(np.int64) * 4 + (starts % 3600) // QUARTER_SECONDS
    consumption = _consumption_kw(plant, days, quarter_of_day, seed)
    production = _production_kw(plant, starts, seed)
    charge, discharge = _battery_kw(plant, production - consumption)
    left = production + discharge - consumption - charge
    power = (consumption, production, np.maximum(-left, 0), np.maximum(left, 0), charge, discharge)
    return SiteSeries(starts, dict(zip(CHANNELS, power, strict=True)))


def _consumption_kw(plant: Plant, days: np.ndarray, quarter_of_day: np.ndarray, seed: int) -> np.ndarray:
    """A standard load profile, made lively: each day its own level, habits and appliances."""
    load = np.empty(len(days))
    table = _profile(plant.profile)
    off_days = _holidays(plant, int(days[0]), int(days[-1]))
    for day in np.unique(days):
        chosen = days == day
        moment = date(1970, 1, 1) + timedelta(days=int(day))
        kind = KINDS_OF_DAY["FT" if moment in off_days or moment.weekday() == 6 else "SA" if moment.weekday() == 5 else "WT"]
        shape = table[moment.month - 1, kind] * (_dynamisation(moment) if plant.profile == "h25" else 1.0)
        load[chosen] = (shape * _habits(plant, int(day), seed))[quarter_of_day[chosen]]
    return np.maximum(load * plant.yearly_kwh, FAINT_LOAD_KW)


def _habits(plant: Plant, day: int, seed: int) -> np.ndarray:
    """Factor by which each quarter of a day differs from the profile; 1 on average."""
    random = np.random.default_rng([seed, _number(plant), day])
    restless = 0.30 if plant.profile == "h25" else 0.10
    wander = np.convolve(random.normal(0, 1, QUARTERS_PER_DAY + 3), np.full(4, 0.5), mode="valid")
    factor = random.normal(1.0, 0.08) * np.exp(restless * wander - restless**2 / 2)
    if plant.profile == "h25":
        for _ in range(random.poisson(2.2)):
            start = int(random.triangular(28, 72, 92))
            factor[start : start + int(random.integers(2, 6))] *= random.uniform(1.6, 3.2)
        factor *= 0.87
    return np.clip(factor, 0.25, 6.0)


def _production_kw(plant: Plant, starts: np.ndarray, seed: int) -> np.ndarray:
    """AC power of the roof by PVWatts, from clearness by Erbs' split and Hay and Davies' sky. [kW]"""
    capacity_kw = plant.fact("pv_capacity_kw")
    if not capacity_kw:
        return np.zeros(len(starts))
    import pvlib

    sky = sky_of(plant, starts, seed)
    year, hours, ghi, zenith = typical_year(plant.weather), sky.solar_hours, sky.ghi_w_per_m2, sky.zenith_degrees
    split = pvlib.irradiance.erbs(ghi, zenith, sky.times)
    on_plane = pvlib.irradiance.get_total_irradiance(
        plant.fact("pv_tilt_degrees"), plant.fact("pv_azimuth_degrees"), zenith, sky.azimuth_degrees,
        split["dni"], ghi, split["dhi"], dni_extra=sky.extra_w_per_m2, model="haydavies",
    )["poa_global"]  # fmt: skip
    on_plane = np.nan_to_num(np.asarray(on_plane))
    air, wind = year.at(year.temperature_celsius, hours), year.at(year.wind_m_per_s, hours)
    cell = pvlib.temperature.faiman(on_plane, air, wind)  # pyright: ignore[reportArgumentType]
    direct = pvlib.pvsystem.pvwatts_dc(on_plane, cell, capacity_kw, GAMMA_PER_KELVIN) * (1 - SYSTEM_LOSS_RATIO)
    return np.maximum(np.nan_to_num(pvlib.inverter.pvwatts(direct, capacity_kw)), 0.0)


@dataclass(frozen=True)
class Sky:
    """Sun and light over a site, in the middle of quarter hours.

    Attributes:
        times: pandas' index of them.
        solar_hours: Since 1 January, by mean solar time. [h]
        clearness_ratio: Light on a level plane by light above the air.
    """

    times: Any
    solar_hours: np.ndarray
    zenith_degrees: np.ndarray
    azimuth_degrees: np.ndarray
    extra_w_per_m2: np.ndarray
    clearness_ratio: np.ndarray

    @property
    def ghi_w_per_m2(self) -> np.ndarray:
        """Light on a level plane. [W/m²]"""
        return self.clearness_ratio * self.extra_w_per_m2 * np.maximum(np.cos(np.radians(self.zenith_degrees)), 0)


def sky_of(plant: Plant, starts: np.ndarray, seed: int) -> Sky:
    """The sky of a demo site: the sun of its place, the clouds of its typical year with some of its own.

    Args:
        plant: The site.
        starts: Unix time at which each quarter hour starts. [s]
        seed: Of the demo.
    """
    import pandas as pd
    import pvlib

    middle = starts + QUARTER_SECONDS / 2
    times = pd.DatetimeIndex(pd.to_datetime(middle, unit="s", utc=True))
    year, hours = typical_year(plant.weather), solar_hours(middle, plant.fact("longitude"))
    sun = pvlib.solarposition.get_solarposition(times, plant.fact("latitude"), plant.fact("longitude"), method="ephemeris")
    clearness = np.clip(year.at(year.clearness_ratio, hours) * _clouds(plant, starts, seed), 0.02, 0.85)
    extra = np.asarray(pvlib.irradiance.get_extra_radiation(times))
    return Sky(times, hours, np.asarray(sun["apparent_zenith"]), np.asarray(sun["azimuth"]), extra, clearness)


def _clouds(plant: Plant, starts: np.ndarray, seed: int) -> np.ndarray:
    """Passing clouds: a factor by UTC day and quarter hour, so that any range gives the same for the same quarter."""
    days = starts // calendar.DAY_SECONDS
    factor = np.empty(len(starts))
    for day in np.unique(days):
        random = np.random.default_rng([seed, 100 + _number(plant), int(day)])
        of_day = random.normal(1.0, 0.12) * np.exp(random.normal(0, 0.10, QUARTERS_PER_DAY))
        chosen = days == day
        factor[chosen] = of_day[(starts[chosen] % calendar.DAY_SECONDS) // QUARTER_SECONDS]
    return factor


def _battery_kw(plant: Plant, surplus_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Charge and discharge of a battery that stores what is over and gives it back when something is missing. [kW]"""
    capacity, most_kw = plant.fact("battery_capacity_kwh"), plant.fact("battery_power_kw")
    charge, discharge = np.zeros(len(surplus_kw)), np.zeros(len(surplus_kw))
    if not capacity:
        return charge, discharge
    least, stored, loss = LEAST_CHARGE_RATIO * capacity, 0.4 * capacity, ROUND_TRIP_RATIO**0.5
    for place, over in enumerate(surplus_kw.tolist()):
        if over > 0:
            flow = min(over, most_kw, (capacity - stored) / loss / HOURS_PER_QUARTER)
            charge[place], stored = flow, stored + flow * loss * HOURS_PER_QUARTER
        else:
            flow = min(-over, most_kw, (stored - least) * loss / HOURS_PER_QUARTER)
            discharge[place], stored = max(flow, 0.0), stored - max(flow, 0.0) / loss * HOURS_PER_QUARTER
    return charge, discharge


@cache
def _profile(name: str) -> np.ndarray:
    """A BDEW 2025 profile of demandlib as [month, kind of day, quarter], in kW for one kWh a year."""
    source = resources.files("demandlib.bdew").joinpath("bdew_data", f"{name}.csv")
    rows = list(csv.reader(source.read_text(encoding="utf-8").splitlines()))
    table = np.zeros((12, 3, QUARTERS_PER_DAY))
    for column, kind in enumerate(rows[1][1:]):
        table[column // 3, KINDS_OF_DAY[kind]] = [float(row[column + 1]) for row in rows[2 : 2 + QUARTERS_PER_DAY]]
    # The tables hold kWh a quarter for a year of a million.
    return table / HOURS_PER_QUARTER / 1e6


def _dynamisation(moment: date) -> float:
    return float(np.polyval(DYNAMISATION, moment.timetuple().tm_yday))


def _holidays(plant: Plant, first: int, last: int) -> frozenset[date]:
    import holidays

    years = range((date(1970, 1, 1) + timedelta(days=first)).year, (date(1970, 1, 1) + timedelta(days=last)).year + 1)
    country, part = plant.holidays
    return frozenset(holidays.country_holidays(country, subdiv=part, years=years))


def _number(plant: Plant) -> int:
    return [known.site_id for known in PLANTS].index(plant.site_id)


def local_day(moment: datetime, plant: Plant) -> date:
    """The site's own day at `moment`."""
    return calendar.local_date(moment.astimezone(UTC), plant.time_zone)
