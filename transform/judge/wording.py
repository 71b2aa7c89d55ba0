"""How an anomaly is filed and told: its category, its severity, its sentence."""

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from aurora.domain import calendar
from aurora.domain.texts import text

CRITICAL_ZERO_HOURS = 24
CRITICAL_SPIKE_LIMITS = 5.0
WARNING_SPIKE_LIMITS = 1.5
VOLTS = 230.0
PHASES = 3
PV_LIMIT_RATIO = 1.2
KEPT_TIMES = 10_000


def category(anomaly: dict[str, Any], facts: dict[str, Any]) -> str:
    """Where to look: `data` (cannot be true), `meter`, `plant` or `behaviour`.

    Args:
        anomaly: A row of `anomalies.find_anomalies`.
        facts: Facts of the site: pv_capacity_kw, fuse_a, grid_limit_kw, null or absent where unknown.
    """
    if anomaly["kind"] == "zero":
        return "plant" if anomaly["channel"] == "production" else "meter"
    if anomaly["channel"] == "production":
        return "data"
    limit_kw = _supply_limit_kw(facts)
    return "data" if limit_kw is not None and anomaly["observed"] > limit_kw * anomaly["hours"] else "behaviour"


def _supply_limit_kw(facts: dict[str, Any]) -> float | None:
    """The most a site can use: what its connection, its panels and its battery deliver together; None where no limit is known."""
    grid_kw = connection_kw(facts)
    if grid_kw is None:
        return None
    return grid_kw + (facts.get("pv_capacity_kw") or 0.0) * PV_LIMIT_RATIO + (facts.get("battery_power_kw") or 0.0)


def connection_kw(facts: dict[str, Any]) -> float | None:
    """The most that the grid connection carries; None where it is not known. [kW]"""
    fuse_a = facts.get("fuse_a")
    return facts.get("grid_limit_kw") or (fuse_a * VOLTS * PHASES / 1000 if fuse_a else None)


def severity(anomaly: dict[str, Any]) -> str:
    """`info`, `warning` or `critical`: by length for a zero, by height above the limit for a spike."""
    if anomaly["kind"] == "zero":
        return "critical" if anomaly["hours"] >= CRITICAL_ZERO_HOURS else "warning"
    times = anomaly["observed"] / anomaly["limit"]
    return "critical" if times >= CRITICAL_SPIKE_LIMITS else "warning" if times >= WARNING_SPIKE_LIMITS else "info"


def params(anomaly: dict[str, Any]) -> dict[str, Any]:
    """What the sentence needs, in units of its names; dates and clock hours are the site's."""
    return {
        "channel": anomaly["channel"],
        "observed_kwh": round(anomaly["observed"], 3),
        "expected_kwh": round(anomaly["expected"], 3),
        "limit_kwh": round(anomaly["limit"], 3),
        "hours": anomaly["hours"],
        "local_date": anomaly["local_date"].isoformat(),
        "from_hour": anomaly["local_hour"],
        "last_local_date": anomaly["last_local_date"].isoformat(),
        "until_hour": anomaly["last_local_hour"] + 1,
    }


def explain(message_key: str, values: dict[str, Any]) -> str:
    """The English sentence of an anomaly from its `params`."""
    return text(
        message_key,
        Channel=str(values["channel"]).replace("_", " ").capitalize(),
        observed_kwh=f"{values['observed_kwh']:.1f}",
        expected_kwh=f"{values['expected_kwh']:.1f}",
        limit_kwh=f"{values['limit_kwh']:.1f}",
        hours=values["hours"],
        day=_day(values["local_date"]),
        last_day=_day(values["last_local_date"]),
        from_clock=f"{values['from_hour']:02d}:00",
        until_clock=f"{values['until_hour']:02d}:00",
    )


def told_params(finding: dict[str, Any], zone_name: str) -> dict[str, Any]:
    """What the sentence of a finding of `found.SCHEMA` needs; times are those of the site's clock."""
    until = finding["ends_at"] or finding["starts_at"]
    hours = (until - finding["starts_at"]).total_seconds() / 3600
    return {
        "channel": finding["channel"],
        "device_id": finding["device_id"],
        "observed": _rounded(finding["observed"]),
        "expected": _rounded(finding["expected"]),
        "hours": round(hours, 1),
        "starts_local": _on_clock(finding["starts_at"], zone_name),
        "ends_local": _on_clock(until, zone_name),
        "evidence": finding["evidence"],
    }


# Many findings begin and end with the same days and hours.
@lru_cache(maxsize=KEPT_TIMES)
def _on_clock(at: datetime, zone_name: str) -> str:
    return at.astimezone(calendar.clock_zone(at, zone_name)).strftime("%Y-%m-%dT%H:%M")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def told(message_key: str, values: dict[str, Any]) -> str:
    """The English sentence of `told_params`."""
    observed, expected = values["observed"], values["expected"]
    known = (observed or 0.0), (expected or 0.0)
    return text(
        message_key,
        Channel=str(values["channel"] or "energy").replace("_", " ").capitalize(),
        device=values["device_id"],
        observed=f"{known[0]:.1f}",
        expected=f"{known[1]:.1f}",
        count=f"{known[0]:.0f}",
        of=f"{known[1]:.0f}",
        apart=f"{abs(known[0] - known[1]):.1f}",
        hours=f"{values['hours']:g}",
        start=_moment(values["starts_local"]),
        end=_moment(values["ends_local"]),
        evidence=values["evidence"] or "",
        affected="an unknown amount" if observed is None else f"{observed:.1f} kWh",
    )


@lru_cache(maxsize=KEPT_TIMES)
def _moment(written: str) -> str:
    moment = datetime.fromisoformat(written)
    return f"{_day(written[:10])} {moment:%H:%M}"


def _day(written: str) -> str:
    day = date.fromisoformat(written)
    return f"{day.day} {day:%B %Y}"
