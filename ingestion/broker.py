"""The embedded MQTT broker for the demo and small sites: amqtt with Aurora's device keys, in memory, about 1,000 messages a second.

What it acknowledged is in memory alone until the listener has committed it; Mosquitto is the broker for real use.
"""

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import amqtt.broker
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, BrokerContext, Server
from amqtt.contexts import Action, BaseContext
from amqtt.errors import AMQTTError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import ApplicationMessage, IncomingApplicationMessage, OutgoingApplicationMessage, Session

from aurora import logs, metrics
from aurora.accounts.database import Accounts
from aurora.domain.topics import patterns_of
from aurora.home import Home
from aurora.settings import Settings
from ingestion.listener import LISTENER, LISTENER_SECRET, listener_client_id
from ingestion.messages import DeviceFacts
from ingestion.mosquitto_files import PACKETS_OF_LARGEST
from ingestion.processes import refuse_taken_port, stop_signal
from ingestion.registry import KeyRing
from ingestion.topics import EVERYTHING, may_use

POLL_SECONDS = 0.2

log = logs.logger(__name__)


class Credentials:
    """Says who a session is: the listener, or a device by its key."""

    def __init__(self, database_url: str, listener_password: str) -> None:
        self._keys = KeyRing(Accounts(database_url))
        self._listener_password = listener_password

    def is_listener(self, session: Session) -> bool:
        """Whether the session logged in as Aurora's own listener."""
        given = (session.password or "").encode()
        return session.username == LISTENER and hmac.compare_digest(given, self._listener_password.encode())

    async def is_device(self, session: Session) -> bool:
        """Whether the session's password is, still, a key of the device its user name names."""
        return await self._device(session) is not None

    async def may_use(self, session: Session, topic: str) -> bool:
        """Whether the session is a device's to whom a topic or topic filter belongs: its own branch, and what is bound to it."""
        device = await self._device(session)
        return device is not None and may_use(device.device_id, patterns_of(device.topic), topic)

    async def _device(self, session: Session) -> DeviceFacts | None:
        if not session.username or not session.password:
            return None
        device = await asyncio.to_thread(self._keys.device_of, session.password)
        return device if device is not None and device.device_id == session.username else None


@dataclass
class PluginConfig:
    """What both plugins are given."""

    database_url: str
    listener_password: str


class DeviceLogin(BaseAuthPlugin):
    """Lets in the listener, and devices with one of their keys; nobody else."""

    Config = PluginConfig  # pyright: ignore[reportAssignmentType]

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._credentials = Credentials(self.config.database_url, self.config.listener_password)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether the session may connect. A last will is published without asking again, so its topic is judged here."""
        if self._credentials.is_listener(session):
            return True
        if session.will_flag and not await self._credentials.may_use(session, session.will_topic or ""):
            return False
        return await self._credentials.is_device(session)


class OwnTopicsOnly(BaseTopicPlugin):
    """Lets a device use `aurora/v1/<its id>/#` and what is bound to it, as long as its key is valid, and the listener hear everything."""

    Config = PluginConfig  # pyright: ignore[reportAssignmentType]

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._credentials = Credentials(self.config.database_url, self.config.listener_password)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether the session may publish to, subscribe to or be sent this topic."""
        if session is None or topic is None:
            return False
        if self._credentials.is_listener(session):
            return action != Action.PUBLISH
        is_allowed = await self._credentials.may_use(session, topic)
        if action == Action.PUBLISH and not is_allowed:
            self._note_refused(session, topic)
        return is_allowed

    def _note_refused(self, session: Session, topic: str) -> None:
        metrics.TOPICS_REFUSED.inc()
        log.warning("a message was refused; bind its topic with `aurora device set --topic`", device=session.username, topic=topic[:256])


