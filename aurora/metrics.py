"""Prometheus metrics: each process shows its own on a loopback port, whose address it leaves in the home."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from aurora.errors import Refused
from aurora.home import Home
from aurora.settings import Settings

READINGS_COMMITTED = Counter("aurora_readings_committed_total", "Readings committed to bronze.", ["source"])
READINGS_REJECTED = Counter("aurora_readings_rejected_total", "Messages or rows refused.", ["reason"])
QUANTITIES_IGNORED = Counter("aurora_quantities_ignored_total", "Quantities that have no channel, such as a voltage.", ["decoder"])
TOPICS_REFUSED = Counter("aurora_topics_refused_total", "Messages that the broker turned away, on topics not their sender's.")
COMMIT_SECONDS = Histogram("aurora_commit_seconds", "Time of one group commit.")
QUEUE_DEPTH = Gauge("aurora_landing_queue_messages", "Messages received and not yet committed.")
REQUEST_SECONDS = Histogram("aurora_request_seconds", "Time of one HTTP request.", ["service", "route", "status"])


def serve(service: str, settings: Settings, home: Home, registry: CollectorRegistry = REGISTRY) -> str:
    """Show this process's metrics on loopback and return their address, also left as the note `metrics-<service>`.

    Raises:
        Refused: If the port that the settings give it is taken.
    """
    port = settings.metrics_ports.get(service, 0)
    try:
        server, _thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise Refused(f"Port {port} is taken ({error.strerror}). Give {service} another one in AURORA_METRICS_PORTS.") from None
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    home.note(f"metrics-{service}", {"url": url})
    return url
