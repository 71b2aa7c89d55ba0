"""Green Button files: the Atom feed of ESPI (NAESB REQ.21) in which North American utilities hand out interval data."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError

import polars as pl
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from aurora.domain.mapping import Wishes
from aurora.errors import Refused
from ingestion.exports.dst_rules import DstRule, read_rule
from ingestion.exports.series import CELLS, TIME, Series
from ingestion.xml_text import local_name, text_at

NAMESPACE = "naesb.org/espi"
WATT_HOURS, ENERGY, GAS_COMMODITY, GAS_SERVICE = 72, 12, 7, 1
REVERSE, CUMULATIVE, DELTA = 19, (1, 3), 4
COST_PER_CURRENCY = 100_000
# ESPI's QualityOfReading, without those that say no more than that it was measured: valid, raw, validated, verified, revenue-quality.
QUALITIES = {
    7: "manually edited", 8: "estimated using reference day", 9: "estimated using linear interpolation", 10: "questionable", 11: "derived",
    12: "projected", 13: "mixed", 15: "normalized for weather", 16: "other",
}  # fmt: skip
CURRENCIES = {36: "AUD", 124: "CAD", 826: "GBP", 840: "USD", 978: "EUR"}

Cell = tuple[int, str, str, datetime | None, int | None, str, str | None, str | None]


@dataclass
class Entry:
    """One resource of the feed: what it is, its links, and its content."""

    kind: str
    links: dict[str, list[str]]
    content: Element

    @property
    def own(self) -> str:
        """Its own address; empty where it has none."""
        return next(iter(self.links.get("self", [])), "")

    def points_to(self, other: "Entry") -> bool:
        """Whether one of its links is the other, or the collection the other is in."""
        targets = {*other.links.get("self", []), *other.links.get("up", [])}
        return any(link in targets for link in self.links.get("related", []))

    def holds(self, other: "Entry") -> bool:
        """Whether the other's address lies below its own, or it points to it."""
        return (bool(self.own) and other.own.startswith(f"{self.own}/")) or self.points_to(other)

    def number(self, name: str) -> int | None:
        """A whole number of its content; None where there is none."""
        return _number(text_at(self.content, name))


@dataclass
class Register:
    """A series of the file: what it counts, and its intervals in the file's order.

    Attributes:
        meter: Which usage point it belongs to.
        scale: Power of ten its values are multiplied by.
        reason: Why none of it can be read; None where it can.
        is_delta: Its values are the energies of their intervals; False where the file does not say so.
    """

    name: str
    meter: str
    channel: str | None
    scale: int
    reason: str | None
    currency: str
    length: int | None
    is_delta: bool = False
    intervals: list[Element] = field(default_factory=list[Element])


def recognises(head: str) -> bool:
    """Whether a file that begins so is one."""
    return NAMESPACE in head and "<" in head[:16]


def read(text: str) -> Series:
    """The file's intervals, a series a meter reading.

    Energy that the utility delivered is import, what flows in reverse is export, and so is what is negative on a meter that has no reading
    of its own for reverse flow. Series that are not electric energy are refused by cell. Where an utility writes the hour that autumn's
    clock shows twice under one start, the second is the later hour.

    Raises:
        Refused: If it is not well-formed, declares entities of its own, or holds no intervals, or of gas alone.
    """
    entries = list(_entries(text))
    registers = _registers(entries)
    if not registers:
        raise Refused("The Green Button file holds no interval data, only facts about it. Ask the utility for the file with usage.")
    if all(register.reason == "gas" for register in registers):
        raise Refused("The file holds gas alone. Only electricity is read; ask the utility for the electric meter's file.")
    rule = next((rule for entry in entries if entry.kind == "LocalTimeParameters" and (rule := _rule(entry))), None)
    cells = [cell for register in registers for cell in _cells(register, rule, _has_reverse(register, registers))]
    frame = pl.DataFrame(cells, schema=CELLS, orient="row")
    names = frame.filter(pl.col("reason").is_null()).get_column("column").unique().to_list()
    unsaid = ("unit",) if any(register.channel is None and register.reason is None for register in registers) else ()
    wishes = Wishes(time_column=TIME, channels=_channels(registers, names))
    deltas = [register.name for register in registers if register.is_delta]
    return Series(
        "green_button",
        frame,
        wishes,
        costs=_costs(registers),
        unsaid=unsaid,
        deltas=frozenset([*deltas, *map(_reverse, deltas)]),
    )


