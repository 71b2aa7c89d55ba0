"""From the quantities of a foreign payload to readings: units, directions, times, and what must be asked because no payload says it."""

import math
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aurora.domain.channels import MOST_KWH
from aurora.domain.inputs import UNITS, InputMeaning, meaning_of_device, meaning_of_name, read_meaning
from ingestion.messages import (
    NO_STATE,
    Decoded,
    DeviceFacts,
    DeviceState,
    Fault,
    Limits,
    Message,
    Reading,
    State,
    as_text,
    parse_time,
    rejection_of,
)  # fmt: skip

EARLIEST_YEAR = 1970
LATEST_YEAR = 2200
# What an inverter or a charger draws for itself reads as a small power of the wrong sign; more than this is a meter mounted the other way.
STANDBY_KW = 0.05
MOST_REMEMBERED = 512
LONGEST_REMEMBERED = 512
LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Quantity:
    """One number of a foreign payload.

    Attributes:
        source: Name of the input, as the device's `inputs` may map it.
        unit: Unit of the number, a key of `aurora.domain.inputs.UNITS`; None where the device's `inputs` must say it.
        value: The number as it came, whatever it is; power is positive in the forward direction. None is a gap.
        is_returned: Whether a register counts what flows back, or power of one direction is that.
        is_only: Whether it may be taken for what the device measures, where nothing is said of it.
        field: Where it stands in the payload.
        is_one_way: Whether power is that of one direction alone, so that the other's is not known.
    """

    source: str
    unit: str | None
    value: Any
    is_returned: bool = False
    is_only: bool = True
    field: str = ""
    is_one_way: bool = False


def meaning_of(device: DeviceFacts, quantity: Quantity) -> InputMeaning | None:
    """What a quantity measures, by what was said of it, else by its name, else by the device's kind; None where nothing tells."""
    words = device.inputs.get(quantity.source)
    if words is not None:
        try:
            return read_meaning(words)
        except ValueError:
            return None
    by_name = meaning_of_name(quantity.source)
    if by_name is not None or not quantity.is_only:
        return by_name
    return meaning_of_device(device.kind, device.role, device.energy_source)


def readings_of(
    message: Message,
    limits: Limits,
    measured_at: datetime | Fault,
    quantities: Iterable[Quantity],
    *,
    ignored: int = 0,
    state: State = NO_STATE,
) -> Decoded:
    """What a message says that holds these quantities.

    Args:
        message: The message.
        limits: What is too early or too late.
        measured_at: When they were measured, or why that is not known.
        quantities: The numbers in it.
        ignored: Quantities in it that have no channel.
        state: The device's state, in which the parts of a sum are kept that come one by one.
    """
    fault = measured_at if isinstance(measured_at, Fault) else time_fault(measured_at, limits)
    if isinstance(measured_at, Fault) or fault is not None:
        return Decoded(rejections=(rejection_of(message.payload, (fault,)),) if fault else (), ignored=ignored)
    reader = _Reader(message.device, measured_at, state)
    for quantity in quantities:
        reader.take(quantity)
    rejections = (rejection_of(message.payload, tuple(reader.faults)),) if reader.faults else ()
    return Decoded(tuple(reader.found.values()), (), (), rejections, ignored + reader.ignored, reader.changed)


class _Reader:
    """Turns quantities of one time into readings; collects faults."""

    def __init__(self, device: DeviceFacts, measured_at: datetime, state: State) -> None:
        self.device = device
        self.measured_at = measured_at
        self.state = state
        self.changed: State | None = None
        self.found: dict[tuple[str, str], Reading] = {}
        self.stems: dict[tuple[str, str], str] = {}
        self.faults: list[Fault] = []
        self.ignored = 0

    def take(self, quantity: Quantity) -> None:
        """Take in one quantity."""
        if quantity.value is None:
            return
        meaning = meaning_of(self.device, quantity)
        if meaning is None:
            self._fault(
                quantity,
                "unmapped_input",
                f"say what it measures: aurora device set {self.device.device_id} --input '{quantity.source}=…'",
            )
            return
        if meaning.is_ignored:
            self.ignored += 1
            return
        unit = meaning.unit or quantity.unit
        if unit is None:
            self._fault(quantity, "unknown_unit", f"say its unit: --input '{quantity.source}={meaning.forward} kWh', or W, kW, Wh")
            return
        measure, factor = UNITS[unit]
        value = self._number(quantity, factor)
        if value is not None:
            total = self._summed(quantity, meaning, measure, value)
            if total is not None and measure == "power_kw" and not quantity.is_one_way:
                self._power(quantity, meaning, total)
            elif total is not None:
                self._one_way(quantity, meaning, measure, total)

    def _number(self, quantity: Quantity, factor: float) -> float | None:
        value = number(quantity.value)
        if value is None:
            return self._fault(quantity, "wrong_type", "expected a number")
        value *= factor
        if not math.isfinite(value):
            return self._fault(quantity, "not_finite", "not a finite number")
        if abs(value) > MOST_KWH:
            return self._fault(quantity, "implausible", f"more than any meter of a site can show ({MOST_KWH:g})")
        return value

    def _summed(self, quantity: Quantity, meaning: InputMeaning, measure: str, value: float) -> float | None:
        """The value, added to the last ones of the inputs it is a part with; None while one of those is missing."""
        others = parts_with(self.device, quantity.source, meaning, measure)
        if not others:
            return value
        kind = f"{measure}:{quantity.is_returned}"
        self.state = self.changed = remembered(self.state, {f"last:{quantity.source}:{kind}": value})
        parts = [self.state.get(f"last:{name}:{kind}") for name in others]
        return None if None in parts else math.fsum([value, *parts])  # pyright: ignore[reportArgumentType]

    def _one_way(self, quantity: Quantity, meaning: InputMeaning, measure: str, value: float) -> None:
        """Take in a register, or the power of one direction."""
        channel = meaning.reverse if quantity.is_returned else meaning.forward
        if channel is None:
            self.ignored += 1
        elif value < 0:
            what = "the power of one direction" if measure == "power_kw" else "a register"
            self._fault(quantity, "negative", f"{what} never falls below zero")
        else:
            self._add(quantity, channel, measure, value)

    def _power(self, quantity: Quantity, meaning: InputMeaning, value: float) -> None:
        for channel, other, directed in ((meaning.forward, meaning.reverse, value), (meaning.reverse, meaning.forward, -value)):
            if channel is None:
                continue
            if other is None and directed < -STANDBY_KW:
                self._fault(
                    quantity, "negative", f"{channel} never flows back; say 'reversed {channel}' if the meter is mounted the other way"
                )
            else:
                self._add(quantity, channel, "power_kw", max(0.0, directed))

    def _add(self, quantity: Quantity, channel: str, measure: str, value: float) -> None:
        """Add a reading; a sum takes the place of the one before its last part came."""
        stem = quantity.source.rstrip(string.digits)
        if self.stems.setdefault((channel, measure), stem) != stem:
            self._fault(quantity, "ambiguous_input", f"another input is taken for {channel} too; say which is which with --input")
        else:
            self.found[channel, measure] = Reading(self.device.device_id, channel, measure, self.measured_at, None, value)

    def _fault(self, quantity: Quantity, reason: str, sentence: str) -> None:
        name = quantity.field or quantity.source
        self.faults.append(Fault(name[:128], reason, f"{name[:128]}: {sentence}."))


