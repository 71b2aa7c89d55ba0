"""In which form an answer goes out, and whether the caller has it already: `Accept`, `ETag`, `If-None-Match`."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from aurora.domain.texts import text

JSON, CSV = "application/json", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
ENDINGS = {CSV: "csv", PARQUET: "parquet", ARROW: "arrow"}
REPORT_FORMS = (JSON, CSV, PARQUET)
TABLE_FORMS = (ARROW, PARQUET, CSV)
KEPT = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}


def choose(request: Request, offered: Sequence[str] = REPORT_FORMS) -> str:
    """The form the caller likes best of those that are offered, by weight, then by our order; the first where nothing is said.

    Raises:
        HTTPException: 406 where none is taken.
    """
    wishes = _wishes(",".join(request.headers.getlist("accept")))
    if not wishes:
        return offered[0]
    weights = {form: _weight(form, wishes) for form in offered}
    best = max(weights.values())
    if best <= 0:
        raise HTTPException(406, text("api.not_acceptable", offered=", ".join(offered)), KEPT)
    return next(form for form in offered if weights[form] == best)


def _wishes(accept: str) -> dict[str, float]:
    """Weight of each media range that an `Accept` header names."""
    wishes: dict[str, float] = {}
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media:
            wishes[media.lower()] = next((_number(p[2:]) for p in parameters if p.lower().startswith("q=")), 1.0)
    return wishes


def _number(given: str) -> float:
    try:
        weight = float(given)
    except ValueError:
        return 0.0
    return min(weight, 1.0) if weight > 0 else 0.0


def _weight(form: str, wishes: dict[str, float]) -> float:
    """Weight of a form: what names it most closely counts."""
    for media in (form, f"{form.split('/')[0]}/*", "*/*"):
        if media in wishes:
            return wishes[media]
    return 0.0


def tag(request: Request, form: str, *facts: Any) -> str:
    """The `ETag` of an answer that follows from the request's address, the form and `facts`: the publication, what may be seen, the day."""
    said = json.dumps([request.url.path, request.url.query, form, facts], default=str)
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


def unchanged(request: Request, etag: str) -> Response | None:
    """304 where the caller holds the answer with that tag."""
    held = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    return Response(status_code=304, headers=headers(etag)) if etag in held or "*" in held else None


def headers(etag: str) -> dict[str, str]:
    """What goes with an answer that may be kept and asked for again."""
    return {"ETag": etag, **KEPT}


def file_response(parts: Iterable[bytes], form: str, name: str, etag: str) -> StreamingResponse:
    """A file in one of the forms, part by part; `name` goes out as plain letters and digits."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in name)
    disposition = {"Content-Disposition": f'attachment; filename="{plain[:100]}.{ENDINGS[form]}"'}
    kind = f"{form}; charset=utf-8" if form == CSV else form
    return StreamingResponse(iter(parts), media_type=kind, headers=headers(etag) | disposition)


def described(forms: Sequence[str], shape: type[BaseModel] | None = None) -> dict[int | str, dict[str, Any]]:
    """The description of an answer in these forms, `shape` as JSON, and of what negotiation adds to it."""
    kinds = {CSV: {"type": "string"}}
    content = {form: {"schema": kinds.get(form, {"type": "string", "format": "binary"})} for form in forms if form != JSON}
    said = {"description": f"As {', '.join(forms)}, by `Accept`", "content": content} | ({"model": shape} if shape else {})
    return {200: said, 304: {"description": "What the caller holds (`If-None-Match`) is the newest"}, 406: {"description": "No such form"}}
