"""Prometheus metrics: each process shows its own on a loopback port, whose address it leaves in the home."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from aurora.home import Home
from aurora.settings import Settings

READINGS_COMMITTED = Counter("aurora_readings_committed_total", "Readings committed to bronze.", ["source"])
READINGS_REJECTED = Counter("aurora_readings_rejected_total", "Messages or rows refused.", ["reason"])
COMMIT_SECONDS = Histogram("aurora_commit_seconds", "Time of one group commit.")
QUEUE_DEPTH = Gauge("aurora_landing_queue_messages", "Messages received and not yet committed.")
REQUEST_SECONDS = Histogram("aurora_request_seconds", "Time of one HTTP request.", ["service", "route", "status"])


def serve(service: str, settings: Settings, home: Home) -> str:
    """Show this process's metrics on loopback and return their address, also left as the note `metrics-<service>`."""
    server, _thread = start_http_server(settings.metrics_ports.get(service, 0), addr="127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    home.note(f"metrics-{service}", {"url": url})
    return url
