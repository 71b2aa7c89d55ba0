"""What a source is asked for and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from ingestion.messages import WeatherValue

Kind = Literal["prices", "carbon", "weather"]


class Price(msgspec.Struct, frozen=True, gc=False):
    """The price of energy from `interval_start_at` to the next row of the zone, at most an hour."""

    zone: str
    interval_start_at: datetime
    price_per_kwh: float
    currency: str
    is_forecast: bool = False
    is_estimated: bool = False


class Carbon(msgspec.Struct, frozen=True, gc=False):
    """The carbon intensity of a zone's electricity. `basis` is `lifecycle` or `operational`; the two are not comparable."""

    zone: str
    interval_start_at: datetime
    kg_co2_per_kwh: float
    basis: str
    is_forecast: bool = False
    is_estimated: bool = False


Row = Price | Carbon | WeatherValue


@dataclass(frozen=True)
class Target:
    """What a source is asked about: a market or grid zone, or a place with its weather station.

    Attributes:
        name: The zone, or the station's device id.
        currency: ISO 4217; what prices are wished in, where a market has several.
    """

    name: str
    latitude: float | None = None
    longitude: float | None = None
    currency: str = "EUR"


@dataclass(frozen=True)
class Answer:
    """What a source said about a span of time.

    Attributes:
        rows: In order of time.
        is_awaited: Part of the span is not published yet; it is asked for again.
    """

    rows: Sequence[Row] = ()
    is_awaited: bool = False


@dataclass(frozen=True)
class Request:
    """One question to a service."""

    url: str
    params: Mapping[str, str | int | float] = field(default_factory=dict[str, str | int | float])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    json: Any = None


class BadAnswer(Exception):
    """A service answered something that cannot be used; the text is for people and holds no secret."""


Ask = Callable[[Request], bytes]
Span = tuple[datetime, datetime]


class Source(Protocol):
    """A service, asked span by span."""

    @property
    def name(self) -> str:
        """What it is called in settings, logs and the lake."""
        ...

    @property
    def kind(self) -> Kind:
        """Which table its rows are for."""
        ...

    def spans(self, since: datetime | None, now: datetime) -> list[Span]:
        """The spans to ask for, oldest first, where everything before `since` is known."""
        ...

    def fetch(self, ask: Ask, target: Target, span: Span, now: datetime) -> Answer:
        """What the service says about a span. Raises BadAnswer."""
        ...


def parsed(body: bytes, what: str) -> Any:
    """JSON as a service sent it. Raises BadAnswer."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadAnswer(f"{what} answered something that is not JSON.") from None


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 1e12 else None


def moment(value: Any) -> datetime | None:
    """An instant as ISO 8601 writes it, with its offset; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < 40 else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
