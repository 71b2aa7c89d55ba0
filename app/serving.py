"""Runs one ASGI app as a process: takes its port, says when it is ready, ends cleanly on SIGTERM or Ctrl-C."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from aurora.errors import Refused
from aurora.logs import logger

LAST_WORDS_SECONDS = 2
_log = logger(__name__)


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens on `host` and `port`. Raises Refused, naming the setting, where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on: every answer, which is sent in two parts, would wait 40 ms for the caller's ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise Refused(f"Port {port} is taken by another program. Set {setting} to a free one.") from None
    return listener


def serve(app: ASGIApp, listener: socket.socket, ready: Callable[[], None], trusted_proxies: str = "", **options: Any) -> None:
    """Serve `app` until SIGTERM or SIGINT; `ready` is called once it answers."""
    asyncio.run(_Server(configured(app, trusted_proxies, **options), ready).serve(sockets=[listener]))


def configured(app: ASGIApp, trusted_proxies: str = "", **options: Any) -> uvicorn.Config:
    """How `app` is served. Only `trusted_proxies` may say whom a request comes from: whoever else connects could claim anything."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=LAST_WORDS_SECONDS,
        **options,
    )


class _Server(uvicorn.Server):
    """Uvicorn's server, which tells when it is ready and returns after a signal instead of dying of it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()
            _log.info("listening", process_id=os.getpid())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
