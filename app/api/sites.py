"""Sites of the caller: made, read, changed, deleted."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from app.api.access import Caller, OwnSite, Shared, VisibleSites, site_for
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON, InputError
from app.api.examples import SITE, answer
from app.services import Services
from aurora.accounts import sites as places
from aurora.accounts.devices import find_device
from aurora.accounts.facts import Facts, NewSite, SiteChanges
from aurora.accounts.memberships import role_at
from aurora.accounts.models import Model, Site, User
from aurora.accounts.rights import may
from aurora.domain.texts import text
from aurora.errors import Unknown
from aurora.lake.history import priced_parts

router = APIRouter(tags=["sites"], responses={401: {}}, route_class=JudgedLast)
ChangedSite = Annotated[Site, Depends(site_for("change_site"))]
DoomedSite = Annotated[Site, Depends(site_for("delete"))]


class PastZone(Facts):
    """A time zone that a site had."""

    time_zone: str
    until: date = Field(description="The first local day on which it does not count any more.")


class KnownSite(NewSite):
    """The facts of a site."""

    model_config = ConfigDict(json_schema_extra={"examples": [SITE]})
    site_id: str
    past_time_zones: list[PastZone] | None = None
    created_at: datetime


class KnownSites(Facts):
    """Sites by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sites": [SITE]}]})
    sites: list[KnownSite]


@router.get("/sites", summary="My sites", response_class=ExactJSON, responses=answer(KnownSites))
def sites(visible: VisibleSites) -> ExactJSON:
    """The sites one is a member of, by name."""
    return ExactJSON({"sites": [facts(site) for site in visible.values()]})


@router.post("/sites", summary="Make a site", status_code=201, response_class=ExactJSON, responses=answer(KnownSite, 201))
def add_site(caller: Caller, given: NewSite, visible: VisibleSites, services: Shared) -> ExactJSON:
    """A new site of the caller's own; its id is made from its name and is unique."""
    named = given.model_dump(exclude_unset=True)
    _refuse_foreign(named, caller, visible, services)
    made = places.add_site(services.accounts, caller, by=caller.user_id, **named)
    return ExactJSON(facts(made), 201, {"Location": f"/v1/sites/{made.site_id}"})


@router.get("/sites/{site_id}", summary="One site", response_class=ExactJSON, responses=answer(KnownSite) | {404: {}})
def site(own: OwnSite) -> ExactJSON:
    """The facts of a site."""
    return ExactJSON(facts(own))


@router.put(
    "/sites/{site_id}", summary="Change a site", response_class=ExactJSON, responses=answer(KnownSite) | {403: {}, 404: {}, 409: {}}
)
def change_site(own: ChangedSite, caller: Caller, given: SiteChanges, visible: VisibleSites, services: Shared) -> ExactJSON:
    """The facts of a site after those given were changed, the others stay; 409 where published costs would lose their price."""
    changes = given.model_dump(exclude_unset=True)
    _refuse_foreign(changes, caller, visible, services)
    is_repriced = "tariff_id" in changes and changes["tariff_id"] != own.tariff_id
    priced = priced_parts(services.reader.lake, own.site_id) if is_repriced else ()
    return ExactJSON(facts(places.change_site(services.accounts, own.site_id, by=caller.user_id, priced_parts=priced, **changes)))


@router.delete("/sites/{site_id}", summary="Delete a site", status_code=204, responses={403: {}, 404: {}, 409: {}})
def delete_site(own: DoomedSite, caller: Caller, services: Shared) -> None:
    """Forget a site; 409 while it has devices in use."""
    places.delete_site(services.accounts, own.site_id, by=caller.user_id)


def facts(row: Model) -> dict[str, Any]:
    """The columns of a site or device."""
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def _refuse_foreign(changes: dict[str, Any], caller: User, visible: dict[str, Site], services: Services) -> None:
    """Raise InputError where a tariff is named that the caller may not change, or a weather station that belongs to somebody else."""
    tariff_id, station_id = changes.get("tariff_id"), changes.get("weather_station_id")
    # Whoever only sees a contract must not hold it: its owner's next change would then begin another one.
    holders = [site.site_id for site in visible.values() if tariff_id is not None and site.tariff_id == tariff_id]
    now = datetime.now(UTC)
    if tariff_id is not None and not any(
        may(role_at(services.accounts, caller.user_id, site_id, now), "change_tariffs") for site_id in holders
    ):
        raise InputError("tariff_id", text("api.not_yours"))
    if station_id is None:
        return
    try:
        station = find_device(services.accounts, station_id)
    except Unknown:
        station = None
    if station is None or station.site_id not in visible:
        raise InputError("weather_station_id", text("api.not_yours"))
