"""Figures, money and times as a person at a site reads them: rounded sensibly, with their unit, in the site's time."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from aurora.domain.calendar import clock_zone
from aurora.domain.texts import text

KWH_PER_MWH = 1000.0
WATT_PER_KW = 1000.0


def number(value: float | None, language: str = "en") -> str:
    """A figure with about three significant digits; a dash where it is unknown."""
    if value is None or not isfinite(value):
        return text("app.unknown", language)
    size = abs(value)
    pattern = "#,##0.00" if size < 9.995 else "#,##0.0" if size < 99.95 else "#,##0"
    return format_decimal(value, pattern, locale=language)


def energy(kwh: float | None, language: str = "en") -> str:
    """Energy with its unit: kWh, from 10,000 kWh on MWh."""
    if kwh is None:
        return text("app.unknown", language)
    if abs(kwh) >= 10 * KWH_PER_MWH:
        return f"{number(kwh / KWH_PER_MWH, language)} MWh"
    return f"{number(kwh, language)} kWh"


def power(kw: float | None, language: str = "en") -> tuple[str, str]:
    """Power as (figure, unit): W below one kilowatt, kW above; a dash without unit where it is unknown."""
    if kw is None:
        return text("app.unknown", language), ""
    if abs(kw) < 0.9995:
        return format_decimal(round(kw * WATT_PER_KW), "#,##0", locale=language), "W"
    return number(kw, language), "kW"


def money(amount: Decimal | float | None, currency: str | None, language: str = "en") -> str:
    """An amount with its currency, rounded as that currency is; a dash where amount or currency is unknown."""
    if amount is None or not currency:
        return text("app.unknown", language)
    return format_currency(amount, currency, locale=language)


def percent(ratio: float | None, language: str = "en") -> str:
    """A ratio as whole percent; a dash where it is unknown."""
    return text("app.unknown", language) if ratio is None else format_percent(ratio, locale=language)


def clock(moment: datetime, zone_name: str, language: str = "en") -> str:
    """Hours and minutes that the site's clock shows at `moment`."""
    return format_time(moment.astimezone(clock_zone(moment, zone_name)).time(), "HH:mm", locale=language)


def weekday(day: date, language: str = "en") -> str:
    """A local day as short weekday and day of the month."""
    return format_date(day, "EEE d", locale=language)


def day_name(day: date, language: str = "en") -> str:
    """A local day with weekday, day and month."""
    return format_date(day, "EEEE, d MMMM", locale=language)


def duration(span: timedelta, language: str = "en") -> str:
    """A length of time in its largest whole unit; zero where it is negative."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= (2 * length if unit != "minutes" else 120):
            return text(f"age.{unit}", language, count=seconds // length)
    return text("age.seconds", language, count=seconds)
