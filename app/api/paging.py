"""Lists that grow, page by page: a page names the address of the next one, which speaks of the same publication."""

from typing import Annotated, Any
from urllib.parse import urlencode

import polars as pl
from fastapi import Query, Request

from app.api.access import page_of
from aurora.lake.manifest import Snapshot

MOST_ROWS = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows a page at most.")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Rows to leave out; `next` names it.")]


def page(request: Request, snapshot: Snapshot, name: str, rows: pl.DataFrame, limit: int, offset: int) -> dict[str, Any]:
    """One page of sorted rows under `name`, the publication, and `next`: null after the last page."""
    shown = rows.slice(offset, limit)
    return {
        name: page_of(shown.fill_nan(None).to_dicts()),
        "refresh_id": snapshot.refresh_id,
        "as_of": snapshot.finished_at,
        "next": next_page(request, snapshot, offset + limit) if offset + limit < rows.height else None,
    }


def next_page(request: Request, snapshot: Snapshot, offset: int) -> str:
    """Address of the page that begins at `offset`; what is published meanwhile does not shift it."""
    return f"{request.url.path}?{urlencode(dict(request.query_params) | {'offset': str(offset), 'as_of': snapshot.refresh_id})}"
