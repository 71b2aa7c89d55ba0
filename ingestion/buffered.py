"""A paho client that reads what the broker sent by the block: paho itself asks the kernel four times for each message.

Messages that lie in a block whole are taken out of it here, at a fifth of what paho's way costs; paho sees to everything else.
"""

import ssl
import time
from typing import TYPE_CHECKING, Any

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import MQTTErrorCode

if TYPE_CHECKING:
    import socket

BLOCK_BYTES = 64 * 1024
PUBLISH = 0x30
TYPE_BITS, SECOND_QOS_BIT, FIRST_QOS_BIT, RETAIN_BIT = 0xF0, 0x04, 0x02, 0x01
MOST_LENGTH_BYTES = 4


class Heard(msgspec.Struct, frozen=True, gc=False):
    """One message, with the names that paho's have.

    Attributes:
        qos: 0 or 1.
        mid: Its packet id; 0 where it has none.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int


def whole_messages(block: bytes, at: int = 0) -> tuple[list[Heard], int]:
    """The messages of at most QoS 1 that begin at a place of a block, up to the first packet that is something else, or not all there.

    Args:
        block: Packets of MQTT 3.1.1, one after the other (its section 3.3).
        at: Where one begins.

    Returns:
        Them, and where the next packet begins.
    """
    found: list[Heard] = []
    end = len(block)
    while at < end:
        first = block[at]
        if first & TYPE_BITS != PUBLISH or first & SECOND_QOS_BIT:
            break
        body, length = _remaining_length(block, at + 1)
        after = body + length
        if not body or after > end or length < 2:
            break
        qos = 1 if first & FIRST_QOS_BIT else 0
        name = body + 2
        content = name + (block[body] << 8 | block[body + 1])
        payload = content + 2 * qos
        if payload > after or content == name:
            break
        try:
            topic = block[name:content].decode()
        except UnicodeDecodeError:
            break
        found.append(
            Heard(topic, block[payload:after], qos, bool(first & RETAIN_BIT), block[content] << 8 | block[content + 1] if qos else 0)
        )
        at = after
    return found, at


def _remaining_length(block: bytes, at: int) -> tuple[int, int]:
    """Where the rest of a packet begins, and its length; 0 for the place where that is not all there, or no length. [byte]"""
    length = 0
    for place, byte in enumerate(block[at : at + MOST_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + place + 1, length
    return 0, 0


class BufferedSocket:
    """A connected socket that hands out what it read ahead; `pending()` tells paho not to wait while there is more of it.

    Attributes:
        blocks: How many blocks it has read so far.
    """

    def __init__(self, socket: "socket.socket") -> None:
        self._socket = socket
        self._block = b""
        self._at = 0
        self.blocks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._socket.fileno()

    def pending(self) -> int:
        """Bytes that can be had without waiting for the descriptor. [byte]"""
        ahead = len(self._block) - self._at
        return ahead or (self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0)

    def recv(self, most_bytes: int) -> bytes:
        """At most that many bytes; none at the end of the connection. Raises BlockingIOError where there are none yet."""
        if self._at >= len(self._block):
            self._block, self._at = self._socket.recv(BLOCK_BYTES), 0
            self.blocks += 1
        found = self._block[self._at : self._at + most_bytes]
        self._at += len(found)
        return found

    def whole_messages(self) -> list[Heard]:
        """The messages that lie ahead whole, where a packet begins there."""
        found, self._at = whole_messages(self._block, self._at)
        return found


class BufferedClient(mqtt.Client):
    """paho's client over a `BufferedSocket`."""

    def _create_socket(self) -> Any:
        return BufferedSocket(super()._create_socket())  # pyright: ignore[reportArgumentType] - a socket as paho's protocol of it says

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle the messages of one block, then let paho see to the rest of its loop: writing and keeping the connection alive."""
        reader = self._sock
        blocks = reader.blocks if isinstance(reader, BufferedSocket) else 0
        code = super().loop_read(max_packets)
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and isinstance(reader, BufferedSocket) and self._sock is reader:
            # paho stops within a packet only where nothing lies ahead, so what does begins with one.
            self._hear(reader.whole_messages())
            if not reader.pending() or reader.blocks > blocks + 1:
                break
            code = super().loop_read(max_packets)
        return code

    def _hear(self, messages: list[Heard]) -> None:
        if not messages:
            return
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        hear: Any = self.on_message
        with self._in_callback_mutex:
            for message in messages:
                hear(self, self._userdata, message)
