"""The HTTP door beyond what lands: whatever is sent, each answer is as described, safe, and found in the log under one id."""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from aurora import logs
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.keys import new_gateway_key
from aurora.accounts.models import Site, User
from aurora.accounts.tokens import Tokens
from aurora.errors import Transient
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion.gate import Gate
from ingestion.landing import Landing
from ingestion.registry import DeviceRegistry, KeyRing
from ingestion.server import Door, describe, make_app
from ingestion.uploads import Uploads
from tests.conftest import IS_TRIALS

CASES = 5_000 if IS_TRIALS else 40
CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
CALLERS = ("anonymous", "device_key", "gateway_key", "person")
ENERGY, WEATHER = "/v1/ingest/energy_data", "/v1/ingest/weather_data"
# Devices that mean something, so that not every case ends at an unknown one.
NAMES = ("meter-1", "elsewhere", "nobody")


class Broken(Door):
    """A door whose storing fails as nobody foresaw, or as somebody did."""

    failure: Exception = RuntimeError("pl4nted")

    def land(self, *_given: object) -> int:
        raise self.failure


@pytest.fixture
def landing(settings: Settings, lake: Lake) -> Iterator[Landing]:
    made = Landing(lake, settings.model_copy(update={"flush_seconds": 0.01}))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def open_door(settings: Settings, home: Home, accounts: Accounts, lake: Lake, landing: Landing) -> Callable[..., TestClient]:
    """Makes a client of a door."""

    def made(kind: type[Door] = Door) -> TestClient:
        gate = Gate(KeyRing(accounts), Tokens(settings, home, accounts), accounts)
        door, uploads = kind(landing, gate, DeviceRegistry(accounts), accounts, settings), Uploads(settings, home)
        return TestClient(make_app(door, settings, uploads), raise_server_exceptions=False)

    return made


@pytest.fixture
def credentials(
    settings: Settings, home: Home, accounts: Accounts, site: Site, admin: User, new_device: Callable
) -> dict[str, dict[str, str]]:
    stranger = people.add_user(accounts, "stranger", "correct horse battery", "user")
    other = sites.add_site(accounts, stranger, name="Other", site_id="other", time_zone="UTC", latitude=0, longitude=0)
    devices.add_device(accounts, other.site_id, name="m", kind="meter", device_id="elsewhere")
    token = Tokens(settings, home, accounts).issue(admin, datetime.now(UTC))["access_token"]
    return {
        "anonymous": {},
        "device_key": {"X-API-Key": new_device("meter-1").key},
        "gateway_key": {"X-API-Key": new_gateway_key(accounts, site.site_id)[1]},
        "person": {"Authorization": f"Bearer {token}"},
    }


def named(body: object, number: int) -> object:
    """The body with devices named that are there, in two of three places."""
    if isinstance(body, list):
        return [named(element, number + index) for index, element in enumerate(body)]
    if isinstance(body, dict) and number % 3:
        return body | {"device_id": NAMES[number % len(NAMES)]}
    return body


@pytest.mark.timeout(6 * 3600 if IS_TRIALS else 300)
@pytest.mark.parametrize("who", CALLERS)
def test_no_request_breaks_the_door(open_door: Callable[..., TestClient], credentials: dict[str, dict[str, str]], who: str) -> None:
    client, seen = open_door(), dict[int, int]()
    schema = schemathesis.openapi.from_dict(describe())
    schema.app = client.app
    for found in schema.get_all_operations():

        @trying(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy())
        def attempt(case: schemathesis.Case) -> None:
            case.headers = {}
            case.body = named(case.body, sum(seen.values()))
            answer = case.call(headers=credentials[who], session=client)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, answer.text
            case.validate_response(answer, checks=CHECKS)

        attempt()
    print(f"seen by {who}: {dict(sorted(seen.items()))}")
    assert seen.keys() == {401} if who == "anonymous" else 401 not in seen


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("path", [ENERGY, WEATHER])
def test_odd_bodies_are_refused_and_never_a_fault_of_ours(
    open_door: Callable[..., TestClient], credentials: dict[str, dict[str, str]], who: str, path: str
) -> None:
    client = open_door()
    bodies = [b"", b"{", b"[" * 10_000, b"\xff\xfe", b"null", b"1e999", b'{"device_id": "\\ud800"}', b'{"device_id": "a\\u0000"}', b"[[]]"]
    bodies += [b'{"channel": "\\ud800", "measure": "\\udfff", "value": "\\ud800"}', b'{"\\ud800": 1}', b'{"timestamp": "\\ud800"}']
    for body in bodies:
        answers = [client.post(path, content=body, headers=credentials[who])]
        answers += [client.post(path, content=gzip.compress(body)[:-1], headers=credentials[who] | {"Content-Encoding": "gzip"})]
        assert {answer.status_code for answer in answers} <= ({401} if who == "anonymous" else {400, 404}), body
        assert all("detail" in answer.json() for answer in answers)
    many = client.post(path, content=b"[" * 100_000, headers=credentials[who])
    assert many.status_code == (401 if who == "anonymous" else 413)


