"""What a site is expected to use and produce."""

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from app.api import negotiation
from app.api.access import AsOf, OwnSubject, Shared, Subject, published
from app.api.errors import ExactJSON
from app.api.shapes import ForecastAnswer
from app.queries.forecasts import HORIZONS, newest_in
from app.services import Services
from aurora.domain.texts import text

router = APIRouter(prefix="/forecast", tags=["forecasts"], responses={401: {}, 404: {}, 410: {}})
Horizon = Literal["24h", "7d"]
_AS_JSON = negotiation.described([negotiation.JSON], ForecastAnswer)


@router.get("/energy_consumption/{device_id}", summary="Expected consumption", response_class=ExactJSON, responses=_AS_JSON)
def consumption(subject: OwnSubject, request: Request, services: Shared, horizon: Horizon = "24h", as_of: AsOf = None) -> Response:
    """The newest forecast of the site's consumption, by hour."""
    return _newest(request, services, subject, "consumption", horizon, as_of)


@router.get("/energy_production/{device_id}", summary="Expected production", response_class=ExactJSON, responses=_AS_JSON)
def production(subject: OwnSubject, request: Request, services: Shared, horizon: Horizon = "24h", as_of: AsOf = None) -> Response:
    """The newest forecast of the site's production, by hour."""
    return _newest(request, services, subject, "production", horizon, as_of)


def _newest(request: Request, services: Services, subject: Subject, channel: str, horizon: Horizon, as_of: str | None) -> Response:
    """Forecasts are made for whole sites; a device id is answered with its site's, as `site_id` says."""
    form = negotiation.choose(request, [negotiation.JSON])
    snapshot = published(services, as_of)
    etag = negotiation.tag(request, form, snapshot.refresh_id, subject.site.site_id)
    if held := negotiation.unchanged(request, etag):
        return held
    found = newest_in(snapshot, subject.site.site_id, channel)
    if found is None:
        raise HTTPException(404, text("api.needs_forecast", subject=subject.site.site_id))
    first = found.points[0]["interval_start_at"]
    points = found.between(first, first + HORIZONS[horizon])
    if horizon == "7d" and points[-1]["interval_start_at"] < first + timedelta(days=6):
        raise HTTPException(404, text("api.forecast_too_short", hours=len(points)))
    return ExactJSON(
        {
            "site_id": found.site_id,
            "channel": channel,
            "horizon": horizon,
            "issued_at": found.issued_at,
            "model_name": found.model_name,
            "model_version": found.model_version,
            "refresh_id": snapshot.refresh_id,
            "as_of": snapshot.finished_at,
            "points": points,
        },
        headers=negotiation.headers(etag),
    )
