"""When daylight saving ends, as Green Button files write it down (ESPI `DstRuleType`)."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

LAST, ON_DAY, ON_OR_AFTER = 7, 0, 1
HOUR = 3600


@dataclass(frozen=True)
class DstRule:
    """The end of daylight saving, every year anew.

    Attributes:
        operator: 0: on `day`; 1: on the weekday on or after `day`; 2 to 6: on the month's first to fifth such weekday; 7: last.
        weekday: 1 is Monday.
        seconds: Of that day on a clock that still shows daylight saving.
        offset_seconds: Of that clock from UTC.
    """

    month: int
    operator: int
    day: int
    weekday: int
    seconds: int
    offset_seconds: int

    def end(self, year: int) -> int | None:
        """When it ends in a year; None where the rule names no day of it. [s since 1970]"""
        day = self._day(year)
        if day is None:
            return None
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + self.seconds - self.offset_seconds

    def is_repeated(self, seconds: int) -> bool:
        """Whether a clock shows that time once more an hour later."""
        end = self.end((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).year)
        return end is not None and end - HOUR <= seconds < end

    def _day(self, year: int) -> date | None:
        if self.operator == ON_DAY:
            return date(year, self.month, self.day) if 0 < self.day <= calendar.monthrange(year, self.month)[1] else None
        days = [date(year, self.month, day) for day in range(1, calendar.monthrange(year, self.month)[1] + 1)]
        fitting = [day for day in days if day.isoweekday() == self.weekday]
        if self.operator == ON_OR_AFTER:
            return next((day for day in fitting if day.day >= self.day), None)
        place = -1 if self.operator == LAST else self.operator - 2
        return fitting[place] if place < len(fitting) else None


def read_rule(text: str, offset_seconds: int | None, dst_seconds: int | None) -> DstRule | None:
    """The rule that eight hexadecimal digits stand for; None where they stand for none.

    Args:
        text: The digits.
        offset_seconds: Of standard time from UTC.
        dst_seconds: How far daylight saving is ahead of it.
    """
    try:
        bits = int(text, 16)
    except ValueError:
        return None
    month, weekday = bits >> 28, bits >> 17 & 7
    if len(text) != 8 or offset_seconds is None or not 1 <= month <= 12:
        return None
    seconds = (bits >> 12 & 31) * HOUR + (bits & 0xFFF)
    return DstRule(month, bits >> 25 & 7, bits >> 20 & 31, weekday, seconds, offset_seconds + (dst_seconds or 0))
