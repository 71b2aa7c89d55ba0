"""The demo's small server of recorded answers, on this machine alone; the sources ask it as they would ask the services."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from aurora import logs, processes
from aurora.home import Home
from ingestion.sources.registry import RECORDINGS

HOST = "127.0.0.1"

log = logs.logger(__name__)


@contextmanager
def recordings_served(home: Home, seed: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[str]:
    """Serve recorded answers for the block at the yielded address, which the home's note `recordings` tells the sources."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from ingestion.demo.recordings import answer

    class Recordings(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            status, body = answer(asked.path, dict(parse_qsl(asked.query)), clock(), seed)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named by the class above
            log.debug("asked for a recording", request=format % args)

    server = ThreadingHTTPServer((HOST, 0), Recordings)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="recordings", daemon=True)
    thread.start()
    url = f"http://{HOST}:{server.server_address[1]}"
    home.note(RECORDINGS, {"url": url, "pid": os.getpid(), "started_at": processes.started_at()})
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
