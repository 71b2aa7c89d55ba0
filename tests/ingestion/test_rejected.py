"""What is refused is kept as exactly the bytes that came, and a replay puts exactly those through again, each once."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora.accounts import devices
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.domain.meters import current
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze, decoders, replay
from ingestion.format_states import FormatStates
from ingestion.json_text import parse_json
from ingestion.landing import Batch
from ingestion.messages import NO_STATE, DeviceFacts, Fault, Limits, Message, bytes_of, live_limits, rejection_of
from ingestion.registry import DeviceRegistry

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
    assert parse_json(b"[" * 100_000)[1] is not None


READ_SCHEMA = {"device_id": pl.String, "channel": pl.String, "measure": pl.String, "measured_at": pl.Datetime("us", "UTC"),
               "interval_seconds": pl.Int64, "value": pl.Float64, "quality": pl.String}  # fmt: skip
SAID = {"power/1": "consumption", "total/1": "consumption"}
TWO_METERS = b'{"Time": "2026-07-01T12:00:00Z", "ENERGY": {"Power": [100, 2000], "Total": [1000, 30.5]}}'


def arrive(lake: Lake, accounts: Accounts, settings: Settings, topic: str, payload: bytes, at: datetime) -> None:
    """What a message leaves in the lake that comes at `at`."""
    device = DeviceRegistry(accounts).bound_to(topic)[0]
    decoded = decoders.decode(Message(device, "foreign", topic, payload, at), live_limits(settings, at))
    batch = Batch()
    batch.add(decoded, "mqtt", topic)
    for name, rows in batch.tables(at):
        lake.land(name, rows)


def counting(lake: Lake) -> dict[tuple[str, str], float]:
    rows = current(lake.scan(bronze.READINGS).collect())
    return {(channel, measure): value for channel, measure, value in rows.select("channel", "measure", "value").iter_rows()}


def test_replay_lands_what_was_refused_alone_and_leaves_corrections(lake: Lake, accounts: Accounts, site: Site, settings: Settings) -> None:
    topic = "tele/two/SENSOR"
    devices.add_device(accounts, site.site_id, name="two", device_id="two", kind="meter", decoder="tasmota", topic=topic, inputs=SAID)
    arrive(lake, accounts, settings, topic, TWO_METERS, NOW)
    used = {("consumption", "power_kw"): 0.1, ("consumption", "register_kwh"): 1000.0}
    assert counting(lake) == used
    fixed = pl.DataFrame([("two", "consumption", "register_kwh", NOW, None, 999.5, None)], schema=READ_SCHEMA, orient="row").to_arrow()
    bronze.land_readings(lake, bronze.stamps_above(lake), fixed.cast(bronze.READING_COLUMNS), "http", NOW + timedelta(minutes=5))
    devices.change_device(accounts, "two", inputs=SAID | {"power/2": "production", "total/2": "production"})
    assert replay.replay_rejected(lake, accounts, settings, now=NOW + timedelta(days=1)) == 1
    made = {("production", "power_kw"): 2.0, ("production", "register_kwh"): 30.5}
    assert counting(lake) == used | made | {("consumption", "register_kwh"): 999.5}
    assert lake.scan(bronze.READINGS).collect().height == 5


def test_replay_of_a_whole_message_gives_way_to_what_came_since_but_not_to_what_was_before(
    lake: Lake, accounts: Accounts, site: Site, settings: Settings
) -> None:
    stamps = bronze.stamps_above(lake)
    times = [NOW - timedelta(hours=hour) for hour in (1, 2)]
    text = '{{"measured_at": "{}", "channel": "consumption", "measure": "power_kw", "value": 5}}'
    payloads = [text.format(at.isoformat()).encode() for at in times]

    def value_at(at: datetime, received_at: datetime) -> None:
        rows = pl.DataFrame([("m1", "consumption", "power_kw", at, None, 7.0, None)], schema=READ_SCHEMA, orient="row").to_arrow()
        bronze.land_readings(lake, stamps, rows.cast(bronze.READING_COLUMNS), "mqtt", received_at)

    value_at(times[0], NOW - timedelta(minutes=1))
    land(lake, payloads)
    value_at(times[1], NOW + timedelta(minutes=1))
    devices.add_device(accounts, site.site_id, name="m1", kind="meter", device_id="m1")
    assert replay.replay_rejected(lake, accounts, settings, now=NOW + timedelta(days=1)) == 2
    rows = current(lake.scan(bronze.READINGS).collect())
    assert dict(rows.select("measured_at", "value").iter_rows()) == {times[0]: 5.0, times[1]: 7.0}


def test_replayed_state_is_as_of_when_it_came(lake: Lake, accounts: Accounts, site: Site, settings: Settings) -> None:
    refused = [bronze.Refused(rejection_of(b"offline", FAULT), "mqtt", "aurora/v1/m1/status")]
    lake.land(bronze.REJECTED, bronze.rejected_table(refused, NOW))
    devices.add_device(accounts, site.site_id, name="m1", kind="meter", device_id="m1")
    replay.replay_rejected(lake, accounts, settings, now=NOW + timedelta(days=1))
    assert lake.scan(bronze.STATES).select("state", "at").collect().rows() == [("offline", NOW)]


@pytest.mark.parametrize("is_unit_known", [True, False])
def test_values_of_an_entity_land_by_a_replay_once_its_unit_has_come(
    lake: Lake, accounts: Accounts, site: Site, settings: Settings, home: Home, is_unit_known: bool
) -> None:
    topic = "homeassistant/sensor/grid_import/state"
    devices.add_device(
        accounts, site.site_id, name="HA", kind="gateway", device_id="ha", decoder="ha_statestream", topic="homeassistant/sensor/+/+"
    )
    refused = [bronze.Refused(rejection_of(value, (Fault("", "unknown_unit", ""),)), "mqtt", topic) for value in (b"5", b"6")]
    lake.land(bronze.REJECTED, bronze.rejected_table(refused, NOW))
    if is_unit_known:
        FormatStates(home).keep({"ha": {"unit:grid_import": "Wh", "order:grid_import": "state_first", "waiting:grid_import": "9"}})
    assert replay.replay_rejected(lake, accounts, settings, now=NOW + timedelta(days=1)) == (2 if is_unit_known else 0)
    values = sorted(lake.scan(bronze.READINGS).collect().get_column("value"))
    assert values == ([0.005, 0.006] if is_unit_known else [])
