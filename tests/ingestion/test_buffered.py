"""Reading the broker's bytes by the block hands out the same bytes, and never keeps the connection's loop to itself."""

import random
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ingestion.buffered import BLOCK_BYTES, BufferedClient, BufferedSocket, Heard, whole_messages
from tests.conftest import IS_TRIALS

PING_ANSWER = b"\xd0\x00"
MOST_PACKETS = 12


def _packet(said: Any) -> bytes:
    """A PUBLISH packet as section 3.3 of MQTT 3.1.1 has it; bytes as they are."""
    if isinstance(said, bytes):
        return said
    topic, qos, retain, mid, payload = said
    name = topic.encode() if isinstance(topic, str) else topic
    body = len(name).to_bytes(2, "big") + name + (mid.to_bytes(2, "big") if qos else b"") + payload
    length, left = b"", len(body)
    while left > 127:
        length, left = length + bytes([left % 128 | 128]), left // 128
    return bytes([0x30 | qos << 1 | retain]) + length + bytes([left]) + body


messages = st.tuples(
    st.text(min_size=1, max_size=9).filter(lambda text: "\0" not in text and text.isprintable()),
    st.integers(0, 1), st.booleans(), st.integers(1, 65_535), st.binary(max_size=300) | st.just(b"x" * 20_000),
)  # fmt: skip
others = (
    st.just(PING_ANSWER)
    | st.builds(lambda payload: _packet(("t", 2, False, 9, payload)), st.binary(max_size=9))
    | st.builds(lambda payload: _packet((b"\xff\xfe", 1, False, 7, payload)), st.binary(max_size=9))
)


@hypothesis_settings(max_examples=5_000 if IS_TRIALS else 200)
@given(st.lists(messages, max_size=6), others, st.lists(messages, max_size=3), st.integers(0, 9), st.integers(0, 3))
def test_whole_messages_are_taken_up_to_the_first_other_or_cut_packet(
    first: list[Any], other: bytes, then: list[Any], kept: int, missing: int
) -> None:
    whole = [_packet(said) for said in [*first, other, *then]]
    block = b"".join(whole[:kept])
    block = block[: max(len(block) - missing, 0)]
    ends = [sum(map(len, whole[: number + 1])) for number in range(len(first))]
    expected = [Heard(topic, payload, qos, retain, mid if qos else 0) for topic, qos, retain, mid, payload in first]
    there = sum(end <= len(block) for end in ends)
    assert whole_messages(block) == (expected[:there], ends[there - 1] if there else 0)


@hypothesis_settings(max_examples=20_000 if IS_TRIALS else 200)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x32" + rest))
def test_bytes_that_are_no_packets_are_left_to_paho(block: bytes) -> None:
    found, at = whole_messages(block)
    assert 0 <= at <= len(block)
    assert sum(len(one.payload) for one in found) <= at


@hypothesis_settings(max_examples=2_000 if IS_TRIALS else 50, deadline=None)
@given(st.lists(messages | others, min_size=1, max_size=MOST_PACKETS), st.randoms(use_true_random=False))
def test_hears_what_paho_hears(said: list[Any], chance: random.Random) -> None:
    sent = b"".join(map(_packet, said))
    cuts = sorted(chance.choices(range(len(sent)), k=min(3, len(sent))))
    parts = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert _heard(BufferedClient, BufferedSocket, parts) == _heard(mqtt.Client, lambda plain: plain, parts)


def test_takes_nothing_out_of_the_middle_of_a_large_message(ends):
    ours, theirs = ends
    # paho gives back its loop within it, many times where a packet seems to begin.
    payload = _packet(("t", 0, False, 0, b"x")) * 2_000_000
    client, seen = BufferedClient(CallbackAPIVersion.VERSION2), []
    client.on_message = lambda _client, _data, message: seen.append((message.topic, bytes(message.payload)))
    client._sock = BufferedSocket(ours)
    sender = threading.Thread(target=theirs.sendall, args=(_packet(("large", 0, False, 0, payload)),))
    sender.start()
    deadline = time.monotonic() + 60
    while not seen and time.monotonic() < deadline:
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    sender.join()
    assert seen == [("large", payload)]


def _heard(kind: Any, wrapped: Any, parts: list[bytes]) -> list[Any]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    seen: list[Any] = []

    def hear(_client: Any, _data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = None
        seen.append((topic, bytes(message.payload), message.qos, bool(message.retain), message.mid))

    client = kind(CallbackAPIVersion.VERSION2, manual_ack=True)
    client.on_message = hear
    with ours, theirs:
        client._sock = wrapped(ours)
        for part in parts:
            theirs.sendall(part)
            before = -1
            while len(seen) > before or (isinstance(client._sock, BufferedSocket) and client._sock.pending()):
                before = len(seen)
                for _ in range(MOST_PACKETS):  # paho gives back its loop after each
                    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        client._sock = None
    return seen


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
