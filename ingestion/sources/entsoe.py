"""Day-ahead prices of Europe's bidding zones (ENTSO-E Transparency Platform, document A44)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ingestion.sources.rows import Answer, Ask, BadAnswer, Kind, Price, Request, Span, Target, moment, number
from ingestion.sources.spans import days_ahead
from ingestion.xml_text import local_name, text_at

EIC = re.compile(r"^[0-9A-Z-]{16}$")
ZONES = {
    "AT": "10YAT-APG------L", "BE": "10YBE----------2", "BG": "10YCA-BULGARIA-R", "CH": "10YCH-SWISSGRIDZ", "CZ": "10YCZ-CEPS-----N",
    "DE-LU": "10Y1001A1001A82H", "DK1": "10YDK-1--------W", "DK2": "10YDK-2--------M", "EE": "10Y1001A1001A39I", "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U", "FR": "10YFR-RTE------C", "GR": "10YGR-HTSO-----Y", "HR": "10YHR-HEP------M", "HU": "10YHU-MAVIR----U",
    "LT": "10YLT-1001A0008Q", "LV": "10YLV-1001A00074", "NL": "10YNL----------L", "NO1": "10YNO-1--------2", "NO2": "10YNO-2--------T",
    "NO3": "10YNO-3--------J", "NO4": "10YNO-4--------9", "NO5": "10Y1001A1001A48H", "PL": "10YPL-AREA-----S", "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P", "SE1": "10Y1001A1001A44P", "SE2": "10Y1001A1001A45N", "SE3": "10Y1001A1001A46L", "SE4": "10Y1001A1001A47J",
    "SI": "10YSI-ELES-----O", "SK": "10YSK-SEPS-----K",
}  # fmt: skip
STEPS = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
KWH = {"MWH": 1_000.0, "KWH": 1.0}
NOTHING_FOUND = "999"
REPEATS = "A03"
MOST_POINTS = 100_000


@dataclass(frozen=True)
class Entsoe:
    """The service at an address, with the token of who asks."""

    url: str
    token: str
    name: str = "entsoe"
    kind: Kind = "prices"

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """Months up to the end of tomorrow."""
        return days_ahead(since, now, most_days=31)

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:  # noqa: ARG002 - every source is asked alike
        """Prices of a zone, named as `DE-LU` or by its EIC. Raises BadAnswer."""
        eic = ZONES.get(target.name.upper(), target.name)
        if not EIC.match(eic):
            raise BadAnswer(f"ENTSO-E has no bidding zone {target.name}. Name it like DE-LU, or by its 16 characters of EIC.")
        start, end = (at.astimezone(UTC).strftime("%Y%m%d%H%M") for at in span)
        params = {
            "securityToken": self.token,
            "documentType": "A44",
            "in_Domain": eic,
            "out_Domain": eic,
            "periodStart": start,
            "periodEnd": end,
        }
        found = parse(ask(Request(self.url, params)), target.name)
        return Answer(found, is_awaited=not found or found[-1].interval_start_at < span[1] - timedelta(hours=1))


def parse(body: bytes, zone: str) -> list[Price]:
    """Prices of a publication document, none where there is no matching data. Raises BadAnswer.

    A position that a curve of type A03 leaves out repeats the one before; of another type it is unknown. Where two series cover one
    interval, the one of the lower classification position counts, then the finer.
    """
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise BadAnswer("ENTSO-E answered something that is not XML.") from None
    if local_name(root) == "Acknowledgement_MarketDocument":
        code, text = text_at(root, "Reason/code"), text_at(root, "Reason/text")
        if code == NOTHING_FOUND:
            return []
        raise BadAnswer(f"ENTSO-E refused: {text[:200] or code}.")
    if local_name(root) != "Publication_MarketDocument":
        raise BadAnswer(f"ENTSO-E answered a {local_name(root)[:60]}, which is no publication of prices.")
    covered: dict[datetime, Price] = {}
    taken: list[Span] = []
    for _, minutes, points, currency in sorted(_series(root), key=lambda series: series[:2]):
        fresh = {at: value for at, value in points.items() if not any(start <= at < end for start, end in taken)}
        covered |= {at: Price(zone, at, value, currency) for at, value in fresh.items()}
        taken += _joined(sorted(points), timedelta(minutes=minutes))
    return [covered[at] for at in sorted(covered)]


def _series(root: Element) -> list[tuple[int, int, dict[datetime, float], str]]:
    """Each period's rank, step, prices by start, and currency. [-, min, currency/kWh, -]"""
    found: list[tuple[int, int, dict[datetime, float], str]] = []
    for series in root:
        if local_name(series) != "TimeSeries":
            continue
        rank = number(text_at(series, "classificationSequence_AttributeInstanceComponent.position")) or 1
        unit = KWH.get(text_at(series, "price_Measure_Unit.name").upper())
        currency = text_at(series, "currency_Unit.name")
        if unit is None or not currency:
            raise BadAnswer("ENTSO-E answered prices without a unit that is known.")
        for period in series:
            if local_name(period) == "Period":
                minutes, points = _points(period, unit, repeats=text_at(series, "curveType") == REPEATS)
                found.append((int(rank), minutes, points, currency))
    return found


def _points(period: Element, unit: float, *, repeats: bool) -> tuple[int, dict[datetime, float]]:
    start, end = moment(text_at(period, "timeInterval/start")), moment(text_at(period, "timeInterval/end"))
    minutes = STEPS.get(text_at(period, "resolution"))
    if start is None or end is None or minutes is None or not start < end:
        raise BadAnswer("ENTSO-E answered a period whose times or resolution cannot be read.")
    step = timedelta(minutes=minutes)
    count = min((end - start) // step, MOST_POINTS)
    given: dict[int, float] = {}
    for point in period:
        place, value = number(text_at(point, "position")), number(text_at(point, "price.amount"))
        if local_name(point) == "Point" and place is not None and value is not None:
            given[int(place)] = value / unit
    found: dict[datetime, float] = {}
    latest: float | None = None
    for place in range(1, count + 1):
        if place in given or not repeats:
            latest = given.get(place)
        if latest is not None:
            found[(start + (place - 1) * step).astimezone(UTC)] = latest
    return minutes, found


def _joined(starts: list[datetime], step: timedelta) -> list[Span]:
    """Spans that the intervals cover, neighbours as one."""
    spans: list[Span] = []
    for start in starts:
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], start + step)
        else:
            spans.append((start, start + step))
    return spans
