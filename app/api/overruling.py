"""What people say of decisions how meters were read."""

from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import Caller, Shared, VisibleSites, refuse_without
from app.api.bodies import JudgedLast
from aurora.accounts.overrules import LONGEST_REASON, overrule
from aurora.domain.texts import text
from aurora.lake.sealing import sealed_of

router = APIRouter(prefix="/meter-events", tags=["sites"], responses={401: {}, 403: {}, 404: {}}, route_class=JudgedLast)


class Overruling(BaseModel):
    """What a person says of a decision how a meter was read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overruled": True, "reason": "The register was read by hand that day."}]})

    overruled: bool = Field(description="Whether it is reversed; false lets it stand again.")
    reason: str | None = Field(None, max_length=LONGEST_REASON)


class KeptOverruling(Overruling):
    """What was kept; the next refresh reckons with it."""

    event_id: str
    site_id: str
    decided_at: datetime
    is_sealed: bool = Field(description="Whether the raw readings of its day are gone, so that no total follows.")


def own_event(event_id: str, caller: Caller, visible: VisibleSites, services: Shared) -> dict[str, Any]:
    """The decision of the path; 404 where it is about no site of the caller's, 403 where they may not change its devices."""
    events = services.reader.snapshot().scan("gold/meter_events").filter(pl.col("event_id") == event_id).collect()
    mine = events.filter(pl.col("site_id").is_in(list(visible)))
    if mine.is_empty():
        raise HTTPException(404, text("api.no_such_meter_event", event_id=event_id))
    row = mine.row(0, named=True)
    refuse_without("change_devices", services, caller, row["site_id"])
    return row


OwnEvent = Annotated[dict[str, Any], Depends(own_event)]


@router.put("/{event_id}", summary="Overrule how a meter was read")
def overrule_event(own: OwnEvent, caller: Caller, services: Shared, given: Overruling) -> KeptOverruling:
    """Reverse a decision, or let it stand again; every total follows with the next refresh, but on days whose raw readings are gone."""
    kept = overrule(
        services.accounts, own["event_id"], device_id=own["device_id"], site_id=own["site_id"], is_overruled=given.overruled,
        reason=given.reason, by=caller.user_id, now=datetime.now(UTC),
    )  # fmt: skip
    is_sealed = bool(sealed_of(services.reader.snapshot(), [(own["device_id"], own["at"])]))
    return KeptOverruling(
        overruled=kept.is_overruled, reason=kept.reason, event_id=kept.event_id, site_id=kept.site_id, decided_at=kept.decided_at,
        is_sealed=is_sealed,
    )  # fmt: skip
