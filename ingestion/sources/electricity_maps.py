"""Carbon intensity of the world's grids (Electricity Maps): life-cycle emissions, hour by hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.sources.rows import Answer, Ask, BadAnswer, Carbon, Kind, Request, Span, Target, moment, number, parsed

GRAMS = 1_000.0
LIFECYCLE = "lifecycle"


@dataclass(frozen=True)
class ElectricityMaps:
    """The service at an address, with the token of who asks."""

    url: str
    token: str
    name: str = "electricity_maps"
    kind: Kind = "carbon"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:  # noqa: ARG002 - it knows a day back, whatever was known
        """The last day, estimated hours of which may be known by now, and the next two."""
        return [(now - timedelta(days=1), now + timedelta(days=2))]

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Intensity of the last hours and the next of a zone such as `DE`. Raises BadAnswer."""
        headers, params = {"auth-token": self.token}, {"zone": target.name}
        past = parse(parsed(ask(Request(f"{self.url}/v3/carbon-intensity/history", params, headers)), "Electricity Maps"), target.name)
        ahead = parse(parsed(ask(Request(f"{self.url}/v3/carbon-intensity/forecast", params, headers)), "Electricity Maps"), target.name)
        known = {row.interval_start_at for row in past}
        return Answer([*past, *(row for row in ahead if row.interval_start_at not in known)], is_awaited=not past)


def parse(content: Any, zone: str) -> list[Carbon]:
    """Rows of a `latest`, `history` or `forecast` answer. Raises BadAnswer."""
    if not isinstance(content, dict) or content.get("zone") != zone:
        raise BadAnswer(f"Electricity Maps answered nothing about the zone {zone}.")
    is_forecast = isinstance(content.get("forecast"), list)
    entries: Any = content["forecast"] if is_forecast else content.get("history", [content])
    if not isinstance(entries, list):
        raise BadAnswer("Electricity Maps answered intensities that cannot be read.")
    found: list[Carbon] = []
    for entry in entries:
        start = moment(entry.get("datetime")) if isinstance(entry, dict) else None
        grams = number(entry.get("carbonIntensity")) if isinstance(entry, dict) else None
        if start is None or grams is None:
            continue
        basis = str(entry.get("emissionFactorType") or LIFECYCLE)[:20]
        is_estimated = entry.get("isEstimated") is True
        found.append(Carbon(zone, start.astimezone(UTC), grams / GRAMS, basis, is_forecast=is_forecast, is_estimated=is_estimated))
    return sorted(found, key=lambda row: row.interval_start_at)
