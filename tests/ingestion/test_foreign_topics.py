"""Foreign topics: whose they are, who may use them, from when on, and what becomes of what nobody is bound to."""

import json
import time
from datetime import UTC, datetime

import polars as pl
import pytest

from aurora.accounts import devices
from aurora.accounts.keys import new_key
from aurora.domain.topics import covers, patterns_of
from aurora.errors import WrongFacts
from ingestion.landing import Landing
from ingestion.listener import Listener, broker_address
from ingestion.registry import DeviceRegistry
from ingestion.replay import replay_rejected
from ingestion.topics import may_use, widest

READINGS, REJECTED = "bronze/readings", "bronze/rejected"
WITHIN_SECONDS = 5.0
SHELLY = {"decoder": "shelly_gen1", "topic": "shellies/em-1/#"}


@pytest.mark.parametrize(
    ("pattern", "topic", "is_covered"),
    [
        ("a/#", "a/b/c", True), ("a/#", "a", True), ("a/#", "a/+/c", True), ("a/#", "ab", False), ("a/#", "#", False),
        ("a/+", "a/b", True), ("a/+", "a/+", True), ("a/+", "a/#", False), ("a/+", "a", False), ("a/+", "a/b/c", False),
        ("a/b", "a/+", False), ("a/b", "a/b", True), ("a/b", "a", False),
    ],
)  # fmt: skip
def test_pattern_covers_exactly_its_topics(pattern: str, topic: str, *, is_covered: bool) -> None:
    assert covers(pattern, topic) is is_covered


def test_own_branch_of_another_is_never_covered() -> None:
    assert may_use("meter-1", ("aurora/#", "#"), "aurora/v1/meter-2/readings") is False
    assert may_use("", ("#",), "a") is False
    assert patterns_of("aurora/v1/meter-1/readings") == ()
    assert patterns_of("tele/a/#, stat/a/STATUS8") == ("tele/a/#", "stat/a/STATUS8")


@pytest.mark.parametrize("topic", ["#", "+/a", "aurora/#", "$SYS/#", "a/#/b", "a/b#", "a/b+/c", "a,#", "/a", "a,,b", "aurora/v1/meter-2/x"])
def test_topic_that_takes_in_what_others_send_is_refused(new_device, topic: str) -> None:
    with pytest.raises(WrongFacts):
        new_device("meter-1", decoder="tasmota", topic=topic)


@pytest.mark.parametrize("words", ["nonsense", "grid kW h", "reversed", "", "consumption  kWh", "grid\n"])
def test_input_that_says_nothing_is_refused(new_device, words: str) -> None:
    with pytest.raises(WrongFacts, match="inputs"):
        new_device("meter-1", decoder="tasmota", inputs={"power/1": words})


READING = json.dumps({"measured_at": datetime.now(UTC).isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5})


def rows(lake) -> list[tuple]:
    return lake.scan(READINGS).select("device_id", "channel", "measure", "value").sort("device_id", "channel", "measure").collect().rows()


def test_message_of_a_bound_topic_lands_as_its_devices_reading(ingestion, accounts, new_device, connect, lake, eventually) -> None:
    one = new_device("em-1", **SHELLY)
    connect(one.device_id, one.key).publish("shellies/em-1/emeter/0/power", "-620.34")
    eventually(lambda: len(rows(lake)) == 2)
    assert rows(lake) == [("em-1", "grid_export", "power_kw", pytest.approx(0.62034)), ("em-1", "grid_import", "power_kw", 0.0)]


def test_message_under_two_patterns_lands_once(ingestion, new_device, connect, lake, eventually) -> None:
    new_device("zigbee", kind="gateway", decoder="zigbee2mqtt", topic="zigbee2mqtt/#")
    fridge = new_device(
        "fridge", decoder="zigbee2mqtt", topic="zigbee2mqtt/kitchen/fridge", inputs={"energy": "consumption", "power": "consumption"}
    )
    to_broker = connect(fridge.device_id, fridge.key)
    to_broker.publish("zigbee2mqtt/kitchen/fridge", '{"energy": 2.05, "power": 50}')
    to_broker.publish("zigbee2mqtt/kitchen/fridge", '{"energy": "x"}')
    to_broker.publish(fridge.topic, READING)
    eventually(lambda: len(rows(lake)) >= 3 and lake.scan(REJECTED).collect().height)
    time.sleep(0.5)
    assert sorted(row[1:] for row in rows(lake)) == [
        ("consumption", "power_kw", 0.05),
        ("consumption", "power_kw", 1.5),
        ("consumption", "register_kwh", 2.05),
    ]
    assert lake.scan(REJECTED).collect().height == 1


def test_filters_that_another_covers_are_not_asked_for() -> None:
    assert widest(["a/#", "a/b", "a/b/#", "a/+/c", "b/+", "b/c", "+/d"]) == {"a/#", "b/+", "+/d"}
    assert widest(["a/+", "a/+/#", "a"]) == {"a/+", "a/+/#", "a"} - {"a/+"}
    assert widest([]) == frozenset()


def test_device_that_leaves_and_is_back_at_once_is_there(ingestion, new_device, connect, lake, eventually) -> None:
    one = new_device("meter-1")
    to_broker = connect(one.device_id, one.key)
    words = ["offline", "online"] * 3
    for word in words:
        to_broker.publish("aurora/v1/meter-1/status", word)
    eventually(lambda: lake.scan("bronze/device_status").collect().height == len(words))
    states = lake.scan("bronze/device_status").sort("at").collect()
    assert (states["state"].to_list(), states["at"].n_unique()) == (words, len(words))


