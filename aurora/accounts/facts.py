"""What may be said of a site or a device: the one check of every fact, whether it comes over REST, by command or from a file."""

import unicodedata
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from aurora.domain.calendar import is_time_zone
from aurora.domain.channels import CHANNELS
from aurora.domain.decoders import refuse_unknown
from aurora.domain.inputs import MOST_INPUTS, read_meaning
from aurora.errors import WrongFacts

Kind = Literal["meter", "inverter", "battery", "ev_charger", "heat_pump", "weather_station", "gateway"]
DeviceRole = Literal["main", "sub", "check"]
EnergySource = Literal["pv", "wind", "hydro", "chp", "other"]
EARLIEST_YEAR, LATEST_YEAR = 1970, 2200
# Of Cf are the marks that turn the direction of what follows and the blanks without width: a name that holds one can pass for another.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class Facts(BaseModel):
    """Facts as somebody gives them; one that is not named here is refused."""

    model_config = ConfigDict(extra="forbid")


def plain(text: str) -> str:
    """The text without blanks around it. Raises ValueError where nothing is left, or where it holds what cannot be seen."""
    if any(unicodedata.category(sign) in UNSEEN for sign in text):
        raise ValueError("holds control characters, or others that cannot be seen")
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


def utc(moment: datetime) -> datetime:
    """The instant in UTC. Raises ValueError where it lies outside of what can be kept."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time that can be kept") from None
    if not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
        raise ValueError(f"must lie between {EARLIEST_YEAR} and {LATEST_YEAR}")
    return moment


def _zone(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("is not a time zone; use a name such as Europe/Berlin or America/New_York")
    return name


def _day(day: date) -> date:
    if not EARLIEST_YEAR < day.year < LATEST_YEAR:
        raise ValueError(f"must lie between {EARLIEST_YEAR + 1} and {LATEST_YEAR}")
    return day


def _country(code: str) -> str:
    if code not in _countries():
        raise ValueError("is not a country; use the two capital letters of ISO 3166, such as DE")
    return code


def _input(words: str) -> str:
    read_meaning(words)
    return words


def _currency(code: str) -> str:
    if code not in _currencies():
        raise ValueError("is not a currency; use the three capital letters of ISO 4217, such as EUR")
    return code


@cache
def _countries() -> frozenset[str]:
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line[:2] for line in table.splitlines() if not line.startswith("#"))


@cache
def _currencies() -> frozenset[str]:
    from babel.core import get_global

    uses = (use for country in get_global("territory_currencies").values() for use in country)
    return frozenset(code for code, _begun, ended, is_tender in uses if ended is None and is_tender)


def between(least: float, most: float) -> Any:
    """A finite number between two others, both allowed."""
    return Field(strict=True, ge=least, le=most, allow_inf_nan=False)


SEEN = AfterValidator(plain)
Name = Annotated[str, Field(max_length=128), SEEN]
Moment = Annotated[AwareDatetime, AfterValidator(utc)]
InputName = Annotated[str, Field(min_length=1, max_length=128), SEEN]
Inputs = Annotated[dict[InputName, Annotated[str, Field(max_length=64), AfterValidator(_input)]], Field(max_length=MOST_INPUTS)]
MOST_REPLACEMENTS = 32


def _channels(renamed: dict[str, str]) -> dict[str, str]:
    unknown = sorted({*renamed, *renamed.values()} - set(CHANNELS))
    if unknown:
        raise ValueError(f"knows no {', '.join(unknown)}; channels are {', '.join(CHANNELS)}")
    if len(set(renamed.values())) < len(renamed):
        raise ValueError("makes one channel of two")
    return renamed


class Replacement(Facts):
    """An exchange of a meter.

    Attributes:
        at: When the new one began.
        channel: Of which register; all of the device where it is not said.
        start_kwh: What the new register showed then, before the device's factor; where it is not said, energy begins at its first reading.
    """

    at: Moment
    channel: str | None = None
    start_kwh: Annotated[float, between(0, 1e9)] | None = None

    @field_validator("channel")
    @classmethod
    def _known(cls, channel: str | None) -> str | None:
        if channel is not None and channel not in CHANNELS:
            raise ValueError(f"is none of {', '.join(CHANNELS)}")
        return channel

    @field_serializer("at")
    def _written(self, at: datetime) -> str:
        return at.isoformat()


def _in_order(replacements: list[Replacement]) -> list[Replacement]:
    return sorted(replacements, key=lambda one: (one.at, one.channel or ""))


Factor = Annotated[float, between(1e-6, 1e6)]
Channels = Annotated[dict[str, str], Field(max_length=len(CHANNELS)), AfterValidator(_channels)]
Replacements = Annotated[list[Replacement], Field(max_length=MOST_REPLACEMENTS), AfterValidator(_in_order)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=31 * 86_400)]
Currency = Annotated[str, Field(max_length=3), AfterValidator(_currency)]
Latitude = Annotated[float, between(-90, 90)]
Longitude = Annotated[float, between(-180, 180)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Decoder = Annotated[str, Field(max_length=32), AfterValidator(refuse_unknown)]
# A fact that may be left out but never be taken away.
KEPT: Any = Field(default_factory=lambda: None)


class SiteFacts(Facts):
    """What can be said of a site. Azimuth: 0 = north, clockwise."""

    name: Name = KEPT
    time_zone: TimeZone = KEPT
    latitude: Latitude = KEPT
    longitude: Longitude = KEPT
    country: Annotated[str, Field(max_length=2), AfterValidator(_country)] | None = None
    currency: Currency | None = None
    floor_area_m2: Annotated[float, between(0, 10_000_000)] | None = None
    occupants: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    heating: Annotated[str, Field(max_length=32), SEEN] | None = None
    appliances: Annotated[str, Field(max_length=512), SEEN] | None = None
    pv_capacity_kw: Annotated[float, between(0, 1_000_000)] | None = None
    pv_tilt_degrees: Annotated[float, between(0, 90)] | None = None
    pv_azimuth_degrees: Annotated[float, between(0, 360)] | None = None
    battery_capacity_kwh: Annotated[float, between(0, 10_000_000)] | None = None
    battery_power_kw: Annotated[float, between(0, 1_000_000)] | None = None
    fuse_a: Annotated[float, between(0, 100_000)] | None = None
    grid_limit_kw: Annotated[float, between(0, 1_000_000)] | None = None
    price_zone: Annotated[str, Field(max_length=32), SEEN] | None = None
    carbon_zone: Annotated[str, Field(max_length=32), SEEN] | None = None
    tariff_id: Annotated[str, Field(max_length=64)] | None = None
    weather_station_id: Annotated[str, Field(max_length=64)] | None = None


class SiteChanges(SiteFacts):
    """Facts of a site to change; null takes away what is known."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pv_capacity_kw": 9.9, "pv_azimuth_degrees": 180}]})

    time_zone_from: Annotated[date, AfterValidator(_day)] | None = Field(
        None, description="First local day in `time_zone`, as YYYY-MM-DD; days before keep the zone they had. Null: it counts for all days."
    )