def _entries(text: str) -> Iterator[Entry]:
    try:
        root = fromstring(text.lstrip("\ufeff"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Refused(f"The file is not a Green Button file that can be read ({error}). Download it again.") from None
    for entry in root.iter():
        if local_name(entry) != "entry":
            continue
        links: dict[str, list[str]] = {}
        for link in entry:
            if local_name(link) == "link":
                links.setdefault(link.get("rel", ""), []).append(_address(link.get("href", "")))
        for content in entry:
            if local_name(content) == "content":
                yield from (Entry(local_name(child), links, child) for child in content)


def _address(href: str) -> str:
    """A link's path, whether it was written with its host or without."""
    path = href.split("://", 1)[-1]
    return (path.split("/resource/", 1)[-1] if "/resource/" in path else path).strip("/")


def _registers(entries: list[Entry]) -> list[Register]:
    """The series of the file: interval blocks by the meter reading they belong to, else by the reading type they follow."""
    types = [entry for entry in entries if entry.kind == "ReadingType"]
    meters = [entry for entry in entries if entry.kind == "MeterReading"]
    points = [entry for entry in entries if entry.kind == "UsagePoint"]
    found: dict[tuple[str, int], Register] = {}
    latest: Entry | None = None
    for entry in entries:
        if entry.kind == "ReadingType":
            latest = entry
        if entry.kind != "IntervalBlock":
            continue
        meter = next((meter for meter in meters if meter.holds(entry)), None)
        linked = next((kind for kind in types if meter is not None and meter.points_to(kind)), None)
        kind = linked or latest or (types[0] if len(types) == 1 else None)
        point = next((point for point in points if point.holds(meter or entry)), points[0] if len(points) == 1 else None)
        key = (meter.own if meter else _collection(entry), id(kind) if kind else 0)
        if key not in found:
            found[key] = _register(kind, point, meter or entry, [register.name for register in found.values()])
        found[key].intervals += [child for child in entry.content if local_name(child) == "IntervalReading"]
    return list(found.values())


def _collection(block: Entry) -> str:
    """Address of the meter reading that a block is of."""
    return block.own.split("/IntervalBlock", 1)[0]


def _register(kind: Entry | None, point: Entry | None, meter: Entry, taken: list[str]) -> Register:
    label = (point.own if point else _collection(meter)).rsplit("/", 1)[-1] or "meter"
    if kind is None:
        return Register(_free(label, taken), label, None, 0, None, "", None)
    service = _number(text_at(point.content, "ServiceCategory/kind")) if point else None
    is_gas = kind.number("commodity") == GAS_COMMODITY or service == GAS_SERVICE
    is_energy = kind.number("uom") == WATT_HOURS and kind.number("kind") in {ENERGY, 0, None}
    channel = "grid_export" if kind.number("flowDirection") == REVERSE else "grid_import"
    behaviour = kind.number("accumulationBehaviour")
    total = " total" if behaviour in CUMULATIVE else ""
    name = _free(f"{label} {'reverse' if channel == 'grid_export' else 'forward'}{total} [Wh]", taken)
    currency = kind.number("currency")
    return Register(
        name,
        label,
        channel,
        kind.number("powerOfTenMultiplier") or 0,
        "gas" if is_gas else None if is_energy else "not_energy",
        CURRENCIES.get(currency, str(currency)) if currency is not None else "",
        kind.number("intervalLength"),
        behaviour == DELTA,
    )


def _free(name: str, taken: list[str]) -> str:
    """The name, with a number before it where it is taken."""
    return next(free for number in range(len(taken) + 1) if (free := f"{number + 1} {name}" if number else name) not in taken)


def _has_reverse(register: Register, registers: list[Register]) -> bool:
    return any(other.meter == register.meter and other.channel == "grid_export" for other in registers)


def _cells(register: Register, rule: DstRule | None, has_reverse: bool) -> Iterator[Cell]:  # noqa: FBT001
    """The register's intervals, and as a second series what it gave back where it counts both in one."""
    written = [_interval(register, number, element) for number, element in enumerate(register.intervals, 1)]
    starts = {start for _, start, *_ in written if start is not None}
    seen: dict[int, str] = {}
    values = [value for *_, value, _ in written]
    splits = register.reason is None and not has_reverse and any(value.startswith("-") for value in values)
    for number, start, length, value, quality in written:
        moment = start
        if start is not None and rule is not None:
            twice = seen.setdefault(start, value) != value
            if twice and start + 3600 not in starts and rule.is_repeated(start):
                moment = start + 3600
        at = _utc(moment)
        head = (number, register.name, "" if start is None else str(start), at, length)
        if not splits:
            yield (*head, value, register.reason, quality)
            continue
        is_back = value.startswith("-")
        yield (*head, "0" if is_back else value, None, quality)
        yield (number, _reverse(register.name), head[2], at, length, value[1:] if is_back else "0", None, quality)


def _reverse(name: str) -> str:
    return name.replace(" forward", " reverse") if " forward" in name else f"{name} reverse"


def _interval(register: Register, number: int, element: Element) -> tuple[int, int | None, int | None, str, str | None]:
    """Number, start, length, value and quality of one interval. [-, s since 1970, s, Wh, -]"""
    start, length = _number(text_at(element, "timePeriod/start")), _number(text_at(element, "timePeriod/duration"))
    text = text_at(element, "value")
    try:
        value = Decimal(text).scaleb(register.scale)
        text = format(value, "f") if value.is_finite() else text
    except InvalidOperation:
        pass
    quality = QUALITIES.get(_number(text_at(element, "ReadingQuality/quality")) or 0)
    return number, start, length or register.length, text, quality


def _channels(registers: list[Register], names: list[str]) -> dict[str, str]:
    """What each series counts; nothing where two count the same, which only their owner can tell apart."""
    found = {register.name: register.channel for register in registers if register.channel and register.name in names}
    found |= {_reverse(name): "grid_export" for name in list(found) if _reverse(name) in names}
    return found if len(set(found.values())) == len(found) else {}


def _costs(registers: list[Register]) -> dict[str, tuple[str, float]]:
    """What each series cost, and in which currency; an interval said twice counts once."""
    found: dict[str, tuple[str, float]] = {}
    for register in registers:
        costs = {
            text_at(element, "timePeriod/start"): cost
            for element in register.intervals
            if (cost := _number(text_at(element, "cost"))) is not None
        }
        if costs and register.reason is None:
            found[register.name] = (register.currency, sum(costs.values()) / COST_PER_CURRENCY)
    return found


def _rule(entry: Entry) -> DstRule | None:
    return read_rule(text_at(entry.content, "dstEndRule"), entry.number("tzOffset"), entry.number("dstOffset"))


def _number(text: str) -> int | None:
    try:
        return int(text) if len(text) < 20 else None
    except ValueError:
        return None


def _utc(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
    except OverflowError:
        return None
