"""What a person may see: the one answer that everything which shows a site asks for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Device, Membership, Site


def _is_member(user_id: Any, now: Any) -> ColumnElement[bool]:
    return (Membership.user_id == user_id) & or_(Membership.ends_at.is_(None), Membership.ends_at > now)


def visible_sites(accounts: Accounts, user_id: str, now: datetime) -> list[Site]:
    """The sites a person may see, by name: those of a membership that has not ended. Everything that shows a site asks this."""
    with accounts.reading() as session:
        return list(
            session.scalars(
                select(Site)
                .join(Membership, Membership.site_id == Site.site_id)
                .where(_is_member(user_id, now))
                .order_by(Site.name, Site.site_id)
            )
        )


_SITES, _DEVICES = list(Site.__table__.columns), list(Device.__table__.columns)
_NOW = bindparam("now", type_=Membership.__table__.c.ends_at.type)
_MINE = _is_member(bindparam("user_id"), _NOW)
_BY_SITE = select(*_SITES).join(Membership, Membership.site_id == Site.site_id).where(_MINE, Site.site_id == bindparam("name"))
_BY_DEVICE = (
    select(*_DEVICES, *_SITES)
    .join(Site, Site.site_id == Device.site_id)
    .join(Membership, Membership.site_id == Site.site_id)
    .where(_MINE, Device.device_id == bindparam("name"))
)


def visible_place(accounts: Accounts, user_id: str, name: str, now: datetime) -> tuple[Site, Device | None] | None:
    """The site of that id, or the device of that id with its site, where `visible_sites` would show it; else None.

    One statement for a site, however many a person sees: every report asks it.
    """
    asked = {"user_id": user_id, "name": name, "now": now}
    with accounts.engine.connect().execution_options(is_reading=True) as connection:
        if row := connection.execute(_BY_SITE, asked).one_or_none():
            return _site(row), None
        row = connection.execute(_BY_DEVICE, asked).one_or_none()
    if row is None:
        return None
    cut = len(_DEVICES)
    return _site(row[cut:]), Device(**{column.name: value for column, value in zip(_DEVICES, row[:cut], strict=True)})


def _site(values: Sequence[Any]) -> Site:
    return Site(**{column.name: value for column, value in zip(_SITES, values, strict=True)})
