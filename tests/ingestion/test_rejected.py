"""What is refused is kept as exactly the bytes that came, and a replay puts exactly those through again, each once."""

import random
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora.accounts import devices
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze, decoders, replay
from ingestion.decoders import aurora
from ingestion.messages import NO_STATE, DeviceFacts, Fault, Limits, Message, bytes_of, rejection_of

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOPIC = "aurora/v1/m1/readings"
FAULT = (Fault("", "unknown_device", ""),)


def land(lake: Lake, payloads: list[bytes]) -> None:
    refused = [bronze.Refused(rejection_of(payload, FAULT), "mqtt", TOPIC) for payload in payloads]
    lake.land(bronze.REJECTED, bronze.rejected_table(refused, NOW))


def kept(lake: Lake) -> list[bytes]:
    rows = lake.scan(bronze.REJECTED).select("payload", "payload_base64").collect()
    return [bytes_of(*row) for row in rows.iter_rows()]


@given(st.binary(max_size=40) | st.sampled_from([b"\xff", rb"\xff", b"\\xff\xff", b"\xed\xa0\x80", b"\x00\xc3", "é".encode(), b""]))
def test_refused_bytes_are_told_apart_from_the_text_of_their_escapes(payload: bytes) -> None:
    kept_as = rejection_of(payload, FAULT)
    assert bytes_of(kept_as.payload, kept_as.payload_base64) == payload
    kept_as.payload.encode("utf-8")


def test_refused_bytes_come_back_from_the_lake(lake: Lake) -> None:
    chance = random.Random(11)
    payloads = [b"\xff{", rb"\xff{", b"", b"\x00", "ü".encode(), *(chance.randbytes(chance.randrange(60)) for _ in range(200))]
    land(lake, payloads)
    assert sorted(kept(lake)) == sorted(payloads)
    assert lake.scan(bronze.REJECTED).filter(pl.col("payload_base64").is_not_null()).collect().height > 150


def test_replay_puts_exactly_the_bytes_through_once(
    lake: Lake, accounts: Accounts, site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    decode: Callable = replay.decode

    def watched(message: Message, limits: Limits, state=NO_STATE):
        seen.append(message.payload)
        return decode(message, limits, state)

    monkeypatch.setattr(replay, "decode", watched)
    devices.add_device(accounts, site.site_id, name="m1", kind="meter", device_id="m1")
    good = b'{"measured_at": "2026-06-30T12:00:00Z", "channel": "consumption", "measure": "power_kw", "value": 1e0}'
    payloads = [good, b'{"value": "\xff"}', rb'{"value": "\xff"}', "°".encode("latin-1")]
    land(lake, payloads)
    assert replay.replay_rejected(lake, accounts, settings, now=NOW) == 1
    assert sorted(seen) == sorted(payloads)
    assert replay.replay_rejected(lake, accounts, settings, now=NOW) == 0
    assert len(seen) == len(payloads)
    assert sorted(kept(lake)) == sorted(payloads * 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("word", ["NaN", "null", "1e2"])
def test_refused_elements_of_an_array_are_kept_as_they_were_written(word: str, encoding: str) -> None:
    elements = ['{"value" :1e1}', f'{{"a":"\\u00e9", "value":{word}}}', "[ 1,2 ]", '"x"']
    payload = (" [ " + "\n,\t".join(elements) + "]\n").encode(encoding)
    device = DeviceFacts("m1", "home", "meter", "aurora", None)
    decoded = decoders.decode(Message(device, "readings", TOPIC, payload), Limits(None, None, 10_000))
    found = [bytes_of(one.payload, one.payload_base64) for one in decoded.rejections]
    plain = encoding.removesuffix("-le") if encoding == "utf-8" else "utf-16-le" if "16" in encoding else "utf-32-le"
    assert [text.decode(plain).removeprefix("\ufeff") for text in found] == elements


def test_payload_of_nobody_is_kept_whole_or_named_too_large() -> None:
    limits = Limits(None, None, 8_192)
    assert decoders.too_large(b"x" * 8_192, limits) is None
    refused = decoders.too_large(b"x" * 8_193, limits)
    assert refused is not None
    assert [one.reason for one in refused.rejections] == ["too_large"]
    assert aurora.parse_json(b"[" * 100_000)[1] is not None
