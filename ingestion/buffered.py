"""A paho client that reads what the broker sent by the block: paho itself asks the kernel four times for each message."""

import ssl
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import MQTTErrorCode

if TYPE_CHECKING:
    import socket

BLOCK_BYTES = 64 * 1024


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
            if not reader.pending() or reader.blocks > blocks + 1:
                break
            code = super().loop_read(max_packets)
        return code
