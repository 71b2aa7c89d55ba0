"""Every kind of finding: what it means, how it is judged, what to do. `docs/findings.md` is written from here."""

from typing import NamedTuple

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
        meaning: What a person learns.
        judged: When it is found.
        action: What to do.
        is_certain: Whether what it says is so; else it is likely, and its sentence says so.
    """

    categories: str
    severities: str
    meaning: str
    judged: str
    action: str
    is_certain: bool


_BASELINE = "the frozen baseline of the eight weeks before"

KINDS = {
    "spike": Kind(
        "behaviour, data", "info, warning, critical", "Far more than is usual at that hour.",
        f"An hour is above {_BASELINE} by {anomalies.SPIKE_DEVIATIONS:g} robust deviations, by {anomalies.SPIKE_EXCESS_MEAN_RATIO:g} times"
        f" the mean hour and by {anomalies.SPIKE_LEAST_EXCESS_KWH:g} kWh, and above {anomalies.SPIKE_HIGH_RATIO:g} times its 99.5th"
        " percentile. `data` where the connection or the array cannot carry it.",
        "Ask what ran then; where the figure cannot be, correct or withdraw the reading.", False,
    ),
    "zero": Kind(
        "meter, plant", "warning, critical", "Exactly nothing where there always is something.",
        f"At least {anomalies.ZERO_LEAST_HOURS['consumption']} measured hours of 0 at hours whose 5th percentile is clearly above 0;"
        " one until energy comes in two hours running.",
        "Look whether the meter's sensor is on, or whether the inverter stands or its breaker is off.", False,
    ),
    "flatline": Kind(
        "meter", "warning", "The same energy above nothing, quarter hour after quarter hour: a value that got stuck.",
        f"Equal to 8 digits for {devices.FLAT_ELSE_HOURS} hours, of production for {devices.FLAT_LEAST_HOURS['production']}; energy that"
        " was shared out of spans longer than an hour is not judged.",
        "Restart the gateway or the device's connection; a load that truly is constant needs nothing.", False,
    ),
    "drop": Kind(
        "behaviour", "info", "Far less was used than on any usual day.",
        f"On {usage.DROP_LEAST_DAYS} days running less than {usage.DROP_LOW_RATIO:g} of the 5th percentiles of {_BASELINE}, but not zero.",
        "Away? Then all is well. Otherwise look whether a phase or a sub-circuit is not measured any more.", False,
    ),
    "gap": Kind(
        "data", "warning, critical", "Nothing is known of a device's channel for a while that is over.",
        f"At least {devices.GAP_LEAST_HOURS} hours without a covered quarter hour between its first and its last reading; critical from"
        f" {devices.GAP_CRITICAL_HOURS} hours on. Cut at Sunday midnight.",
        "Import what the device or its portal still holds: the days repair themselves. A register closes its gap by itself up to 48 hours.",
        True,
    ),
    "silent": Kind(
        "data", "warning", "A device is not heard from now.",
        "What it last measured ended longer ago than two of its intervals (what `interval_seconds` says, else the rhythm of its own"
        " readings, else 900 s), or its last will says offline. Devices of files and retired ones are not judged. The finding goes when"
        " the device is back; from three hours on a `gap` tells of it.",
        "Look after its power and its network; `aurora status` tells whether the broker is there.", True,
    ),
    "reset": Kind("meter", "warning", "A register began again at nothing.", "A decision in `gold/meter_events`; see meters.md.",
                  "Nothing where the meter was reset; otherwise reverse it with `aurora meter-event overrule`.", False),
    "rollover": Kind("meter", "info", "A register went past its last digit.", "A decision in `gold/meter_events`; see meters.md.",
                     "Nothing; reverse it where the meter was exchanged instead.", False),
    "replacement": Kind("meter", "info", "A meter was exchanged.", "A decision in `gold/meter_events`; see meters.md.",
                        "Name the exchange on the device with its new start, so that nothing is guessed.", False),
    "dip": Kind("meter", "info", "A register fell back for a moment.", "A decision in `gold/meter_events`; see meters.md.",
                "Nothing where it stays alone; often it is a gateway that sends an old value again.", False),
    "glitch": Kind("meter", "info", "A value that cannot be was left out.", "A decision in `gold/meter_events`; see meters.md.",
                   "Nothing where it stays alone; reverse it where the energy was real.", False),
    "stuck": Kind("meter", "warning", "A register stood still and then made good for it.",
                  "A decision in `gold/meter_events`; see meters.md.",
                  "The total is right, its hours are not: look after the connection between meter and gateway.", False),
    "unit_switch": Kind("meter", "warning", "A register's unit changed by a factor of a thousand.",
                        "A decision in `gold/meter_events`; see meters.md.",
                        "Set the unit on the device, so that nothing is guessed; reverse it where the reading was right.", False),
    "clock_shift": Kind(
        "meter", "warning", "Production stands at another time of the day against the sun than before: a clock was moved.",
        f"On {sun.SHIFT_LEAST_DAYS} days running the middle of the day's production is {sun.SHIFT_LEAST_HOURS:g} to"
        f" {sun.SHIFT_MOST_HOURS:g} hours off {_BASELINE}, all within {sun.SHIFT_MOST_SPREAD_HOURS:g} hours of one another; days with"
        f" less than {sun.DAY_LEAST_RATIO:g} of the usual energy do not count. After some four weeks the baseline has moved along.",
        "Set the device's clock to UTC, without summer time, and import the days again with the right zone. New shade looks alike.", False,
    ),
    "sign_swap": Kind(
        "meter", "warning", "Production at night and none by day, or export in the dark where no battery is: directions are exchanged.",
        f"In the week {sun.SWAP_LEAST_DAYS} days on which the channel counts in {sun.SWAP_RATIO:g} of the dark hours (sun below"
        f" {sun.DARK_DEGREES:g} degrees), with at least {sun.SWAP_NIGHT_LEAST_KWH:g} kWh, and production has nearly nothing by day or"
        " import nothing at night. Sites without a place, and export with a battery, are not judged.",
        "Turn the sensor, or exchange the two channels in the device's `channels`.", False,
    ),
    "doubled": Kind(
        "data", "warning", "Two main devices say the same: the energy is counted twice.",
        f"In {devices.DOUBLED_SHARE:g} of at least {devices.DOUBLED_LEAST_QUARTERS} quarter hours of a week they differ by no more than"
        f" {devices.DOUBLED_APART_RATIO:.1%}, with at least {devices.DOUBLED_LEAST_VALUES} different values.",
        "Give one of them the role `check` or `sub`.", False,
    ),
    "imbalance": Kind(
        "meter", "warning, critical", "What came in is not what went out: at least one meter is wrong, or turned, or missing.",
        f"For {balance.IMBALANCE_LEAST_HOURS} hours running all six channels are known and their balance is open by more than"
        f" {balance.IMBALANCE_RATIO:.0%} and {balance.IMBALANCE_LEAST_KWH:g} kWh an hour; a derived channel that would be negative is 0"
        f" and opens it too. Critical above {balance.CRITICAL_RATIO:.0%}.",
        "Compare the meters one by one: roles, turned sensors, units. Until then no derived figure of these hours is right.", True,
    ),
    "impossible_power": Kind(
        "data", "critical", "More came from the grid than the connection can carry.",
        f"An hour's import is above {balance.POWER_MARGIN_RATIO:g} times `grid_limit_kw`, or what `fuse_a` lets pass on three phases.",
        "Look for a wrong unit or factor; where the connection is larger, correct the site's facts.", True,
    ),
    "meter_disagreement": Kind(
        "meter", "warning", "A check meter and the main meters differ.",
        f"A day that both measured nearly whole differs by more than {devices.CHECK_APART_RATIO:.0%} and {devices.CHECK_LEAST_KWH:g} kWh.",
        "Compare both with the utility's meter; which of the two is wrong is not known.", True,
    ),
    "night_load": Kind(
        "behaviour", "info", "Nights use far more than they did.",
        f"In {usage.NIGHT_LEAST_NIGHTS} nights of a week the hours 1 to 5 use more than {usage.NIGHT_RATIO:g} times what is usual,"
        f" {usage.NIGHT_LEAST_KWH:g} kWh and {usage.NIGHT_SCALES:g} robust deviations more.",
        "Ask what runs since then: a heater, a pump, a car.", False,
    ),
    "base_load": Kind(
        "behaviour", "info", "Something new runs day and night.",
        f"On {usage.BASE_LEAST_DAYS} days of a week even the quietest hour is above {usage.BASE_RATIO:g} times the quietest usual hour,"
        f" and above it by {usage.BASE_LEAST_KWH:g} kWh.",
        "Late in the evening switch off what is not needed, one device at a time, and watch the power fall.", False,
    ),
    "out_of_hours": Kind(
        "behaviour", "info", "A day on which it is usually quiet was like a working day.",
        f"A Saturday or Sunday, where those use at most {usage.CLOSED_RATIO:g} of a working day, used more than {usage.CLOSED_TIMES:g}"
        f" times the usual, {usage.CLOSED_SCALES:g} robust deviations more and {usage.CLOSED_OPEN_DAY_RATIO:g} of a working day.",
        "Ask whether somebody worked; otherwise look what was not switched off.", False,
    ),
    "late_data": Kind(
        "data", "info", "Many readings of a day came more than a day after it.",
        f"More than {devices.LATE_SHARE:.0%} of the day's readings, at least {devices.LATE_LEAST}.",
        "Nothing to repair: the day was worked out again. Where it comes back, look after the device's connection.", True,
    ),
    "duplicate_flood": Kind(
        "data", "info", "A device sends the same readings over and over.",
        f"More than {devices.FLOOD_SHARE:.0%} of the day's readings repeat one with its value, at least {devices.FLOOD_LEAST}.",
        "Figures are right. Look for a gateway that does not hear its acknowledgements, or for two of them.", True,
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
        f"\n| {name} | means |\n|---|---|\n" + "\n".join(f"| `{key}` | {text} |" for key, text in of.items()) for name, of in lists
    )
    sections = [
        f"\n## {name}\n\n{kind.meaning} {'' if kind.is_certain else 'Not certain; the sentence says so. '}Category: {kind.categories}."
        f" Severity: {kind.severities}.\n\n- Judged: {kind.judged}\n- Do: {kind.action}"
        for name, kind in sorted(KINDS.items())
    ]
    return head + words + "\n" + "\n".join(sections) + "\n"
