"""Keys of devices, and of gateways, which speak for every device of a site."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from app.api.access import Caller, Shared, device_for, site_for
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON
from app.api.examples import KEY, SECRET_KEY, answer
from aurora.accounts import keys
from aurora.accounts.facts import Facts, Name
from aurora.accounts.models import Device, DeviceKey, Site

router = APIRouter(tags=["keys"], responses={401: {}, 403: {}, 404: {}}, route_class=JudgedLast)
KeyedSite = Annotated[Site, Depends(site_for("manage_keys"))]
KeyedDevice = Annotated[Device, Depends(device_for("manage_keys"))]


class KeyToMake(Facts):
    """What to call the key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Cellar"}]})
    name: Name | None = None


class NewKey(BaseModel):
    """A key, shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [SECRET_KEY]})
    key_id: str
    key: str


class KnownKey(BaseModel):
    """A key that is good, without the key itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [KEY]})
    key_id: str
    name: str | None
    created_at: datetime


class KnownKeys(BaseModel):
    """Keys that are good, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": [KEY]}]})
    keys: list[KnownKey]


@router.get("/devices/{device_id}/keys", summary="Keys of a device", response_class=ExactJSON, responses=answer(KnownKeys))
def device_keys(own: KeyedDevice, services: Shared) -> ExactJSON:
    """The keys of a device that are good; a key itself is never shown again."""
    return ExactJSON({"keys": [_shown(key) for key in keys.keys_of(services.accounts, device_id=own.device_id)]})


@router.post(
    "/devices/{device_id}/keys", summary="Make a device key", status_code=201, response_class=ExactJSON,
    responses=answer(NewKey, 201) | {409: {}},
)  # fmt: skip
def add_device_key(own: KeyedDevice, caller: Caller, services: Shared, given: KeyToMake | None = None) -> ExactJSON:
    """A new key of a device, for `X-API-Key` and as its MQTT password; it is shown this once."""
    key_id, key = keys.new_key(services.accounts, own.device_id, given and given.name, by=caller.user_id)
    return ExactJSON({"key_id": key_id, "key": key}, 201)


@router.delete("/devices/{device_id}/keys/{key_id}", summary="Revoke a device key", status_code=204)
def revoke_device_key(own: KeyedDevice, key_id: str, caller: Caller, services: Shared) -> None:
    """Make a key of a device worthless, within five seconds everywhere."""
    keys.revoke_key(services.accounts, key_id, device_id=own.device_id, by=caller.user_id)


@router.get("/sites/{site_id}/keys", summary="Gateway keys of a site", response_class=ExactJSON, responses=answer(KnownKeys))
def gateway_keys(own: KeyedSite, services: Shared) -> ExactJSON:
    """The gateway keys of a site that are good; a key itself is never shown again."""
    return ExactJSON({"keys": [_shown(key) for key in keys.keys_of(services.accounts, site_id=own.site_id)]})


@router.post(
    "/sites/{site_id}/keys", summary="Make a gateway key", status_code=201, response_class=ExactJSON,
    responses=answer(NewKey, 201) | {409: {}},
)  # fmt: skip
def add_gateway_key(own: KeyedSite, caller: Caller, services: Shared, given: KeyToMake | None = None) -> ExactJSON:
    """A new key that speaks for every device of a site, which each body must name; it is shown this once."""
    key_id, key = keys.new_gateway_key(services.accounts, own.site_id, given and given.name, by=caller.user_id)
    return ExactJSON({"key_id": key_id, "key": key}, 201)


@router.delete("/sites/{site_id}/keys/{key_id}", summary="Revoke a gateway key", status_code=204)
def revoke_gateway_key(own: KeyedSite, key_id: str, caller: Caller, services: Shared) -> None:
    """Make a gateway key worthless, within five seconds."""
    keys.revoke_key(services.accounts, key_id, site_id=own.site_id, by=caller.user_id)


def _shown(key: DeviceKey) -> dict[str, Any]:
    return {"key_id": key.key_id, "name": key.name, "created_at": key.created_at}
