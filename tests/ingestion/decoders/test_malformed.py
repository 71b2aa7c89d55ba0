"""Damaged payloads of every format: each ends as readings, states, ignored or refused, and what was refused is counted to the last one."""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze, decoders
from ingestion.decoders import DECODERS
from ingestion.landing import Landing
from ingestion.messages import NO_STATE, Decoded, DeviceFacts, Limits, Message, bytes_of
from tests.ingestion.decoders.mutations import damaged, good_messages

NOW = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)
LIMITS = Limits(None, None, 1 << 20)
OF_LISTS = {"power/1": "grid", "power/2": "production", "total/1": "grid", "total/2": "production"}
INPUTS = {
    "tasmota": OF_LISTS,
    "emoncms": {"power": "grid W", "power1": "grid W", "1": "grid W"},
    "ha_statestream": {"grid_import": "grid kWh", "house_energy": "grid kWh"},
}


def device(name: str) -> DeviceFacts:
    return DeviceFacts("meter-1", "home", "meter", name, None, "Europe/Berlin", inputs=INPUTS.get(name, {}))


def kind_of(topic: str) -> str:
    return topic.rsplit("/", 1)[1] if topic.startswith("aurora/v1/") else "foreign"


def outcome(decoded: Decoded) -> str:
    """What one message ended as, the most telling first."""
    parts = {"refused": decoded.rejections, "readings": decoded.readings, "state": decoded.states, "weather": decoded.weather}
    found = next((name for name, part in parts.items() if len(part)), None)
    return found or ("ignored" if decoded.ignored else "remembered" if decoded.state is not None else "nothing")


@pytest.fixture(scope="module")
def messages() -> dict[str, list[tuple[str, bytes]]]:
    """Good messages by format, real ones too where they are there."""
    folder = os.environ.get("AURORA_TEST_DATA")
    return good_messages(Path(folder) if folder else None)


@pytest.mark.parametrize("name", list(DECODERS))
def test_good_payloads_are_not_refused(name: str, messages) -> None:
    state = NO_STATE
    for topic, payload in messages[name]:
        decoded = decoders.decode(Message(device(name), kind_of(topic), topic, payload, NOW), LIMITS, state)
        assert (outcome(decoded) != "nothing", [one.faults for one in decoded.rejections]) == (True, []), (topic, payload)
        state = state if decoded.state is None else decoded.state


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", list(DECODERS))
def test_damaged_payloads_end_as_readings_ignored_or_refused(
    name: str, messages, lake: Lake, settings: Settings, count: Callable[[int, int], int], record_property
) -> None:
    seed = random.randrange(2**32)
    chance, tries, state = random.Random(seed), count(150, 1_000_000 // len(DECODERS) + 1), NO_STATE
    print(f"seed {seed}")
    landing, outcomes = Landing(lake, settings), Counter[str]()
    refused: Counter[bytes] = Counter()
    landing.start()
    for _ in range(tries):
        topic, payload = chance.choice(messages[name])
        payload = damaged(payload, chance)
        decoded = decoders.decode(Message(device(name), kind_of(topic), topic, payload, NOW), LIMITS, state)
        state = state if decoded.state is None else decoded.state
        outcomes[outcome(decoded)] += 1
        assert outcome(decoded) != "nothing", (topic, payload)
        for one in decoded.rejections:
            assert one.reason != "decoder_failed", (topic, payload)
            found = bytes_of(one.payload, one.payload_base64)
            assert found in payload, (topic, payload, found)
            refused[found] += 1
        landing.submit(Decoded(rejections=decoded.rejections), source="mqtt", topic=topic, told=lambda _tokens: None, token=None)
    landing.stop()
    rows = lake.scan(bronze.REJECTED).select("payload", "payload_base64", "reason", "topic", "source").collect()
    assert rows.height == refused.total()
    assert Counter(bytes_of(*row[:2]) for row in rows.iter_rows()) == refused
    assert rows.select("reason", "topic", "source").null_count().row(0) == (0, 0, 0)
    assert outcomes.total() == tries
    # Of a format of bare words 7.5 % are refused, since most damage leaves a word; of the others 60 % and more.
    assert outcomes["refused"] > tries / 100
    told = ", ".join(f"{number} {word}" for word, number in sorted(outcomes.items()))
    print(f"seed {seed}: {tries} damaged payloads of {name}, hit: {told}; {rows.height} rows of bronze/rejected")
    record_property("seed", seed)
    record_property("refused", outcomes["refused"])


JSON_FORMATS = [name for name in DECODERS if name not in {"p1", "ha_statestream"}]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_every_cut_of_a_json_payload_is_refused_once(name: str, messages) -> None:
    topic, payload = messages[name][0]
    ends = range(1, len(payload))
    reasons = Counter(
        one.reason
        for end in ends
        for one in decoders.decode(Message(device(name), kind_of(topic), topic, payload[:end], NOW), LIMITS, NO_STATE).rejections
    )
    assert reasons.total() == len(ends), reasons


def test_every_flipped_bit_of_a_telegram_is_refused_once(messages) -> None:
    topic, payload = messages["p1"][0]
    whole = payload.rindex(b"!") + 5
    refused = 0
    for place in range(whole):
        changed = bytearray(payload)
        changed[place] ^= 1
        refused += len(decoders.decode(Message(device("p1"), "foreign", topic, bytes(changed), NOW), LIMITS, NO_STATE).rejections)
    assert refused == whole
