"""Every kind of finding and how it is judged; the texts say what it means and what to do. `docs/findings.md` is written from here."""

from typing import NamedTuple

from aurora.domain.texts import text
from transform.judge import anomalies, balance, devices, sun, usage

CATEGORIES = {
    "data": "what arrived, or did not, or cannot be true",
    "meter": "a meter or how it is set up",
    "plant": "what is measured does not work",
    "behaviour": "something was used that usually is not, or the other way round",
}
SEVERITIES = {
    "info": "good to know; figures stand",
    "warning": "figures of these days are in doubt or lacking, or energy is lost; look within days",
    "critical": "figures cannot be right, or nothing was measured or produced for a day or longer; look today",
}
STATUSES = {
    "open": "it goes on, or ended less than an hour ago; `silent` is open for as long as the device is",
    "closed": "it is over",
    "withdrawn": "a person reversed the decision about the meter that it tells of; it stands to say so",
}


class Kind(NamedTuple):
    """One kind.

    Attributes:
        categories: Where to look; which of them is judged by case.
        severities: Which it can have.
        judged: When it is found.
        is_certain: Whether what it says is so; else it is likely, and its sentence says so.
    """

    categories: str
    severities: str
    judged: str
    is_certain: bool


_BASELINE = "the frozen baseline of the eight weeks before"
_DECISION = "A decision in `gold/meter_events`; see meters.md."

