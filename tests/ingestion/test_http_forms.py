"""Forms of the HTTP door: JSON line by line, requests that come again, and Emoncms' own addresses."""

import asyncio
import gzip
import json
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from sqlalchemy import update
from starlette.datastructures import UploadFile

from aurora.accounts import repeats
from aurora.accounts.keys import new_gateway_key
from aurora.accounts.models import Repeat
from aurora.errors import Busy, Conflict, Refused, WrongFacts
from aurora.lake.store import Lake
from ingestion import emoncms_http
from ingestion.messages import DeviceFacts, Limits
from ingestion.packing import TooLarge
from ingestion.registry import Sender
from ingestion.uploads import MOST_WAITING, Uploads, import_upload

READINGS = "bronze/readings"
ENERGY = "/v1/ingest/energy_data"


@pytest.fixture
def http(ingestion, settings):
    """A client of the HTTP door."""
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.ingest_port}", timeout=120) as client:
        yield client


@pytest.fixture
def meter(new_device):
    """A device whose inputs are said, with a key."""
    inputs = {"power1": "grid W", "power2": "production W", "1": "consumption kWh", "house/total": "consumption kWh"}
    return new_device("emontx", decoder="emoncms", topic="emon/emontx/#", kind="gateway", inputs=inputs)


def landed(lake: Lake) -> pl.DataFrame:
    return lake.scan(READINGS).sort("measured_at", "channel").collect()


def values(lake: Lake) -> list[tuple[str, str, float]]:
    return landed(lake).select("channel", "measure", pl.col("value").round(9)).rows()


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def lines(*objects: Any) -> str:
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in objects) + "\n"


