"""The parts of a page that are words and figures, as HTML. Everything that comes from outside is escaped here, and only here."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from app.queries.changes import Change, DayChanged
from app.queries.conditions import DeviceState, Finding, Refusals
from app.queries.meters import Event
from app.queries.now import SitePower
from app.queries.overview import Anomalies, Day
from aurora.accounts.models import Site
from aurora.domain import formats
from aurora.domain.calendar import local_date
from aurora.domain.texts import text

IDLE_KW = 0.005
COMMAND = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Tile:
    """One figure with what it means.

    Attributes:
        label: What it is.
        figure: The number, formatted.
        unit: Its unit.
        note: A few words below.
        tone: `solar use grid battery plain`, or `silent` where the figure is unknown.
    """

    label: str
    figure: str
    unit: str = ""
    note: str = ""
    tone: str = "plain"


def tiles(given: Sequence[Tile], name: str) -> str:
    """Tiles side by side, as many in a row as fit."""
    return f'<div class="au-tiles au-{name}">{"".join(_tile(tile) for tile in given)}</div>'


def _tile(tile: Tile) -> str:
    unit = f'<span class="au-unit">{escape(tile.unit)}</span>' if tile.unit else ""
    return (
        f'<div class="au-tile au-tone-{tile.tone}"><div class="au-label">{escape(tile.label)}</div>'
        f'<div class="au-figure">{escape(tile.figure)}{unit}</div><div class="au-note">{escape(tile.note)}</div></div>'
    )


def heading(title: str, subtitle: str = "") -> str:
    """Title of a section."""
    below = f'<p class="au-subtitle">{escape(subtitle)}</p>' if subtitle else ""
    return f'<div class="au-heading"><h2>{escape(title)}</h2>{below}</div>'


def hint(words: str) -> str:
    """What to do where there is nothing to show yet; text between backticks is a command."""
    return f'<p class="au-hint">{_marked(words)}</p>'


def _marked(words: str) -> str:
    """A text of ours, in which what stands between backticks is a command."""
    return COMMAND.sub(r"<code>\1</code>", escape(words))


def power_tiles(now: SitePower) -> list[Tile]:
    """Solar, use, battery and grid now; what the site cannot have is left out."""
    shown = [] if "production" in now.facts else [_one_way(now, "production", text("now.solar"), text("now.producing"), "solar")]
    shown.append(_one_way(now, "consumption", text("now.home"), text("now.using"), "use"))
    if "battery_charge" not in now.facts:
        shown.append(_two_way(now, ("battery_charge", "battery_discharge"), ("charging", "discharging"), text("now.battery"), "battery"))
    shown.append(_two_way(now, ("grid_import", "grid_export"), ("importing", "exporting"), text("now.grid"), "grid"))
    return shown


def _one_way(now: SitePower, channel: str, label: str, doing: str, tone: str) -> Tile:
    kw = now.power_kw[channel]
    if kw is None:
        return _silent(now, (channel,), label)
    return Tile(label, *formats.power(kw), note=_note(now, channel, doing if kw > IDLE_KW else text("now.idle")), tone=tone)


def _two_way(now: SitePower, channels: tuple[str, str], doing: tuple[str, str], label: str, tone: str) -> Tile:
    known = [(now.power_kw[channel], channel, text(f"now.{word}")) for channel, word in zip(channels, doing, strict=True)]
    if any(kw is None for kw, _, _ in known):
        return _silent(now, channels, label)
    kw, channel, word = max(known, key=lambda one: one[0] or 0.0)
    return Tile(label, *formats.power(kw), note=_note(now, channel, word if (kw or 0.0) > IDLE_KW else text("now.idle")), tone=tone)


def _note(now: SitePower, channel: str, doing: str) -> str:
    age = now.age.get(channel)
    how = text("now.derived") if channel in now.derived else doing
    return f"{how} · {text('age.ago', age=formats.duration(age))}" if age is not None else how


def _silent(now: SitePower, channels: Sequence[str], label: str) -> Tile:
    spans = [now.silent_for[channel] for channel in channels if channel in now.silent_for]
    note = text("now.silent_since", age=formats.duration(max(spans))) if spans else text("now.no_data")
    return Tile(label, text("app.unknown"), note=note, tone="silent")


def mix_bar(now: SitePower) -> str:
    """A bar of where the power in use comes from; empty where that is not known."""
    used, bought, stored = (now.power_kw[channel] for channel in ("consumption", "grid_import", "battery_discharge"))
    if used is None or bought is None or stored is None or used <= IDLE_KW:
        return ""
    grid = min(bought, used)
    battery = min(stored, used - grid)
    parts = [("solar", text("now.from_solar"), used - grid - battery), ("battery", text("now.from_battery"), battery)]
    parts.append(("grid", text("now.from_grid"), grid))
    shown = [(tone, label, kw / used) for tone, label, kw in parts if kw / used >= 0.005]
    bar = "".join(f'<span class="au-part au-fill-{tone}" style="flex-grow:{ratio:.4f}"></span>' for tone, _, ratio in shown)
    key = "".join(
        f'<span class="au-key"><span class="au-dot au-fill-{tone}"></span>{escape(label)} {escape(formats.percent(ratio))}</span>'
        for tone, label, ratio in shown
    )
    return f'<div class="au-mix"><div class="au-label">{escape(text("now.mix"))}</div><div class="au-bar">{bar}</div><div>{key}</div></div>'


def today_tiles(day: Day, *, has_production: bool) -> list[Tile]:
    """Energy, money and completeness of today."""
    energy = day.energy_kwh
    shown = [_energy(text("today.used"), energy["consumption"], "use")]
    if has_production:
        shown.append(_energy(text("today.produced"), energy["production"], "solar"))
    shown.append(_energy(text("today.imported"), energy["grid_import"], "grid"))
    if has_production:
        shown.append(_energy(text("today.exported"), energy["grid_export"], "solar"))
    shown.append(_money(day))
    if has_production:
        ratio = formats.percent(day.self_sufficiency_ratio)
        shown.append(Tile(text("today.self_sufficiency"), ratio, note=text("today.self_sufficiency_hint")))
    measured = formats.percent(day.completeness_ratio)
    return [*shown, Tile(text("today.completeness"), measured, note=text("today.completeness_hint"))]


def _energy(label: str, kwh: float | None, tone: str) -> Tile:
    figure, _, unit = formats.energy(kwh).partition(" ")
    return Tile(label, figure, unit, tone=tone if kwh is not None else "silent")


def _money(day: Day) -> Tile:
    """Net cost, or what was earned where feed-in brought more."""
    if day.net_cost is None:
        return Tile(text("today.cost"), formats.money(None, None), note=text("today.no_price"), tone="silent")
    if day.net_cost < 0:
        return Tile(text("today.earned"), formats.money(-day.net_cost, day.currency), note=text("today.earned_hint"))
    return Tile(text("today.cost"), formats.money(day.net_cost, day.currency), note=text("today.cost_hint"))


def recommendation(row: dict[str, Any]) -> str:
    """One thing to do: what, why, what it brings and how sure that is."""
    saves = _saving(row)
    score = row["effectiveness_score"]
    likely = text("advice.likelihood", ratio=formats.percent(score)) if score is not None else ""
    shown = [(name, words) for name, words in (("gain", saves), ("sure", likely)) if words]
    chips = "".join(f'<span class="au-chip au-chip-{name}">{escape(words)}</span>' for name, words in shown)
    action = row["suggested_action"]
    do = f'<p class="au-do"><b>{escape(text("advice.do"))}:</b> {escape(action)}</p>' if action else ""
    return (
        f'<article class="au-item"><h3>{escape(row["title"] or "")}</h3><p>{escape(row["description"] or "")}</p>{do}'
        f'<div class="au-chips">{chips}</div></article>'
    )


def _saving(row: dict[str, Any]) -> str:
    """What a recommendation would have brought, and in which time; empty where neither money nor energy is known."""
    money, kwh = row["expected_saving_cost"], row["expected_saving_kwh"]
    amount, energy = formats.money(money, row["currency"]), formats.energy(kwh)
    if money is None:
        saving = text("advice.saves_energy", energy=energy) if kwh is not None else ""
    else:
        saving = text("advice.saves", money=amount, energy=energy) if kwh is not None else text("advice.saves_money", money=amount)
    days = json.loads(row["params"] or "{}").get("days")
    return text("advice.over_days", saving=saving, days=days) if saving and days else saving


def anomaly_list(found: Anomalies, zone_name: str) -> str:
    """What is open, newest first."""
    if not found.count:
        return hint(text("anomalies.nothing_open"))
    items = "".join(
        f'<article class="au-item au-alert"><p class="au-when">{escape(_when(row["starts_at"], zone_name))}</p>'
        f"<p>{escape(row['explanation'] or row['kind'])}</p></article>"
        for row in found.newest
    )
    more = found.count - len(found.newest)
    return items + (f'<p class="au-hint">{escape(text("anomalies.more", count=more))}</p>' if more else "")


def _when(moment: datetime, zone_name: str) -> str:
    return f"{formats.day_name(local_date(moment, zone_name))}, {formats.clock(moment, zone_name)}"


def meter_event(event: Event, zone_name: str) -> str:
    """One decision how a meter was read: what, when, why, and what it moves."""
    moved = text("meters.moved", energy=formats.energy(event.energy_kwh)) if event.energy_kwh is not None else text("meters.moved_unknown")
    state = text("meters.overruled") if event.is_overruled else text("meters.stands")
    by = text("meters.by", name=event.said_by) if event.said_by else ""
    chips = [("sure", moved), ("sure", f"{state} {by}".strip())]
    chips += [("gain", text("meters.sealed") if event.is_sealed else text("meters.pending"))] if event.is_pending else []
    shown = "".join(f'<span class="au-chip au-chip-{name}">{escape(words)}</span>' for name, words in chips)
    reason = f"<p>{escape(text('meters.because', reason=event.reason))}</p>" if event.reason else ""
    return (
        f'<article class="au-item au-event"><p class="au-when">{escape(_when(event.at, zone_name))} · {escape(event.device_name)} · '
        f"{escape(text(f'channel.{event.channel}'))}</p><h3>{escape(text(f'meter_kind.{event.kind}'))}</h3>"
        f'<p>{escape(event.evidence)}</p>{reason}<div class="au-chips">{shown}</div></article>'
    )


def finding(found: Finding, zone_name: str) -> str:
    """A finding: how grave, what, since when, what it means, what to do, and who knows of it."""
    tone = "gain" if found.is_acknowledged else "warn" if found.severity in {"critical", "warning"} else "sure"
    chips = [(tone, text(f"severity.{found.severity}"))]
    if found.is_acknowledged:
        chips.append(("gain", f"{text('state.known')} {text('meters.by', name=found.said_by) if found.said_by else ''}".strip()))
    known = f"<p>{escape(text('state.because', reason=found.reason))}</p>" if found.reason and found.is_acknowledged else ""
    of = " · ".join([_when(found.starts_at, zone_name), *([found.device_name] if found.device_name else [])])
    meaning, action = (text(f"finding.{found.kind}.{part}") for part in ("meaning", "action"))
    return (
        f'<article class="au-item au-event"><p class="au-when">{escape(of)}</p><h3>{escape(meaning)}</h3><p>{escape(found.explanation)}</p>'
        f'<p class="au-do"><b>{escape(text("advice.do"))}:</b> {_marked(action)}</p>{known}{_chips(chips)}</article>'
    )


def device_state(device: DeviceState, zone_name: str) -> str:
    """A device: whether it is heard from, since when not, and how often it should be."""
    tone = {"online": "gain", "silent": "warn", "offline": "warn"}.get(device.state, "sure")
    last = device.last_reading_at
    words = [text("state.last_reading", at=_when(last, zone_name)) if last else text("state.no_reading")]
    if device.interval_seconds and device.state not in {"files", "retired"}:
        every = formats.duration(timedelta(seconds=device.interval_seconds))
        words.append(text("state.interval_said", every=every) if device.is_interval_said else text("state.rhythm", every=every))
    return (
        f'<article class="au-item au-event"><h3>{escape(device.name)}</h3><p>{escape(" · ".join(words))}</p>'
        f"{_chips([(tone, text(f'device_state.{device.state}'))])}</article>"
    )


def refusals(found: Refusals, zone_name: str) -> str:
    """What was refused for one reason: how much, of whom, when last."""
    last = text("state.refused_last", at=_when(found.last_at, zone_name), devices=", ".join(found.device_names))
    return (
        f'<article class="au-item au-event"><h3>{escape(found.reason)}</h3><p>{escape(last)}</p>'
        f"{_chips([('sure', text('state.refused_count', count=found.count))])}</article>"
    )


def _chips(given: Sequence[tuple[str, str]]) -> str:
    shown = "".join(f'<span class="au-chip au-chip-{tone}">{escape(words)}</span>' for tone, words in given)
    return f'<div class="au-chips">{shown}</div>'


def day_changed(day: DayChanged, site: Site) -> str:
    """What one refresh changed on one day, and why."""
    lines = "".join(f"<p>{escape(_changed(change, site))}</p>" for change in day.changes)
    measured = text("changes.completeness", ratio=formats.percent(day.completeness_ratio))
    return (
        f'<article class="au-item au-change"><h3>{escape(formats.day_name(day.local_date))}</h3>'
        f'<p class="au-when">{escape(text("changes.found", at=_when(day.revised_at, site.calendar)))}</p>{lines}<div class="au-chips">'
        f'<span class="au-chip au-chip-gain">{escape(day.reason)}</span><span class="au-chip au-chip-sure">{escape(measured)}</span>'
        "</div></article>"
    )


def _changed(change: Change, site: Site) -> str:
    before, after = (_figure(change.column, value, site) for value in (change.before, change.after))
    if change.before == change.after:
        return text("changes.stands", name=text(f"column.{change.column}"), figure=before)
    return text("changes.line", name=text(f"column.{change.column}"), before=before, after=after)


def _figure(column: str, value: float | None, site: Site) -> str:
    if column.endswith("_at"):
        return text("app.unknown") if value is None else formats.clock(datetime.fromtimestamp(value, UTC), site.calendar)
    if column.endswith("_kg_co2"):
        return f"{formats.number(value)} kg CO₂"
    if column.endswith("_kwh"):
        return formats.energy(value)
    if column.endswith("_kw"):
        return " ".join(formats.power(value)).strip()
    return formats.percent(value) if column.endswith("_ratio") else formats.money(value, site.currency)


def freshness(finished_at: datetime | None, pending_days: int, now: datetime) -> str:
    """How old the figures of the refresh are."""
    if finished_at is None:
        return text("status.never")
    age = text("status.refreshed", age=formats.duration(max(now - finished_at, timedelta())))
    return f"{age} · {text('status.pending', count=pending_days)}" if pending_days else age