KINDS = {
    "spike": Kind(
        "behaviour, data", "info, warning, critical",
        f"An hour is above {_BASELINE} by {anomalies.SPIKE_DEVIATIONS:g} robust deviations, by {anomalies.SPIKE_EXCESS_MEAN_RATIO:g} times"
        f" the mean hour and by {anomalies.SPIKE_LEAST_EXCESS_KWH:g} kWh, and above {anomalies.SPIKE_HIGH_RATIO:g} times its 99.5th"
        " percentile. `data` where the connection or the array cannot carry it.",
        False,
    ),
    "zero": Kind(
        "meter, plant", "warning, critical",
        f"At least {anomalies.ZERO_LEAST_HOURS['consumption']} measured hours of 0 at hours whose 5th percentile is clearly above 0;"
        " one until energy comes in two hours running.",
        False,
    ),
    "flatline": Kind(
        "meter", "warning",
        f"Equal to 8 digits for {devices.FLAT_ELSE_HOURS} hours, of production for {devices.FLAT_LEAST_HOURS['production']}; energy that"
        " was shared out of spans longer than an hour is not judged.",
        False,
    ),
    "drop": Kind(
        "behaviour", "info",
        f"On {usage.DROP_LEAST_DAYS} days running less than {usage.DROP_LOW_RATIO:g} of the 5th percentiles of {_BASELINE}, but not zero.",
        False,
    ),
    "gap": Kind(
        "data", "warning, critical",
        f"At least {devices.GAP_LEAST_HOURS} hours without a covered quarter hour between its first and its last reading; critical from"
        f" {devices.GAP_CRITICAL_HOURS} hours on. Cut at Sunday midnight.",
        True,
    ),
    "silent": Kind(
        "data", "warning",
        "What it last measured ended longer ago than two of its intervals (what `interval_seconds` says, else the rhythm of its own"
        " readings, else 900 s), or its last will says offline. Devices of files, retired ones and weather stations are not judged. The"
        " finding goes when the device is back; from three hours on a `gap` tells of it.",
        True,
    ),
    "reset": Kind("meter", "warning", _DECISION, False),
    "rollover": Kind("meter", "info", _DECISION, False),
    "replacement": Kind("meter", "info", _DECISION, False),
    "dip": Kind("meter", "info", _DECISION, False),
    "glitch": Kind("meter", "info", _DECISION, False),
    "stuck": Kind("meter", "warning", _DECISION, False),
    "unit_switch": Kind("meter", "warning", _DECISION, False),
    "clock_shift": Kind(
        "meter", "warning",
        f"On {sun.SHIFT_LEAST_DAYS} days running the middle of the day's production is {sun.SHIFT_LEAST_HOURS:g} to"
        f" {sun.SHIFT_MOST_HOURS:g} hours off {_BASELINE}, all within {sun.SHIFT_MOST_SPREAD_HOURS:g} hours of one another; days with"
        f" less than {sun.DAY_LEAST_RATIO:g} of the usual energy do not count. After some four weeks the baseline has moved along.",
        False,
    ),
    "sign_swap": Kind(
        "meter", "warning",
        f"In the week {sun.SWAP_LEAST_DAYS} days on which the channel counts in {sun.SWAP_RATIO:g} of the dark hours (sun below"
        f" {sun.DARK_DEGREES:g} degrees), with at least {sun.SWAP_NIGHT_LEAST_KWH:g} kWh, and production has nearly nothing by day or"
        " import nothing at night. Sites without a place, and export with a battery, are not judged.",
        False,
    ),
    "doubled": Kind(
        "data", "warning",
        f"In {devices.DOUBLED_SHARE:g} of at least {devices.DOUBLED_LEAST_QUARTERS} quarter hours of a week they differ by no more than"
        f" {devices.DOUBLED_APART_RATIO:.1%}, with at least {devices.DOUBLED_LEAST_VALUES} different values.",
        False,
    ),
    "imbalance": Kind(
        "meter", "warning, critical",
        f"For {balance.IMBALANCE_LEAST_HOURS} hours running all six channels are known and their balance is open by more than"
        f" {balance.IMBALANCE_RATIO:.0%} and {balance.IMBALANCE_LEAST_KWH:g} kWh an hour; or else that of a day of"
        f" {balance.IMBALANCE_DAY_LEAST_HOURS} such hours is, by more than {balance.IMBALANCE_RATIO:.0%} and"
        f" {balance.IMBALANCE_DAY_LEAST_KWH:g} kWh. A derived channel that would be negative is 0 and opens it too."
        f" Critical above {balance.CRITICAL_RATIO:.0%}.",
        True,
    ),
    "impossible_power": Kind(
        "data", "critical",
        f"An hour's import is above {balance.POWER_MARGIN_RATIO:g} times `grid_limit_kw`, or what `fuse_a` lets pass on three phases.",
        True,
    ),
    "meter_disagreement": Kind(
        "meter", "warning",
        f"A day that both measured nearly whole differs by more than {devices.CHECK_APART_RATIO:.0%} and {devices.CHECK_LEAST_KWH:g} kWh.",
        True,
    ),
    "night_load": Kind(
        "behaviour", "info",
        f"In {usage.NIGHT_LEAST_NIGHTS} nights of a week the hours 1 to 5 use more than {usage.NIGHT_RATIO:g} times what is usual,"
        f" {usage.NIGHT_LEAST_KWH:g} kWh and {usage.NIGHT_SCALES:g} robust deviations more.",
        False,
    ),
    "base_load": Kind(
        "behaviour", "info",
        f"On {usage.BASE_LEAST_DAYS} days of a week even the quietest hour is above {usage.BASE_RATIO:g} times the quietest usual hour,"
        f" and above it by {usage.BASE_LEAST_KWH:g} kWh.",
        False,
    ),
    "out_of_hours": Kind(
        "behaviour", "info",
        f"A Saturday or Sunday, where those use at most {usage.CLOSED_RATIO:g} of a working day, used more than {usage.CLOSED_TIMES:g}"
        f" times the usual, {usage.CLOSED_SCALES:g} robust deviations more and {usage.CLOSED_OPEN_DAY_RATIO:g} of a working day.",
        False,
    ),
    "late_data": Kind(
        "data", "info",
        f"More than {devices.LATE_SHARE:.0%} of the day's readings, at least {devices.LATE_LEAST}.",
        True,
    ),
    "duplicate_flood": Kind(
        "data", "info",
        f"More than {devices.FLOOD_SHARE:.0%} of the day's readings repeat one with its value, at least {devices.FLOOD_LEAST}.",
        True,
    ),
}  # fmt: skip


def document() -> str:
    """`docs/findings.md`."""
    head = (
        "# Findings\n\nWritten from the code by `make descriptions`. A finding is a row of `gold/anomalies`: what a person should know."
        " Each lies within one local week\n(Monday to Sunday), because weeks are judged whole ([decision 11](adr));"
        " one that runs on past Sunday"
        " midnight goes on as another. `silent` alone does not.\nA later rebuild that does not find it any more takes it away: what is not"
        " so any more is not told.\n"
    )
    lists = [("category", CATEGORIES), ("severity", SEVERITIES), ("status", STATUSES)]
    words = "\n".join(
        f"\n| {name} | means |\n|---|---|\n" + "\n".join(f"| `{key}` | {words} |" for key, words in of.items()) for name, of in lists
    )
    sections = [
        f"\n## {name}\n\n{text(f'finding.{name}.meaning')} {'' if kind.is_certain else 'Not certain; the sentence says so. '}"
        f"Category: {kind.categories}. Severity: {kind.severities}.\n\n- Judged: {kind.judged}\n- Do: {text(f'finding.{name}.action')}"
        for name, kind in sorted(KINDS.items())
    ]
    return head + words + "\n" + "\n".join(sections) + "\n"
