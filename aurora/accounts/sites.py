"""Sites: places with an owner, and the ids that sites and devices are known by."""

import re
import secrets
import unicodedata
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.facts import NewSite, SiteChanges, checked
from aurora.accounts.models import Device, DeviceKey, Identifier, Membership, Site, Tariff, User
from aurora.accounts.priced import keep_under
from aurora.domain.calendar import zone_on
from aurora.errors import Conflict, Refused, Unknown, WrongFacts

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LONGEST_SLUG = 48
MOST_NAMED = 10
MOST_PAST_ZONES = 16


def add_site(
    accounts: Accounts, owner: User, *, name: str, time_zone: str, site_id: str | None = None, by: str | None = None, **facts: Any
) -> Site:
    """Make a site owned by `owner`; a taken name is never refused, its id is made unique.

    Args:
        accounts: The database.
        owner: Who it belongs to.
        name: What people call it.
        time_zone: Name in the tz database, such as Europe/Berlin.
        site_id: A wish for the id; refused where it was ever given.
        by: Who does it, for the audit log.
        facts: Further columns of `Site`; `latitude` and `longitude` are required.

    Raises:
        Refused: If a fact cannot be true.
    """
    given = checked(NewSite, {"name": name, "time_zone": time_zone, **facts})
    with accounts.transaction() as session:
        return make_site(session, owner.user_id, given, site_id, by)


def make_site(session: Session, owner_id: str, facts: dict[str, Any], site_id: str | None = None, by: str | None = None) -> Site:
    """Make a site of checked facts within a transaction. Raises Refused for an id that cannot be given or a reference to nothing."""
    _check_references(session, facts)
    given = claim_identifier(session, site_id, facts["name"], "site")
    site = Site(site_id=given, created_at=datetime.now(UTC), **facts)
    session.add(site)
    session.flush()
    session.add(Membership(site_id=given, user_id=owner_id, role="owner"))
    note(session, "site.add", user_id=by, subject=("site", given), site_id=given)
    return site


def change_site(accounts: Accounts, site_id: str, by: str | None = None, priced_parts: Collection[str] = (), **facts: Any) -> Site:
    """Change facts of a site and return it.

    Args:
        accounts: The database.
        site_id: Which site.
        by: Who does it, for the audit log.
        priced_parts: Parts that published costs of the site are reckoned with, where `tariff_id` changes; see `aurora.lake.history`.
        facts: Those to change.

    Raises:
        Refused: If a fact cannot be true or there is no such site.
        Conflict: If published costs would lose their price.
    """
    changes = checked(SiteChanges, facts)
    with accounts.transaction() as session:
        site = existing_site(session, site_id)
        changes = _with_zones(site, changes)
        _check_references(session, {name: value for name, value in changes.items() if value != getattr(site, name)})
        if "tariff_id" in changes and changes["tariff_id"] != site.tariff_id:
            keep_under(session, site, changes["tariff_id"], priced_parts)
        for name, value in changes.items():
            setattr(site, name, value)
        note(session, "site.change", user_id=by, subject=("site", site_id), site_id=site_id, details={"changed": sorted(changes)})
    return site


