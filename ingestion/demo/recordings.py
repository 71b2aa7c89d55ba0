"""Answers in the form of the services that are asked for weather, prices and carbon intensity, made for the demo's sites and any day.

Nobody measured them: the weather is that which the demo's roofs have their sun from, prices and intensities follow the hours of a usual
day. Whatever lands from here has a source that begins with `recorded:`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import numpy as np

from aurora.domain.calendar import QUARTER_SECONDS
from ingestion.demo.energy import sky_of
from ingestion.demo.plants import PLANTS, Plant
from ingestion.demo.weather import CLEAREST_RATIO, solar_hours, typical_year

Query = Mapping[str, str]
Told = tuple[int, bytes]

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
MOST_DAYS = 400
PUBLISHED_HOUR = 12
KELVIN_A_ROOT_DAY = 0.9
LIGHT_A_ROOT_DAY = 0.12
# EUR/MWh and g/kWh by hour of the day (UTC): a morning, a noon with sun, an evening.
USUAL_PRICES = (78, 72, 68, 66, 71, 88, 109, 118, 104, 81, 62, 48, 41, 45, 60, 84, 116, 141, 148, 129, 108, 97, 90, 82)
USUAL_GRAMS = (330, 325, 322, 320, 328, 345, 352, 340, 310, 276, 248, 232, 226, 234, 258, 296, 340, 378, 392, 384, 368, 354, 344, 336)
SHARE_OF_ZONE = {"GB": 0.45, "US-CAL-CISO": 0.75}


def answer(path: str, query: Query, now: datetime, seed: int) -> Told:
    """Status and body of what a service says at a path.

    Args:
        path: As the sources ask for it.
        query: The parameters after it.
        now: Our clock: later weather is foreseen, and prices of tomorrow appear at noon (UTC).
        seed: Of the demo.
    """
    levels = path.strip("/").split("/")
    try:
        if levels in (["v1", "forecast"], ["v1", "archive"]):
            return 200, _open_meteo(query, now, seed)
        if levels == ["api"]:
            return 200, _entsoe(query, now, seed)
        if levels[:2] == ["v3", "carbon-intensity"] and levels[2:] in (["history"], ["forecast"]):
            return 200, _electricity_maps(levels[2], query["zone"], now, seed)
        if levels[:1] == ["intensity"] and len(levels) == 3:
            return 200, _uk_carbon(levels[1], levels[2], now, seed)
    except (KeyError, ValueError) as error:
        return 400, json.dumps({"error": True, "reason": f"{error} is missing or cannot be read."}).encode()
    return 404, b"{}"


def _open_meteo(query: Query, now: datetime, seed: int) -> bytes:
    plant = _nearest(float(query["latitude"]), float(query["longitude"]))
    first = _seconds(datetime.fromisoformat(query["start_date"]))
    hours = (_seconds(datetime.fromisoformat(query["end_date"])) - first) // HOUR_SECONDS + 24
    if not 0 < hours <= MOST_DAYS * 24:
        raise ValueError("the span from start_date to end_date")
    times = first + np.arange(hours) * HOUR_SECONDS
    # Light is the mean of the hour before its time.
    quarters = first - HOUR_SECONDS + np.arange(hours * 4) * QUARTER_SECONDS
    sky, year = sky_of(plant, quarters, seed), typical_year(plant.weather)
    solar = solar_hours(times, plant.fact("longitude"))
    light = sky.ghi_w_per_m2.reshape(-1, 4).mean(axis=1)
    clear = sky.clearness_ratio.reshape(-1, 4).mean(axis=1)
    warmer, brighter = _errors(times, now, seed)
    columns = {
        "temperature_2m": year.at(year.temperature_celsius, solar) + warmer,
        "shortwave_radiation": light * brighter,
        "cloud_cover": np.clip(1 - clear * brighter / CLEAREST_RATIO, 0, 1) * 100,
        "wind_speed_10m": year.at(year.wind_m_per_s, solar),
    }
    units = {"time": "unixtime", "temperature_2m": "°C", "shortwave_radiation": "W/m²", "cloud_cover": "%", "wind_speed_10m": "m/s"}
    series = {"time": times.tolist()} | {name: np.round(values, 1).tolist() for name, values in columns.items()}
    about = {"latitude": plant.fact("latitude"), "longitude": plant.fact("longitude"), "utc_offset_seconds": 0, "timezone": "GMT"}
    return json.dumps(about | {"hourly_units": units, "hourly": series}).encode()


def _nearest(latitude: float, longitude: float) -> Plant:
    return min(PLANTS, key=lambda plant: abs(plant.fact("latitude") - latitude) + abs(plant.fact("longitude") - longitude))


def _errors(times: np.ndarray, now: datetime, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """By how many kelvin, and by which factor of the light, what is foreseen misses what will be: the more, the further ahead."""
    ahead = np.sqrt(np.maximum(times - now.timestamp(), 0) / DAY_SECONDS)
    days = times // DAY_SECONDS
    misses = {day: np.random.default_rng([seed, 31, int(day)]).normal(0, 1, 2) for day in np.unique(days)}
    kelvin, light = np.array([misses[day] for day in days]).T
    return KELVIN_A_ROOT_DAY * ahead * kelvin, np.clip(1 + LIGHT_A_ROOT_DAY * ahead * light, 0.3, 1.5)


def _entsoe(query: Query, now: datetime, seed: int) -> bytes:
    start, end = (datetime.strptime(query[name], "%Y%m%d%H%M").replace(tzinfo=UTC) for name in ("periodStart", "periodEnd"))
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = min(end, midnight + timedelta(days=2 if now.astimezone(UTC).hour >= PUBLISHED_HOUR else 1))
    if not start < end:
        reason = "<Reason><code>999</code><text>No matching data found</text></Reason>"
        return f"<Acknowledgement_MarketDocument>{reason}</Acknowledgement_MarketDocument>".encode()
    prices = np.round(_usual(USUAL_PRICES, start, end, seed, 0.22), 2).tolist()
    points = "".join(
        f"<Point><position>{place}</position><price.amount>{price}</price.amount></Point>" for place, price in enumerate(prices, 1)
    )
    span = f"<timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
    return (
        '<Publication_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"><type>A44</type><TimeSeries>'
        f"<in_Domain.mRID>{escape(query['in_Domain'])}</in_Domain.mRID><currency_Unit.name>EUR</currency_Unit.name>"
        "<price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>A03</curveType>"
        f"<Period>{span}<resolution>PT60M</resolution>{points}</Period></TimeSeries></Publication_MarketDocument>"
    ).encode()


def _electricity_maps(kind: str, zone: str, now: datetime, seed: int) -> bytes:
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start, count = (hour - timedelta(hours=23), 24) if kind == "history" else (hour + timedelta(hours=1), 48)
    grams = _usual(USUAL_GRAMS, start, start + timedelta(hours=count), seed, 0.1) * SHARE_OF_ZONE.get(zone, 1.0)
    entries = []
    for place, value in enumerate(np.round(grams).tolist()):
        at = start + timedelta(hours=place)
        entry = {"carbonIntensity": value, "datetime": f"{at:%Y-%m-%dT%H:%M:%S.000Z}"}
        if kind == "history":
            entry |= {"emissionFactorType": "lifecycle", "isEstimated": at >= hour - timedelta(hours=2)}
        entries.append(entry)
    return json.dumps({"zone": zone, kind: entries}).encode()


def _uk_carbon(first: str, last: str, now: datetime, seed: int) -> bytes:
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    start, end = start.replace(minute=0), min(end, start + timedelta(days=31))
    hourly = np.round(_usual(USUAL_GRAMS, start, end, seed, 0.1) * SHARE_OF_ZONE["GB"]).astype(int).tolist()
    data = []
    for place, grams in enumerate(value for value in hourly for _ in range(2)):
        at = start + timedelta(minutes=30 * place)
        until = at + timedelta(minutes=30)
        actual = grams if until <= now else None
        intensity = {"forecast": grams + (place % 3 - 1) * 4, "actual": actual, "index": "moderate"}
        data.append({"from": f"{at:%Y-%m-%dT%H:%MZ}", "to": f"{until:%Y-%m-%dT%H:%MZ}", "intensity": intensity})
    return json.dumps({"data": data}).encode()


def _usual(by_hour: tuple[int, ...], start: datetime, end: datetime, seed: int, spread: float) -> np.ndarray:
    """Values of a usual day for each hour from `start` to before `end`, each day at its own level."""
    first = _seconds(start)
    hours = first + np.arange((_seconds(end) - first) // HOUR_SECONDS) * HOUR_SECONDS
    days = hours // DAY_SECONDS
    levels = {day: np.random.default_rng([seed, 32, int(day)]).normal(1.0, spread) for day in np.unique(days)}
    return np.array(by_hour, dtype=float)[hours // HOUR_SECONDS % 24] * np.array([levels[day] for day in days])


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
