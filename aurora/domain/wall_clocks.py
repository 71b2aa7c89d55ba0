"""Instants of times that a clock on the wall showed: in spring it skips an hour, in autumn it shows one twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aurora.domain import calendar

DAY_MICROS = calendar.DAY_SECONDS * calendar.MICRO


@dataclass(frozen=True)
class Instants:
    """Instants of a column of times.

    Attributes:
        utc: Microseconds since 1970.
        is_skipped: Which never were because the clock skipped them.
        is_unsure: Which the clock showed twice while nothing in the column tells which of the two it was; `utc` holds the earlier.
    """

    utc: np.ndarray
    is_skipped: np.ndarray
    is_unsure: np.ndarray


def wall_times_to_utc(walls: np.ndarray, zone_name: str) -> Instants:
    """Instants of wall-clock times of a zone, in the order they were written.

    Where the clock shows an hour twice, times count as the later of the two from where the clock goes back on, and where they come for the
    second time. Where it never does, the hour is the one that joins on to the times before or after it, if it joins on to one side alone.

    Args:
        walls: Microseconds since 1970 as the clock on the wall counts them.
        zone_name: Name in the tz database.
    """
    earlier, later = _offsets(walls, zone_name)
    is_second, is_unsure = np.zeros(len(walls), dtype=bool), np.zeros(len(walls), dtype=bool)
    for places in _hours_shown_twice(walls, earlier > later):
        is_second[places], is_unsure[places] = _which(walls, places)
    return Instants(np.where(is_second, walls - later, walls - earlier), earlier < later, is_unsure)


def _hours_shown_twice(walls: np.ndarray, is_twice: np.ndarray) -> Iterator[np.ndarray]:
    """The places of the times of each such hour."""
    places = np.flatnonzero(is_twice)
    days = walls[places] // DAY_MICROS
    yield from (places[days == day] for day in np.unique(days))


def _which(walls: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which times of an hour that the clock shows twice are of its second showing, and which may be of either."""
    hour, nowhere = walls[places], np.zeros(len(places), dtype=bool)
    _, first, number = np.unique(hour, return_index=True, return_counts=True)
    is_repeat = ~nowhere
    is_repeat[first] = False
    goes_back = np.flatnonzero((np.diff(hour) < 0) & (np.diff(places) == 1))
    if len(goes_back):
        return is_repeat | (np.arange(len(hour)) > goes_back[0]), nowhere
    if is_repeat.any():
        return is_repeat, np.isin(hour, hour[first][number == 1])
    before, after = _joins(walls, places)
    return ~nowhere if after and not before else nowhere, nowhere if before != after else ~nowhere


def _joins(walls: np.ndarray, places: np.ndarray) -> tuple[bool, bool]:
    """Whether the times of a stretch follow those before it, and those after it follow them, by the usual step."""
    first, last = int(places[0]), int(places[-1])
    steps = np.diff(walls)
    kinds, number = np.unique(steps[steps > 0], return_counts=True)
    if not len(kinds) or last - first >= len(places):
        return False, False
    usual = kinds[number.argmax()]
    return first > 0 and bool(steps[first - 1] == usual), last < len(steps) and bool(steps[last] == usual)


def _offsets(walls: np.ndarray, zone_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Offset of each wall time if it is the earlier and if it is the later of two; a skipped time has them the other way round. [us]"""
    tz = calendar.zone(zone_name)

    def offset(wall: int, fold: int) -> int:
        moment = (calendar.EPOCH + timedelta(microseconds=wall)).replace(tzinfo=tz, fold=fold)
        return int(moment.utcoffset().total_seconds()) * calendar.MICRO  # pyright: ignore[reportOptionalMemberAccess]

    days, place = np.unique(walls // DAY_MICROS, return_inverse=True)
    edges = [(offset(int(day) * DAY_MICROS, 0), offset(int(day + 1) * DAY_MICROS, 1)) for day in days]
    earlier = np.array([edge[0] for edge in edges], dtype=np.int64)[place] if len(days) else np.zeros(0, dtype=np.int64)
    later = earlier.copy()
    changing = np.array([edge[0] != edge[1] for edge in edges], dtype=bool)[place] if len(days) else np.zeros(0, dtype=bool)
    for index in np.flatnonzero(changing).tolist():
        earlier[index], later[index] = offset(int(walls[index]), 0), offset(int(walls[index]), 1)
    return earlier, later
