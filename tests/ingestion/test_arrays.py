"""Arrays of readings: the quick way says what the close look says, or leaves it to the close look."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.decoders import aurora as decoder
from ingestion.instants import microseconds_since_1970
from ingestion.landing import Landing
from ingestion.messages import EPOCH, ONE_STEP, Block, Decoded, DeviceFacts, Limits, Message, Reading
from tests.conftest import IS_TRIALS

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
METER = DeviceFacts("meter-1", "home", "meter", "aurora", 600)
OTHER = DeviceFacts("meter-2", "home", "meter", "aurora", None)
LIMITS = Limits(NOW - timedelta(days=30), NOW + timedelta(seconds=300), 4096)
GOOD = {"measured_at": "2026-03-29T01:15:00.123457Z", "channel": "consumption", "measure": "power_kw", "value": 1.5}

moments = st.one_of(
    st.datetimes(NOW.replace(tzinfo=None) - timedelta(days=31), NOW.replace(tzinfo=None) + timedelta(minutes=6)).flatmap(
        lambda moment: st.sampled_from(["Z", "+00:00", "+05:45", "-03:30", ""]).map(lambda offset: moment.isoformat() + offset)
    ),
    st.sampled_from(["yesterday", "2026-02-30T00:00:00Z", None, 1774746900]),
)
elements = st.fixed_dictionaries(
    {
        "measured_at": moments,
        "channel": st.sampled_from(["consumption", "grid_import", "gas"]),
        "measure": st.sampled_from(["power_kw", "interval_kwh", "register_kwh", "power_w"]),
        "value": st.one_of(st.floats(0, 1e6), st.integers(0, 10), st.sampled_from([-1, None, "1.5", True, 1e13, 1e8])),
    },
    optional={
        "interval_seconds": st.sampled_from([1, 900, 86_400, 0, None, 40_000_000]),
        "device_id": st.sampled_from(["meter-1", "meter-1", "meter-2", None]),
        "note": st.just("ignored"),
        "quality": st.sampled_from(["measured", "estimated", "good", None]),
        "consumption_kwh": st.just(0.5),
    },
)
good = st.fixed_dictionaries(
    {
        "measured_at": st.integers(0, 2_000_000).map(lambda s: (NOW - timedelta(seconds=s, microseconds=s % 999_983)).isoformat()),
        "channel": st.sampled_from(["consumption", "grid_import"]),
        "measure": st.sampled_from(["power_kw", "interval_kwh", "register_kwh"]),
        "value": st.floats(0, 100),
    },
    optional={"interval_seconds": st.sampled_from([60, 900, 86_400])},
)


edges = st.fixed_dictionaries(
    {
        "measured_at": st.sampled_from([(LIMITS.latest + timedelta(microseconds=n)).isoformat() for n in (-1, 0, 1)]),
        "channel": st.just("consumption"),
        "measure": st.sampled_from(["power_kw", "interval_kwh"]),
        "value": st.sampled_from([1.0, 1e6]),
    },
    optional={"interval_seconds": st.sampled_from([1, 86_400 - 1, 86_400, 86_400 + 1])},
)


def _looked_at(content: list[Any]) -> Decoded:
    message = Message(METER, "readings", "aurora/v1/meter-1/readings", b"")
    parts = [decoder.decode_element(message, LIMITS, element, f"[{index}]") for index, element in enumerate(content)]
    return Decoded([reading for part in parts for reading in part.readings], (), (), [one for part in parts for one in part.rejections])


@hypothesis_settings(max_examples=20_000 if IS_TRIALS else 200)
@given(st.lists(st.one_of(elements, edges, good), max_size=6))
def test_array_says_what_its_elements_say(content: list[Any]) -> None:
    payload = json.dumps(content).encode()
    said, looked = decoder.decode(Message(METER, "readings", "aurora/v1/meter-1/readings", payload), LIMITS), _looked_at(content)
    assert [*said.readings] == [*looked.readings]
    assert [(one.payload, one.faults) for one in said.rejections] == [(one.payload, one.faults) for one in looked.rejections]


@given(st.lists(st.lists(good, min_size=1, max_size=6), min_size=1, max_size=4))
def test_good_arrays_take_the_quick_way_and_keep_every_microsecond(arrays: list[list[Any]]) -> None:
    gathered, readings = bronze.Gathered(), list[Reading]()
    for content in arrays:
        found = decoder.quick_readings(json.dumps(content).encode(), LIMITS, lambda _named: METER)
        assert isinstance(found, Block)
        assert [*found] == [*_looked_at(content).readings]
        gathered.extend(found)
        readings += found
    assert bronze.columns_of([gathered, readings]).equals(bronze.reading_columns(readings * 2))


def test_lines_of_several_devices_take_the_quick_way() -> None:
    known = {None: METER, "meter-2": OTHER}
    lines = [GOOD, GOOD | {"device_id": "meter-2", "measure": "interval_kwh"}, GOOD | {"measure": "interval_kwh"}]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    found = decoder.quick_readings(body, LIMITS, known.get, are_lines=True)
    assert found is not None
    assert [(one.device_id, one.interval_seconds) for one in found] == [("meter-1", None), ("meter-2", 900), ("meter-1", 600)]
    assert decoder.quick_readings(body, LIMITS, {None: METER}.get, are_lines=True) is None


@pytest.mark.parametrize("payload", [b"[]", b"[", b"[[[[]]]]", b"\xff", b"[" * 100_000, b'[{"value": 1e400}]'])
def test_odd_array_is_left_to_the_close_look(payload: bytes) -> None:
    assert decoder.quick_readings(payload, LIMITS, lambda _named: METER) is None


def test_later_of_two_readings_in_one_commit_comes_after_the_earlier_whatever_their_form(lake: Lake, settings: Settings) -> None:
    landing = Landing(lake, settings)

    def block(value: float) -> Block:
        found = decoder.quick_readings(json.dumps([GOOD | {"value": value}]).encode(), LIMITS, lambda _named: METER)
        assert found is not None
        return found

    at = block(0)[0].measured_at
    forms = [block(1), block(2), [Reading("meter-1", "consumption", "power_kw", at, None, 3.0, "estimated")], block(4)]
    for readings in forms:
        landing.submit(Decoded(readings), source="mqtt", topic=None, told=lambda _tokens: None, token=1)
    landing.start()
    landing.stop()
    rows = lake.scan(bronze.READINGS).collect().sort("sequence")
    assert rows["value"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert rows["sequence"].to_list() == [0, 1, 2, 3]
    assert rows["quality"].to_list() == [None, None, "estimated", None]
    assert rows.select(pl.col("measured_at").unique())["measured_at"].to_list() == [at]


def test_large_batch_is_committed_soon_after_its_senders_fell_silent(lake: Lake, settings: Settings, eventually: Any) -> None:
    landing, told = Landing(lake, settings.model_copy(update={"flush_seconds": 60.0})), list[Any]()
    landing.start()
    content = [GOOD | {"measured_at": (NOW - timedelta(seconds=n)).isoformat()} for n in range(1_000)]
    found = decoder.quick_readings(json.dumps(content).encode(), LIMITS, lambda _named: METER)
    assert found is not None
    landing.submit(Decoded(found), source="http", topic=None, told=told.extend, token=1)
    eventually(lambda: told == [1], 10)
    landing.stop()
    assert lake.scan(bronze.READINGS).collect().height == 1_000


anywhere = st.one_of(st.just(UTC), st.timezones())
instants = st.builds(lambda at, zone: (EPOCH + timedelta(microseconds=at)).astimezone(zone), st.integers(-(2**51), 2**54), anywhere)
whole_seconds = instants.map(lambda moment: moment.replace(microsecond=0))


@given(st.one_of(st.lists(instants), st.lists(whole_seconds), st.lists(st.one_of(instants, whole_seconds))))
def test_instants_come_out_exact_and_in_order_whatever_their_form(moments: list[datetime]) -> None:
    assert microseconds_since_1970(moments).tolist() == [(moment - EPOCH) // ONE_STEP for moment in moments]
