"""The matrix of rights: every endpoint and page of the route tables against everyone who may knock; a route without an entry fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import jwt
import pyarrow as pa
import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from app.api.server import build
from app.gate import Gate
from app.server import own_routes
from app.services import open_services
from app.throttle import Most, Throttle
from aurora import home as homes
from aurora.accounts import devices, keys, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Login, Membership, Site
from aurora.accounts.signing import KeyRing
from aurora.domain.texts import text
from aurora.lake.store import open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from tests.app.published import publish_all

PASSWORD = "correct horse battery"
MEMBERS = ("viewer", "owner", "consultant")
OTHERS = ("stranger", "former_consultant", "admin")
WITHOUT_LOGIN = ("anonymous", "device_key", "gateway_key", "expired", "revoked")
EVERYONE = MEMBERS + OTHERS

# What an answer may be, by who asks: a status, or "in" for whatever a caller with the right gets (never 401 or 403, and no 404 of rights).
OPEN = dict.fromkeys(EVERYONE + WITHOUT_LOGIN, "in")
PERSON = dict.fromkeys(EVERYONE, "in") | dict.fromkeys(WITHOUT_LOGIN, 401)
READ = dict.fromkeys(MEMBERS, "in") | dict.fromkeys(OTHERS, 404) | dict.fromkeys(WITHOUT_LOGIN, 401)
ADVISE = READ | {"viewer": 403}
OWN = READ | {"viewer": 403, "consultant": 403}
ADMIN = dict.fromkeys(EVERYONE, 403) | {"admin": "in"} | dict.fromkeys(WITHOUT_LOGIN, 401)
# Paths that name another person: nobody but that person.
NOBODY = dict.fromkeys(EVERYONE, 404) | dict.fromkeys(WITHOUT_LOGIN, 401)

MATRIX: dict[str, dict[str, object]] = {
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /v1/healthz": OPEN,
    "GET /v1/readyz": OPEN,
    "GET /v1/openapi.json": OPEN,
    "GET /v1/docs": OPEN,
    "POST /v1/auth/token": OPEN,
    "POST /v1/auth/refresh": OPEN,
    "POST /v1/auth/register": OPEN,
    "POST /v1/auth/password-reset": OPEN,
    "POST /v1/auth/password-reset/confirm": OPEN,
    "POST /v1/auth/logout": OPEN,
    "GET /v1/users/me": PERSON,
    "PUT /v1/users/me": PERSON,
    "DELETE /v1/users/me": PERSON,
    "PUT /v1/users/me/password": PERSON,
    "GET /v1/users/me/audit": PERSON,
    "GET /v1/users/me/export": PERSON,
    "GET /v1/users/me/sessions": PERSON,
    "DELETE /v1/users/me/sessions": PERSON,
    "DELETE /v1/users/me/sessions/{session_id}": PERSON,
    "GET /v1/sites": PERSON,
    "POST /v1/sites": PERSON,
    "POST /v1/invitations/accept": PERSON,
    "GET /v1/sites/{site_id}": READ,
    "PUT /v1/sites/{site_id}": OWN,
    "DELETE /v1/sites/{site_id}": OWN,
    "GET /v1/sites/{site_id}/members": READ,
    "POST /v1/sites/{site_id}/members": OWN,
    "DELETE /v1/sites/{site_id}/members/{user_id}": OWN,
    "GET /v1/sites/{site_id}/invitations": OWN,
    "POST /v1/sites/{site_id}/invitations": OWN,
    "DELETE /v1/sites/{site_id}/invitations/{invitation_id}": OWN,
    "GET /v1/sites/{site_id}/keys": OWN,
    "POST /v1/sites/{site_id}/keys": OWN,
    "DELETE /v1/sites/{site_id}/keys/{key_id}": OWN,
    "GET /v1/sites/{site_id}/tariffs": READ,
    "PUT /v1/sites/{site_id}/tariffs": ADVISE,
    "GET /v1/sites/{site_id}/devices": READ,
    "POST /v1/sites/{site_id}/devices": ADVISE,
    "GET /v1/devices/{device_id}": READ,
    "PUT /v1/devices/{device_id}": ADVISE,
    "DELETE /v1/devices/{device_id}": OWN,
    "GET /v1/devices/{device_id}/keys": OWN,
    "POST /v1/devices/{device_id}/keys": OWN,
    "DELETE /v1/devices/{device_id}/keys/{key_id}": OWN,
    "GET /v1/reports/trends/{device_id}": READ,
    "GET /v1/reports/summary/{device_id}": READ,
    "GET /v1/forecast/energy_consumption/{device_id}": READ,
    "GET /v1/forecast/energy_production/{device_id}": READ,
    "GET /v1/reports/comparison/{device_id}": READ,
    "GET /v1/sites/{site_id}/anomalies": READ,
    "GET /v1/sites/{site_id}/data-quality": READ,
    "GET /v1/sites/{site_id}/device-status": READ,
    "GET /v1/sites/{site_id}/meter-events": READ,
    "PUT /v1/meter-events/{event_id}": NOBODY,
    "PUT /v1/anomalies/{anomaly_id}": NOBODY,
    "GET /v1/tables/{layer}/{name}": PERSON,
    "POST /v1/forecast/train_model": ADMIN,
    "GET /v1/jobs/{job_id}": ADMIN,
    "GET /v1/recommendations/{user_id}": NOBODY,
    "POST /v1/recommendations/{recommendation_id}/feedback": NOBODY,
}
# Ids in paths: the site and device are the owner's and cannot be deleted; the others name nothing. No case changes what the next finds.
IDS = {
    "site_id": "home",
    "device_id": "home-meter",
    "user_id": "nobody",
    "key_id": "no-key",
    "invitation_id": "no-invitation",
    "session_id": "no-session",
    "job_id": "no-job",
    "recommendation_id": "nothing",
    "event_id": "nothing",
    "anomaly_id": "nothing",
    "layer": "gold",
    "name": "energy_daily",
}


@dataclass(frozen=True)
class Door:
    """The API with everyone who may knock."""

    client: TestClient
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("rights")
    patched.chdir(folder)
    settings = Settings(home=folder / "home", _env_file=None)
    home, lake, accounts = homes.create(settings), open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url)
    lake.create_tables()
    accounts.migrate()
    site = _people_and_site(accounts)
    publish_all(lake, accounts, site, datetime.now(UTC))
    now = datetime.now(UTC)
    reading = {
        "device_id": "home-meter",
        "channel": "consumption",
        "measure": "power_kw",
        "measured_at": now,
        "value": 1.0,
        "source": "test",
    }
    row = reading | {"received_at": now, "sequence": 0, "measured_date": now.date()}
    lake.land("bronze/readings", pa.Table.from_pylist([row], schema=TABLES["bronze/readings"].schema))
    throttle = Throttle(accounts, Most(*[10**9] * len(fields(Most))))
    with TestClient(build(open_services(settings, home), throttle), raise_server_exceptions=False) as client:
        yield Door(client, _headers(client, accounts, KeyRing(settings, home)))
    accounts.engine.dispose()
    patched.undo()


def _people_and_site(accounts: Accounts) -> Site:
    roles = {"admin": "admin", "consultant": "consultant", "former_consultant": "consultant"}
    known = {name: people.add_user(accounts, name, PASSWORD, roles.get(name, "user")) for name in EVERYONE}
    site = sites.add_site(
        accounts, known["owner"], name="Home", site_id="home", time_zone="UTC", latitude=1.0, longitude=2.0, currency="EUR"
    )
    sites.add_site(accounts, known["stranger"], name="Other", site_id="other", time_zone="UTC", latitude=1.0, longitude=2.0)
    devices.add_device(accounts, "home", name="Meter", kind="meter", device_id="home-meter")
    now = datetime.now(UTC)
    ends = {"viewer": None, "consultant": now + timedelta(days=1), "former_consultant": now - timedelta(seconds=1)}
    with accounts.transaction() as session:
        for name, ends_at in ends.items():
            role = "viewer" if name == "viewer" else "consultant"
            session.add(Membership(site_id="home", user_id=known[name].user_id, role=role, ends_at=ends_at))
    return site


def _headers(client: TestClient, accounts: Accounts, ring: KeyRing) -> dict[str, dict[str, str]]:
    def token(name: str) -> str:
        return client.post("/v1/auth/token", data={"username": name, "password": PASSWORD}).json()["access_token"]

    headers = {name: {"Authorization": f"Bearer {token(name)}"} for name in EVERYONE}
    revoked = token("owner")
    claims = jwt.decode(revoked, options={"verify_signature": False})
    with accounts.transaction() as session:
        session.execute(update(Login).where(Login.login_id == claims["sid"]).values(revoked_at=datetime.now(UTC)))
    return headers | {
        "anonymous": {},
        "device_key": {"X-API-Key": keys.new_key(accounts, "home-meter")[1]},
        "gateway_key": {"X-API-Key": keys.new_gateway_key(accounts, "home")[1]},
        "expired": {"Authorization": f"Bearer {_expired(token('owner'), ring)}"},
        "revoked": {"Authorization": f"Bearer {revoked}"},
    }


def _expired(token: str, ring: KeyRing) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    early = {name: claims[name] - 86_400 for name in ("iat", "exp")}
    return jwt.encode(claims | early, ring.signing.secret, "HS256", headers={"kid": ring.signing.key_id})


def _routes(client: TestClient) -> list[str]:
    """Every method and path, those of included routers and those that the description leaves out too."""
    every = [
        found
        for route in client.app.routes
        for found in (route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route])
    ]
    return sorted(f"{method} {route.path}" for route in every for method in (route.methods or set()) - {"HEAD", "OPTIONS"})


def _send(door: Door, key: str, who: str, content: bytes = b"{}"):
    method, pattern = key.split()
    path = re.sub(r"\{(\w+)\}", lambda found: IDS[found[1]], pattern)
    body = {"content": content, "headers": {"Content-Type": "application/json"} | door.headers[who]} if method in {"POST", "PUT"} else {}
    return door.client.request(method, path, **({"headers": door.headers[who]} | body))


def test_every_route_has_its_row_in_the_matrix(door: Door) -> None:
    assert set(_routes(door.client)) == MATRIX.keys()
    assert all(row.keys() == set(EVERYONE + WITHOUT_LOGIN) for row in MATRIX.values())


@pytest.mark.parametrize("key", sorted(MATRIX))
def test_route_lets_in_whom_it_should(door: Door, key: str) -> None:
    found = {}
    for who, expected in MATRIX[key].items():
        answer = _send(door, key, who)
        is_in = answer.status_code not in {401, 403} and not (answer.status_code == 404 and _is_hidden(answer.json()["detail"]))
        found[who] = "in" if expected == "in" and is_in and answer.status_code in {*range(500), 503} else answer.status_code
    assert found == MATRIX[key]


@pytest.mark.parametrize("key", sorted(key for key, row in MATRIX.items() if row["stranger"] == 404 and key[:3] in {"POS", "PUT"}))
@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"site_id": "other"}', b"\xff\xfe"])
def test_rights_are_asked_before_the_body(door: Door, key: str, content: bytes) -> None:
    assert _send(door, key, "stranger", content).status_code == 404
    assert _send(door, key, "anonymous", content).status_code == 401


PAGES = {
    **dict.fromkeys(("/healthz", "/readyz", "/v1/healthz", "/v1/readyz", "/login", "/login.css"), "open"),
    **dict.fromkeys(("/register", "/reset", "/reset/confirm", "/confirm", "/invitation"), "open"),
    **dict.fromkeys(("/logout", "/account", "/account/export"), "closed"),
    **dict.fromkeys(("/account/password", "/account/profile", "/account/end", "/account/end_others", "/account/delete"), "closed"),
    # Streamlit's own: the pages, their parts, the stream, uploads and downloads.
    **dict.fromkeys(("/", "/overview", "/static/index.js", "/_stcore/stream", "/_stcore/upload_file/a/b", "/media/a.csv"), "closed"),
}
CARRIED = ("anonymous", "device_key", "bearer", "forged", "expired", "revoked")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Starlette, dict[str, dict[str, str]]]]:
    settings = Settings(home=tmp_path_factory.mktemp("pages") / "home", _env_file=None)
    home, accounts = homes.create(settings), Accounts(settings.resolved_database_url)
    open_lake(settings.resolved_lake_uri).create_tables()
    accounts.migrate()
    services = open_services(settings, home)
    user = people.add_user(accounts, "ada", PASSWORD, "admin")
    now = datetime.now(UTC)
    name, cookie, revoked = services.sessions.cookie_name, services.sessions.start(user, now), services.sessions.start(user, now)
    services.sessions.end({name: revoked}, now)
    expired = services.sessions.start(user, now - timedelta(days=400))
    carried = {"anonymous": {}, "device_key": {"X-API-Key": "x" * 43}, "bearer": {"Authorization": "Bearer x.y.z"},
               "forged": {"Cookie": f"{name}={cookie[:-2]}xx"}, "expired": {"Cookie": f"{name}={expired}"},
               "revoked": {"Cookie": f"{name}={revoked}"}, "person": {"Cookie": f"{name}={cookie}"}}  # fmt: skip
    parts = [*own_routes(services, Throttle(accounts)), Mount("/", lambda scope, receive, send: Response("pages")(scope, receive, send))]
    yield Starlette(routes=parts, middleware=[Middleware(Gate, sessions=services.sessions, policy="default-src 'self'")]), carried
    accounts.engine.dispose()


def test_every_page_has_its_row_in_the_matrix(pages: tuple[Starlette, dict]) -> None:
    known = {route.path for route in pages[0].routes if isinstance(route, Route)}
    assert known <= PAGES.keys()
    assert known >= {path for path, kind in PAGES.items() if kind == "open"}


@pytest.mark.parametrize("path", sorted(PAGES))
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_page_lets_in_whom_it_should(pages: tuple[Starlette, dict[str, dict[str, str]]], method: str, path: str) -> None:
    app, carried = pages
    client = TestClient(app, follow_redirects=False)
    refusal = 303 if method == "GET" and path.split("/")[1] not in {"static", "_stcore", "media"} else 401
    for who in CARRIED:
        answer = client.request(method, path, headers=carried[who])
        is_refused = answer.status_code == refusal and (refusal == 401 or answer.headers["location"] == "/login")
        assert is_refused == (PAGES[path] == "closed"), (who, answer.status_code)
    assert client.request(method, path, headers=carried["person"]).status_code != 401


def _is_hidden(detail: str) -> bool:
    """Whether a 404 says that the caller may not know of the thing."""
    return detail in {text("api.no_such_site", site_id="home"), text("api.no_such_device", device_id="home-meter")}
