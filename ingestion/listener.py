"""The MQTT listener: takes messages of all devices, hands them to the landing, and acknowledges them after the commit."""

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from aurora import logs, metrics, processes
from aurora.domain.topics import OWN_BRANCH, OWN_TOPICS, split_topic
from aurora.errors import Busy, Refused, Transient
from aurora.home import Home
from aurora.settings import Settings
from ingestion.decoders import decode, too_large
from ingestion.format_states import FormatStates
from ingestion.landing import Landing
from ingestion.messages import Decoded, Limits, Message, State, joined, live_limits, refuse
from ingestion.registry import DeviceRegistry
from ingestion.topics import EVERYTHING, SHARED, heard, widest

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
HOLD_SECONDS = 5.0
NOTE = "listener"
MOST_EVER = "listeners"
SOURCE = "mqtt"
# How long the limits of time count that were reckoned for one message: they are no sharper than a sender's clock.
LIMITS_LAST = timedelta(seconds=1)
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


class Token(NamedTuple):
    """What follows the commit of one message: its acknowledgement, and what it left of its devices' states.

    Attributes:
        packet_id: The broker's number of it; None where it asks for no acknowledgement.
    """

    connection: int
    packet_id: int | None
    states: tuple[tuple[str, State], ...] = ()


def listener_client_id(password: str, part: int = 1) -> str:
    """A listener's client id: stable, and not to be guessed, since amqtt lets whoever knows a client id end its session."""
    own = f"{LISTENER}-{hashlib.sha256(password.encode()).hexdigest()[:16]}"
    return own if part == 1 else f"{own}-{part}"


def broker_address(settings: Settings, home: Home, part: int = 1) -> BrokerAddress:
    """The broker of `AURORA_MQTT_URL`, else the one that Aurora runs, and the session of one of the listeners there.

    A URL without a password logs in with the home's own secret, as a Mosquitto with Aurora's rights expects it.

    Raises:
        Refused: If the URL cannot be read, or several listeners cannot share the broker.
    """
    secret = home.secret(LISTENER_SECRET)
    given, client_id = settings.resolved_mqtt_url, listener_client_id(secret, part)
    if not given:
        if settings.listeners > 1 and settings.broker != "mosquitto":
            raise Refused("Several listeners cannot share the embedded broker. Set AURORA_BROKER=mosquitto, or AURORA_LISTENERS=1.")
        return BrokerAddress(settings.host, settings.mqtt_port, LISTENER, secret, client_id)
    try:
        url = urlsplit(given)
        port = url.port or (8883 if url.scheme == "mqtts" else 1883)
    except ValueError:
        url, port = urlsplit(""), 0
    if url.scheme not in {"mqtt", "mqtts"} or not url.hostname:
        raise Refused("AURORA_MQTT_URL cannot be read. Write it as mqtt://user:password@host:port.")
    username, password = unquote(url.username or LISTENER), unquote(url.password or "")
    if url.password is None and username == LISTENER:
        password = secret
    return BrokerAddress(url.hostname, port, username, password, client_id, url.scheme == "mqtts")


def hold_session(address: BrokerAddress, topics: Sequence[str]) -> None:
    """Make a listener's session, so that the broker keeps messages for it from now on. Raises Transient where it cannot be made."""
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    # Whatever waits there already stays there: it is not acknowledged.
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, address.client_id, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311, manual_ack=True
    )
    client.username_pw_set(address.username, address.password)
    subscribed = threading.Event()

    def subscribe(*_: Any) -> None:
        client.subscribe([(topic, 1) for topic in topics])

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: subscribed.set()
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        if not subscribed.wait(HOLD_SECONDS):
            raise Transient("The broker does not take the listener's subscriptions.")
    except OSError as error:
        raise Transient(f"The broker cannot be reached ({error}).") from error
    finally:
        client.disconnect()
        client.loop_stop()


