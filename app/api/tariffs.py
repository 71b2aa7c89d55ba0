"""The contract a site is priced by."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, WithJsonSchema

from app.api.access import Caller, OwnSite, Shared, site_for
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON
from app.api.examples import answer
from aurora.accounts import tariffs
from aurora.accounts.models import Site
from aurora.lake.history import priced_parts

router = APIRouter(tags=["tariffs"], responses={401: {}, 404: {}}, route_class=JudgedLast)
PricedSite = Annotated[Site, Depends(site_for("change_tariffs"))]


class KnownPrice(BaseModel):
    """What one part of a contract costs for a time."""

    part: str
    direction: str
    quantity_unit: str
    unit_price: Annotated[Decimal, WithJsonSchema({"type": "number"})]
    valid_from: datetime
    valid_until: datetime | None


class KnownContract(BaseModel):
    """A site's contract; all null and no prices where it has none."""

    tariff_id: str | None
    name: str | None
    currency: str | None
    prices: list[KnownPrice]


@router.get("/sites/{site_id}/tariffs", summary="Contract of a site", response_class=ExactJSON, responses=answer(KnownContract))
def contract(own: OwnSite, services: Shared) -> ExactJSON:
    """The contract a site is priced by, with its prices by part and time."""
    return ExactJSON(tariffs.contract_of(services.accounts, own.site_id))


@router.put(
    "/sites/{site_id}/tariffs", summary="Set the contract of a site", response_class=ExactJSON,
    responses=answer(KnownContract) | {403: {}, 409: {}},
)  # fmt: skip
def set_contract(own: PricedSite, caller: Caller, given: tariffs.Contract, services: Shared) -> ExactJSON:
    """The contract after the given one took its place; 409 where published costs would lose their price."""
    priced = priced_parts(services.reader.lake, own.site_id)
    named = given.model_dump(exclude_unset=True)
    return ExactJSON(tariffs.set_contract(services.accounts, own.site_id, named, priced, by=caller.user_id))
