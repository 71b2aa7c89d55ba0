"""Tables of the lake as files, with the rows that are the caller's."""

from datetime import date, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from app.api import encoding, negotiation
from app.api.access import AsOf, Caller, Shared, VisibleSites, published
from app.api.errors import InputError
from app.api.reports import instant
from app.queries import tables
from app.services import Services
from aurora.accounts.devices import all_devices
from aurora.accounts.models import Site
from aurora.domain.texts import text
from aurora.lake.tables import TABLES

router = APIRouter(prefix="/tables", tags=["tables"], responses={401: {}, 403: {}, 404: {}, 410: {}})
_Moment = Annotated[str | None, Query(description="A plain date is a day in UTC, or the rows' local day; a time needs an offset.")]


@router.get(
    "/{layer}/{name}",
    summary="A table of the lake",
    response_class=Response,
    responses=negotiation.described(negotiation.TABLE_FORMS),
)
def table(
    layer: str,
    name: str,
    request: Request,
    caller: Caller,
    sites: VisibleSites,
    services: Shared,
    columns: Annotated[str | None, Query(description="Names of columns, with commas between.")] = None,
    start_date: _Moment = None,
    end_date: _Moment = None,
    as_of: AsOf = None,
) -> Response:
    """The rows of a table that speak of the caller's sites, as Arrow, Parquet or CSV; meta and refused messages are for admins."""
    full_name = f"{layer}/{name}"
    if full_name not in TABLES:
        raise HTTPException(404, text("api.no_such_table", table=full_name))
    for_admins = tables.is_for_admins(full_name)
    if for_admins and caller.role != "admin":
        raise HTTPException(403, text("api.only_admins"))
    chosen = _columns(full_name, columns)
    low, high = _bound(full_name, "start_date", start_date), _bound(full_name, "end_date", end_date)
    form = negotiation.choose(request, negotiation.TABLE_FORMS)
    snapshot = published(services, as_of)
    version = tables.version_of(snapshot, full_name, is_newest=as_of is None)
    seen = None if for_admins else seen_by(services, sites)
    etag = negotiation.tag(request, form, version, seen_key(seen))
    if held := negotiation.unchanged(request, etag):
        return held
    schema = tables.schema_of(full_name, chosen)
    found = iter(())
    if version is not None:
        found = tables.rows(snapshot, tables.Question(full_name, version, chosen, low, high, seen))
    empty = pl.DataFrame(schema.empty_table())
    return negotiation.file_response(encoding.encoded(_after(empty, found), schema, form), form, f"{layer}-{name}", etag)


def _after(empty: Any, frames: Any) -> Any:
    """The frames after an empty one, so that an answer without rows has its columns still."""
    yield empty
    yield from frames


def seen_by(services: Services, sites: dict[str, Site]) -> tables.Seen:
    """What of the lake is open to somebody with these sites."""
    devices = {device.device_id for device in all_devices(services.accounts) if device.site_id in sites}
    own = sites.values()
    zones = {zone for site in own for zone in (site.price_zone, site.carbon_zone) if zone}
    tariffs = {site.tariff_id for site in own if site.tariff_id}
    return tables.Seen(frozenset(sites), frozenset(devices), frozenset(zones), frozenset(tariffs))


def seen_key(seen: tables.Seen | None) -> Any:
    """What may be seen, in an order of its own."""
    return seen and [sorted(part) for part in (seen.sites, seen.devices, seen.zones, seen.tariffs)]


def _columns(table: str, given: str | None) -> tuple[str, ...]:
    known = tables.columns_of(table)
    if not given:
        return tuple(known)
    wanted = tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    for name in wanted:
        if name not in known:
            raise InputError("columns", f"{name[:64]} {text('api.no_such_column', table=table)}")
    return wanted


def _bound(table: str, field: str, given: str | None) -> date | datetime | None:
    """A bound of the table's range: a day for a column of days, else an instant."""
    if not given:
        return None
    column = tables.time_column(table)
    if column is None:
        raise InputError(field, text("api.no_time_column", table=table))
    moment = instant(field, given, "UTC")
    return moment if column.endswith("_at") or column == "at" else moment.date()