def session_id(client_id: str, username: str | None, password: str | None) -> str:
    """Name of a session: nobody who does not know its user's password can name it, so a client id that is known ends nothing."""
    told = hashlib.sha256(f"{username}\x00{password}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{client_id}:{told[:32]}" if client_id else client_id


class BoundedReader(ReaderAdapter):
    """A connection of which no more is read at once than a payload may have; amqtt would read whatever a sender announces."""

    def __init__(self, reader: ReaderAdapter, most_bytes: int, device: str) -> None:
        self._reader = reader
        self._most_bytes = most_bytes
        self._device = device

    async def read(self, n: int = -1) -> bytes:
        """The next `n` bytes. Raises ConnectionAbortedError, which ends the connection, where that is too many."""
        if n > self._most_bytes:
            metrics.READINGS_REJECTED.labels("too_large").inc()
            log.warning(
                "a connection was ended: its message is far above AURORA_MAX_MESSAGE_BYTES", device=self._device, reason="too_large"
            )
            raise ConnectionAbortedError(f"a message of {n} bytes")
        return await self._reader.read(n)

    def feed_eof(self) -> None:
        """As the connection does."""
        self._reader.feed_eof()


class PatientHandler(BrokerProtocolHandler):
    """Keeps a message until its PUBACK, however long a commit takes; amqtt gives it up after 5 s, and when the receiver dies.

    Attributes:
        most_bytes: Largest payload that is read from a connection. [byte]
        passing_on: What was taken from the sender and is being handed to receivers.
    """

    most_bytes = PACKETS_OF_LARGEST * 1024**2
    passing_on: ApplicationMessage | None = None

    def attach(self, session: Session, reader: ReaderAdapter, writer: WriterAdapter) -> None:
        """Serve a session over a connection."""
        super().attach(session, BoundedReader(reader, self.most_bytes, session.username or ""), writer)

    async def mqtt_deliver_next_message(self) -> ApplicationMessage | None:
        """The next message of this sender, remembered until it was passed on."""
        self.passing_on = await super().mqtt_deliver_next_message()
        return self.passing_on

    @classmethod
    async def init_from_connect(cls, *given: Any, **named: Any) -> tuple["BrokerProtocolHandler", Session]:
        """As amqtt reads a CONNECT, with the session under a name of its user's own."""
        handler, session = await super().init_from_connect(*given, **named)
        session.client_id = session_id(session.client_id or "", session.username, session.password)
        return handler, session

    async def _handle_qos1_message_flow(self, app_message: OutgoingApplicationMessage | IncomingApplicationMessage) -> None:
        if not isinstance(app_message, OutgoingApplicationMessage) or self.session is None or app_message.packet_id is None:
            await super()._handle_qos1_message_flow(app_message)
            return
        self.session.inflight_out[app_message.packet_id] = app_message
        packet = app_message.build_publish_packet(dup=app_message.publish_packet is not None)
        waiter: asyncio.Future[PubackPacket] = asyncio.get_running_loop().create_future()
        self._puback_waiters[app_message.packet_id] = waiter
        await self._send_packet(packet)
        app_message.publish_packet = packet
        with contextlib.suppress(asyncio.CancelledError):
            app_message.puback_packet = await waiter

    async def handle_puback(self, puback: PubackPacket) -> None:
        """Forget the message that is now safe."""
        if self.session is not None and puback.variable_header is not None:
            packet_id = puback.variable_header.packet_id
            self.session.inflight_out.pop(packet_id, None)
            waiter = self._puback_waiters.pop(packet_id, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(puback)


class Subscriptions(dict[str, list[tuple[Session, int]]]):
    """Subscriptions by topic filter. amqtt waits within a loop over them, and ends a client that connects while another subscribes."""

    def __iter__(self) -> Iterator[str]:
        """The filters there are now, whichever come or go meanwhile."""
        return iter(tuple(super().keys()))


class PatientBroker(Broker):
    """amqtt's broker with handlers that wait for the commit, and retained messages only for those who may hear them."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._subscriptions = Subscriptions(self._subscriptions)

    async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Session) -> None:
        # amqtt offers a returning client the retained messages of everybody's subscriptions.
        if await self._topic_filtering(session, subscription[0], Action.SUBSCRIBE):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _handle_message_delivery(
        self, client_session: Session, handler: BrokerProtocolHandler, wait_deliver: "asyncio.Future[Any]"
    ) -> bool:
        if isinstance(handler, PatientHandler):
            handler.passing_on = None
        return await super()._handle_message_delivery(client_session, handler, wait_deliver)

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: "asyncio.Future[Any]"
    ) -> None:
        # amqtt forgets what a sender that leaves was already told to be safe, and clears the queue of one that has left.
        await self._pass_on(client_session, handler, _taken_from(client_session))
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        await super()._client_message_loop(client_session, handler)
        begun = [handler.passing_on] if isinstance(handler, PatientHandler) and handler.passing_on else []
        await self._pass_on(client_session, handler, begun + _taken_from(client_session))

    async def _pass_on(self, session: Session, handler: BrokerProtocolHandler, messages: list[ApplicationMessage]) -> None:
        for message in messages:
            told: asyncio.Future[ApplicationMessage] = asyncio.get_running_loop().create_future()
            told.set_result(message)
            await super()._handle_message_delivery(session, handler, told)

    async def _handle_client_session(self, reader, writer, client_session, handler, server: Server, listener_name: str) -> None:
        if not await self._authenticate(client_session, self.listeners_config[listener_name]):
            # amqtt ends the session of that name first, and keeps one for whoever it turns away.
            handler.attach(client_session, reader, writer)
            await handler.mqtt_connack_authorize(authorize=False)
            await writer.close()
            return
        await super()._handle_client_session(reader, writer, client_session, handler, server, listener_name)


def _taken_from(session: Session) -> list[ApplicationMessage]:
    """What waits to be passed on, out of the queue."""
    queue = session.delivered_message_queue
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def serve(settings: Settings, home: Home, stop: threading.Event) -> None:
    """Run the broker until `stop` is set."""
    given = {"database_url": settings.resolved_database_url, "listener_password": home.secret(LISTENER_SECRET)}
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{settings.host}:{settings.mqtt_port}"}},
        "plugins": {"ingestion.broker.DeviceLogin": given, "ingestion.broker.OwnTopicsOnly": given},
    }
    amqtt.broker.BrokerProtocolHandler = PatientHandler
    PatientHandler.most_bytes = PACKETS_OF_LARGEST * settings.max_message_bytes
    broker = PatientBroker(config)
    await broker.start()
    await _await_listener(broker, given["listener_password"])
    home.note("broker", {"url": f"mqtt://{settings.host}:{settings.mqtt_port}", "pid": os.getpid()})
    log.info("broker ready", port=settings.mqtt_port)
    while not stop.is_set():
        await asyncio.sleep(POLL_SECONDS)
    with contextlib.suppress(AMQTTError, TimeoutError):
        await asyncio.wait_for(broker.shutdown(), timeout=3)


async def _await_listener(broker: Broker, password: str) -> None:
    """Keep messages for the listener from the first one on, also before it has connected for the first time."""
    context, client_id = broker.plugins_manager.context, session_id(listener_client_id(password), LISTENER, password)
    if not isinstance(context, BrokerContext):
        return
    await context.add_subscription(client_id, None, None)
    session = context.get_session(client_id)
    if session is not None:
        session.username, session.password, session.clean_session = LISTENER, password, False
    await context.add_subscription(client_id, EVERYTHING, 1)


def run(settings: Settings, home: Home) -> None:
    """The broker process. Raises Refused where its port is taken."""
    refuse_taken_port(settings.host, settings.mqtt_port, "AURORA_MQTT_PORT")
    stop = stop_signal()
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    metrics.serve("broker", settings, home)
    asyncio.run(serve(settings, home, stop))