def reading(value: object, seconds: float = 60) -> dict[str, Any]:
    return {"measured_at": ago(seconds).isoformat(), "channel": "consumption", "measure": "power_kw", "value": value}


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/plain"])
def test_lines_of_json_are_an_array(http, new_device, lake: Lake, content_type: str) -> None:
    headers = {"X-API-Key": new_device("meter-1").key, "Content-Type": content_type}
    body = lines(reading(1.0, 60), "", reading(2.0, 50), "\r")
    answer = http.post(ENERGY, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    assert sorted(landed(lake)["value"]) == [1.0, 2.0]
    single = http.post(ENERGY, content=lines(reading(3.0)), headers=headers | {"Content-Type": "application/x-ndjson"})
    assert single.json() == {"accepted": 1}


def test_bad_lines_are_named_and_nothing_is_stored(http, new_device, lake: Lake) -> None:
    headers = {"X-API-Key": new_device("meter-1").key, "Content-Type": "application/x-ndjson"}
    broken = http.post(ENERGY, content=lines(reading(1.0), "{", "[1]"), headers=headers)
    assert broken.status_code == 400
    assert [(one["field"], one["reason"]) for one in broken.json()["detail"]] == [("[1]", "not_json"), ("[2]", "not_json")]
    mixed = http.post(ENERGY, content=lines(reading(-2.0), "5", reading(1.0), reading(-1.0), "{"), headers=headers)
    assert [(one["field"], one["reason"]) for one in mixed.json()["detail"]] == [
        ("[0].value", "negative"), ("[1]", "not_json"), ("[3].value", "negative"), ("[4]", "not_json"),
    ]  # fmt: skip
    negative = http.post(ENERGY, content=lines(reading(1.0), reading(-1.0)), headers=headers)
    assert [(one["field"], one["reason"]) for one in negative.json()["detail"]] == [("[1].value", "negative")]
    assert http.post(ENERGY, content="{]", headers=headers).status_code == 400
    assert landed(lake).is_empty()


def test_a_request_that_comes_again_is_answered_again_and_another_under_its_key_is_refused(http, new_device, accounts, lake: Lake) -> None:
    headers = {"X-API-Key": new_device("meter-1").key, "Idempotency-Key": "batch-7"}
    first = json.dumps([reading(1.0), reading(2.0, 30)])
    answers = [http.post(ENERGY, content=first, headers=headers) for _ in range(3)]
    assert [(one.status_code, one.json()) for one in answers] == [(202, {"accepted": 2})] * 3
    assert landed(lake).height == 2
    assert http.post(ENERGY, content=json.dumps(reading(3.0)), headers=headers).status_code == 409
    other = new_device("meter-2")
    assert http.post(ENERGY, content=json.dumps(reading(3.0)), headers=headers | {"X-API-Key": other.key}).status_code == 202
    with accounts.transaction() as session:
        session.execute(update(Repeat).values(ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert http.post(ENERGY, content=json.dumps(reading(4.0)), headers=headers).status_code == 202
    assert sorted(landed(lake)["value"]) == [1.0, 2.0, 3.0, 4.0]
    with accounts.reading() as session:
        assert session.query(Repeat).count() == 1
    assert http.post(ENERGY, content=first, headers=headers | {"Idempotency-Key": "x" * 256}).status_code == 400


def test_a_refused_request_does_not_use_up_its_key(http, new_device, lake: Lake) -> None:
    headers = {"X-API-Key": new_device("meter-1").key, "Idempotency-Key": "k"}
    assert http.post(ENERGY, content=json.dumps(reading(-1.0)), headers=headers).status_code == 400
    assert http.post(ENERGY, content=json.dumps(reading(1.0)), headers=headers).status_code == 202
    assert landed(lake)["value"].to_list() == [1.0]


def test_a_key_is_held_while_its_request_is_at_work(accounts) -> None:
    first, now = repeats.request_of("who", "/p", "k", b"body"), datetime.now(UTC)
    assert repeats.begin(accounts, first, now) is None
    with pytest.raises(Busy):
        repeats.begin(accounts, first, now)
    with pytest.raises(Conflict):
        repeats.begin(accounts, repeats.request_of("who", "/p", "k", b"another"), now)
    repeats.forget(accounts, first)
    assert repeats.begin(accounts, first, now) is None
    assert repeats.begin(accounts, first, now + timedelta(minutes=3)) is None
    repeats.finish(accounts, first, {"accepted": 1}, now)
    repeats.forget(accounts, first)
    assert repeats.begin(accounts, first, now + timedelta(hours=23)) == {"accepted": 1}
    assert repeats.begin(accounts, first, now + timedelta(hours=25)) is None


def test_of_requests_at_once_under_one_key_one_is_done(http, new_device, lake: Lake) -> None:
    headers = {"X-API-Key": new_device("meter-1").key, "Idempotency-Key": "at-once"}
    bodies = [json.dumps(reading(float(number))) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        different = list(pool.map(lambda body: http.post(ENERGY, content=body, headers=headers).status_code, bodies))
    assert sorted(different) == [202, *[409] * 5]
    headers["Idempotency-Key"] = "the-same"
    with ThreadPoolExecutor(6) as pool:
        alike = list(pool.map(lambda _: http.post(ENERGY, content=bodies[0], headers=headers).status_code, range(6)))
    assert set(alike) <= {202, 503}
    assert 202 in alike
    assert landed(lake).height == 2
    assert http.post(ENERGY, content=bodies[0], headers=headers).json() == {"accepted": 1}


def test_senders_do_not_share_keys_and_a_new_site_changes_nobody(http, accounts, site, new_device, lake: Lake) -> None:
    new_device("meter-1")
    keys = [new_gateway_key(accounts, site.site_id)[1] for _ in range(2)]
    for number, key in enumerate(keys):
        body = json.dumps(reading(float(number)) | {"device_id": "meter-1"})
        assert http.post(ENERGY, content=body, headers={"X-API-Key": key, "Idempotency-Key": "q"}).status_code == 202
    assert landed(lake).height == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_emoncms_post_in_each_of_its_forms(http, meter, lake: Lake, method: str) -> None:
    def send(path: str, **params: str) -> httpx.Response:
        given = {"node": "emontx", "apikey": meter.key} | params
        return http.get(path, params=given) if method == "GET" else http.post(path, data=given)

    full = send("/input/post", fulljson='{"power1":-100,"power2":200,"power3":300}', time=str(int(ago(30).timestamp())))
    assert (full.status_code, full.json()) == (200, {"success": True})
    plain = send("/emoncms/input/post.json", json="{power1:150,power2:0}", time=ago(20).isoformat())
    assert (plain.status_code, plain.text) == (200, "ok")
    assert send("/input/post", csv="4.5,200,300").text == "ok"
    assert values(lake) == [
        ("grid_export", "power_kw", 0.1), ("grid_import", "power_kw", 0.0), ("production", "power_kw", 0.2),
        ("grid_export", "power_kw", 0.0), ("grid_import", "power_kw", 0.15), ("production", "power_kw", 0.0),
        ("consumption", "register_kwh", 4.5),
    ]  # fmt: skip


def test_emoncms_bulk_counts_from_when_it_was_sent(http, meter, lake: Lake) -> None:
    params = {"apikey": meter.key, "data": "[[520,16,1.5],[530,17,1.75,3164],[535,19,2.0,3077]]", "sentat": "543"}
    before = datetime.now(UTC)
    assert http.get("/input/bulk", params=params).text == "ok"
    after = datetime.now(UTC)
    rows = landed(lake)
    assert rows["value"].to_list() == [1.5, 1.75, 2.0]
    for moment, seconds in zip(rows["measured_at"], (23, 13, 8), strict=True):
        assert before - timedelta(seconds=seconds) <= moment <= after - timedelta(seconds=seconds)
    late = {"apikey": meter.key, "data": '[[-10,1,{"power2":500}],[0,1,{"power2":600}]]'}
    assert http.post("/input/bulk", data=late).text == "ok"
    assert landed(lake).filter(pl.col("channel") == "production")["value"].to_list() == [0.5, 0.6]
    assert http.get("/input/bulk", params=late | {"data": "[[0,1,9.5]]", "time": str(int(ago(3600).timestamp()))}).text == "ok"
    assert landed(lake)["value"].to_list()[0] == 9.5


def test_emoncms_rows_that_cannot_be_read_are_named_and_nothing_is_stored(http, meter, new_device, lake: Lake) -> None:
    def reasons(**params: str) -> list[tuple[str, str]]:
        answer = http.get("/input/bulk" if "data" in params else "/input/post", params={"apikey": meter.key} | params)
        assert answer.status_code == 400, answer.text
        return [(one["field"], one["reason"]) for one in answer.json()["detail"]]

    assert reasons(data="[[1,1,5.0],[2,1,-3.0],[3]]") == [("[2]", "not_inputs")]
    assert reasons(data="[[1,1,5.0],[2,1,-3.0]]") == [("[1].1", "negative")]
    assert reasons(data="[]") == [("data", "not_inputs")]
    assert reasons(data="[[1,1,1]]", sentat="soon") == [("sentat", "bad_time")]
    assert reasons(json="nothing") == [("", "not_inputs")]
    assert reasons(csv="1,2", time="yesterday") == [("[0].time", "bad_time")]
    assert reasons(csv="1,2", time="1") == [("[0]", "too_late")]
    for odd in ("nan", "inf", "-inf", "1e300"):
        assert reasons(data="[[1,1,1]]", sentat=odd)[0][1] in {"bad_time", "too_late", "in_the_future"}
        assert reasons(data="[[1,1,1]]", offset=odd)[0][1] in {"bad_time", "too_late", "in_the_future"}
    for odd in ("NaN", "Infinity", "1e300"):
        assert reasons(data=f"[[{odd},1,1]]", sentat="1")[0][1] in {"bad_time", "too_late", "in_the_future"}
    assert reasons(data='[[1,["a"],1]]') == [("[0]", "not_inputs")]
    new = new_device("blank", decoder="emoncms", topic="emon/blank/#", kind="gateway")
    unsaid = http.get("/input/post", params={"apikey": new.key, "csv": "1"})
    assert unsaid.json()["detail"][0]["reason"] == "unmapped_input"
    assert landed(lake).is_empty()


def test_emoncms_rows_of_which_no_input_is_known_are_named(http, new_device, lake: Lake) -> None:
    device = new_device("emontx", decoder="emoncms", topic="emon/emontx/#", kind="gateway", inputs={"p1": "grid W", "t1": "ignore"})

    def post(path: str, **params: str) -> tuple[int, list[tuple[str, str]]]:
        answer = http.get(path, params={"apikey": device.key} | params)
        told = answer.json()["detail"] if answer.status_code == 400 else []
        return answer.status_code, [(one["field"], one["reason"]) for one in told]

    assert post("/input/post", csv="100,200") == (400, [("[0]", "unmapped_input")])
    assert post("/input/bulk", data="[[520,16,1137],[530,17,1437,3164]]", sentat="543") == (
        400, [("[0]", "unmapped_input"), ("[1]", "unmapped_input")],
    )  # fmt: skip
    assert post("/input/bulk", data='[[520,16,{"p1":5}],[530,17,1437]]', sentat="543") == (400, [("[1]", "unmapped_input")])
    assert landed(lake).is_empty()
    assert post("/input/bulk", data='[[520,16,{"p1":500,"vrms":230}],[530,17,{"t1":21.5}]]', sentat="543") == (200, [])
    assert values(lake) == [("grid_export", "power_kw", 0.0), ("grid_import", "power_kw", 0.5)]


def test_emoncms_inputs_that_are_not_known_beside_others_are_counted_as_ignored() -> None:
    facts = DeviceFacts("emontx", "home", "gateway", "emoncms", None, inputs={"p1": "grid W", "t1": "ignore"})
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    rows = [emoncms_http.Row("16", moment, {"p1": 500, "vrms": 230, "pf": 1}), emoncms_http.Row("17", moment, {"t1": 21.5, "u": 3})]
    found = emoncms_http.decode(rows, lambda _: facts, Limits(None, None, 1024))
    assert (len(found.readings), found.rejections, found.ignored) == (2, (), 4)


def test_emoncms_nodes_of_a_gateway_are_its_sites_devices(
    http, meter, accounts, site, lake: Lake, capfd: pytest.CaptureFixture[str]
) -> None:
    _, key = new_gateway_key(accounts, site.site_id)
    by_topic = http.get("/input/post", params={"node": "emontx/house", "json": '{"power2":100}', "apikey": key})
    by_name = http.get("/input/post", params={"node": "house", "json": '{"total":7.5}', "apikey": meter.key})
    strange = http.get("/input/post", params={"node": "elsewhere", "json": '{"power2":100}', "apikey": key})
    assert [by_topic.text, by_name.text, strange.status_code] == ["ok", "ok", 400]
    assert strange.json()["detail"][0]["reason"] == "unknown_device"
    assert http.get("/input/post", params={"json": "{a:1}", "apikey": "wrong"}).status_code == 401
    assert http.post("/input/post", data={"json": "{power2:1}"}, headers={"Authorization": f"Bearer {meter.key}"}).text == "ok"
    assert http.post("/input/post", data={"json": "{power2:1}"}, headers={"Authorization": f"bearer {meter.key}"}).text == "ok"
    assert values(lake)[0][2] in {0.1, 7.5}
    assert key not in "".join(capfd.readouterr())


FILES = "/v1/ingest/files"
CSV = "time,production_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,-2\n2026-10-01T02:00:00Z,3\n"


def test_a_file_is_imported_as_by_command(http, accounts, site, new_device, lake: Lake, home) -> None:
    _, key = new_gateway_key(accounts, site.site_id)
    headers, form = {"X-API-Key": key}, {"site_id": site.site_id}

    def send(text: str = CSV, name: str = "roof.csv", **fields: Any) -> httpx.Response:
        return http.post(FILES, headers=headers, files={"file": (name, text)}, data=form | fields)

    dry = send(dry_run="true")
    assert (dry.status_code, dry.json()["load_id"], dry.json()["new"], len(dry.json()["refused_rows"])) == (202, "", 2, 1)
    assert dry.json()["mapping"]["columns"]["production_kwh"]["channel"] == "production"
    maybe = send(dry_run="maybe")
    assert (maybe.status_code, maybe.json()["detail"][0]["field"]) == (400, "dry_run")
    assert landed(lake).is_empty()
    done = send().json()
    assert (done["read"], done["new"], done["rejected"], done["refused_rows"][0]["reason"]) == (3, 2, 1, "negative")
    assert "rejected_file" not in done
    assert landed(lake)["value"].to_list() == [1.0, 3.0]
    assert send().json()["known"] == 2
    odd = send("when,a\n2026-10-02T00:00:00Z,5\n2026-10-02T01:00:00Z,6\n", "../../odd.csv", time_column="when", channel="a=consumption")
    assert odd.json()["new"] == 2
    asked = send("a,b\n1,2\n")
    assert (asked.status_code, asked.json()["detail"][0]["field"]) == (400, "file")
    assert "--time-column" in asked.json()["detail"][0]["message"]
    assert [path.name for path in home.run.iterdir() if path.name.startswith("upload-")] == []
    assert send(channel="x").status_code == 400


def test_files_of_strangers_and_odd_forms_are_refused(http, accounts, site, new_device, settings, lake: Lake) -> None:
    _, key = new_gateway_key(accounts, site.site_id)
    file = {"file": ("a.csv", CSV)}
    assert http.post(FILES, files=file, data={"site_id": site.site_id}).status_code == 401
    of_device = {"X-API-Key": new_device("meter-1").key}
    assert http.post(FILES, headers=of_device, files=file, data={"site_id": site.site_id}).status_code == 404
    headers = {"X-API-Key": key}
    assert http.post(FILES, headers=headers, files=file, data={"site_id": "elsewhere"}).status_code == 404
    missing = http.post(FILES, headers=headers, files=file, data={"x": "1"})
    assert (missing.status_code, missing.json()["detail"][0]["field"]) == (400, "site_id")
    assert http.post(FILES, headers=headers, data={"site_id": site.site_id}).status_code == 400
    assert http.post(FILES, headers=headers, content=b"{}").status_code == 400
    assert http.post(FILES, headers=headers, content=iter([b"x"]), params={}).status_code == 411
    broken = headers | {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post(FILES, headers=broken, content=b"--y\r\n").status_code == 400
    assert landed(lake).is_empty()


def test_a_file_that_is_too_large_is_refused_before_it_is_read(http, accounts, site, settings) -> None:
    _, key = new_gateway_key(accounts, site.site_id)
    head = f"POST {FILES} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\nContent-Length: {settings.max_file_bytes + 1}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", settings.ingest_port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_packed_bomb_and_an_endless_line_are_refused(http, accounts, site, settings, tmp_path: Path, lake: Lake) -> None:
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(CSV.encode() + b"2026-10-01T03:00:00Z,4\n" * 1_000_000))
    with pytest.raises(TooLarge, match=r"bomb\.csv\.gz"):
        import_upload(settings.model_copy(update={"max_file_bytes": 1_000_000}), bomb, site.site_id, {})
    _, key = new_gateway_key(accounts, site.site_id)
    endless = CSV + "0" * 2_500_000
    answer = http.post(FILES, headers={"X-API-Key": key}, files={"file": ("long.csv", endless)}, data={"site_id": site.site_id})
    assert (answer.status_code, "line" in answer.json()["detail"]) == (413, True)
    assert landed(lake).is_empty()


def test_refusal_of_an_import_comes_out_of_its_process_as_it_was() -> None:
    for error in (WrongFacts([("role", "must be main"), ("name", "is empty")]), TooLarge("a.csv is too large."), Refused("No.")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), getattr(again, "problems", None)) == (type(error), str(error), getattr(error, "problems", None))


def test_uploads_that_wait_hold_no_thread_and_are_turned_away_when_many(home, settings, site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.uploads.WAIT_SECONDS", 0.5)
    sender = Sender(None, frozenset({site.site_id}))

    async def crowd() -> list[Any]:
        uploads = Uploads(settings, home)
        async with uploads._in_turn():
            threads = threading.active_count()
            asking = [
                asyncio.create_task(uploads.take(sender, site.site_id, "a.csv", UploadFile(BytesIO()), {})) for _ in range(MOST_WAITING + 1)
            ]
            turned_away, _ = await asyncio.wait(asking, timeout=0.2)
            assert len(turned_away) == 1, "one too many is told at once"
            assert threading.active_count() == threads
            return await asyncio.gather(*asking, return_exceptions=True)

    assert [one.status for one in asyncio.run(crowd())] == [503] * (MOST_WAITING + 1)


def test_who_has_no_credentials_cannot_make_the_door_work(http, meter, lake: Lake) -> None:
    large = b"a=b&" * 2_500_000
    began = time.monotonic()
    refused = http.post("/input/post", content=large, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert refused.status_code == 413
    assert http.post("/input/post", content=large, params={"apikey": "wrong"}).status_code == 401
    assert http.post("/input/post", content=large, params={"apikey": meter.key}).status_code == 400
    assert http.get("/healthz").status_code == 200
    print(f"answered after {time.monotonic() - began:.2f} s")


def test_a_body_that_does_not_come_is_not_waited_for(http, meter, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.bodies.BODY_SECONDS", 0.3)
    monkeypatch.setattr("ingestion.uploads.PAUSE_SECONDS", 0.3)
    for path, kind in ((ENERGY, "application/json"), (FILES, "multipart/form-data; boundary=x")):
        head = f"POST {path} HTTP/1.1\r\nHost: here\r\nX-API-Key: {meter.key}\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n"
        with socket.create_connection(("127.0.0.1", settings.ingest_port), timeout=10) as raw:
            raw.sendall(head.encode())
            assert raw.recv(64).startswith(b"HTTP/1.1 408 ")
