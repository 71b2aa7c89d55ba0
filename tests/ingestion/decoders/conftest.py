"""How the tests of decoders hand in a payload."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.decoders import DECODERS
from ingestion.messages import Decoded, DeviceFacts, Limits, Message, State

RECEIVED = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)


def as_bytes(payload: Any) -> bytes:
    if isinstance(payload, bytes):
        return payload
    return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()


@dataclass
class Sender:
    """A device whose messages are decoded one after the other, each over the state the last one left."""

    decoder: str
    device: DeviceFacts
    state: State = field(default_factory=dict)
    received_at: datetime | None = RECEIVED
    limits: Limits = field(default_factory=lambda: Limits(None, None, 1 << 20))

    def send(self, topic: str, payload: Any, *, is_retained: bool = False) -> Decoded:
        message = Message(self.device, "foreign", topic, as_bytes(payload), self.received_at, is_retained)
        decoded = DECODERS[self.decoder](message, self.limits, self.state)
        self.state = self.state if decoded.state is None else decoded.state
        return decoded

    def says(self, topic: str, payload: Any, **how: Any) -> dict[tuple[str, str], float | None]:
        """Values by channel and measure, of a message that must be good."""
        decoded = self.send(topic, payload, **how)
        assert decoded.rejections == ()
        assert len({(r.channel, r.measure) for r in decoded.readings}) == len(decoded.readings)
        return {(r.channel, r.measure): r.value if r.value is None else round(r.value, 9) for r in decoded.readings}

    def reasons(self, topic: str, payload: Any) -> list[str]:
        return [fault.reason for rejection in self.send(topic, payload).rejections for fault in rejection.faults]


@pytest.fixture
def sender() -> Callable[..., Sender]:
    """`sender(decoder, kind="meter", inputs={...}, ...)`: a device of a site in Berlin."""

    def make(
        decoder: str, kind: str = "meter", *, received_at: datetime | None = RECEIVED, late: timedelta | None = None, **facts: Any
    ) -> Sender:
        device = DeviceFacts("meter-1", "home", kind, decoder, None, **({"time_zone": "Europe/Berlin"} | facts))
        limits = Limits(None if late is None else RECEIVED - late, None if late is None else RECEIVED + timedelta(seconds=300), 1 << 20)
        return Sender(decoder, device, received_at=received_at, limits=limits)

    return make