@pytest.mark.parametrize("who", ["device_key", "gateway_key", "person"])
@pytest.mark.parametrize("foreign", ["elsewhere", "nobody", "\ud800"])
def test_device_that_credentials_do_not_speak_for_is_404_whatever_the_body(
    open_door: Callable[..., TestClient], credentials: dict[str, dict[str, str]], who: str, foreign: str
) -> None:
    body = {"timestamp": datetime.now(UTC).isoformat(), "consumption_kwh": 1, "device_id": "meter-1"}
    client = open_door()
    for sent in (body | {"device_id": foreign}, [body, {"device_id": foreign, "consumption_kwh": -1}]):
        assert client.post(ENERGY, content=json.dumps(sent), headers=credentials[who]).status_code == 404
    assert client.post(ENERGY, json=body, headers=credentials[who]).status_code == 202


def test_every_answer_carries_an_id_and_the_headers(
    open_door: Callable[..., TestClient], credentials: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, broken = open_door(), open_door(Broken)
    own = {"X-Request-ID": "caller-0815"}
    answers = [
        client.get("/healthz", headers=own),
        client.get("/v1/nothing", headers=own),
        client.post(ENERGY, headers=own),
        client.delete(ENERGY, headers=own),
        broken.post(ENERGY, content="{}", headers=own | credentials["device_key"]),
    ]
    monkeypatch.setattr(Broken, "failure", Transient("The accounts are away."))
    answers.append(broken.post(ENERGY, content="{}", headers=own | credentials["device_key"]))
    assert [answer.status_code for answer in answers] == [200, 404, 401, 405, 500, 503]
    for answer in answers:
        assert (answer.headers["x-request-id"], answer.headers["cache-control"]) == ("caller-0815", "no-store")
        assert (answer.headers["x-content-type-options"], answer.headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "default-src 'none'" in answer.headers.get("content-security-policy", "default-src 'none'")
        assert answer.status_code == 200 or set(answer.json()) == {"detail"}
        assert "pl4nted" not in answer.text
    for odd in ("short", "a" * 65, "with blank inside", "new\\nline-12345"):
        given_back = client.get("/healthz", headers={"X-Request-ID": odd}).headers["x-request-id"]
        assert given_back != odd
        assert len(given_back) == 32


def test_each_request_is_logged_once_without_body_and_keys(
    open_door: Callable[..., TestClient],
    credentials: dict[str, dict[str, str]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    # The caller's own library logs what it sends.
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)
    client = open_door()
    logs.configure("ingestion", "info", "json")
    secret = {"Cookie": "a=pl4nted", "X-Request-ID": "caller-0815"}
    client.post(f"{ENERGY}?key=pl4nted", content=b'{"pl4nted": 1}', headers=credentials["device_key"] | secret)
    client.post(ENERGY, content=b"{}", headers={"X-API-Key": "pl4nted"})
    told = "".join(capfd.readouterr())
    lines = [json.loads(line) for line in told.splitlines() if '"request"' in line]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("POST", ENERGY, 400), ("POST", ENERGY, 401)]
    assert lines[0]["request_id"] == "caller-0815"
    assert "pl4nted" not in told
    assert credentials["device_key"]["X-API-Key"] not in told