def _with_zones(site: Site, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with `past_time_zones` for `time_zone_from`: days before it keep their zone. Raises WrongFacts without a time zone.

    A zone without a day counts for all days; the one the site has already, said again without a day, leaves its history alone.
    """
    others = {name: value for name, value in changes.items() if name != "time_zone_from"}
    since: date | None = changes.get("time_zone_from")
    if "time_zone" not in changes:
        if since is not None:
            raise WrongFacts([("time_zone_from", "says from when on time_zone counts: name both")])
        return others
    if since is None:
        is_same = "time_zone_from" not in changes and changes["time_zone"] == site.time_zone
        return others if is_same else others | {"past_time_zones": None}
    kept = [one for one in site.past_time_zones or [] if one["until"] < since.isoformat()]
    before = zone_on(since - timedelta(days=1), site.calendar)
    if before != changes["time_zone"]:
        kept.append({"time_zone": before, "until": since.isoformat()})
    if len(kept) > MOST_PAST_ZONES:
        raise WrongFacts([("time_zone_from", f"a site has at most {MOST_PAST_ZONES} time zones before its own")])
    return others | {"past_time_zones": kept or None}


def delete_site(accounts: Accounts, site_id: str, by: str | None = None) -> None:
    """Forget a site, its members, keys and retired devices; its id is never given again.

    Raises:
        Conflict: If it has devices in use.
        Unknown: If there is no such site.
    """
    now = datetime.now(UTC)
    with accounts.transaction() as session:
        site = existing_site(session, site_id)
        used = select(Device.device_id).where(Device.site_id == site_id, is_in_use(now))
        if names := list(session.scalars(used.order_by(Device.device_id))):
            raise Conflict(f"{site_id} has devices in use: {', '.join(names[:MOST_NAMED])}. Retire, move or delete them first.")
        retired = list(session.scalars(select(Device.device_id).where(Device.site_id == site_id)))
        session.execute(delete(DeviceKey).where(or_(DeviceKey.site_id == site_id, DeviceKey.device_id.in_(retired))))
        session.execute(update(Site).where(Site.weather_station_id.in_(retired)).values(weather_station_id=None))
        session.execute(delete(Device).where(Device.site_id == site_id))
        session.delete(site)
        note(session, "site.delete", user_id=by, subject=("site", site_id), site_id=site_id)


def existing_site(session: Session, site_id: str) -> Site:
    """The site, held for this transaction, so that what is checked of it stays true. Raises Unknown where there is none."""
    site = session.get(Site, site_id, with_for_update=True)
    if site is None:
        raise Unknown(f"There is no site {site_id}. `aurora site list` shows them.")
    return site


def is_in_use(now: datetime) -> ColumnElement[bool]:
    """Whether a device still sends: it is not retired, or only later."""
    return or_(Device.retired_at.is_(None), Device.retired_at > now)


def all_sites(accounts: Accounts) -> list[Site]:
    """Every site, by id."""
    with accounts.reading() as session:
        return list(session.scalars(select(Site).order_by(Site.site_id)))


def find_site(accounts: Accounts, wanted: str) -> Site:
    """The site with that id or that unique name. Raises Refused."""
    with accounts.reading() as session:
        site = session.get(Site, wanted)
        named = list(session.scalars(select(Site).where(func.lower(Site.name) == wanted.lower())))
    if site is None and len(named) != 1:
        problem = f"{len(named)} sites are named {wanted}: use the id" if named else f"There is no site {wanted}"
        raise Refused(f"{problem}. `aurora site list` shows all sites.")
    return site or named[0]


def claim_identifier(session: Session, wish: str | None, name: str, kind: str) -> str:
    """An id for a new site or device, never given before and never again. Raises Refused for a wish that cannot be met."""
    if wish is not None and not IDENTIFIER.fullmatch(wish):
        raise Refused("An id has 1 to 64 small letters, digits, dashes or underscores and begins with a letter or digit.")
    slug = wish or _slug(name, kind)
    if session.get(Identifier, slug) is not None:
        if wish is not None:
            raise Refused(f"The id {wish} is or was in use. Choose another one.")
        slug = f"{slug}-{secrets.token_hex(3)}"
    session.add(Identifier(identifier=slug, kind=kind))
    session.flush()
    return slug


def _slug(name: str, kind: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or f"{kind}-{secrets.token_hex(3)}"


def _check_references(session: Session, facts: dict[str, Any]) -> None:
    station_id, tariff_id = facts.get("weather_station_id"), facts.get("tariff_id")
    problems: list[tuple[str, str]] = []
    if tariff_id is not None and session.get(Tariff, tariff_id) is None:
        problems.append(("tariff_id", "names no tariff"))
    if station_id is not None:
        station = session.get(Device, station_id)
        if station is None or station.kind != "weather_station":
            problems.append(("weather_station_id", "names no device of the kind weather_station"))
    if problems:
        raise WrongFacts(problems)
