"""Sites and devices of the caller."""

from typing import Any

from fastapi import APIRouter, HTTPException

from app.api.access import OwnSite, OwnSubject, Shared, VisibleSites
from app.api.errors import ExactJSON
from aurora.accounts.devices import all_devices
from aurora.accounts.models import Model
from aurora.domain.texts import text

router = APIRouter(tags=["sites"], responses={401: {}})


@router.get("/sites", summary="My sites", response_class=ExactJSON)
def sites(visible: VisibleSites) -> ExactJSON:
    """The sites one is a member of, by name."""
    return ExactJSON({"sites": [facts(site) for site in visible.values()]})


@router.get("/sites/{site_id}", summary="One site", response_class=ExactJSON, responses={404: {}})
def site(own: OwnSite) -> ExactJSON:
    """The facts of a site."""
    return ExactJSON(facts(own))


@router.get("/sites/{site_id}/devices", summary="Devices of a site", response_class=ExactJSON, responses={404: {}})
def devices(own: OwnSite, services: Shared) -> ExactJSON:
    """The devices of a site, by id."""
    return ExactJSON({"devices": [facts(device) for device in all_devices(services.accounts, own.site_id)]})


@router.get("/devices/{device_id}", summary="One device", response_class=ExactJSON, responses={404: {}})
def device(subject: OwnSubject) -> ExactJSON:
    """The facts of a device."""
    if subject.device is None:
        raise HTTPException(404, text("api.no_such_device", device_id=subject.name))
    return ExactJSON(facts(subject.device))


def facts(row: Model) -> dict[str, Any]:
    """The columns of a site or device."""
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}
