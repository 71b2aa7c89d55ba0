"""Hourly weather of past years from satellites, and what a plant would have made of it (PVGIS, European Commission)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.messages import WeatherValue
from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Request, Span, Target, number, parsed

LAST_YEAR = 2023
QUANTITIES = {"G(i)": "ghi_w_per_m2", "T2m": "temperature_celsius", "WS10m": "wind_m_per_s"}


@dataclass(frozen=True)
class Pvgis:
    """The service at an address; it needs no login and has no recent years, so it is asked once."""

    url: str
    name: str = "pvgis"
    kind: Kind = "weather"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:  # noqa: ARG002 - its years are fixed
        """Its last year, once."""
        end = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
        return [] if since is not None and since >= end else [(datetime(LAST_YEAR, 1, 1, tzinfo=UTC), end)]

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Weather on the horizontal of the target's place. Raises BadAnswer."""
        if target.latitude is None or target.longitude is None:
            raise BadAnswer(f"{target.name} has no place. Set the site's latitude and longitude.")
        year = (span[1] - timedelta(days=1)).year
        where = {"lat": round(target.latitude, 3), "lon": round(target.longitude, 3)}
        how = {"startyear": span[0].year, "endyear": year, "angle": 0, "aspect": 0, "outputformat": "json"}
        return Answer(parse(parsed(ask(Request(f"{self.url}/seriescalc", {**where, **how})), "PVGIS"), target.name))


def parse(content: Any, station: str) -> list[WeatherValue]:
    """Weather of an answer, each value under the hour it was scanned in. Raises BadAnswer."""
    return [
        WeatherValue(station, quantity, at, value, False)
        for at, row in _hours(content)
        for column, quantity in QUANTITIES.items()
        if (value := number(row.get(column))) is not None
    ]


def _hours(content: Any) -> list[tuple[datetime, dict[str, Any]]]:
    try:
        rows = content["outputs"]["hourly"]
        times = [datetime.strptime(row["time"], "%Y%m%d:%H%M").replace(minute=0, tzinfo=UTC) for row in rows]
    except (KeyError, TypeError, ValueError):
        message = content.get("message") if isinstance(content, dict) else None
        raise BadAnswer(f"PVGIS answered no hourly series{f': {str(message)[:200]}' if message else '.'}") from None
    return list(zip(times, rows, strict=True))
