"""Prices that a customer of Tibber pays, tax and fees within."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Price, Request, Span, Target, moment, number, parsed

QUERY = (
    "{viewer{homes{id currentSubscription{priceInfo(resolution: QUARTER_HOURLY)"
    "{today{total currency startsAt} tomorrow{total currency startsAt}}}}}}"
)


@dataclass(frozen=True)
class Tibber:
    """The service at an address, with a customer's token. The zone names one of his homes, `home` the only one."""

    url: str
    token: str
    name: str = "tibber"
    kind: Kind = "prices"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:  # noqa: ARG002 - it knows today and tomorrow, whatever was known
        """Today and tomorrow: it has nothing else."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return [(today, today + timedelta(days=2))]

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - as above
        """Prices of today, and of tomorrow once they are there. Raises BadAnswer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return parse(parsed(ask(Request(self.url, headers=headers, json={"query": QUERY})), "Tibber"), target.name)


def parse(content: Any, zone: str) -> Answer:
    """Prices of the zone's home. Raises BadAnswer."""
    try:
        homes = content["data"]["viewer"]["homes"]
        home = homes[0] if len(homes) == 1 else next(home for home in homes if home["id"] == zone)
        info = home["currentSubscription"]["priceInfo"]
        days = [*info["today"], *info["tomorrow"]]
    except (KeyError, TypeError, IndexError, StopIteration):
        raise BadAnswer("Tibber answered no prices for this home. Set price_zone to the home's id.") from None
    rows: list[Price] = []
    for hour in days:
        start, total, currency = (moment(hour.get("startsAt")), number(hour.get("total")), hour.get("currency"))
        if start is None or total is None or not isinstance(currency, str):
            raise BadAnswer("Tibber answered a price that cannot be read.")
        rows.append(Price(zone, start.astimezone(UTC), total, currency[:3]))
    rows.sort(key=lambda row: row.interval_start_at)
    return Answer(rows, is_awaited=not info["tomorrow"])