def parts_with(device: DeviceFacts, source: str, meaning: InputMeaning, measure: str) -> list[str]:
    """Inputs that are added to this one: said to measure the same, and named the same but for a number, such as three phases."""
    stem = source.rstrip(string.digits)
    found = []
    for name, words in device.inputs.items():
        if name == source or stem == source or name == name.rstrip(string.digits) or name.rstrip(string.digits) != stem:
            continue
        try:
            other = read_meaning(words)
        except ValueError:
            continue
        is_other_measure = other.unit is not None and UNITS[other.unit][0] != measure
        if (other.forward, other.reverse) == (meaning.forward, meaning.reverse) and not is_other_measure:
            found.append(name)
    return found


def number(value: Any) -> float | None:
    """The number a JSON value or a short text names; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if -1.7e308 < value < 1.7e308 or isinstance(value, float) else math.inf
    if not isinstance(value, str) or len(value) > LONGEST_NUMBER or "_" in value or not value.isascii():
        return None
    try:
        return float(value)
    except ValueError:
        return None


def remembered(state: State, changes: Mapping[str, Any]) -> State:
    """The state with changes in it; None forgets. Too long ones are left out, and the oldest go where there are too many."""
    kept = {name: value for name, value in state.items() if name not in changes}
    for name, value in changes.items():
        is_long = len(name) > LONGEST_REMEMBERED or (isinstance(value, str) and len(value) > LONGEST_REMEMBERED)
        if value is not None and not is_long:
            kept[name] = value
    while len(kept) > MOST_REMEMBERED:
        del kept[next(iter(kept))]
    return kept


def receipt(message: Message) -> datetime | Fault:
    """When a message came that names no time of its own."""
    if message.is_retained:
        return Fault("", "no_time", "The broker had kept this message, and it names no time: when it was measured is not known.")
    if message.received_at is None:
        return Fault("", "no_time", "The message names no time.")
    return message.received_at


def undated(message: Message) -> Decoded | None:
    """What a kept message without a time says, which is nothing that could be placed; None for one that just came."""
    return Decoded(ignored=1) if message.is_retained else None


def epoch(seconds: Any, field: str) -> datetime | Fault:
    """The instant so many seconds after 1970 began, UTC."""
    value = number(seconds)
    if value is None or not 0 <= value < 7e9:
        return Fault(field, "bad_time", f"{field} is not a time in seconds since 1970.")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)


def clock_time(text: Any, field: str, message: Message) -> datetime | Fault:
    """The instant a text names; without an offset it is the site's clock, and of an hour that comes twice the nearer one."""
    moment = parse_time(text) if isinstance(text, str) and len(text) <= LONGEST_NUMBER else None
    if moment is None or not EARLIEST_YEAR < moment.year < LATEST_YEAR:
        return Fault(field, "bad_time", f"{field} is not a time such as 2026-01-31T12:00:00.")
    if moment.tzinfo is not None:
        return moment
    if message.device.time_zone is None:
        return Fault(field, "no_offset", f"{field} names no offset from UTC, and the site's time zone is not known.")
    zone = ZoneInfo(message.device.time_zone)
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second or message.received_at is None:
        return first
    return min(first, second, key=lambda candidate: abs(candidate - message.received_at))  # pyright: ignore[reportOperatorIssue]


def time_fault(moment: datetime, limits: Limits) -> Fault | None:
    """Why a reading of that time is not taken; None where it is."""
    if limits.latest is not None and moment > limits.latest:
        return Fault("", "in_the_future", f"It was measured later than our clock allows ({limits.latest:%Y-%m-%dT%H:%M:%SZ}).")
    if limits.earliest is not None and moment < limits.earliest:
        return Fault("", "too_late", "It is too old for a live reading; import older ones as a file.")
    return None


def presence(message: Message, words: Mapping[str, str]) -> Decoded:
    """The state a device's last will or birth message names, by the format's words for it; other words are ignored."""
    state = words.get(as_text(message.payload[:64]).strip().strip('"').lower())
    return Decoded(states=(DeviceState(message.device.device_id, state, None),)) if state else Decoded(ignored=1)
