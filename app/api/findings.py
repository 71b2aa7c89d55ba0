"""What people say of findings: that they know of one."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import Caller, Shared, VisibleSites, row_of_own_site
from app.api.bodies import JudgedLast
from aurora.accounts.acknowledgements import acknowledge
from aurora.accounts.reasons import LONGEST_REASON
from aurora.domain.texts import text

router = APIRouter(prefix="/anomalies", tags=["sites"], responses={401: {}, 403: {}, 404: {}}, route_class=JudgedLast)


class Acknowledging(BaseModel):
    """What a person says of a finding."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"acknowledged": True, "reason": "The sauna; it was us."}]})

    acknowledged: bool = Field(description="Whether it is known of; false tells it again.")
    reason: str | None = Field(None, max_length=LONGEST_REASON)


class KeptAcknowledging(Acknowledging):
    """What was kept."""

    anomaly_id: str
    site_id: str
    decided_at: datetime


def own_finding(anomaly_id: str, caller: Caller, visible: VisibleSites, services: Shared) -> dict[str, Any]:
    """The finding of the path; 404 where it is about no site of the caller's, 403 where they may not change its devices."""
    missing = text("api.no_such_finding", anomaly_id=anomaly_id)
    return row_of_own_site("gold/anomalies", "anomaly_id", anomaly_id, missing, caller, visible, services)


OwnFinding = Annotated[dict[str, Any], Depends(own_finding)]


@router.put("/{anomaly_id}", summary="Say that a finding is known of")
def acknowledge_finding(own: OwnFinding, caller: Caller, services: Shared, given: Acknowledging) -> KeptAcknowledging:
    """Keep that somebody knows of a finding, or take that back; no refresh forgets it."""
    kept = acknowledge(
        services.accounts, own["anomaly_id"], site_id=own["site_id"], is_acknowledged=given.acknowledged, reason=given.reason,
        by=caller.user_id, now=datetime.now(UTC),
    )  # fmt: skip
    return KeptAcknowledging(
        acknowledged=kept.is_acknowledged, reason=kept.reason, anomaly_id=kept.anomaly_id, site_id=kept.site_id, decided_at=kept.decided_at
    )
