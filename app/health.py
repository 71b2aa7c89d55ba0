"""Whether this process lives and can do its work: /healthz and /readyz, with and without /v1, open to everybody."""

from anyio import to_thread
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.services import Services
from aurora.errors import AuroraError


def routes(services: Services) -> list[Route]:
    """The four addresses."""

    async def alive(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> JSONResponse:
        problems = await to_thread.run_sync(problems_of, services)
        return JSONResponse({"status": "unready", "problems": problems} if problems else {"status": "ready"}, 503 if problems else 200)

    return [Route(f"{prefix}{path}", answer) for prefix in ("", "/v1") for path, answer in (("/healthz", alive), ("/readyz", ready))]


def problems_of(services: Services) -> list[str]:
    """What keeps this process from its work; nothing where all is well."""
    problems = []
    try:
        with services.accounts.reading() as session:
            session.execute(sql("select 1 from users"))
    except (SQLAlchemyError, AuroraError):
        problems.append("accounts")
    try:
        is_there = services.reader.is_there()
    except OSError:
        is_there = False
    return problems if is_there else [*problems, "lake"]
