"""Weather of any place, past and to come (Open-Meteo)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.messages import WeatherValue
from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Request, Span, Target, number, parsed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL_DAYS_AHEAD = 7
DAYS_BACK = 2
ARCHIVE_DAYS = 365
ARCHIVE_LAG = timedelta(days=6)
QUANTITIES = {
    "temperature_2m": "temperature_celsius",
    "shortwave_radiation": "ghi_w_per_m2",
    "shortwave_radiation_instant": "ghi_w_per_m2",
    "cloud_cover": "cloud_cover_ratio",
    "wind_speed_10m": "wind_m_per_s",
    "relative_humidity_2m": "humidity_ratio",
    "precipitation": "precipitation_mm",
}
ASKED = "temperature_2m,shortwave_radiation,cloud_cover,wind_speed_10m,relative_humidity_2m,precipitation"
# Of these a value holds for the step that ends at its time; it is kept under the step's beginning.
OVER_THE_STEP = frozenset({"shortwave_radiation", "precipitation"})
SCALES = {"%": 0.01, "km/h": 1 / 3.6, "m/s": 1.0, "mp/h": 0.44704, "kn": 1.852 / 3.6, "mm": 1.0, "inch": 25.4, "W/m²": 1.0, "°C": 1.0}
FAHRENHEIT = "°F"
SERIES = ("minutely_15", "hourly")


@dataclass(frozen=True)
class OpenMeteo:
    """The service at its two addresses; it needs no login."""

    url: str
    archive_url: str
    name: str = "open_meteo"
    kind: Kind = "weather"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """A year of history at first, by quarters, later what is missing of it; then the last days and the next ones."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        start = today - timedelta(days=ARCHIVE_DAYS) if since is None else since.astimezone(UTC) - timedelta(days=1)
        spans: list[Span] = []
        while start < today - ARCHIVE_LAG:
            until = min(start + timedelta(days=92), today - ARCHIVE_LAG)
            spans.append((start, until))
            start = until
        return [*spans, (min(start, today - timedelta(days=DAYS_BACK)), today + timedelta(days=ALL_DAYS_AHEAD))]

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:
        """Hourly weather of the target's place. Raises BadAnswer."""
        if target.latitude is None or target.longitude is None:
            raise BadAnswer(f"{target.name} has no place. Set the site's latitude and longitude.")
        where = {"latitude": round(target.latitude, 4), "longitude": round(target.longitude, 4)}
        how = {"hourly": ASKED, "timeformat": "unixtime", "timezone": "GMT", "wind_speed_unit": "ms"}
        first, last = f"{span[0]:%Y-%m-%d}", f"{span[1] - timedelta(days=1):%Y-%m-%d}"
        url = f"{self.url}/v1/forecast" if span[1] > now - ARCHIVE_LAG else f"{self.archive_url}/v1/archive"
        content = parsed(ask(Request(url, {**where, **how, "start_date": first, "end_date": last})), "Open-Meteo")
        return Answer(parse(content, target.name, now))


def parse(content: Any, station: str, now: datetime) -> list[WeatherValue]:
    """Values of an answer's columns; what is later than `now` is a forecast, and a null is no value. Raises BadAnswer."""
    if not isinstance(content, dict) or content.get("error"):
        reason = str(content.get("reason", ""))[:200] if isinstance(content, dict) else ""
        raise BadAnswer(f"Open-Meteo refused: {reason or 'it did not say why'}.")
    series = next((name for name in SERIES if isinstance(content.get(name), dict)), None)
    if series is None:
        raise BadAnswer("Open-Meteo answered no series of weather.")
    columns, units = content[series], content.get(f"{series}_units", {})
    step = timedelta(minutes=15 if series == SERIES[0] else 60)
    times = [_time(value, units.get("time"), content.get("utc_offset_seconds", 0)) for value in columns.get("time", [])]
    found: list[WeatherValue] = []
    for column, quantity in QUANTITIES.items():
        values, unit = columns.get(column), units.get(column)
        if not isinstance(values, list):
            continue
        if len(values) != len(times):
            raise BadAnswer(f"Open-Meteo answered {len(values)} values of {column} for {len(times)} times.")
        for at, value in zip(times, values, strict=True):
            plain = None if value is None else _scaled(number(value), unit, column)
            if plain is not None:
                start = at - step if column in OVER_THE_STEP else at
                found.append(WeatherValue(station, quantity, start, plain, at > now))
    return sorted(found, key=lambda row: (row.measured_at, row.quantity))


def _time(value: Any, unit: Any, offset_seconds: Any) -> datetime:
    """The instant that a column names: Unix time, or a wall time that is ahead of UTC by the answer's one offset."""
    try:
        if unit == "unixtime":
            return EPOCH + timedelta(seconds=int(value))
        wall = datetime.fromisoformat(value)
        return wall.replace(tzinfo=UTC) - timedelta(seconds=int(offset_seconds))
    except (ValueError, TypeError, OverflowError):
        raise BadAnswer("Open-Meteo answered a time that cannot be read.") from None


def _scaled(value: float | None, unit: Any, column: str) -> float | None:
    if value is None:
        return None
    if unit == FAHRENHEIT:
        return (value - 32) / 1.8
    if unit not in SCALES:
        raise BadAnswer(f"Open-Meteo answered {column} in {str(unit)[:20]}, which is not known.")
    return value * SCALES[unit]
