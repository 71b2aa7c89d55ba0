"""Who asks, and what may be asked about: dependencies that every route names before it looks at its input."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import Depends, HTTPException, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import OAuth2PasswordBearer

from app.api.errors import InputError, unauthorized
from app.services import Services
from aurora.accounts.memberships import role_at
from aurora.accounts.models import Device, Site, User
from aurora.accounts.people import Grant, Whence, visible_place, visible_sites
from aurora.accounts.rights import RIGHTS, Right, may
from aurora.accounts.tokens import Tokens
from aurora.domain.texts import text
from aurora.errors import Gone, NotReady
from aurora.lake.manifest import Snapshot, is_refresh_id

_BEARER = OAuth2PasswordBearer("/v1/auth/token", refreshUrl="/v1/auth/refresh", auto_error=False)


@dataclass(frozen=True)
class Subject:
    """What a report speaks of: a site, or one device of it."""

    site: Site
    device: Device | None

    @property
    def name(self) -> str:
        """Its id."""
        return self.device.device_id if self.device else self.site.site_id

    @property
    def ids(self) -> dict[str, str]:
        """How an answer names it."""
        return {"site_id": self.site.site_id} | ({"device_id": self.device.device_id} if self.device else {})


async def get_services(request: Request) -> Services:
    """What this process shares."""
    return request.app.state.services


async def get_tokens(request: Request) -> Tokens:
    """Issuer of tokens."""
    return request.app.state.tokens


Shared = Annotated[Services, Depends(get_services)]
TokenIssuer = Annotated[Tokens, Depends(get_tokens)]


def get_bearer(token: Annotated[str | None, Depends(_BEARER)]) -> str | None:
    """The bearer token as it was sent; None without one."""
    return token


def asks_for_login(dependant: Dependant) -> bool:
    """Whether a route answers nobody without a login."""
    is_asked = dependant.call is not get_bearer and any(found.call is _BEARER for found in dependant.dependencies)
    return is_asked or any(asks_for_login(found) for found in dependant.dependencies)


def get_grant(token: Annotated[str | None, Depends(_BEARER)], tokens: TokenIssuer) -> Grant:
    """The person the bearer token was given to, and by which login; 401 without a valid one."""
    if token is None:
        raise unauthorized(text("api.no_credentials"))
    grant = tokens.grant(token)
    if grant is None:
        raise unauthorized(text("api.bad_token"))
    return grant


CallerGrant = Annotated[Grant, Depends(get_grant)]


async def get_user(grant: CallerGrant) -> User:
    """The person the bearer token was given to; 401 without a valid one."""
    return grant.user


async def get_whence(request: Request) -> Whence:
    """Where the request comes from."""
    return Whence(request.client.host if request.client else "", request.headers.get("user-agent"))


Origin = Annotated[Whence, Depends(get_whence)]
Caller = Annotated[User, Depends(get_user)]


def get_sites(caller: Caller, services: Shared) -> dict[str, Site]:
    """The sites the caller may see, by id."""
    return {site.site_id: site for site in visible_sites(services.accounts, caller.user_id, datetime.now(UTC))}


VisibleSites = Annotated[dict[str, Site], Depends(get_sites)]


def get_site(site_id: str, caller: Caller, services: Shared) -> Site:
    """The site of the path; 404 where it is not the caller's."""
    place = visible_place(services.accounts, caller.user_id, site_id, datetime.now(UTC))
    if place is None or place[1] is not None:
        raise HTTPException(404, text("api.no_such_site", site_id=site_id))
    return place[0]


def get_subject(device_id: str, token: Annotated[str | None, Depends(_BEARER)], tokens: TokenIssuer, services: Shared) -> Subject:
    """The device of the path, or the site whose id stands in its place; 401 without credentials, 404 where it is not the caller's.

    Who asks and whether they may is answered in one step, as each step of a request waits for a thread of its own.
    """
    return _subject(device_id, get_grant(token, tokens).user, services)


def _subject(device_id: str, caller: User, services: Services) -> Subject:
    place = visible_place(services.accounts, caller.user_id, device_id, datetime.now(UTC))
    if place is None:
        raise HTTPException(404, text("api.no_such_device", device_id=device_id))
    return Subject(*place)


def get_device(device_id: str, caller: Caller, services: Shared) -> Device:
    """The device of the path; 404 where it is not the caller's."""
    subject = _subject(device_id, caller, services)
    if subject.device is None:
        raise HTTPException(404, text("api.no_such_device", device_id=device_id))
    return subject.device


def refuse_without(right: Right, services: Services, caller: User, site_id: str) -> None:
    """Raise 403 where the caller's role at a site that they see lacks a right."""
    if not may(role_at(services.accounts, caller.user_id, site_id, datetime.now(UTC)), right):
        raise HTTPException(403, text("api.missing_role", roles=" or ".join(sorted(RIGHTS[right]))))


def row_of_own_site(
    table: str, key: str, name: str, missing: str, caller: User, visible: dict[str, Site], services: Services
) -> dict[str, Any]:
    """A row of a published table; 404 where it is about no site of the caller's, 403 where they may not change that site's devices."""
    found = services.reader.snapshot().scan(table).filter(pl.col(key) == name).collect()
    mine = found.filter(pl.col("site_id").is_in(list(visible)))
    if mine.is_empty():
        raise HTTPException(404, missing)
    row = mine.row(0, named=True)
    refuse_without("change_devices", services, caller, row["site_id"])
    return row


def site_for(right: Right) -> Callable[[Site, User, Services], Site]:
    """A dependency: the site of the path, where the caller has that right; else 404 or 403."""

    def allowed(own: OwnSite, caller: Caller, services: Shared) -> Site:
        refuse_without(right, services, caller, own.site_id)
        return own

    return allowed


def device_for(right: Right) -> Callable[[Device, User, Services], Device]:
    """A dependency: the device of the path, where the caller has that right at its site; else 404 or 403."""

    def allowed(device: OwnDevice, caller: Caller, services: Shared) -> Device:
        refuse_without(right, services, caller, device.site_id)
        return device

    return allowed


OwnSite = Annotated[Site, Depends(get_site)]
OwnDevice = Annotated[Device, Depends(get_device)]
OwnSubject = Annotated[Subject, Depends(get_subject)]
AsOf = Annotated[
    str | None, Query(description="A time with offset or a `refresh_id`: answer as the newest publication finished by then did.")
]


def published(services: Services, as_of: str | None) -> Snapshot:
    """The publication to answer from: the newest, or the one asked for. 404 where there was none, 410 where it is gone.

    Raises InputError for what is neither a time with offset nor the form of a `refresh_id`.
    """
    newest = services.reader.snapshot()
    if as_of is None or as_of == newest.refresh_id:
        return newest
    moment = _moment(as_of)
    try:
        return services.reader.as_of(moment)
    except Gone:
        raise HTTPException(410, text("api.publication_gone", moment=as_of)) from None
    except NotReady:
        if isinstance(moment, str) and not is_refresh_id(moment):
            raise InputError("as_of", text("api.neither_time_nor_publication")) from None
        raise HTTPException(404, text("api.no_publication", moment=as_of)) from None


def _moment(as_of: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(as_of.replace(" ", "+"))
    except ValueError:
        return as_of
    if moment.tzinfo is None:
        raise InputError("as_of", text("api.needs_offset"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InputError("as_of", text("api.not_a_date")) from None


def page_of(rows: list[dict[str, Any]], hidden: tuple[str, ...] = ("refresh_id",)) -> list[dict[str, Any]]:
    """Rows of gold without what is of no use outside."""
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]
