"""Devices of the caller's sites: made, read, changed, moved, retired, deleted."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import Field

from app.api.access import Caller, OwnDevice, OwnSite, Shared, VisibleSites, device_for, refuse_without, site_for
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON, InputError
from app.api.examples import answer
from app.api.sites import facts
from aurora.accounts import devices as things
from aurora.accounts.facts import DeviceChanges, Facts, NewDevice
from aurora.accounts.models import Device, Site
from aurora.domain.texts import text
from aurora.lake.history import has_readings
from aurora.lake.sealing import READING_FACTS, sealed_days

router = APIRouter(tags=["devices"], responses={401: {}, 404: {}}, route_class=JudgedLast)
EquippedSite = Annotated[Site, Depends(site_for("change_devices"))]
ChangedDevice = Annotated[Device, Depends(device_for("change_devices"))]
DoomedDevice = Annotated[Device, Depends(device_for("delete"))]


class DeviceToMake(NewDevice):
    """Facts of a new device; an admin may bind it to a topic of its own."""

    topic: Annotated[str, Field(max_length=things.LONGEST_TOPIC)] | None = None


class DeviceToChange(DeviceChanges):
    """Facts of a device to change; an admin may bind it to another topic, and an empty `topic` is Aurora's own again."""

    topic: Annotated[str, Field(max_length=things.LONGEST_TOPIC)] | None = None


class KnownDevice(NewDevice):
    """The facts of a device."""

    device_id: str
    site_id: str
    topic: str | None
    is_import: bool = Field(description="Whether it stands for the site's imported files.")
    retired_at: datetime | None
    created_at: datetime


class SealedDaysOfDevice(Facts):
    """UTC days whose raw readings are gone, so that their figures stand."""

    first_date: date
    last_date: date
    days: int


class AlteredDevice(KnownDevice):
    """The facts of a device after a change, and the days that it cannot reach."""

    sealed_days: SealedDaysOfDevice | None = Field(description="Where a fact changed by which its readings are read; null where none.")


class KnownDevices(Facts):
    """Devices by id."""

    devices: list[KnownDevice]


@router.get("/sites/{site_id}/devices", summary="Devices of a site", response_class=ExactJSON, responses=answer(KnownDevices))
def devices(own: OwnSite, services: Shared) -> ExactJSON:
    """The devices of a site, by id."""
    return ExactJSON({"devices": [facts(device) for device in things.all_devices(services.accounts, own.site_id)]})


@router.post(
    "/sites/{site_id}/devices",
    summary="Make a device",
    status_code=201,
    response_class=ExactJSON,
    responses=answer(KnownDevice, 201) | {403: {}},
)  # fmt: skip
def add_device(own: EquippedSite, caller: Caller, given: DeviceToMake, services: Shared) -> ExactJSON:
    """A new device; its id is made from its name and is unique, and `topic` is where it publishes to."""
    if given.topic is not None and caller.role != "admin":
        raise HTTPException(403, text("api.only_admins_topic"))
    made = things.add_device(services.accounts, own.site_id, by=caller.user_id, **given.model_dump(exclude_unset=True))
    return ExactJSON(facts(made), 201, {"Location": f"/v1/devices/{made.device_id}"})


@router.get("/devices/{device_id}", summary="One device", response_class=ExactJSON, responses=answer(KnownDevice))
def device(own: OwnDevice) -> ExactJSON:
    """The facts of a device."""
    return ExactJSON(facts(own))


@router.put("/devices/{device_id}", summary="Change a device", response_class=ExactJSON, responses=answer(AlteredDevice) | {403: {}})
def change_device(own: ChangedDevice, caller: Caller, given: DeviceToChange, visible: VisibleSites, services: Shared) -> ExactJSON:
    """The facts of a device after those given were changed.

    `site_id` moves it with its history, which an owner alone may; from `retired_at` on nothing of it is taken. `sealed_days` are those that
    another factor, channel or exchange does not reach.
    """
    changes: dict[str, Any] = given.model_dump(exclude_unset=True)
    if "topic" in changes:
        # Null, as for every fact, takes away what was set.
        changes["topic"] = changes["topic"] or ""
    if changes.get("topic", "") not in {"", own.topic} and caller.role != "admin":
        raise HTTPException(403, text("api.only_admins_topic"))
    if (goal := changes.get("site_id")) is not None:
        if goal not in visible:
            raise InputError("site_id", text("api.not_yours"))
        refuse_without("move_devices", services, caller, own.site_id)
        refuse_without("change_devices", services, caller, goal)
    if changes.get("kind", own.kind) != own.kind and "gateway" in {changes["kind"], own.kind}:
        # The key of a gateway speaks for every device of the site.
        refuse_without("manage_keys", services, caller, own.site_id)
    changed = things.change_device(services.accounts, own.device_id, by=caller.user_id, **changes)
    stands = sealed_days(services.reader.snapshot(), own.device_id) if READING_FACTS & changes.keys() else None
    return ExactJSON(facts(changed) | {"sealed_days": stands.as_dict() if stands else None})


@router.delete("/devices/{device_id}", summary="Delete a device", status_code=204, responses={403: {}, 409: {}})
def delete_device(own: DoomedDevice, caller: Caller, services: Shared) -> None:
    """Forget a device that never sent anything; 409 where it has readings."""
    is_used = has_readings(services.reader.lake, own.device_id)
    things.delete_device(services.accounts, own.device_id, has_readings=is_used, by=caller.user_id)
