"""A register that stands still although it had moved, and then makes good what it missed."""

from collections.abc import Sequence

import polars as pl

from aurora.domain.meters.chains import MOST_LEAP_KW, MOST_LEFT_OUT, Reading, limit_kwh

# No further back than this is energy spread; a register that stands still for longer is believed before that. [h]
STILL_HOURS = 48.0
STILL_US = int(STILL_HOURS * 3.6e9)
# A register that moved with each of so many readings before and after, and in between not with as many ...
MOVING_READINGS = 3
# ... and then rose by so many times the most of them at once, was stuck.
CATCHING_UP = 2.0


def may_have_stood_still(paired: pl.DataFrame) -> pl.Expr:
    """Whether a reading rises at once after at least `MOVING_READINGS` that did not, by more than `CATCHING_UP` times the next rise.

    Args:
        paired: Readings with rise_kwh; only its columns are used.
    """
    rise = pl.col("rise_kwh")
    assert "rise_kwh" in paired.columns
    stood = pl.all_horizontal([rise.shift(n) == 0 for n in range(1, MOVING_READINGS + 1)])
    return (stood & (rise > 0) & (rise > CATCHING_UP * rise.shift(-1)) & (rise.shift(-1) > 0)).fill_null(value=False)


def stood_still_since(readings: Sequence[Reading], place: int) -> int | None:
    """The place of the reading from which on the register was stuck, if that at `place` makes good what it missed; else None."""
    value = readings[place].value_kwh
    rise = value - readings[place - 1].value_kwh if place else 0.0
    if place < 2 or rise <= 0 or readings[place - 2].value_kwh != readings[place - 1].value_kwh:
        return None
    start = place - 1
    while start and readings[start - 1].value_kwh == readings[place - 1].value_kwh and _is_near(readings, start - 1, place):
        start -= 1
    following = readings[place + 1 : place + 2 + MOST_LEFT_OUT]
    if start == place - 1 or not following or any(later.value_kwh < value for later in following):
        return None
    if rise > limit_kwh(readings[start], readings[place], MOST_LEAP_KW):
        return None
    is_leap = rise > limit_kwh(readings[place - 1], readings[place], MOST_LEAP_KW)
    return start if is_leap or _makes_good(readings, start, place) else None


def _is_near(readings: Sequence[Reading], start: int, place: int) -> bool:
    return readings[place].at_us - readings[start].at_us <= STILL_US


def _makes_good(readings: Sequence[Reading], start: int, place: int) -> bool:
    if place - 1 - start < MOVING_READINGS or start < MOVING_READINGS or place + MOVING_READINGS >= len(readings):
        return False
    rises = [readings[k].value_kwh - readings[k - 1].value_kwh for k in _around(start, place)]
    rise = readings[place].value_kwh - readings[place - 1].value_kwh
    return min(rises) > 0 and rise > CATCHING_UP * max(rises)


def _around(start: int, place: int) -> list[int]:
    return [*range(start - MOVING_READINGS + 1, start + 1), *range(place + 1, place + 1 + MOVING_READINGS)]
