"""Decisions how the meters of one site were read, with what people say of them. The caller asks only for sites its user may see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.queries.reader import LakeReader, rows_of_site
from aurora.accounts.database import Accounts
from aurora.accounts.devices import all_devices
from aurora.accounts.memberships import members_of
from aurora.accounts.models import Overrule, Site
from aurora.accounts.overrules import all_overrules
from aurora.lake.manifest import Snapshot
from aurora.lake.sealing import sealed_of


@dataclass(frozen=True)
class Event:
    """One decision how a meter was read.

    Attributes:
        energy_kwh: How far totals would differ without it; None where nobody knows.
        is_overruled: Whether a person reversed it.
        is_pending: Whether the published totals do not reckon with what was said last.
        is_sealed: Whether they never will: the raw readings of its day are gone.
        said_by: User name of who decided last; None for a rule, or for whoever is no member here.
        reason: Why, in their words.
    """

    event_id: str
    device_id: str
    device_name: str
    channel: str
    kind: str
    at: datetime
    evidence: str
    energy_kwh: float | None
    is_overruled: bool
    is_pending: bool
    is_sealed: bool
    said_by: str | None
    reason: str | None


@dataclass(frozen=True)
class Events:
    """The newest decisions at a site, and how many there are in all."""

    count: int
    newest: list[Event]


def events(reader: LakeReader, accounts: Accounts, site: Site, most: int) -> Events:
    """The newest `most` decisions at a site, newest first."""

    def ask(snapshot: Snapshot) -> tuple[int, list[dict[str, Any]]]:
        rows = rows_of_site(snapshot, "gold/meter_events", site.site_id).sort("at", "event_id", descending=True)
        shown = rows.head(most).to_dicts()
        sealed = sealed_of(snapshot, [(row["device_id"], row["at"]) for row in shown])
        return rows.height, [row | {"is_sealed": (row["device_id"], row["at"]) in sealed} for row in shown]

    count, rows = reader.answer(("meter_events", site.site_id, most), ask)
    names = {device.device_id: device.name for device in all_devices(accounts, site.site_id)}
    people = {member["user_id"]: member["username"] for member in members_of(accounts, site.site_id)}
    said = all_overrules(accounts, [site.site_id])
    return Events(count, [_event(row, names, people, said.get(row["event_id"])) for row in rows])


def _event(row: dict[str, Any], names: dict[str, str], people: dict[str, str], said: Overrule | None) -> Event:
    is_overruled = said is not None and said.is_overruled
    return Event(
        event_id=row["event_id"],
        device_id=row["device_id"],
        device_name=names.get(row["device_id"]) or row["device_id"],
        channel=row["channel"],
        kind=row["kind"],
        at=row["at"],
        evidence=row["evidence"] or "",
        energy_kwh=row["energy_kwh_affected"],
        is_overruled=is_overruled,
        is_pending=is_overruled != bool(row["is_overruled"]),
        is_sealed=row["is_sealed"],
        said_by=people.get(said.user_id or "") if said else None,
        reason=said.reason if said else None,
    )