class NewSite(SiteFacts):
    """Facts of a new site."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Haus Nord", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4, "currency": "EUR"}]
        }
    )

    name: Name  # pyright: ignore[reportGeneralTypeIssues]
    time_zone: TimeZone  # pyright: ignore[reportGeneralTypeIssues]
    latitude: Latitude  # pyright: ignore[reportGeneralTypeIssues]
    longitude: Longitude  # pyright: ignore[reportGeneralTypeIssues]


class DeviceChanges(Facts):
    """Facts of a device to change; `site_id` moves it, `retired_at` ends it, at a time that may lie ahead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Meter in the cellar", "retired_at": "2026-12-31T23:00:00Z"}]})

    name: Name = KEPT
    kind: Kind = KEPT
    role: DeviceRole = KEPT
    site_id: Annotated[str, Field(max_length=64)] = KEPT
    energy_source: EnergySource | None = None
    decoder: Decoder | None = None
    interval_seconds: Seconds | None = None
    max_gap_seconds: Seconds | None = None
    inputs: Inputs | None = Field(None, description="What inputs of a foreign format measure, such as emeter/1: production.")
    factor: Factor | None = Field(None, description="What its readings are multiplied by, such as the ratio of its current transformers.")
    channels: Channels | None = Field(None, description="What a channel of its really is, such as grid_import: production.")
    replacements: Replacements | None = Field(None, description="Exchanges of the meter that are known.")
    retired_at: Moment | None = None


class NewDevice(Facts):
    """Facts of a new device."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Meter", "kind": "meter", "interval_seconds": 900}]})

    name: Name
    kind: Kind
    role: DeviceRole = "main"
    energy_source: EnergySource | None = None
    decoder: Decoder | None = None
    interval_seconds: Seconds | None = None
    max_gap_seconds: Seconds | None = None
    inputs: Inputs | None = Field(None, description="What inputs of a foreign format measure, such as emeter/1: production.")
    factor: Factor | None = Field(None, description="What its readings are multiplied by, such as the ratio of its current transformers.")
    channels: Channels | None = Field(None, description="What a channel of its really is, such as grid_import: production.")
    replacements: Replacements | None = Field(None, description="Exchanges of the meter that are known.")


Kept = TypeVar("Kept", bound=BaseModel)


def checked(model: type[Kept], given: dict[str, Any]) -> dict[str, Any]:
    """The facts that were given, as they are kept.

    Raises:
        WrongFacts: If one cannot be true or is not known; names every one.
    """
    try:
        return model.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise WrongFacts([(".".join(map(str, found["loc"])), reason_of(found["msg"])) for found in error.errors()]) from None


def reason_of(message: str) -> str:
    """Pydantic's message as a reason that can follow the fact's name."""
    own = message.removeprefix("Value error, ")
    return own if own != message else f"{message[:1].lower()}{message[1:]}"
