"""The process of the REST API."""

import os

from fastapi import FastAPI

from app import health, serving
from app.api import auth, documentation, errors, forecasts, recommendations, reports, sites
from app.api.tokens import Tokens
from app.requests import RequestLog
from app.services import Services, open_services
from app.throttle import Throttle
from aurora import __version__, metrics
from aurora.home import Home
from aurora.settings import Settings


def run(settings: Settings, home: Home) -> None:
    """Serve the API until SIGTERM or SIGINT. Raises Refused where the port is taken, NotReady where the home is incomplete."""
    with serving.bind(settings.host, settings.api_port, "AURORA_API_PORT") as listener:
        services = open_services(settings, home)
        metrics.serve("api", settings, home)
        url = f"http://{settings.host}:{settings.api_port}"
        serving.serve(build(services), listener, lambda: home.note("api", {"url": url, "pid": os.getpid()}))


def build(services: Services, throttle: Throttle | None = None) -> FastAPI:
    """The API as an ASGI app."""
    api = FastAPI(
        title="Aurora API",
        version=__version__,
        description="Energy, cost, forecasts and advice of your sites. Log in at /v1/auth/token and send the token as a bearer.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        routes=[*health.routes(services)],
    )
    api.state.services = services
    api.state.tokens = Tokens(services.settings, services.home, services.accounts)
    api.state.throttle = throttle or Throttle()
    api.add_middleware(RequestLog, service="api")
    errors.install(api)
    for subject in (auth, sites, reports, forecasts, recommendations):
        api.include_router(subject.router, prefix="/v1")
    documentation.install(api)
    return api
