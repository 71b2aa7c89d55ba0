"""What the columns of a foreign file mean: which is the time, which are channels, in which unit and measure.

A proposal is taken only where it is unambiguous; everything else is refused with the flags that settle it.
"""

import re
from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from aurora.domain import calendar
from aurora.domain.channels import CHANNELS, MEASURES
from aurora.errors import Refused

UNIT_TO_KILO = {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "W": 1e-3, "kW": 1.0}
POWER_UNITS = frozenset({"W", "kW"})
LABELS = ("start", "end")
DECIMALS = ("point", "comma")

TIME_NAMES = frozenset(
    "timestamp time datetime date_time date ts ts_utc measured_at utc_timestamp local_time interval_start interval_end interval_start_at"
    " period_start period_end start_time end_time start end measurement_time date_and_time"
    " zeit zeitstempel zeitpunkt datum datum_uhrzeit datum_und_uhrzeit von bis".split()
)
CHANNEL_NAMES = {
    "consumption": ("consumption", "load", "usage", "total_consumption", "verbrauch", "stromverbrauch", "gesamtverbrauch"),
    "production": (
        "production", "generation", "pv", "solar", "pv_production", "solar_production", "system_production", "total_production",
        "erzeugung", "produktion", "pv_produktion", "pv_erzeugung", "gesamtproduktion",
    ),
    "grid_import": (
        "grid_import", "import", "imported", "energy_from_grid", "netzbezug", "bezug", "energie_aus_netz_bezogen",
        "energie_vom_netz_bezogen",
    ),
    "grid_export": (
        "grid_export", "export", "exported", "feed_in", "energy_to_grid", "einspeisung", "netzeinspeisung", "energie_ins_netz_eingespeist",
    ),
    "battery_charge": (
        "battery_charge", "charge", "battery_charging", "energy_to_battery", "energie_in_batterie_gespeichert",
    ),
    "battery_discharge": (
        "battery_discharge", "discharge", "battery_discharging", "energy_from_battery", "energie_aus_batterie_bezogen",
        "energie_von_batterie_bezogen",
    ),
}  # fmt: skip
CHANNEL_OF = {name: channel for channel, names in CHANNEL_NAMES.items() for name in names}
UNIT_SUFFIX = re.compile(r"_(mwh|kwh|wh|kw|w)$")
# A total by its name; of the others some are, and some count from row to row.
TOTAL = re.compile(r"_total$|(?:^|_)(?:meter_readings?|registers?|counter|cumulative|zaehlerst(?:a|ae)nde?|kumuliert)(?=_|$)")
MAY_BE_TOTAL = re.compile(r"(?:^|_)(?:readings?|index|stand)(?=_|$)")
ENERGY_WORD = re.compile(r"_(energy|power)$")
FEW_VALUES = 24
FALLING_RATIO = 0.2
UNIT_NAMES = {unit.lower(): unit for unit in UNIT_TO_KILO}


@dataclass(frozen=True)
class Wishes:
    """What the person said about the file; None and empty where nothing was said."""

    time_column: str | None = None
    time_zone: str | None = None
    unit: str | None = None
    channels: Mapped[str, str] = field(default_factory=dict[str, str])
    measure: str | None = None
    label: str | None = None
    decimal: str | None = None


@dataclass(frozen=True)
class ColumnMeaning:
    """What one column holds."""

    channel: str
    unit: str
    measure: str


@dataclass(frozen=True)
class Mapping:
    """What a file's columns mean.

    Attributes:
        time_zone: Zone of times without offset; None where none was named.
        columns: Meaning of each column that is read, by name.
        label: Whether a time names the start or the end of its interval.
        decimal: Whether numbers have a decimal `point` or `comma`; None where their cells tell.
    """

    time_column: str
    time_zone: str | None
    columns: dict[str, ColumnMeaning]
    label: str
    decimal: str | None = None


def propose(names: Sequence[str], wishes: Wishes, *, may_add: bool = False) -> Mapping:
    """The mapping of a file with columns of these names.

    Args:
        names: Of the columns.
        wishes: What is known of them.
        may_add: Several columns may be named for one channel, which is their sum.

    Raises:
        Refused: If a wish cannot be met, or the names leave more than one reading; says which flags settle it.
    """
    _check_wishes(names, wishes)
    time_column = wishes.time_column or _time_column(names)
    others = [name for name in names if name not in time_columns(time_column, names)]
    columns = _channel_columns(others, wishes, may_add=may_add and bool(wishes.channels))
    plain = plain_name(time_column)
    label = wishes.label or ("end" if re.search(r"(^|_)(end|bis)(_|$)", plain) else "start")
    time_zone = wishes.time_zone or ("UTC" if re.search(r"(^|_)utc(_|$)", plain) else None)
    return Mapping(time_column, time_zone, columns, label, wishes.decimal)


def time_columns(time_column: str, names: Sequence[str]) -> tuple[str, ...]:
    """The column that holds the times, or a date's and a clock's, said as `Date + Time`; nothing where the file has no such columns."""
    if time_column in names:
        return (time_column,)
    date_column, _, clock_column = (part.strip() for part in time_column.partition("+"))
    return (date_column, clock_column) if {date_column, clock_column} <= set(names) else ()


