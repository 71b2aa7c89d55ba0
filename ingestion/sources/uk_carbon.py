"""Carbon intensity of Great Britain's grid (NESO Carbon Intensity API): what power stations burn, half-hour by half-hour."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingestion.sources.rows import Answer, Ask, BadAnswer, Carbon, Kind, Request, Span, Target, moment, number, parsed
from ingestion.sources.spans import days_ahead

GRAMS = 1_000.0
OPERATIONAL = "operational"


@dataclass(frozen=True)
class UkCarbon:
    """The service at an address; it needs no login. Its one zone is `GB`."""

    url: str
    name: str = "uk_carbon"
    kind: Kind = "carbon"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """Fortnights, the most it answers, up to the end of tomorrow."""
        return days_ahead(since, now, most_days=14)

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Intensity of a span. Raises BadAnswer."""
        start, end = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ") for at in span)
        rows = parse(parsed(ask(Request(f"{self.url}/intensity/{start}/{end}")), "The Carbon Intensity API"), target.name)
        return Answer(rows, is_awaited=not rows)


def parse(content: Any, zone: str) -> list[Carbon]:
    """Rows of an answer; where nothing was measured yet its forecast, marked as one. Raises BadAnswer."""
    entries = content.get("data") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise BadAnswer("The Carbon Intensity API answered without data.")
    found: list[Carbon] = []
    for entry in entries:
        try:
            start, actual = moment(entry["from"]), number(entry["intensity"]["actual"])
            grams = number(entry["intensity"]["forecast"]) if actual is None else actual
        except (KeyError, TypeError):
            raise BadAnswer("The Carbon Intensity API answered intensities that cannot be read.") from None
        if start is not None and grams is not None:
            found.append(Carbon(zone, start.astimezone(UTC), grams / GRAMS, OPERATIONAL, is_forecast=actual is None))
    return sorted(found, key=lambda row: row.interval_start_at)