def test_binding_made_and_taken_away_works_within_five_seconds(ingestion, accounts, new_device, connect, lake, eventually) -> None:
    one = new_device("em-1")
    connection = connect(one.device_id, one.key)
    connection.publish("shellies/em-1/emeter/0/total", "1000")
    devices.change_device(accounts, "em-1", topic="shellies/em-1/#", decoder="shelly_gen1")
    time.sleep(WITHIN_SECONDS)
    connection.publish("shellies/em-1/emeter/0/total", "2000")
    eventually(lambda: rows(lake))
    devices.change_device(accounts, "em-1", topic="", decoder=None)
    time.sleep(WITHIN_SECONDS)
    connection.publish("shellies/em-1/emeter/0/total", "3000")
    time.sleep(1)
    assert rows(lake) == [("em-1", "grid_import", "register_kwh", 2.0)]


def test_topics_bound_to_another_are_closed(broker, new_device, connect, eventually) -> None:
    owner, thief = new_device("em-1", **SHELLY), new_device("em-2", decoder="shelly_gen1", topic="shellies/em-2/#")
    victim, stranger = connect(owner.device_id, owner.key), connect(thief.device_id, thief.key)
    victim.client.subscribe("shellies/em-1/#", qos=1)
    stranger.client.subscribe(
        [(topic, 1) for topic in ("shellies/em-1/#", "shellies/#", "shellies/+/emeter/0/power", "shellies/em-2/emeter/+/power")]
    )
    eventually(lambda: len(stranger.codes) == 4 and victim.codes)
    assert [code == 0x80 for code in stranger.codes] == [True, True, True, False]
    stranger.publish("shellies/em-1/emeter/0/power", "666")
    victim.publish("shellies/em-1/emeter/0/power", "1")
    eventually(lambda: victim.received)
    time.sleep(0.3)
    assert ([payload for _, payload in victim.received], stranger.received) == ([b"1"], [])


@pytest.mark.parametrize("is_clean", [True, False])
def test_known_client_id_ends_nobodys_session(broker, new_device, connect, eventually, *, is_clean: bool) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    victim = connect(one.device_id, one.key, client_id="cellar", clean_session=is_clean)
    victim.client.subscribe(f"aurora/v1/{one.device_id}/#", qos=1)
    eventually(lambda: victim.codes)
    ended: list[object] = []
    victim.client.on_disconnect = lambda *given: ended.append(given)
    for login in ((one.device_id, "wrong"), (None, None), (other.device_id, other.key)):
        connect(*login, client_id="cellar", clean_session=is_clean)
    time.sleep(0.5)
    victim.publish(one.topic, "still here")
    eventually(lambda: victim.received)
    assert ended == []


def test_topic_bound_to_nobody_is_refused_and_kept(settings, home, accounts, lake, eventually) -> None:
    landing = Landing(lake, settings)
    listener = Listener(broker_address(settings, home), landing, DeviceRegistry(accounts), settings)
    decoded = listener._decode("shellies/nobody/emeter/0/power", b"\x00 12")
    assert [(r.reason, r.payload) for r in decoded.rejections] == [("unknown_topic", "\x00 12")]


def test_input_that_was_asked_for_is_replayed_at_the_time_it_came(
    ingestion, accounts, settings, new_device, connect, lake, eventually
) -> None:
    one = new_device("em-1", **SHELLY)
    before = datetime.now(UTC)
    connect(one.device_id, one.key).publish("shellies/em-1/emeter/1/power", "2000")
    eventually(lambda: lake.scan(REJECTED).collect().height)
    [refused] = lake.scan(REJECTED).collect().to_dicts()
    assert (refused["reason"], refused["topic"]) == ("unmapped_input", "shellies/em-1/emeter/1/power")
    devices.change_device(accounts, "em-1", inputs={"emeter/1": "production"})
    time.sleep(1)
    assert replay_rejected(lake, accounts, settings) == 1
    [found] = lake.scan(READINGS).filter(pl.col("source") == "replay").collect().to_dicts()
    assert (found["channel"], found["value"], found["measured_at"]) == ("production", 2.0, refused["received_at"])
    assert before.timestamp() - 1 <= found["measured_at"].timestamp()


def test_topic_of_two_devices_is_read_for_each(accounts, settings, home, lake, new_device) -> None:
    for device_id, words in (("grid", "grid"), ("roof", "production")):
        new_device(device_id, decoder="shelly_rpc", topic="pro/events/rpc", inputs={"em1:0": "ignore", "em1:1": "ignore"} | {
            f"em1:{int(device_id == 'roof')}": words})  # fmt: skip
    listener = Listener(broker_address(settings, home), Landing(lake, settings), DeviceRegistry(accounts), settings)
    ts = datetime.now(UTC).timestamp()
    payload = f'{{"method":"NotifyStatus","params":{{"ts":{ts},"em1:0":{{"act_power":100}},"em1:1":{{"act_power":2000}}}}}}'
    found = listener._decode("pro/events/rpc", payload.encode())
    assert [(r.device_id, r.channel, r.value) for r in found.readings] == [
        ("grid", "grid_import", 0.1), ("grid", "grid_export", 0.0), ("roof", "production", 2.0),
    ]  # fmt: skip
    assert new_key(accounts, "grid")
