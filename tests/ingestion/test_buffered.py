"""Reading the broker's bytes by the block hands out the same bytes, and never keeps the connection's loop to itself."""

import random
import socket

import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ingestion.buffered import BLOCK_BYTES, BufferedClient, BufferedSocket


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_hands_out_the_bytes_that_were_sent(ends):
    ours, theirs = ends
    sent = random.Random(1).randbytes(150_000)
    buffered, found, at = BufferedSocket(ours), b"", 0
    sizes = random.Random(2)
    while len(found) < len(sent):
        at += theirs.send(sent[at : at + sizes.randint(1, 40_000)])
        try:
            while True:
                found += buffered.recv(sizes.randint(1, 3_000))
        except BlockingIOError:
            assert buffered.pending() == 0
    theirs.close()
    assert found == sent
    assert buffered.recv(1) == b""


def test_says_what_it_read_ahead(ends):
    ours, theirs = ends
    theirs.send(b"abcdef")
    buffered = BufferedSocket(ours)
    assert buffered.pending() == 0
    assert buffered.recv(2) == b"ab"
    assert buffered.pending() == 4


def test_lets_go_after_a_block(ends):
    ours, theirs = ends
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    payload = b"x" * 120
    message = bytes([0x30, 3 + len(payload)]) + b"\x00\x01t" + payload
    count = 3 * BLOCK_BYTES // len(message)
    assert theirs.send(message * count) == count * len(message)
    client = BufferedClient(CallbackAPIVersion.VERSION2)
    seen = []
    client.on_message = lambda _client, _data, message: seen.append(message.payload)
    client._sock = BufferedSocket(ours)
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert 0 < len(seen) <= 2 * BLOCK_BYTES // len(message) + 1
    while len(seen) < count:
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert set(seen) == {payload}
