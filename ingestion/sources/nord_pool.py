"""Day-ahead prices of the Nordic and Baltic market (Nord Pool data portal, price indices)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Price, Request, Span, Target, moment, number, parsed
from ingestion.sources.spans import days_ahead

CURRENCIES = frozenset({"EUR", "SEK", "NOK", "DKK", "PLN", "RON"})
KWH_A_MWH = 1_000.0
FINAL = "Final"
# The market's day begins at midnight in Oslo, an hour or two before that in UTC.
NOON = timedelta(hours=12)


@dataclass(frozen=True)
class NordPool:
    """The service at an address; it needs no login."""

    url: str
    name: str = "nord_pool"
    kind: Kind = "prices"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """Days up to the end of tomorrow."""
        return days_ahead(since, now, most_days=1)

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Prices of a market day of a zone such as `SE3`. Raises BadAnswer."""
        currency = target.currency if target.currency in CURRENCIES else "EUR"
        day = f"{span[0] + NOON:%Y-%m-%d}"
        params = {"date": day, "market": "DayAhead", "indexNames": target.name, "currency": currency, "resolutionInMinutes": 15}
        body = ask(Request(f"{self.url}/api/DayAheadPriceIndices", params))
        if not body.strip():
            return Answer(is_awaited=True)
        rows = parse(parsed(body, "Nord Pool"), target.name)
        return Answer(rows, is_awaited=not rows)


def parse(content: Any, zone: str) -> list[Price]:
    """Prices of one zone's day; what is not final yet is marked as estimated. Raises BadAnswer."""
    try:
        entries, currency = content["multiIndexEntries"], str(content["currency"])[:3]
        states = {area: state["state"] for state in content["areaStates"] for area in state["areas"]}
        found: list[Price] = []
        for entry in entries:
            start, value = moment(entry["deliveryStart"]), number(entry["entryPerArea"].get(zone))
            if start is not None and value is not None:
                is_estimated = states.get(zone) != FINAL
                found.append(Price(zone, start.astimezone(UTC), value / KWH_A_MWH, currency, is_estimated=is_estimated))
    except (KeyError, TypeError, AttributeError):
        raise BadAnswer("Nord Pool answered prices that cannot be read.") from None
    return sorted(found, key=lambda row: row.interval_start_at)
