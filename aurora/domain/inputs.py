"""What an input of a foreign device measures: which channel each direction of its energy belongs to, and in which unit it is given.

An input is one thing a device's format names: `emeter/1` of a Shelly, `use_kwh` of an Emoncms node. What it measures follows from the
device's facts, or is said in words: `grid`, `production`, `reversed battery`, `consumption kWh`, `ignore`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from aurora.domain.channels import CHANNELS

PAIRS = {"grid": ("grid_import", "grid_export"), "battery": ("battery_charge", "battery_discharge")}
IGNORE = "ignore"
UNITS = {
    "W": ("power_kw", 0.001),
    "kW": ("power_kw", 1.0),
    "MW": ("power_kw", 1000.0),
    "Wmin": ("register_kwh", 1 / 60_000),
    "Wh": ("register_kwh", 0.001),
    "kWh": ("register_kwh", 1.0),
    "MWh": ("register_kwh", 1000.0),
}
MOST_INPUTS = 64

_TARGETS = (*CHANNELS, *PAIRS, IGNORE)
_WORDS = re.compile(rf"(?P<reversed>reversed )?(?P<target>{'|'.join(_TARGETS)})(?: (?P<unit>{'|'.join(UNITS)}))?")
_NAMED = re.compile(rf"(?P<channel>{'|'.join(CHANNELS)})(?:_(?P<unit>w|kw|wh|kwh|mwh))?")
_UNIT_OF_SUFFIX = {"w": "W", "kw": "kW", "wh": "Wh", "kwh": "kWh", "mwh": "MWh"}


@dataclass(frozen=True)
class InputMeaning:
    """What an input measures.

    Attributes:
        forward: Channel of what the input counts up, and of positive power; None where that has no channel.
        reverse: Channel of what it returns, and of negative power; None where that has no channel.
        unit: Unit of its numbers, a key of `UNITS`; None where the format says it.
    """

    forward: str | None
    reverse: str | None
    unit: str | None = None

    @property
    def is_ignored(self) -> bool:
        """Whether nothing of it is taken."""
        return self.forward is None and self.reverse is None


@lru_cache(maxsize=4096)
def read_meaning(words: str) -> InputMeaning:
    """What these words say an input measures.

    Raises:
        ValueError: If they say nothing; names the words that can be used.
    """
    found = _WORDS.fullmatch(words)
    if found is None:
        raise ValueError(
            f"is none of {', '.join(_TARGETS)}; before it may stand reversed, after it a unit ({', '.join(UNITS)}), as in: reversed grid W"
        )
    target, unit = found["target"], found["unit"]
    forward, reverse = PAIRS.get(target, (None if target == IGNORE else target, None))
    return InputMeaning(reverse, forward, unit) if found["reversed"] else InputMeaning(forward, reverse, unit)


def meaning_of_name(name: str) -> InputMeaning | None:
    """What an input measures whose own name says it, such as `grid_import` or `production_kwh`; None for any other."""
    found = _NAMED.fullmatch(name)
    return InputMeaning(found["channel"], None, _UNIT_OF_SUFFIX.get(found["unit"] or "")) if found else None


def meaning_of_device(kind: str, role: str, energy_source: str | None) -> InputMeaning | None:
    """What the one input of a device measures of which nothing more is said; None where its kind does not tell."""
    if energy_source is not None or kind == "inverter":
        return InputMeaning("production", None)
    if kind == "meter":
        return InputMeaning("consumption", None) if role == "sub" else InputMeaning(*PAIRS["grid"])
    if kind == "battery":
        return InputMeaning(*PAIRS["battery"])
    return InputMeaning("consumption", None) if kind in {"ev_charger", "heat_pump"} else None
