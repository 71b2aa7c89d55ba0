"""The MQTT listener: takes messages of all devices, hands them to the landing, and acknowledges them after the commit."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aurora import logs, metrics
from aurora.errors import Busy, Refused
from aurora.home import Home
from aurora.settings import Settings
from ingestion.decoders import KEPT_OF_TOO_LARGE_BYTES, decode
from ingestion.landing import Landing
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, joined, live_limits, refuse
from ingestion.registry import DeviceRegistry
from ingestion.topics import OWN_TOPICS, split_topic

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

LISTENER = "aurora-listener"
LISTENER_SECRET = "listener_password"  # noqa: S105 - the name of a secret, not one
TOPICS = OWN_TOPICS
FOREIGN = "foreign"
OWN = "aurora"
REBIND_SECONDS = 1.0
MOST_ROUTES = 100_000
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


class Listener:
    """One connection to the broker with a session that outlives it."""

    def __init__(self, address: BrokerAddress, landing: Landing, registry: DeviceRegistry, settings: Settings) -> None:
        self._address = address
        self._landing = landing
        self._registry = registry
        self._settings = settings
        self._routes: dict[str, tuple[str, str]] = {}
        self._states: dict[str, State] = {}
        self._subscribed: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._binder = threading.Thread(target=self._follow_bindings, name="bindings", daemon=True)
        self._connection = 0
        self._client = self._new_client()
        self.is_connected = threading.Event()
        self.is_subscribed = threading.Event()

    def start(self) -> None:
        """Connect, now or as soon as the broker is there, and listen."""
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_SECONDS)
        self._client.loop_start()
        self._binder.start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays with the broker."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        self._binder.join(timeout=REBIND_SECONDS)

    def _new_client(self) -> "Client":
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        from ingestion.buffered import BufferedClient

        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.username_pw_set(self._address.username, self._address.password)
        if self._address.is_encrypted:
            client.tls_set()
        client.reconnect_delay_set(min_delay=1, max_delay=LONGEST_PAUSE_SECONDS)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _on_connect(self, client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refused the listener", reason=str(reason), host=self._address.host, port=self._address.port)
            return
        self._connection += 1
        self._subscribed = frozenset(self._registry.bindings.devices)
        client.subscribe([(topic, 1) for topic in (*TOPICS, *sorted(self._subscribed))])
        self.is_connected.set()
        log.info("listening", host=self._address.host, port=self._address.port)

    def _on_subscribe(self, _client: "Client", _data: Any, _mid: int, reasons: Sequence[Any], _properties: Any) -> None:
        refused = sum(reason.is_failure for reason in reasons)
        if refused:
            log.error("the broker refused subscriptions; give the listener the right to read its topics", refused=refused)
        self.is_subscribed.set()

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
            decoded = self._decode(topic, bytes(message.payload), is_retained=bool(message.retain))
            self._landing.submit(decoded, source=SOURCE, topic=topic, told=self._acknowledge, token=token)
        except Busy as busy:
            log.debug("a message was left with the broker", reason=str(busy))

    def _decode(self, topic: str, payload: bytes, *, is_retained: bool = False) -> Decoded:
        now = datetime.now(UTC)
        limits = live_limits(self._settings, now)
        route = self._routes.get(topic)
        if route is None:
            route = split_topic(topic)
            if route is None:
                return self._decode_foreign(topic, payload, limits, now, is_retained=is_retained)
        device = self._registry.find(route[0])
        if device is None:
            return refuse(payload, "unknown_device", f"There is no device {route[0]}.", self._settings.max_message_bytes)
        if topic not in self._routes and len(self._routes) < MOST_ROUTES:
            self._routes[topic] = route
        message = Message(device, route[1], topic, payload, now, is_retained)
        return decode(message, limits) if device.decoder == OWN else self._over_state(message, limits)

    def _decode_foreign(self, topic: str, payload: bytes, limits: Limits, now: datetime, *, is_retained: bool) -> Decoded:
        """What a message says to each device its topic is bound to."""
        devices = self._registry.bound_to(topic)
        if not devices:
            return refuse(payload, "unknown_topic", f"There is nothing at the topic {topic}.", KEPT_OF_TOO_LARGE_BYTES)
        parts = [self._over_state(Message(device, FOREIGN, topic, payload, now, is_retained), limits) for device in devices]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _over_state(self, message: Message, limits: Limits) -> Decoded:
        """What a message says over its device's last state, which it may change."""
        device_id = message.device.device_id
        decoded = decode(message, limits, self._states.get(device_id, NO_STATE))
        if decoded.state is not None:
            self._states[device_id] = decoded.state
        if decoded.ignored:
            metrics.QUANTITIES_IGNORED.labels(message.device.decoder).inc(decoded.ignored)
        return decoded

    def _follow_bindings(self) -> None:
        """Subscribe to what is newly bound to a device, and no longer to what is not."""
        while not self._stopping.wait(REBIND_SECONDS):
            bindings = self._registry.bindings
            wanted = frozenset(bindings.devices)
            if wanted == self._subscribed or not self.is_connected.is_set():
                continue
            gone, new = self._subscribed - wanted, wanted - self._subscribed
            self._subscribed = wanted
            if gone:
                self._client.unsubscribe(sorted(gone))
            if new:
                self._client.subscribe([(topic, 1) for topic in sorted(new)])
            known = {device_id for device_ids in bindings.devices.values() for device_id in device_ids}
            for device_id in [one for one in list(self._states) if one not in known and self._registry.find(one) is None]:
                self._states.pop(device_id, None)

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
