"""What a refusal looks like: `{"detail": ...}`, for wrong input a list of fields and reasons."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from aurora.accounts.facts import reason_of
from aurora.domain.texts import text
from aurora.web import refusals
from aurora.web.refusals import bad_request

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class InputError(Exception):
    """A field of the request cannot be taken; becomes a 400."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class ExactJSON(JSONResponse):
    """JSON with decimals as exact numbers, times as RFC 3339 and NaN as null."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return _ENCODER.encode(content)


def unauthorized(detail: str) -> HTTPException:
    """401 with the scheme that would help."""
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def install(api: FastAPI) -> None:
    """Give `api` these refusals."""
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(InputError, _wrong_input)
    refusals.install(api)
    api.add_exception_handler(FileNotFoundError, _gone)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return bad_request([{"field": _field(found["loc"]), "reason": reason_of(str(found["msg"]))} for found in error.errors()])


async def _wrong_input(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InputError)
    return bad_request([{"field": error.field, "reason": error.reason}])


async def _gone(request: Request, error: Exception) -> JSONResponse:
    """410 for a publication whose files were cleaned up; the newest one's are always there."""
    moment = request.query_params.get("as_of")
    if moment is None:
        raise error
    return JSONResponse({"detail": text("api.publication_gone", moment=moment)}, 410)


def _field(location: Sequence[int | str]) -> str:
    """Name of a field as the caller knows it: without where in the request it stands."""
    names = [str(part) for part in location[1:] if not isinstance(part, int) or len(location) > 2]
    return ".".join(names) or str(location[0])
