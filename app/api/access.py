"""Who asks, and what may be asked about: dependencies that every route names before it looks at its input."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Query, Request
from fastapi.security import OAuth2PasswordBearer

from app.api.errors import InputError, unauthorized
from app.api.tokens import Tokens
from app.services import Services
from aurora.accounts.devices import find_device
from aurora.accounts.models import Device, Site, User
from aurora.accounts.people import visible_sites
from aurora.domain.texts import text
from aurora.errors import NotReady, Refused
from aurora.lake.manifest import Snapshot

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


def get_services(request: Request) -> Services:
    """What this process shares."""
    return request.app.state.services


def get_tokens(request: Request) -> Tokens:
    """Issuer of tokens."""
    return request.app.state.tokens


Shared = Annotated[Services, Depends(get_services)]
TokenIssuer = Annotated[Tokens, Depends(get_tokens)]


def get_user(token: Annotated[str | None, Depends(_BEARER)], tokens: TokenIssuer) -> User:
    """The person the bearer token was given to; 401 without a valid one."""
    if token is None:
        raise unauthorized(text("api.no_credentials"))
    user = tokens.user(token)
    if user is None:
        raise unauthorized(text("api.bad_token"))
    return user


Caller = Annotated[User, Depends(get_user)]


def get_sites(caller: Caller, services: Shared) -> dict[str, Site]:
    """The sites the caller may see, by id."""
    return {site.site_id: site for site in visible_sites(services.accounts, caller.user_id, datetime.now(UTC))}


VisibleSites = Annotated[dict[str, Site], Depends(get_sites)]


def get_site(site_id: str, sites: VisibleSites) -> Site:
    """The site of the path; 404 where it is not the caller's."""
    if site_id not in sites:
        raise HTTPException(404, text("api.no_such_site", site_id=site_id))
    return sites[site_id]


def get_subject(device_id: str, sites: VisibleSites, services: Shared) -> Subject:
    """The device of the path, or the site whose id stands in its place; 404 where it is not the caller's."""
    if device_id in sites:
        return Subject(sites[device_id], None)
    try:
        device = find_device(services.accounts, device_id)
    except Refused:
        device = None
    if device is None or device.site_id not in sites:
        raise HTTPException(404, text("api.no_such_device", device_id=device_id))
    return Subject(sites[device.site_id], device)


OwnSite = Annotated[Site, Depends(get_site)]
OwnSubject = Annotated[Subject, Depends(get_subject)]
AsOf = Annotated[
    str | None, Query(description="A time with offset or a `refresh_id`: answer as the newest publication finished by then did.")
]


def published(services: Services, as_of: str | None) -> Snapshot:
    """The publication to answer from: the newest, or the one asked for. 404 where there was none, 410 where it is gone."""
    if as_of is None:
        return services.reader.snapshot()
    try:
        return services.reader.as_of(_moment(as_of))
    except NotReady:
        raise HTTPException(404, text("api.no_publication", moment=as_of)) from None


def _moment(as_of: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(as_of.replace(" ", "+"))
    except ValueError:
        return as_of
    if moment.tzinfo is None:
        raise InputError("as_of", text("api.needs_offset"))
    return moment


def page_of(rows: list[dict[str, Any]], hidden: tuple[str, ...] = ("refresh_id",)) -> list[dict[str, Any]]:
    """Rows of gold without what is of no use outside."""
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]
