"""The process of the pages: Streamlit behind the login gate, as one ASGI app."""

import logging
import os
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from app import health, serving
from app.account import Account
from app.gate import Gate, content_policy
from app.invited import Invited
from app.joining import Joining
from app.login import Login
from app.services import Services, install, open_services
from app.throttle import Throttle
from aurora import metrics
from aurora.home import Home
from aurora.logs import logger
from aurora.settings import Settings
from aurora.web.requests import RequestLog

_log = logger(__name__)
SCRIPT = Path(__file__).parent / "pages" / "start.py"

STREAMLIT_OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "client.showSidebarNavigation": False,
    "global.developmentMode": False,
    "logger.enableRich": False,
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.runOnSave": False,
    "server.showEmailPrompt": False,
    "server.websocketPingInterval": 20,
    "theme.base": "light",
    "theme.primaryColor": "#17608f",
    "theme.backgroundColor": "#f5f8fb",
    "theme.secondaryBackgroundColor": "#ffffff",
    "theme.textColor": "#16233a",
    "theme.borderColor": "#d9e1ea",
    "theme.baseRadius": "12px",
    "theme.showWidgetBorder": True,
}


def run(settings: Settings, home: Home) -> None:
    """Serve the pages until SIGTERM or SIGINT. Raises Refused where the port is taken, NotReady where the home is incomplete."""
    with serving.bind(settings.host, settings.app_port, "AURORA_APP_PORT") as listener:
        services = open_services(settings, home)
        metrics.serve("app", settings, home)
        url = f"http://{settings.host}:{settings.app_port}"
        serving.serve(pages(services), listener, lambda: _ready(home, url), settings.trusted_proxies)
        services.post.close()


def pages(services: Services, throttle: Throttle | None = None) -> ASGIApp:
    """The ASGI app of the pages; one a process, as Streamlit keeps its settings in globals."""
    import streamlit
    from streamlit.web.bootstrap import load_config_options

    load_config_options(STREAMLIT_OPTIONS)
    install(services)
    _join_logs()
    limits = throttle or Throttle(services.accounts)
    policy = content_policy((Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8"))
    return streamlit.App(
        SCRIPT,
        routes=own_routes(services, limits),
        middleware=[Middleware(RequestLog, service="app"), Middleware(Gate, sessions=services.sessions, policy=policy)],
        on_script_error=_tell,
    )


def own_routes(services: Services, limits: Throttle) -> list[Route]:
    """Every path of the pages that is not Streamlit's."""
    return [*health.routes(services), *(route for part in (Login, Joining, Invited, Account) for route in part(services, limits).routes())]


def _ready(home: Home, url: str) -> None:
    _join_logs()
    home.note("app", {"url": url, "pid": os.getpid()})


def _join_logs() -> None:
    """Let Streamlit's loggers, which write lines of their own shape, log as all others of this process do."""
    for name in list(logging.root.manager.loggerDict):
        known = logging.getLogger(name)
        if handler := getattr(known, "streamlit_console_handler", None):
            known.removeHandler(handler)
            # Requests are logged by RequestLog already.
            known.propagate = name != "uvicorn.access"


def _tell(error: Exception) -> None:
    """Log what stopped a page; the person sees that something went wrong, and no more."""
    _log.error("page_failed", exc_info=error)