class Listener:
    """One connection to the broker with a session that outlives it.

    The first listener hears what is bound to devices, too: what a format's messages say may depend on the ones before.
    """

    def __init__(
        self,
        address: BrokerAddress,
        landing: Landing,
        registry: DeviceRegistry,
        settings: Settings,
        home: Home | None = None,
        part: int = 1,
    ) -> None:
        """A listener that is not connected yet.

        Args:
            address: The broker.
            landing: Where messages go.
            registry: Whose they are.
            settings: Limits, and how many listeners there are.
            home: Where states are kept and notes left; None to do neither.
            part: Which of the listeners it is, from 1.
        """
        self._address = address
        self._landing = landing
        self._registry = registry
        self._settings = settings
        self._home = home
        self._part = part
        is_leaving = part > settings.listeners
        is_ours = settings.broker == "mosquitto" or not settings.resolved_mqtt_url
        self._topics = () if is_leaving else heard(settings.listeners, part, is_ours=is_ours)
        self._binds = part == 1 and EVERYTHING not in self._topics
        self._routes: dict[str, tuple[str, str]] = {}
        self._states = FormatStates(home)
        self._changed: list[tuple[str, State]] = []
        self._limited_at = datetime.now(UTC)
        self._limits = live_limits(settings, self._limited_at)
        self._state = ""
        self._left = self._left_behind()
        self._subscribed: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._binder = threading.Thread(target=self._follow_bindings, name="bindings", daemon=True)
        self._connection = 0
        self._client = self._new_client()
        self.is_connected = threading.Event()
        self.is_subscribed = threading.Event()

    def start(self) -> None:
        """Connect, now or as soon as the broker is there, and listen."""
        self._note("waiting", "the broker has not answered yet")
        for one in self._left:
            one.start()
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_SECONDS)
        self._client.loop_start()
        self._binder.start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays with the broker."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        self._binder.join(timeout=REBIND_SECONDS)
        for one in self._left:
            one.stop()

    def _left_behind(self) -> list["Listener"]:
        """What takes the rest of sessions from when there were more listeners, and has the broker share nothing with them any more."""
        if self._home is None or self._part > 1:
            return []
        file = self._home.path / MOST_EVER
        most = max(int(file.read_text(encoding="utf-8")) if file.exists() else 1, self._settings.listeners)
        if most > 1:
            file.write_text(str(most), encoding="utf-8")
        parts = range(self._settings.listeners + 1, most + 1)
        own = {part: replace(self._address, client_id=f"{self._address.client_id}-{part}") for part in parts}
        return [Listener(address, self._landing, self._registry, self._settings, None, part) for part, address in own.items()]

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
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _on_connect(self, client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refused the listener", reason=str(reason), host=self._address.host, port=self._address.port)
            self._note("refused", str(reason))
            return
        self._connection += 1
        self._subscribed = widest(self._registry.bindings.devices) if self._binds else frozenset()
        if topics := (*self._topics, *sorted(self._subscribed)):
            client.subscribe([(topic, 1) for topic in topics])
        if others := self._other_topics():
            client.unsubscribe(others)
        self.is_connected.set()
        self._note("connected", "")
        log.info("listening", host=self._address.host, port=self._address.port)

    def _other_topics(self) -> list[str]:
        """What the session may hear from a time when there was another number of listeners."""
        if self._settings.broker != "mosquitto" and not self._settings.resolved_mqtt_url:
            return []
        known = {EVERYTHING, *OWN_TOPICS, *(f"{SHARED}{topic}" for topic in OWN_TOPICS)}
        return sorted(known - set(self._topics))

    def _on_connect_fail(self, _client: "Client", _data: Any) -> None:
        if self._state != "waiting":
            log.warning("the broker does not answer; tried again", host=self._address.host, port=self._address.port)
        self._note("waiting", "the broker does not answer")

    def _note(self, state: str, reason: str) -> None:
        """Leave in the home how the connection is and since when; where that is as before, the note stays."""
        if state == self._state:
            return
        self._state = state
        if self._home is not None:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            told = {"state": state, "since": since, "reason": reason, "pid": os.getpid(), "started_at": processes.started_at()}
            self._home.note(note_of(self._part), told)

    def _on_subscribe(self, _client: "Client", _data: Any, _mid: int, reasons: Sequence[Any], _properties: Any) -> None:
        refused = sum(reason.is_failure for reason in reasons)
        if refused:
            log.error("the broker refused subscriptions; give the listener the right to read its topics", refused=refused)
        self.is_subscribed.set()

    def _on_disconnect(self, _client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.is_connected.clear()
        self._connection += 1
        (log.warning if reason.is_failure else log.info)("connection to the broker ended", reason=str(reason))
        if self._state != "refused":
            self._note("waiting", f"the connection ended: {reason}")

    def _on_message(self, _client: "Client", _data: Any, message: "MQTTMessage") -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        try:
            self._changed = []
            decoded = self._decode(topic, bytes(message.payload), is_retained=bool(message.retain))
            token = Token(self._connection, message.mid if message.qos else None, tuple(self._changed))
            self._landing.submit(decoded, source=SOURCE, topic=topic, told=self._acknowledge, token=token)
        except Busy as busy:
            log.debug("a message was left with the broker", reason=str(busy))

    def _decode(self, topic: str, payload: bytes, *, is_retained: bool = False) -> Decoded:
        now = datetime.now(UTC)
        if not timedelta(0) <= now - self._limited_at < LIMITS_LAST:
            self._limits, self._limited_at = live_limits(self._settings, now), now
        limits = self._limits
        route = self._routes.get(topic)
        if route is None:
            route = split_topic(topic)
            if route is None:
                return self._decode_foreign(topic, payload, limits, now, is_retained=is_retained)
        device = self._registry.find(route[0])
        if device is None:
            return too_large(payload, limits) or refuse(payload, "unknown_device", f"There is no device {route[0]}.")
        if topic not in self._routes and len(self._routes) < MOST_ROUTES:
            self._routes[topic] = route
        message = Message(device, route[1], topic, payload, now, is_retained)
        if device.decoder == OWN:
            return decode(message, limits)
        return self._alone(message, limits) if self._settings.listeners > 1 else self._over_state(message, limits)

    def _alone(self, message: Message, limits: Limits) -> Decoded:
        """What a message says of a topic that several listeners share; one that changes its device's state is kept for a replay.

        What it says depends on the ones before, some of which another listener hears.
        """
        decoded = decode(message, limits)
        if decoded.state is None:
            return decoded
        return refuse(
            message.payload, "shared_topic", "Its format builds on earlier messages: bind a topic outside of aurora/v1, then replay."
        )

    def _decode_foreign(self, topic: str, payload: bytes, limits: Limits, now: datetime, *, is_retained: bool) -> Decoded:
        """What a message says to each device its topic is bound to."""
        devices = self._registry.bound_to(topic)
        if not devices and topic.startswith(OWN_BRANCH):
            return Decoded()
        if not devices:
            return too_large(payload, limits) or refuse(payload, "unknown_topic", f"There is nothing at the topic {topic}.")
        parts = [self._over_state(Message(device, FOREIGN, topic, payload, now, is_retained), limits) for device in devices]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _over_state(self, message: Message, limits: Limits) -> Decoded:
        """What a message says over its device's last state, which it may change."""
        device_id = message.device.device_id
        decoded = decode(message, limits, self._states.of(device_id))
        if decoded.state is not None:
            self._states.change(device_id, decoded.state)
            self._changed.append((device_id, decoded.state))
        if decoded.ignored:
            metrics.QUANTITIES_IGNORED.labels(message.device.decoder).inc(decoded.ignored)
        return decoded

    def _follow_bindings(self) -> None:
        """Subscribe to what is newly bound to a device, and no longer to what is not."""
        bound: frozenset[str] = frozenset()
        while not self._stopping.wait(REBIND_SECONDS):
            bindings = self._registry.bindings
            wanted = frozenset(bindings.devices)
            if wanted == bound or not self.is_connected.is_set():
                continue
            bound = wanted
            if self._binds:
                self._subscribe(widest(wanted))
            known = {device_id for device_ids in bindings.devices.values() for device_id in device_ids}
            self._states.forget(one for one in self._states.device_ids if one not in known and self._registry.find(one) is None)

    def _subscribe(self, wanted: frozenset[str]) -> None:
        gone, new = self._subscribed - wanted, wanted - self._subscribed
        self._subscribed = wanted
        if gone:
            self._client.unsubscribe(sorted(gone))
        if new:
            self._client.subscribe([(topic, 1) for topic in sorted(new)])

    def _acknowledge(self, tokens: list[Token]) -> None:
        """Acknowledge messages in one write, once what they left of their devices' states is kept.

        Those of an earlier connection come again and are known by their key then.
        """
        self._states.keep({device_id: state for token in tokens for device_id, state in token.states})
        current = self._connection
        packets = [puback(token.packet_id) for token in tokens if token.packet_id is not None and token.connection == current]
        if packets:
            # paho's own `ack` queues, wakes and sends once a message, which costs as much as receiving it.
            self._client._packet_queue(PUBACK, b"".join(packets), 0, 0)


def note_of(part: int) -> str:
    """Name of the note that a listener leaves in the home."""
    return NOTE if part == 1 else f"{NOTE}-{part}"


def puback(packet_id: int) -> bytes:
    """The MQTT packet that acknowledges one message."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")
