"""Unit rates of Octopus Energy's tariffs in Great Britain."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Price, Request, Span, Target, moment, number, parsed
from ingestion.sources.spans import days_ahead

TARIFF = re.compile(r"^E-\dR-(?P<product>[A-Z0-9-]{1,60})-[A-P]$")
HALF_HOUR = timedelta(minutes=30)
PENCE = 100.0
MOST_PAGES = 50
OTHER_PAYMENT = "NON_DIRECT_DEBIT"


@dataclass(frozen=True)
class Octopus:
    """The service at an address; it needs no login."""

    url: str
    name: str = "octopus"
    kind: Kind = "prices"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """Fortnights up to the end of tomorrow."""
        return days_ahead(since, now, most_days=14)

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Rates of a tariff, named by its code such as `E-1R-AGILE-24-10-01-A`, with tax, in pounds. Raises BadAnswer."""
        code = TARIFF.match(target.name)
        if code is None:
            raise BadAnswer(f"{target.name} is no tariff code of Octopus. It is written like E-1R-AGILE-24-10-01-A.")
        address = f"{self.url}/v1/products/{code['product']}/electricity-tariffs/{target.name}/standard-unit-rates/"
        start, end = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in span)
        request: Request | None = Request(address, {"period_from": start, "period_to": end, "page_size": 1500})
        rows: list[Price] = []
        for _ in range(MOST_PAGES):
            if request is None:
                break
            content = parsed(ask(request), "Octopus")
            rows += parse(content, target.name, span)
            request = self._next(content)
        rows.sort(key=lambda row: row.interval_start_at)
        return Answer(rows, is_awaited=not rows or rows[-1].interval_start_at < span[1] - 2 * HALF_HOUR)

    def _next(self, content: Any) -> Request | None:
        """The next page, which is asked for only where it is the same service's."""
        link = content.get("next") if isinstance(content, dict) else None
        if not isinstance(link, str) or not link:
            return None
        page, own = urlsplit(link), urlsplit(self.url)
        return Request(f"{self.url}{page.path.removeprefix(own.path)}?{page.query}")


def parse(content: Any, zone: str, span: Span) -> list[Price]:
    """Rates of one page by half-hours, a rate without an end up to that of the span. Raises BadAnswer."""
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, list):
        raise BadAnswer("Octopus answered without results.")
    found: dict[datetime, Price] = {}
    for rate in results:
        if not isinstance(rate, dict) or rate.get("payment_method") == OTHER_PAYMENT:
            continue
        start, value = moment(rate.get("valid_from")), number(rate.get("value_inc_vat"))
        until = span[1] if rate.get("valid_to") is None else moment(rate.get("valid_to"))
        if start is None or until is None or value is None:
            raise BadAnswer("Octopus answered a rate that cannot be read.")
        at = max(start.astimezone(UTC), span[0])
        while at < min(until, span[1]):
            found[at] = Price(zone, at, value / PENCE, "GBP")
            at += HALF_HOUR
    return [found[at] for at in sorted(found)]
