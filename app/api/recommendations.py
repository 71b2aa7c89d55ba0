"""What a person could do to use, spend or emit less."""

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException

from app.api.access import Caller, Shared, VisibleSites, page_of
from app.api.errors import ExactJSON
from app.queries.overview import recommendations as newest_recommendations
from aurora.domain.texts import text

router = APIRouter(prefix="/recommendations", tags=["recommendations"], responses={401: {}, 404: {}})


@router.get("/{user_id}", summary="My recommendations", response_class=ExactJSON)
def recommendations(user_id: str, caller: Caller, visible: VisibleSites, services: Shared) -> ExactJSON:
    """Recommendations that hold now for the sites of a person, the greatest saving first."""
    if user_id != caller.user_id:
        raise HTTPException(404, text("api.no_such_user", user_id=user_id))
    if "gold/recommendations" not in services.reader.snapshot().versions:
        raise HTTPException(404, text("api.needs_recommendations"))
    found = newest_recommendations(services.reader, list(visible), datetime.now(UTC))
    return ExactJSON({"recommendations": [_with_params(row) for row in page_of(found)]})


def _with_params(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "params": json.loads(row["params"] or "{}")}
