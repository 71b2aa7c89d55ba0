"""The MQTT listener: takes messages of all devices, hands them to the landing, and acknowledges them after the commit."""

import hashlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aurora import logs
from aurora.errors import Busy, Refused
from aurora.home import Home
from aurora.settings import Settings
from ingestion.decoders import KEPT_OF_TOO_LARGE_BYTES, decode
from ingestion.landing import Landing
from ingestion.messages import Decoded, Message, live_limits, refuse
from ingestion.registry import DeviceRegistry

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

LISTENER = "aurora-listener"
LISTENER_SECRET = "listener_password"  # noqa: S105 - the name of a secret, not one
TOPICS = ("aurora/v1/+/readings", "aurora/v1/+/weather", "aurora/v1/+/status")
TOPIC_LEVELS = 4
KEEPALIVE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 10
SOURCE = "mqtt"
PUBACK = 0x40

log = logs.logger(__name__)


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is and how to log in."""

    host: str
    port: int
    username: str
    password: str
    client_id: str
    is_encrypted: bool = False


def listener_client_id(password: str) -> str:
    """The listener's client id: stable, and not to be guessed, since amqtt lets whoever knows a client id end its session."""
    return f"{LISTENER}-{hashlib.sha256(password.encode()).hexdigest()[:16]}"


def broker_address(settings: Settings, home: Home) -> BrokerAddress:
    """The broker of `AURORA_MQTT_URL`, else the embedded one.

    Raises:
        Refused: If the URL cannot be read.
    """
    secret = home.secret(LISTENER_SECRET)
    given = settings.resolved_mqtt_url
    if not given:
        return BrokerAddress(settings.host, settings.mqtt_port, LISTENER, secret, listener_client_id(secret))
    try:
        url = urlsplit(given)
        port = url.port or (8883 if url.scheme == "mqtts" else 1883)
    except ValueError:
        url, port = urlsplit(""), 0
    if url.scheme not in {"mqtt", "mqtts"} or not url.hostname:
        raise Refused("AURORA_MQTT_URL cannot be read. Write it as mqtt://user:password@host:port.")
    username, password = unquote(url.username or LISTENER), unquote(url.password or "")
    return BrokerAddress(url.hostname, port, username, password, listener_client_id(secret), url.scheme == "mqtts")


def split_topic(topic: str) -> tuple[str, str] | None:
    """Device id and kind of message of one of Aurora's own topics; None for any other."""
    levels = topic.split("/")
    if len(levels) != TOPIC_LEVELS or f"aurora/v1/+/{levels[3]}" not in TOPICS or levels[:2] != ["aurora", "v1"]:
        return None
    return levels[2], levels[3]


class Listener:
    """One connection to the broker with a session that outlives it."""

    def __init__(self, address: BrokerAddress, landing: Landing, registry: DeviceRegistry, settings: Settings) -> None:
        self._address = address
        self._landing = landing
        self._registry = registry
        self._settings = settings
        self._routes: dict[str, tuple[str, str]] = {}
        self._connection = 0
        self._client = self._new_client()
        self.is_connected = threading.Event()

    def start(self) -> None:
        """Connect, now or as soon as the broker is there, and listen."""
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_SECONDS)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays with the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _new_client(self) -> "Client":
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.client_id,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        client.username_pw_set(self._address.username, self._address.password)
        if self._address.is_encrypted:
            client.tls_set()
        client.reconnect_delay_set(min_delay=1, max_delay=LONGEST_PAUSE_SECONDS)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refused the listener", reason=str(reason), host=self._address.host, port=self._address.port)
            return
        self._connection += 1
        client.subscribe([(topic, 1) for topic in TOPICS])
        self.is_connected.set()
        log.info("listening", host=self._address.host, port=self._address.port)

    def _on_disconnect(self, _client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.is_connected.clear()
        self._connection += 1
        (log.warning if reason.is_failure else log.info)("connection to the broker ended", reason=str(reason))

    def _on_message(self, _client: "Client", _data: Any, message: "MQTTMessage") -> None:
        token = (self._connection, message.mid) if message.qos else None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        try:
            decoded = self._decode(topic, bytes(message.payload))
            self._landing.submit(decoded, source=SOURCE, topic=topic, told=self._acknowledge, token=token)
        except Busy as busy:
            log.debug("a message was left with the broker", reason=str(busy))

    def _decode(self, topic: str, payload: bytes) -> Decoded:
        route = self._routes.get(topic)
        if route is None:
            route = split_topic(topic)
            if route is None:
                return refuse(payload, "unknown_topic", f"There is nothing at the topic {topic}.", KEPT_OF_TOO_LARGE_BYTES)
        device = self._registry.find(route[0])
        if device is None:
            return refuse(payload, "unknown_device", f"There is no device {route[0]}.", self._settings.max_message_bytes)
        self._routes[topic] = route
        return decode(Message(device, route[1], topic, payload), live_limits(self._settings, datetime.now(UTC)))

    def _acknowledge(self, tokens: list[Any]) -> None:
        """Acknowledge messages in one write; those of an earlier connection come again and are known by their key then."""
        current = self._connection
        packets = [puback(token[1]) for token in tokens if token is not None and token[0] == current]
        if packets:
            # paho's own `ack` queues, wakes and sends once a message, which costs as much as receiving it.
            self._client._packet_queue(PUBACK, b"".join(packets), 0, 0)


def puback(packet_id: int) -> bytes:
    """The MQTT packet that acknowledges one message."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")
