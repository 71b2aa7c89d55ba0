"""The embedded broker: keys open it, a device has its own branch alone, and the listener misses nothing."""

import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aurora.accounts.keys import new_key, revoke_key
from aurora.errors import Refused
from aurora.lake.store import Lake
from ingestion.broker import Subscriptions, run
from ingestion.broker_login import login_problem
from ingestion.listener import broker_address
from ingestion.server import open_service

READINGS = "bronze/readings"


def test_only_a_key_of_the_named_device_opens_the_broker(broker, connect, new_device) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    refused = [(None, None), (one.device_id, "wrong"), (one.device_id, other.key), ("aurora-listener", one.key), (one.device_id, "")]
    assert [connect(*login).answer for login in refused] == ["Not authorized"] * 5
    assert connect(one.device_id, one.key).answer == "Success"


def test_foreign_topics_refused_for_publishing_and_subscribing(broker, connect, new_device, as_reading, eventually) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    victim, thief = connect(other.device_id, other.key), connect(one.device_id, one.key)
    victim.client.subscribe(f"aurora/v1/{other.device_id}/#", qos=1)
    thief.client.subscribe(
        [(f"aurora/v1/{other.device_id}/#", 1), ("#", 1), ("aurora/v1/+/readings", 1), (f"aurora/v1/{one.device_id}/#", 1)]
    )
    eventually(lambda: len(thief.codes) == 4 and victim.codes)
    assert [code == 0x80 for code in thief.codes] == [True, True, True, False]
    thief.publish(other.topic, as_reading(6.66))
    victim.publish(other.topic, as_reading(1.0))
    eventually(lambda: victim.received)
    time.sleep(0.3)
    assert [b"6.66" in payload for _topic, payload in victim.received] == [False]
    assert thief.received == []


def test_last_will_on_a_foreign_topic_refused(broker, settings, new_device) -> None:
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    one = new_device("meter-1")
    answers: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(one.device_id, one.key)
    client.will_set("aurora/v1/meter-2/status", "offline", qos=1)
    client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(str(reason))
    client.connect("127.0.0.1", settings.mqtt_port)
    for _ in range(50):
        client.loop(0.05)
        if answers:
            break
    assert answers == ["Not authorized"]


def test_revoked_key_closes_the_broker_within_five_seconds(broker, accounts, connect, new_device, as_reading, eventually) -> None:
    one = new_device("meter-1")
    connection = connect(one.device_id, one.key)
    connection.client.subscribe(f"aurora/v1/{one.device_id}/#", qos=1)
    connection.publish(one.topic, as_reading(1.0))
    eventually(lambda: len(connection.received) == 1)
    revoke_key(accounts, one.key_id)
    time.sleep(3)
    connection.publish(one.topic, as_reading(2.0))
    time.sleep(0.5)
    assert len(connection.received) == 1
    assert connect(one.device_id, one.key).answer == "Not authorized"
    _key_id, fresh = new_key(accounts, one.device_id)
    assert connect(one.device_id, fresh).answer == "Success"


def test_retained_states_of_others_not_shown_to_a_device(broker, connect, new_device, eventually) -> None:
    one, other = new_device("meter-1"), new_device("meter-2")
    connect(one.device_id, one.key).client.publish(f"aurora/v1/{one.device_id}/status", "secret", qos=1, retain=True).wait_for_publish(5)
    curious = connect(other.device_id, other.key, client_id="stays", clean_session=False)
    curious.client.subscribe(f"aurora/v1/{other.device_id}/#", qos=1)
    eventually(lambda: curious.codes)
    curious.close()
    again = connect(other.device_id, other.key, client_id="stays", clean_session=False)
    time.sleep(0.5)
    assert again.received == []


def test_messages_before_the_first_connection_of_the_listener_arrive(
    broker, settings, home, connect, new_device, as_reading, lake: Lake, eventually
) -> None:
    one = new_device("meter-1")
    connection = connect(one.device_id, one.key)
    for value in range(50):
        connection.publish(one.topic, as_reading(float(value)))
    with open_service(settings, home):
        eventually(lambda: lake.scan(READINGS).collect().height >= 50)
    assert lake.scan(READINGS).collect().get_column("value").n_unique() == 50


def test_what_was_acknowledged_arrives_though_its_sender_leaves_at_once(
    ingestion, connect, new_device, as_reading, lake: Lake, eventually
) -> None:
    device, begin = new_device("meter-1"), datetime.now(UTC) - timedelta(hours=1)
    for sender in range(5):
        connection = connect(device.device_id, device.key)
        for number in range(100):
            at = begin + timedelta(seconds=100 * sender + number)
            told = connection.client.publish(device.topic, as_reading(float(100 * sender + number), at), qos=1)
        told.wait_for_publish(10)
        connection.close()
    eventually(lambda: lake.scan(READINGS).collect().height == 500, 10)


def test_nothing_in_the_broker_lost_when_ingestion_is_killed(
    broker, settings, home, processes, connect, new_device, as_reading, lake: Lake, eventually
) -> None:
    one = new_device("meter-1")
    listening = processes.start("ingestion.server", "ingestion", AURORA_FLUSH_SECONDS="30")
    connection = connect(one.device_id, one.key)
    started = datetime.now(UTC)
    for value in range(100):
        connection.publish(one.topic, as_reading(float(value), started))
    assert lake.scan(READINGS).collect().is_empty()
    processes.end(listening, signal.SIGKILL)
    with open_service(settings, home):
        eventually(lambda: lake.scan(READINGS).collect().get_column("value").n_unique() == 100)


def test_taken_port_refused_with_the_setting_to_change(broker, settings, home) -> None:
    with pytest.raises(Refused, match=rf"Port {settings.mqtt_port} is taken .* Set AURORA_MQTT_PORT to a free one."):
        run(settings, home)


def test_login_is_tried_without_ending_the_listeners_session(
    ingestion, settings, home, connect, new_device, as_reading, lake, eventually
) -> None:
    address = broker_address(settings, home)
    assert login_problem(address) is None
    assert "refuses" in (login_problem(replace(address, password="wrong")) or "")
    assert "reached" in (login_problem(replace(address, port=1)) or "")
    one = new_device("meter-1")
    connect(one.device_id, one.key).publish(one.topic, as_reading(1.0))
    eventually(lambda: lake.scan("bronze/readings").collect().height)


def test_subscriptions_may_change_while_amqtt_waits_in_a_loop_over_them() -> None:
    held = Subscriptions({"a": [], "b": []})
    seen = [held.setdefault(f"new/{topic}", []) == [] and topic for topic in held]
    assert seen == ["a", "b"]
    assert list(held) == ["a", "b", "new/a", "new/b"]
