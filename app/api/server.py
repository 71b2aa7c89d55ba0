"""The process of the REST API."""

import os

from fastapi import FastAPI

from app import health, serving
from app.api import (
    auth,
    conditions,
    devices,
    documentation,
    errors,
    findings,
    forecasts,
    jobs,
    keys,
    members,
    overruling,
    recommendations,
    reports,
    sites,
    tables,
    tariffs,
    users,
)
from app.dagster import Dagster
from app.services import Services, open_services
from app.throttle import Throttle
from aurora import __version__, metrics
from aurora.accounts.tokens import Tokens
from aurora.home import Home
from aurora.settings import Settings
from aurora.web.headers import SecurityHeaders
from aurora.web.heads import HeadAsGet
from aurora.web.requests import RequestLog


def run(settings: Settings, home: Home) -> None:
    """Serve the API until SIGTERM or SIGINT. Raises Refused where the port is taken, NotReady where the home is incomplete."""
    with serving.bind(settings.host, settings.api_port, "AURORA_API_PORT") as listener:
        services = open_services(settings, home)
        metrics.serve("api", settings, home)
        url = f"http://{settings.host}:{settings.api_port}"
        serving.serve(build(services), listener, lambda: home.note("api", {"url": url, "pid": os.getpid()}), settings.trusted_proxies)
        services.post.close()


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
    api.state.throttle = throttle or Throttle(services.accounts)
    api.state.dagster = Dagster(f"http://{services.settings.host}:{services.settings.dagster_port}")
    api.add_middleware(HeadAsGet)
    api.add_middleware(SecurityHeaders, policy=documentation.CONTENT_POLICY)
    api.add_middleware(RequestLog, service="api")
    errors.install(api)
    # Routes are tried in this order, a fifth of what a report costs where it comes late: what is asked most often comes first.
    frequent, others = (reports, auth, users, sites), (devices, members, keys, tariffs, forecasts, recommendations, tables, conditions)
    for subject in (*frequent, *others, jobs, overruling, findings):
        api.include_router(subject.router, prefix="/v1")
    documentation.install(api)
    return api
