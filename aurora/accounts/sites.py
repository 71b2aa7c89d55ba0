"""Sites: places with an owner, and the ids that sites and devices are known by."""

import re
import secrets
import unicodedata
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aurora.accounts.database import Accounts, changed_rows
from aurora.accounts.models import Identifier, Membership, Site, User
from aurora.domain.calendar import is_time_zone
from aurora.errors import Refused

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LONGEST_SLUG = 48


def add_site(accounts: Accounts, owner: User, *, name: str, time_zone: str, site_id: str | None = None, **facts: Any) -> Site:
    """Make a site owned by `owner`; a taken name is never refused, its id is made unique.

    Args:
        accounts: The database.
        owner: Who it belongs to.
        name: What people call it.
        time_zone: Name in the tz database, such as Europe/Berlin.
        site_id: A wish for the id; refused where it was ever given.
        facts: Further columns of `Site`; `latitude` and `longitude` are required.

    Raises:
        Refused: If a fact cannot be true.
    """
    _check_facts(name=name, time_zone=time_zone, **facts)
    with accounts.transaction() as session:
        given = claim_identifier(session, site_id, name, "site")
        site = Site(site_id=given, name=name.strip(), time_zone=time_zone, created_at=datetime.now(UTC), **facts)
        session.add(site)
        session.flush()
        session.add(Membership(site_id=given, user_id=owner.user_id, role="owner"))
    return site


def change_site(accounts: Accounts, site_id: str, **facts: Any) -> None:
    """Change facts of a site. Raises Refused where a fact cannot be true or there is no such site."""
    _check_facts(**facts)
    with accounts.transaction() as session:
        result = session.execute(update(Site).where(Site.site_id == site_id).values(**facts))
        if changed_rows(result) != 1:
            raise Refused(f"There is no site {site_id}. `aurora site list` shows them.")


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


def _check_facts(**facts: Any) -> None:
    limits = {"latitude": (-90, 90), "longitude": (-180, 180), "pv_tilt_degrees": (0, 90), "pv_azimuth_degrees": (0, 360)}
    for column, value in facts.items():
        if column in limits and not (value is not None and limits[column][0] <= value <= limits[column][1]):
            raise Refused(f"{column} must lie between {limits[column][0]} and {limits[column][1]}.")
    if "name" in facts and not facts["name"].strip():
        raise Refused("A site needs a name.")
    if "time_zone" in facts and not is_time_zone(facts["time_zone"]):
        raise Refused(f"{facts['time_zone']} is not a time zone. Use a name such as Europe/Berlin or America/New_York.")
    currency = facts.get("currency")
    if currency is not None and not re.fullmatch(r"[A-Z]{3}", currency):
        raise Refused("A currency is three capital letters, such as EUR.")
