"""What is known about a site's meters: decisions, anomalies, quality of data, state of devices."""

import json
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query, Request

from app.api import paging, shapes
from app.api.access import AsOf, OwnSite, Shared, published
from app.api.errors import ExactJSON
from app.queries.reader import rows_of_site
from aurora.accounts.acknowledgements import known_findings
from aurora.accounts.memberships import members_of
from aurora.accounts.overrules import all_overrules, laid_over

router = APIRouter(prefix="/sites", tags=["sites"], responses={401: {}, 404: {}, 410: {}})


@router.get("/{site_id}/meter-events", summary="How meters were read", response_class=ExactJSON, responses=shapes.METER_EVENTS)
def meter_events(
    site: OwnSite, request: Request, services: Shared, limit: paging.Limit = 500, offset: paging.Offset = 0, as_of: AsOf = None
) -> ExactJSON:
    """Where it took a decision to read a meter of the site, the newest first."""
    snapshot = published(services, as_of)
    rows = rows_of_site(snapshot, "gold/meter_events", site.site_id).sort("at", "event_id", descending=True)
    found = paging.page(request, snapshot, "meter_events", rows, limit, offset)
    if as_of is not None:
        return ExactJSON(found)
    said = all_overrules(services.accounts, [site.site_id])
    names = {member["user_id"]: member["username"] for member in members_of(services.accounts, site.site_id)}
    return ExactJSON(found | {"meter_events": [laid_over(row, said.get(row["event_id"]), names) for row in found["meter_events"]]})


@router.get("/{site_id}/anomalies", summary="What a person should know", response_class=ExactJSON, responses=shapes.ANOMALIES)
def anomalies(
    site: OwnSite,
    request: Request,
    services: Shared,
    status: Annotated[Literal["open", "closed", "withdrawn"] | None, Query(description="Only those.")] = None,
    limit: paging.Limit = 500,
    offset: paging.Offset = 0,
    as_of: AsOf = None,
) -> ExactJSON:
    """Anomalies of the site, the newest first, with whether somebody knows of them by now."""
    snapshot = published(services, as_of)
    rows = rows_of_site(snapshot, "gold/anomalies", site.site_id).sort("starts_at", "anomaly_id", descending=True)
    rows = rows.filter(pl.col("status") == status) if status else rows
    found = paging.page(request, snapshot, "anomalies", rows, limit, offset)
    known = known_findings(services.accounts, [site.site_id])
    told = [with_params(row) | {"is_acknowledged": row["anomaly_id"] in known} for row in found["anomalies"]]
    return ExactJSON(found | {"anomalies": told})


@router.get("/{site_id}/data-quality", summary="How complete the data are", response_class=ExactJSON, responses=shapes.DATA_QUALITY)
def data_quality(
    site: OwnSite, request: Request, services: Shared, limit: paging.Limit = 500, offset: paging.Offset = 0, as_of: AsOf = None
) -> ExactJSON:
    """What came of each device on each local day, and what did not, the newest day first."""
    snapshot = published(services, as_of)
    rows = rows_of_site(snapshot, "gold/data_quality", site.site_id).sort("local_date", "device_id", descending=[True, False])
    return ExactJSON(paging.page(request, snapshot, "data_quality", rows, limit, offset))


@router.get("/{site_id}/device-status", summary="Whether devices are heard from", response_class=ExactJSON, responses=shapes.DEVICE_STATUS)
def device_status(
    site: OwnSite, request: Request, services: Shared, limit: paging.Limit = 500, offset: paging.Offset = 0, as_of: AsOf = None
) -> ExactJSON:
    """The state of each device of the site, by id."""
    snapshot = published(services, as_of)
    rows = rows_of_site(snapshot, "gold/device_status", site.site_id).sort("device_id")
    return ExactJSON(paging.page(request, snapshot, "device_status", rows, limit, offset))


def with_params(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose `params` are an object."""
    return {**row, "params": json.loads(row["params"] or "{}")}
