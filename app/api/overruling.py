"""What people say of decisions how meters were read."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import Caller, Shared, VisibleSites, row_of_own_site
from app.api.bodies import JudgedLast
from aurora.accounts.overrules import overrule
from aurora.accounts.reasons import LONGEST_REASON
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
    missing = text("api.no_such_meter_event", event_id=event_id)
    return row_of_own_site("gold/meter_events", "event_id", event_id, missing, caller, visible, services)


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