def looks_like_totals(values: np.ndarray, name: str = "") -> bool:
    """Whether the values, in order of time, only ever grow from well above zero, as a meter's total does and energies do not.

    Few of them have to stand the higher above their steps, unless the column's name is one that totals have too.
    """
    finite = values[np.isfinite(values)]
    steps = np.diff(finite)
    if not len(steps) or not (steps >= 0).all() or finite[-1] <= finite[0]:
        return False
    if MAY_BE_TOTAL.search(plain_name(name)):
        return True
    factor = max(1, 2 * (FEW_VALUES - len(finite)))
    return len(finite) > 2 and bool(finite[0] > factor * steps.max())


def looks_like_energies(values: np.ndarray) -> bool:
    """Whether the values, in order of time, fall too often to be a meter's total."""
    finite = values[np.isfinite(values)]
    return len(finite) > 2 and bool((np.diff(finite) < 0).mean() > FALLING_RATIO)


def _check_wishes(names: Sequence[str], wishes: Wishes) -> None:
    listed = ", ".join(names)
    known = {*names, *([wishes.time_column] if wishes.time_column and time_columns(wishes.time_column, names) else [])}
    for flag, column in (("--time-column", wishes.time_column), *(("--channel", column) for column in wishes.channels)):
        if column is not None and column not in known:
            raise Refused(f"{flag}: there is no column {column} in the file. It has: {listed}.")
    for flag, value, words in (
        ("--unit", wishes.unit, tuple(UNIT_TO_KILO)),
        ("--measure", wishes.measure, MEASURES),
        ("--label", wishes.label, LABELS),
        ("--decimal", wishes.decimal, DECIMALS),
    ):
        if value is not None and value not in words:
            raise Refused(f"{flag} must be one of {', '.join(words)}.")
    for channel in wishes.channels.values():
        if channel not in CHANNELS:
            raise Refused(f"--channel: {channel} is not a channel. Use one of {', '.join(CHANNELS)}.")
    if wishes.time_zone is not None and not calendar.is_time_zone(wishes.time_zone):
        raise Refused(f"--time-zone: {wishes.time_zone} is not a time zone. Use a name such as Europe/Berlin.")
    if wishes.unit is not None and wishes.measure is not None and (wishes.unit in POWER_UNITS) != (wishes.measure == "power_kw"):
        raise Refused(f"--measure {wishes.measure} cannot be in {wishes.unit}. Energy is in Wh, kWh or MWh, power in W or kW.")


def _time_column(names: Sequence[str]) -> str:
    found = [name for name in names if plain_name(name) in TIME_NAMES]
    if len(found) == 1:
        return found[0]
    problem = f"Several columns may be the time ({', '.join(found)})" if found else f"No column is named as a time ({', '.join(names)})"
    raise Refused(f"{problem}. Say which with --time-column COLUMN.")


def _channel_columns(names: Sequence[str], wishes: Wishes, *, may_add: bool) -> dict[str, ColumnMeaning]:
    chosen = {name: channel for name in names if (channel := wishes.channels.get(name) or (None if wishes.channels else channel_of(name)))}
    if not chosen:
        raise Refused(
            f"No column is named as a channel ({', '.join(names)}). Say which is what with --channel COLUMN=channel: {', '.join(CHANNELS)}."
        )
    for channel in CHANNELS:
        rivals = [name for name, known in chosen.items() if known == channel]
        if len(rivals) > 1 and not may_add:
            raise Refused(f"Several columns may be {channel} ({', '.join(rivals)}). Say which with --channel COLUMN={channel}.")
    return {name: _meaning(name, channel, wishes) for name, channel in chosen.items()}


def _meaning(name: str, channel: str, wishes: Wishes) -> ColumnMeaning:
    suffix = UNIT_SUFFIX.search(plain_name(name))
    unit = wishes.unit or (UNIT_NAMES[suffix[1]] if suffix else "kW" if wishes.measure == "power_kw" else "kWh")
    is_total = TOTAL.search(UNIT_SUFFIX.sub("", plain_name(name))) is not None
    measure = wishes.measure or ("power_kw" if unit in POWER_UNITS else "register_kwh" if is_total else "interval_kwh")
    if (unit in POWER_UNITS) != (measure == "power_kw"):
        raise Refused(f"The column {name} is in {unit}, which does not fit --measure {measure}. Say what it is with --unit and --measure.")
    return ColumnMeaning(channel, unit, measure)


def channel_of(name: str) -> str | None:
    """The channel that a column of this name holds; None where its name is no channel's."""
    plain = UNIT_SUFFIX.sub("", plain_name(name))
    bare = MAY_BE_TOTAL.sub("", TOTAL.sub("", plain)).strip("_")
    return CHANNEL_OF.get(plain) or CHANNEL_OF.get(ENERGY_WORD.sub("", bare))


def plain_name(name: str) -> str:
    """`Grid import [kWh]` as `grid_import_kwh`."""
    plain = name.strip().lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
