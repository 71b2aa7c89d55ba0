"""The ingestion process end to end: MQTT and HTTP in, bronze out; bad input is kept with its reason and stops nothing."""

import gzip
import json
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from aurora.accounts import devices, memberships, people, sites
from aurora.accounts.keys import new_gateway_key, revoke_key
from aurora.accounts.tokens import Tokens
from aurora.lake.store import Lake

READINGS, REJECTED = "bronze/readings", "bronze/rejected"


@pytest.fixture
def http(settings):
    """A client of the HTTP door."""
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.ingest_port}", timeout=30) as client:
        yield client


def now_text(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def test_bad_messages_counted_with_their_reason_and_good_ones_around_them_land(
    ingestion, accounts, connect, new_device, as_reading, lake: Lake, eventually
) -> None:
    one = new_device("meter-1")
    ghost = new_device("ghost")
    bad = {
        "{": "not_json",
        "[]}": "not_json",
        "17": "not_an_object",
        as_reading(-1.0): "negative",
        as_reading(float("nan")): "not_finite",
        as_reading(1.0, channel="gas"): "unknown_channel",
        as_reading("much"): "wrong_type",
        as_reading(1.0, measured_at=datetime.now(UTC) + timedelta(hours=1)): "in_the_future",
        as_reading(1.0, measured_at=datetime.now(UTC) - timedelta(days=31)): "too_late",
        "x" * 70_000: "too_large",
    }
    from sqlalchemy import update

    from aurora.accounts.models import Device

    connection, of_ghost = connect(one.device_id, one.key), connect(ghost.device_id, ghost.key)
    with accounts.transaction() as session:
        session.execute(update(Device).where(Device.device_id == "ghost").values(retired_at=datetime.now(UTC)))
    of_ghost.publish(ghost.topic, as_reading(3.0))
    for number, payload in enumerate(bad):
        connection.publish(one.topic, as_reading(float(number)))
        connection.publish(one.topic, payload)
    connection.publish(one.topic, as_reading(100.0))
    eventually(lambda: 100.0 in lake.scan(READINGS).collect().get_column("value"))
    eventually(lambda: lake.scan(REJECTED).collect().height >= len(bad))
    values = lake.scan(READINGS).filter(pl.col("device_id") == "meter-1").collect().get_column("value").to_list()
    assert sorted(values) == [*map(float, range(len(bad))), 100.0]
    found = Counter(lake.scan(REJECTED).filter(pl.col("topic") == one.topic).collect().get_column("reason"))
    assert found == Counter(bad.values())
    whole = lake.scan(REJECTED).filter(pl.col("reason") == "negative").collect().get_column("payload").to_list()
    assert whole == [payload for payload, reason in bad.items() if reason == "negative"]


def test_reading_of_a_device_made_a_moment_ago_lands(ingestion, connect, new_device, as_reading, lake: Lake, eventually) -> None:
    first = new_device("meter-1")
    connect(first.device_id, first.key).publish(first.topic, as_reading(1.0))
    time.sleep(0.3)
    second = new_device("meter-2")
    connect(second.device_id, second.key).publish(second.topic, as_reading(2.0))
    eventually(lambda: set(lake.scan(READINGS).collect().get_column("device_id")) == {"meter-1", "meter-2"})
    assert lake.scan(REJECTED).collect().is_empty()


def test_weather_and_state_land(ingestion, connect, new_device, lake: Lake, eventually) -> None:
    station = new_device("station-1", kind="weather_station")
    connection = connect(station.device_id, station.key)
    connection.publish(
        "aurora/v1/station-1/weather", json.dumps({"measured_at": now_text(), "temperature_celsius": -2.5, "wind_m_per_s": 3})
    )
    connection.publish("aurora/v1/station-1/status", "online")
    eventually(lambda: lake.scan("bronze/device_status").collect().height)
    weather = lake.scan("bronze/weather").collect()
    assert dict(weather.select("quantity", "value").iter_rows()) == {"temperature_celsius": -2.5, "wind_m_per_s": 3.0}


def test_http_answers_202_once_the_readings_are_committed(ingestion, http, new_device, lake: Lake) -> None:
    one = new_device("meter-1")
    body = [{"timestamp": now_text(minutes=-30), "consumption_kwh": 0.5, "production_kwh": 0.25}]
    answer = http.post("/v1/ingest/energy_data", json=body, headers={"X-API-Key": one.key})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    rows = lake.scan(READINGS).sort("channel").collect()
    assert rows.select("channel", "value", "source", "interval_seconds").rows() == [
        ("consumption", 0.5, "http", 900),
        ("production", 0.25, "http", 900),
    ]


def test_http_refuses_a_body_as_a_whole_and_names_every_bad_field(ingestion, http, new_device, lake: Lake) -> None:
    one = new_device("meter-1")
    good = {"measured_at": now_text(), "channel": "consumption", "measure": "power_kw", "value": 1.0}
    body = [good, good | {"value": -1, "channel": "gas"}, 5, good | {"device_id": 7}]
    answer = http.post("/v1/ingest/energy_data", json=body, headers={"X-API-Key": one.key})
    assert answer.status_code == 400
    assert [(fault["field"], fault["reason"]) for fault in answer.json()["detail"]] == [
        ("[1].channel", "unknown_channel"),
        ("[1].value", "negative"),
        ("[2]", "not_an_object"),
        ("[3].device_id", "unknown_device"),
    ]
    assert lake.scan(READINGS).collect().is_empty()


def test_http_without_a_valid_key_refused_before_the_body_is_judged(ingestion, http, accounts, new_device) -> None:
    one = new_device("meter-1")
    assert [http.post("/v1/ingest/energy_data", content=b"{", headers=headers).status_code for headers in ({}, {"X-API-Key": "no"})] == [
        401,
        401,
    ]
    assert http.post("/v1/ingest/energy_data", content=b"{", headers={"X-API-Key": one.key}).status_code == 400
    revoke_key(accounts, one.key_id)
    time.sleep(2.1)
    assert http.post("/v1/ingest/energy_data", content=b"{", headers={"X-API-Key": one.key}).status_code == 401


def test_http_body_over_the_limit_refused_also_when_it_was_packed(ingestion, http, new_device) -> None:
    one = new_device("meter-1")
    large = b" " * (10 * 1024**2 + 1)
    assert http.post("/v1/ingest/energy_data", content=large, headers={"X-API-Key": one.key}).status_code == 413
    packed = {"X-API-Key": one.key, "Content-Encoding": "gzip"}
    assert http.post("/v1/ingest/energy_data", content=gzip.compress(large), headers=packed).status_code == 413
    small = gzip.compress(json.dumps({"timestamp": now_text(), "consumption_kwh": 1}).encode())
    assert http.post("/v1/ingest/energy_data", content=small, headers=packed).status_code == 202
    assert http.post("/v1/ingest/energy_data", content=b"not gzip", headers=packed).status_code == 400
    parts = gzip.compress(b"[") + gzip.compress(json.dumps({"timestamp": now_text(), "consumption_kwh": 2}).encode() + b"]")
    assert http.post("/v1/ingest/energy_data", content=parts, headers=packed | {"Content-Encoding": "x-gzip"}).status_code == 202
    assert http.post("/v1/ingest/energy_data", content=parts + b"rest", headers=packed).status_code == 400


def test_gateway_speaks_for_devices_of_its_own_site(ingestion, http, new_device, lake: Lake) -> None:
    gateway, meter = new_device("gate", kind="gateway"), new_device("meter-1")
    body = {"device_id": meter.device_id, "timestamp": now_text(), "consumption_kwh": 1}
    assert http.post("/v1/ingest/energy_data", json=body, headers={"X-API-Key": gateway.key}).status_code == 202
    assert lake.scan(READINGS).collect().get_column("device_id").to_list() == ["meter-1"]
    assert http.post("/v1/ingest/energy_data", json=body | {"device_id": "nobody"}, headers={"X-API-Key": gateway.key}).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/healthz", "/v1/readyz"])
def test_health_answers_without_a_key(ingestion, http, path: str) -> None:
    assert http.get(path).status_code == 200


def test_sigterm_ends_the_process_within_five_seconds_and_keeps_what_waited(
    broker, processes, connect, new_device, as_reading, lake: Lake
) -> None:
    one = new_device("meter-1")
    slow = processes.start("ingestion.server", "ingestion", AURORA_FLUSH_SECONDS="60")
    connection = connect(one.device_id, one.key)
    connection.publish(one.topic, as_reading(1.0))
    time.sleep(1)
    started = time.monotonic()
    assert processes.end(slow, signal.SIGTERM) == 0
    assert time.monotonic() - started < 5
    assert lake.scan(READINGS).collect().height == 1


def test_gateway_key_speaks_for_each_device_that_the_body_names(ingestion, http, accounts, new_device, site, lake: Lake) -> None:
    meter = new_device("meter-1")
    owner = people.user_by_name(accounts, "ada")
    other = sites.add_site(accounts, owner, name="Other", site_id="other", time_zone="UTC", latitude=0, longitude=0)
    devices.add_device(accounts, other.site_id, name="m", kind="meter", device_id="elsewhere")
    key_id, key = new_gateway_key(accounts, site.site_id)
    headers, body = {"X-API-Key": key}, {"timestamp": now_text(), "consumption_kwh": 1}
    assert http.post("/v1/ingest/energy_data", json=[body | {"device_id": "meter-1"}], headers=headers).json() == {"accepted": 1}
    foreign = [body, body | {"device_id": "elsewhere"}]
    assert http.post("/v1/ingest/energy_data", json=foreign, headers=headers).status_code == 404
    mixed = [body, body | {"device_id": "meter-1", "consumption_kwh": -1}, body | {"device_id": 5}]
    refused = http.post("/v1/ingest/energy_data", json=mixed, headers=headers)
    assert (refused.status_code, [(fault["field"], fault["reason"]) for fault in refused.json()["detail"]]) == (
        400,
        [
            ("[0].device_id", "missing_field"),
            ("[1].consumption_kwh", "negative"),
            ("[2].device_id", "unknown_device"),
        ],
    )
    assert lake.scan(READINGS).collect().get_column("device_id").to_list() == [meter.device_id]
    revoke_key(accounts, key_id)
    time.sleep(2.1)
    assert http.post("/v1/ingest/energy_data", json=body | {"device_id": "meter-1"}, headers=headers).status_code == 401


def test_person_sends_for_devices_of_owned_sites_alone(ingestion, http, accounts, settings, home, new_device, site, lake: Lake) -> None:
    new_device("meter-1")
    tokens = Tokens(settings, home, accounts)
    bob = people.add_user(accounts, "bob", "correct horse battery", "user")
    memberships.add_member(accounts, site.site_id, username="bob", role="viewer")
    ada = people.user_by_name(accounts, "ada")
    as_ada, as_bob = ({"Authorization": f"Bearer {tokens.issue(user, datetime.now(UTC))['access_token']}"} for user in (ada, bob))
    body = {"device_id": "meter-1", "timestamp": now_text(), "consumption_kwh": 1}
    assert http.post("/v1/ingest/energy_data", json=body, headers=as_ada).status_code == 202
    assert (
        http.post("/v1/ingest/energy_data", json=[body, body | {"device_id": "ghost", "consumption_kwh": -1}], headers=as_ada).status_code
        == 404
    )
    assert http.post("/v1/ingest/energy_data", json={"device_id": "meter-1"}, headers=as_bob).status_code == 404
    assert http.post("/v1/ingest/energy_data", json=body | {"device_id": None}, headers=as_ada).status_code == 400
    assert http.post("/v1/ingest/energy_data", json=body, headers={"Authorization": "Bearer x.y.z"}).status_code == 401
    assert lake.scan(READINGS).collect().height == 1


def test_retired_device_sends_until_its_time_has_come(ingestion, http, accounts, new_device) -> None:
    one = new_device("meter-1")
    headers, body = {"X-API-Key": one.key}, {"timestamp": now_text(), "consumption_kwh": 1}
    devices.change_device(accounts, "meter-1", retired_at=datetime.now(UTC) + timedelta(seconds=4))
    assert http.post("/v1/ingest/energy_data", json=body, headers=headers).status_code == 202
    time.sleep(6.5)
    assert http.post("/v1/ingest/energy_data", json=body, headers=headers).status_code == 401


def test_guesser_of_keys_has_to_wait(ingestion, http) -> None:
    answers = [http.post("/v1/ingest/energy_data", content=b"{}", headers={"X-API-Key": f"guess-{number}"}) for number in range(125)]
    assert {answer.status_code for answer in answers[:100]} == {401}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
