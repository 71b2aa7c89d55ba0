"""What services of vendors answered, saved as it is: SolarEdge's energy details and Octopus' consumption, both JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from aurora.domain.mapping import UNIT_NAMES, Wishes
from ingestion.exports.series import CELLS, TIME, Series

MARKS = ('"energyDetails"', '"interval_start"')
# What a site consumes of its own production follows from the others.
CHANNELS = {"Production": "production", "Purchased": "grid_import", "FeedIn": "grid_export", "Consumption": "consumption"}
SECONDS = {"QUARTER_OF_AN_HOUR": 900, "HOUR": 3600, "DAY": 86_400}
OCTOPUS = "Consumption [kWh]"

Row = tuple[int, str, str, datetime | None, int | None, str, str | None, str | None]


def recognises(head: str) -> bool:
    """Whether a text begins as one of these answers does."""
    return head.lstrip("\ufeff \t\r\n").startswith("{") and any(mark in head for mark in MARKS)


def read(text: str) -> Series | None:
    """The answer's values, a cell's line its place among them; None where it is another answer, or cut short."""
    try:
        content: Any = msgspec.json.decode(text.lstrip("\ufeff"))
        if "energyDetails" in content:
            return _solaredge(content["energyDetails"])
        return _octopus(content["results"])
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return None


def _solaredge(details: dict[str, Any]) -> Series | None:
    """Energy by kind of meter, by the site's clock. A slot without a value, or with null, is a gap."""
    unit, seconds = UNIT_NAMES.get(details["unit"].lower()), SECONDS.get(details["timeUnit"])
    if unit is None:
        return None
    cells: list[Row] = []
    for meter in details["meters"]:
        name = f"{meter['type']} [{unit}]"
        for slot in meter["values"] if meter["type"] in CHANNELS else ():
            if (value := slot.get("value")) is not None:
                cells.append((len(cells) + 1, name, slot["date"], _wall(slot["date"]), seconds, str(value), None, None))
    channels = {f"{kind} [{unit}]": channel for kind, channel in CHANNELS.items() if any(f"{kind} [{unit}]" == cell[1] for cell in cells)}
    return _series("solaredge", cells, channels, is_wall=True)


def _octopus(results: list[dict[str, Any]]) -> Series:
    """Intervals of one meter, each with its offset; here one that is left out is unknown. Import is proposed: the answer does not say."""
    return _series("octopus", list(_intervals(results)), {OCTOPUS: "grid_import"})


def _intervals(results: list[dict[str, Any]]) -> Iterator[Row]:
    for place, one in enumerate(results, 1):
        start, end = _instant(one["interval_start"]), _instant(one["interval_end"])
        seconds = int((end - start).total_seconds()) if start is not None and end is not None else None
        if one["consumption"] is not None:
            yield place, OCTOPUS, one["interval_start"], start, seconds, str(one["consumption"]), None, None


def _series(name: str, cells: list[Row], channels: dict[str, str], *, is_wall: bool = False) -> Series:
    wishes = Wishes(time_column=TIME, channels=channels, measure="interval_kwh", label="start")
    return Series(name, pl.DataFrame(cells, schema=CELLS, orient="row"), wishes, is_wall=is_wall)


def _wall(text: str) -> datetime | None:
    """A time of the site's clock, which has no offset."""
    found = _moment(text)
    return found if found is not None and found.tzinfo is None else None


def _instant(text: str) -> datetime | None:
    """A time with its offset, in UTC; naive, as cells hold it."""
    found = _moment(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found is not None and found.tzinfo is not None else None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
