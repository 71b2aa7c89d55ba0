"""What a person could do to use, spend or emit less."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from app.api import paging, shapes
from app.api.access import AsOf, Caller, Shared, VisibleSites, published
from app.api.bodies import JudgedLast
from app.api.conditions import with_params
from app.api.errors import ExactJSON
from aurora.accounts.advice import give_feedback, newest_feedback
from aurora.accounts.models import Feedback
from aurora.domain.texts import text
from aurora.lake.manifest import Snapshot

router = APIRouter(prefix="/recommendations", tags=["recommendations"], responses={401: {}, 404: {}}, route_class=JudgedLast)
ME = "me"
# What was said becomes the status, where it is one; the rest is a score of how good the advice was.
_STATUS = {"dismissed": "dismissed", "accepted": "accepted", "done": "done"}
_SCORE = {"helpful": 1.0, "not_helpful": 0.0}
_ORDER = ("expected_saving_cost", "expected_saving_kwh", "recommendation_id")


class GivenFeedback(BaseModel):
    """What a person says of a recommendation."""

    feedback: Literal["helpful", "not_helpful", "dismissed", "accepted", "done"]


class KeptFeedback(GivenFeedback):
    """What was kept."""

    recommendation_id: str
    site_id: str
    given_at: datetime


@router.get("/{user_id}", summary="My recommendations", response_class=ExactJSON, responses=shapes.RECOMMENDATIONS | {410: {}})
def recommendations(
    user_id: str,
    request: Request,
    caller: Caller,
    visible: VisibleSites,
    services: Shared,
    limit: paging.Limit = 500,
    offset: paging.Offset = 0,
    as_of: AsOf = None,
) -> ExactJSON:
    """Recommendations that hold now for the sites of a person (`me`: the caller), the greatest saving first."""
    if user_id not in {caller.user_id, ME}:
        raise HTTPException(404, text("api.no_such_user", user_id=user_id))
    snapshot = published(services, as_of)
    if "gold/recommendations" not in snapshot.versions:
        raise HTTPException(404, text("api.needs_recommendations"))
    now = datetime.now(UTC)
    rows = _of(snapshot, list(visible)).filter(pl.col("valid_until").is_null() | (pl.col("valid_until") > now))
    ordered = rows.sort(*_ORDER, descending=True, nulls_last=True)
    found = paging.page(request, snapshot, "recommendations", ordered, limit, offset)
    said = newest_feedback(services.accounts, list(visible))
    laid = [_laid_over(with_params(row), said.get((row["site_id"], row["recommendation_id"]))) for row in found["recommendations"]]
    return ExactJSON(found | {"recommendations": laid})


def own_recommendation(recommendation_id: str, visible: VisibleSites, services: Shared) -> tuple[str, str]:
    """Site and id of the recommendation of the path; 404 where it is for no site of the caller's."""
    rows = _of(services.reader.snapshot(), list(visible)).filter(pl.col("recommendation_id") == recommendation_id).sort("site_id")
    if rows.is_empty():
        raise HTTPException(404, text("api.no_such_recommendation", recommendation_id=recommendation_id))
    return rows.item(0, "site_id"), recommendation_id


OwnRecommendation = Annotated[tuple[str, str], Depends(own_recommendation)]


@router.post("/{recommendation_id}/feedback", summary="Say what I think of it")
def feedback(own: OwnRecommendation, caller: Caller, services: Shared, given: GivenFeedback) -> KeptFeedback:
    """Keep what the caller says of a recommendation, in place of what they said before."""
    site_id, recommendation_id = own
    now = datetime.now(UTC)
    give_feedback(services.accounts, caller.user_id, site_id, recommendation_id, given.feedback, now)
    return KeptFeedback(feedback=given.feedback, recommendation_id=recommendation_id, site_id=site_id, given_at=now)


def _of(snapshot: Snapshot, site_ids: list[str]) -> pl.DataFrame:
    return snapshot.scan("gold/recommendations").filter(pl.col("site_id").is_in(site_ids)).collect()


def _laid_over(row: dict[str, Any], said: Feedback | None) -> dict[str, Any]:
    """A recommendation with what was said of it last."""
    if said is None:
        return row | {"feedback": None}
    status = _STATUS.get(said.feedback, row["status"])
    return row | {"feedback": said.feedback, "status": status, "feedback_score": _SCORE.get(said.feedback, row["feedback_score"])}
