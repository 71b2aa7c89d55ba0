"""What a refusal looks like on every HTTP process: `{"detail": ...}`, for wrong facts a list of fields and reasons."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from aurora.domain.texts import text
from aurora.errors import AuroraError, Conflict, NotReady, Refused, Unknown, WrongFacts
from aurora.web.headers import SECURITY_HEADERS
from aurora.web.requests import ID_HEADER, id_of


def install(app: Starlette) -> None:
    """Give `app` these refusals."""
    app.add_exception_handler(AuroraError, _refused)
    app.add_exception_handler(Exception, _failed)


def bad_request(problems: list[dict[str, str]]) -> JSONResponse:
    """400 with what is wrong, field by field."""
    return JSONResponse({"detail": problems}, 400)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, WrongFacts):
        return bad_request([{"field": name, "reason": reason} for name, reason in error.problems])
    known = ((NotReady, 404), (Unknown, 404), (Conflict, 409), (Refused, 400))
    status = next((status for kind, status in known if isinstance(error, kind)), 503)
    return JSONResponse({"detail": str(error)}, status, {"Retry-After": "5"} if status == 503 else None)


async def _failed(request: Request, _error: Exception) -> JSONResponse:
    """500 without a word of what went wrong inside; the log has it, under the same id. No middleware of ours sees this answer any more."""
    headers = SECURITY_HEADERS | {"cache-control": "no-store", ID_HEADER: id_of(request.scope)}
    return JSONResponse({"detail": text("api.failed")}, 500, headers)
