"""What only somebody hostile sends: bodies that crawl or swell, times beyond time, foreign devices moved away."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from starlette.testclient import TestClient

from app.api import bodies
from app.api.server import build
from app.services import open_services
from app.serving import configured
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Membership, User
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.published import publish_energy

PASSWORD = "correct horse battery"


@pytest.fixture
def api(settings: Settings, home: Home, lake: Lake, accounts: Accounts, admin: User) -> Iterator[TestClient]:
    site = sites.add_site(accounts, admin, name="Home", site_id="home", time_zone="UTC", latitude=1.0, longitude=2.0)
    devices.add_device(accounts, "home", name="Meter", kind="meter", device_id="home-meter")
    publish_energy(lake, accounts, site, datetime.now(UTC), days=2)
    with TestClient(build(open_services(settings, home)), raise_server_exceptions=False) as client:
        yield client


def bearer(api: TestClient, username: str) -> dict[str, str]:
    given = api.post("/v1/auth/token", data={"username": username, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {given['access_token']}"}


@pytest.mark.parametrize("as_of", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_times_beyond_time_are_input_errors(api: TestClient, as_of: str) -> None:
    answer = api.get("/v1/reports/summary/home", params={"as_of": as_of}, headers=bearer(api, "ada"))
    assert (answer.status_code, answer.json()["detail"][0]["field"]) == (400, "as_of")


def test_fault_of_ours_tells_nothing_and_keeps_the_headers(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("app.api.reports.named", broken)
    answer = api.get("/v1/reports/summary/home", headers=bearer(api, "ada"))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_swollen_body_is_refused_before_it_is_read_whole(api: TestClient) -> None:
    answer = api.post("/v1/auth/register", content=b"[" + b"[]," * 200_000 + b"[]]", headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_consultant_cannot_take_a_device_away(api: TestClient, accounts: Accounts) -> None:
    bob = people.add_user(accounts, "bob", PASSWORD, "consultant")
    sites.add_site(accounts, bob, name="Bobs", site_id="bobs", time_zone="UTC", latitude=1.0, longitude=2.0)
    with accounts.transaction() as session:
        ends_at = datetime.now(UTC) + timedelta(days=1)
        session.add(Membership(site_id="home", user_id=bob.user_id, role="consultant", ends_at=ends_at))
    asked = [{"site_id": "bobs"}, {"kind": "gateway"}]
    assert [api.put("/v1/devices/home-meter", json=changes, headers=bearer(api, "bob")).status_code for changes in asked] == [403, 403]
    assert api.put("/v1/devices/home-meter", json={"name": "Cellar"}, headers=bearer(api, "bob")).status_code == 200
    assert devices.find_device(accounts, "home-meter").site_id == "home"


def test_files_are_not_sent_again_and_an_empty_one_has_a_header(api: TestClient) -> None:
    headers = bearer(api, "ada") | {"Accept": "text/csv"}
    whole = api.get("/v1/reports/trends/home", headers=headers)
    assert api.get("/v1/reports/trends/home", headers=headers | {"If-None-Match": whole.headers["etag"]}).status_code == 304
    empty = api.get("/v1/reports/trends/home", params={"start_date": "2020-01-01", "end_date": "2020-01-05"}, headers=headers)
    assert empty.text.splitlines() == ["local_date,local_time,utc_offset_hours,utc_time"]


@pytest.fixture
def port(api: TestClient, free_port: Callable[[], int]) -> Iterator[int]:
    number = free_port()
    config = configured(api.app, host="127.0.0.1", port=number)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield number
    server.should_exit = True
    thread.join(10)


def test_body_that_crawls_is_ended(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(b"POST /v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_nobody_is_waited_for_without_credentials(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("POST", "/v1/sites")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    assert connection.getresponse().status == 401
