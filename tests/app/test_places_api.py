"""Sites, devices, members, keys and contracts over REST: who may, what is refused, and that nothing foreign is told."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from httpx import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.api.server import build
from app.services import open_services
from aurora.accounts import devices, keys, memberships, people, sites
from aurora.accounts.audit import entries
from aurora.accounts.database import Accounts
from aurora.accounts.models import AuditEntry, Device, Site, User
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.running import land

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC)
PLACE = {"name": "Haus", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4}


@pytest.fixture
def client(settings: Settings, home: Home, lake: Lake, accounts: Accounts) -> Iterator[TestClient]:
    with TestClient(build(open_services(settings, home)), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def bob(accounts: Accounts) -> User:
    return people.add_user(accounts, "bob", PASSWORD, "user")


@pytest.fixture
def house(accounts: Accounts, bob: User) -> Site:
    """A site of bob's with one meter."""
    site = sites.add_site(accounts, bob, site_id="house", **PLACE)
    devices.add_device(accounts, "house", name="Meter", kind="meter", device_id="meter-1")
    return site


class Person:
    """Somebody logged in."""

    def __init__(self, client: TestClient, username: str) -> None:
        self.client = client
        form = {"username": username, "password": PASSWORD}
        self.headers = {"Authorization": f"Bearer {client.post('/v1/auth/token', data=form).json()['access_token']}"}

    def __call__(self, method: str, path: str, body: object = None) -> Response:
        return self.client.request(method, f"/v1{path}", headers=self.headers, json=body)


@pytest.fixture
def as_bob(client: TestClient, house: Site) -> Person:
    return Person(client, "bob")


def member(accounts: Accounts, client: TestClient, name: str, role: str, ends_at: datetime | None = None) -> Person:
    user = people.add_user(accounts, name, PASSWORD, "user")
    with accounts.transaction() as session:
        memberships.give_role(session, "house", user.user_id, role, ends_at)
    assert user.role == "user"
    return Person(client, name)


def test_any_user_makes_a_site_and_a_taken_name_gets_another_id(as_bob: Person) -> None:
    first, second = as_bob("POST", "/sites", PLACE), as_bob("POST", "/sites", PLACE)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["site_id"] == "haus"
    assert second.json()["site_id"].startswith("haus-")
    assert {site["site_id"] for site in as_bob("GET", "/sites").json()["sites"]} == {"house", "haus", second.json()["site_id"]}


def test_id_of_a_deleted_site_or_device_is_never_given_again(as_bob: Person) -> None:
    assert as_bob("POST", "/sites", PLACE).json()["site_id"] == "haus"
    assert as_bob("DELETE", "/sites/haus").status_code == 204
    assert as_bob("GET", "/sites/haus").status_code == 404
    assert as_bob("POST", "/sites", PLACE).json()["site_id"] != "haus"
    made = as_bob("POST", "/sites/house/devices", {"name": "PV", "kind": "inverter"}).json()["device_id"]
    assert as_bob("DELETE", f"/devices/{made}").status_code == 204
    assert as_bob("POST", "/sites/house/devices", {"name": "PV", "kind": "inverter"}).json()["device_id"] != made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latitude", 91), ("longitude", -181), ("latitude", "52"), ("pv_tilt_degrees", 95), ("country", "XX"), ("currency", "XYZ"),
        ("currency", "DEM"), ("time_zone", "../etc/passwd"), ("time_zone", "CEST"), ("name", "a\x00b"), ("name", "a\nb"), ("name", " "),
        ("name", "x" * 129), ("name", None), ("name", "safe\u202egnp"), ("occupants", 1.5), ("floor_area_m2", -1), ("heating", "x" * 33),
        ("tariff_id", "nothing"), ("weather_station_id", "nothing"), ("site_id", "mine"), ("owner", "eve"), ("created_at", "2020-01-01"),
        ("user_id", "1"), ("tariff_id", "a\x00"),
    ],
)  # fmt: skip
def test_fact_that_cannot_be_or_may_not_be_set_is_named(as_bob: Person, field: str, value: object) -> None:
    before = as_bob("GET", "/sites/house").json()
    for method, path, body in (("PUT", "/sites/house", {field: value}), ("POST", "/sites", PLACE | {field: value})):
        refused = as_bob(method, path, body)
        assert (refused.status_code, [found["field"] for found in refused.json()["detail"]]) == (400, [field])
        assert refused.json()["detail"][0]["reason"]
    assert as_bob("GET", "/sites/house").json() == before
    assert len(as_bob("GET", "/sites").json()["sites"]) == 1


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"latitude": NaN}', b'{"name": "\\ud800"}', b"[" * 100_000, b'{"\\ud800": 1}', b"", b"[]", b"null"]
)
def test_body_that_is_no_good_json_is_a_plain_refusal(as_bob: Person, body: bytes) -> None:
    headers = as_bob.headers | {"Content-Type": "application/json"}
    answer = as_bob.client.put("/v1/sites/house", content=body, headers=headers)
    assert answer.status_code == 400
    assert isinstance(answer.json()["detail"], list)


def test_body_over_the_limit_is_refused(as_bob: Person, settings: Settings) -> None:
    headers = as_bob.headers | {"Content-Type": "application/json"}
    assert as_bob.client.put("/v1/sites/house", content=b" " * (settings.max_body_bytes + 1), headers=headers).status_code == 413


def test_change_touches_the_given_facts_alone(as_bob: Person) -> None:
    before = as_bob("GET", "/sites/house").json()
    changed = as_bob("PUT", "/sites/house", {"pv_capacity_kw": 9.9, "currency": "EUR"})
    assert (changed.status_code, changed.json()) == (200, before | {"pv_capacity_kw": 9.9, "currency": "EUR"})
    assert as_bob("PUT", "/sites/house", {"currency": None}).json()["currency"] is None


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "'; drop table sites; --", "{{7*7}}", "../../etc", "Zoë 🏡"]
)
def test_signs_that_are_code_elsewhere_are_kept_as_data(as_bob: Person, name: str) -> None:
    made = as_bob("POST", "/sites", PLACE | {"name": name})
    assert made.status_code == 201
    assert as_bob("GET", f"/sites/{made.json()['site_id']}").json()["name"] == name
    device = as_bob("POST", "/sites/house/devices", {"name": name, "kind": "meter"}).json()
    assert as_bob("GET", f"/devices/{device['device_id']}").json()["name"] == name


OF_HOUSE = [
    ("GET", "/sites/house"), ("PUT", "/sites/house"), ("DELETE", "/sites/house"), ("GET", "/sites/house/members"),
    ("POST", "/sites/house/members"), ("DELETE", "/sites/house/members/{bob}"), ("GET", "/sites/house/invitations"),
    ("POST", "/sites/house/invitations"), ("DELETE", "/sites/house/invitations/x"), ("GET", "/sites/house/keys"),
    ("POST", "/sites/house/keys"), ("DELETE", "/sites/house/keys/x"), ("GET", "/sites/house/tariffs"), ("PUT", "/sites/house/tariffs"),
    ("GET", "/sites/house/devices"), ("POST", "/sites/house/devices"), ("GET", "/devices/meter-1"), ("PUT", "/devices/meter-1"),
    ("DELETE", "/devices/meter-1"), ("GET", "/devices/meter-1/keys"), ("POST", "/devices/meter-1/keys"),
    ("DELETE", "/devices/meter-1/keys/x"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), OF_HOUSE)
def test_stranger_and_consultant_out_of_time_get_404_whatever_the_body(
    client: TestClient, accounts: Accounts, house: Site, bob: User, admin: User, method: str, path: str
) -> None:
    late = member(accounts, client, "carl", "consultant", NOW - timedelta(seconds=1))
    path = path.format(bob=bob.user_id)
    for stranger in (Person(client, "ada"), late):
        for body in (b"{", b"", b"{}", json.dumps(PLACE).encode(), b"\xff", b'{"role": "owner"}'):
            answer = client.request(method, f"/v1{path}", headers=stranger.headers | {"Content-Type": "application/json"}, content=body)
            assert answer.status_code == 404
    assert client.request(method, f"/v1{path}", content=b"{").status_code == 401
    with accounts.reading() as session:
        assert session.get(Device, "meter-1") is not None


@pytest.mark.parametrize(("method", "path"), [pair for pair in OF_HOUSE if pair[0] != "GET"])
def test_viewer_who_writes_gets_403_whatever_the_body(
    client: TestClient, accounts: Accounts, house: Site, bob: User, method: str, path: str
) -> None:
    viewer = member(accounts, client, "vera", "viewer")
    for body in (b"{", b"{}", b'{"name": "x"}'):
        headers = viewer.headers | {"Content-Type": "application/json"}
        assert client.request(method, f"/v1{path.format(bob=bob.user_id)}", headers=headers, content=body).status_code == 403
    assert viewer("GET", "/sites/house/tariffs").status_code == 200
    assert viewer("GET", "/sites/house/keys").status_code == 403


def test_consultant_changes_devices_and_tariffs_but_neither_site_keys_nor_members(client, accounts, house) -> None:
    consultant = member(accounts, client, "carl", "consultant", NOW + timedelta(days=1))
    assert consultant("PUT", "/devices/meter-1", {"interval_seconds": 60}).json()["interval_seconds"] == 60
    assert consultant("PUT", "/sites/house/tariffs", {"name": "T", "currency": "EUR", "prices": []}).status_code == 200
    assert consultant("PUT", "/sites/house", {"name": "Mine"}).status_code == 403
    assert consultant("POST", "/sites/house/keys").status_code == 403
    assert consultant("POST", "/sites/house/members", {"username": "carl", "role": "owner"}).status_code == 403
    assert consultant("DELETE", "/devices/meter-1").status_code == 403


def test_site_with_devices_in_use_is_not_deleted_until_they_are_retired(as_bob: Person, accounts: Accounts) -> None:
    refused = as_bob("DELETE", "/sites/house")
    assert refused.status_code == 409
    assert "meter-1" in refused.json()["detail"]
    keys.new_key(accounts, "meter-1")
    later = (NOW + timedelta(days=1)).isoformat()
    assert as_bob("PUT", "/devices/meter-1", {"retired_at": later}).status_code == 200
    assert as_bob("DELETE", "/sites/house").status_code == 409
    assert as_bob("PUT", "/devices/meter-1", {"retired_at": NOW.isoformat()}).status_code == 200
    assert as_bob("POST", "/devices/meter-1/keys").status_code == 409
    assert as_bob("DELETE", "/sites/house").status_code == 204
    assert as_bob("GET", "/devices/meter-1").status_code == 404


def test_device_with_readings_is_retired_not_deleted(as_bob: Person, lake: Lake) -> None:
    land(lake, NOW, [("meter-1", "consumption", "power_kw", NOW, None, 1.0)])
    refused = as_bob("DELETE", "/devices/meter-1")
    assert refused.status_code == 409
    assert "Retire it" in refused.json()["detail"]
    assert as_bob("GET", "/devices/meter-1").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "toaster"), ("role", "boss"), ("energy_source", "coal"), ("interval_seconds", 0), ("interval_seconds", "60"),
        ("decoder", "../x"), ("device_id", "mine"), ("is_import", True), ("created_at", "2020-01-01T00:00:00Z"), ("name", "a\x07"),
    ],
)  # fmt: skip
def test_device_fact_that_cannot_be_or_may_not_be_set_is_named(as_bob: Person, field: str, value: object) -> None:
    for method, path, body in (
        ("PUT", "/devices/meter-1", {field: value}),
        ("POST", "/sites/house/devices", {"name": "M", "kind": "meter"} | {field: value}),
    ):
        refused = as_bob(method, path, body)
        assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, field)


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", 5e300])
def test_retirement_at_an_impossible_time_is_refused(as_bob: Person, moment: object) -> None:
    assert as_bob("PUT", "/devices/meter-1", {"retired_at": moment}).status_code == 400


def test_topic_outside_of_the_own_branch_takes_an_admin(as_bob: Person, client: TestClient, site: Site) -> None:
    wish = {"name": "Shelly", "kind": "meter", "topic": "shellies/em3/emeter/0"}
    assert as_bob("POST", "/sites/house/devices", wish).status_code == 403
    as_ada = Person(client, "ada")
    assert as_ada("POST", "/sites/home/devices", wish).json()["topic"] == wish["topic"]
    assert as_ada("POST", "/sites/home/devices", wish | {"topic": "aurora/v1/meter-1/readings"}).status_code == 400


def test_topic_and_decoder_of_a_device_change_together_with_the_same_checks(as_bob: Person, client: TestClient, site: Site) -> None:
    wish = {"topic": "shellies/em3/#", "decoder": "shelly_gen1"}
    assert as_bob("PUT", "/devices/meter-1", wish).status_code == 403
    as_ada = Person(client, "ada")
    made = as_ada("POST", "/sites/home/devices", {"name": "Shelly", "kind": "meter"}).json()
    path = f"/devices/{made['device_id']}"
    changed = as_ada("PUT", path, wish).json()
    assert (changed["topic"], changed["decoder"]) == ("shellies/em3/#", "shelly_gen1")
    assert as_ada("PUT", path, {"name": "Other"}).json()["topic"] == "shellies/em3/#"
    for bad in ("aurora/v1/meter-1/readings", "#", "+/em3", "$SYS/x", "a/#/b", "a\u0007"):
        refused = as_ada("PUT", path, {"topic": bad})
        assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, "topic"), bad
    assert as_ada("PUT", path, {"topic": None}).json()["topic"] == made["topic"]
    own = as_bob("GET", "/devices/meter-1").json()["topic"]
    assert as_bob("PUT", "/devices/meter-1", {"topic": own}).status_code == 200


def test_unknown_decoder_is_refused_with_those_that_are_known(as_bob: Person) -> None:
    for method, path, body in (("PUT", "/devices/meter-1", {}), ("POST", "/sites/house/devices", {"name": "M", "kind": "meter"})):
        (problem,) = as_bob(method, path, body | {"decoder": "toaster"}).json()["detail"]
        assert problem["field"] == "decoder"
        assert "shelly_gen1" in problem["reason"]


@pytest.mark.parametrize("sign", ["\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u00ad", "\U000e0041"])
def test_name_with_what_cannot_be_seen_is_refused(as_bob: Person, sign: str) -> None:
    for method, path, body in (
        ("POST", "/sites/house/devices", {"kind": "meter"}),
        ("PUT", "/devices/meter-1", {}),
        ("PUT", "/users/me", {}),
        ("POST", "/sites", {"time_zone": "UTC", "latitude": 1, "longitude": 1}),
    ):
        field = "full_name" if path == "/users/me" else "name"
        refused = as_bob(method, path, body | {field: f"Me{sign}ter"})
        assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, field)


def test_head_answers_as_get_without_a_body(as_bob: Person, client: TestClient) -> None:
    for path in ("/sites", "/sites/house", "/devices/nothing", "/users/me/export"):
        got, head = as_bob("GET", path), as_bob("HEAD", path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
    assert client.head("/v1/sites").status_code == 401
    assert as_bob("HEAD", "/invitations/accept").status_code == 405


def test_device_moves_to_another_own_site_and_to_no_other(as_bob: Person, client: TestClient, accounts: Accounts, site: Site) -> None:
    other = as_bob("POST", "/sites", PLACE | {"name": "Other"}).json()["site_id"]
    assert as_bob("PUT", "/devices/meter-1", {"site_id": other}).json()["site_id"] == other
    assert [device["device_id"] for device in as_bob("GET", f"/sites/{other}/devices").json()["devices"]] == ["meter-1"]
    assert as_bob("PUT", "/devices/meter-1", {"site_id": "home"}).json()["detail"][0]["field"] == "site_id"
    memberships.add_member(accounts, "home", username="bob", role="viewer")
    assert as_bob("PUT", "/devices/meter-1", {"site_id": "home"}).status_code == 403
    assert as_bob("GET", "/devices/meter-1").json()["site_id"] == other


def test_key_is_shown_once_and_worthless_once_revoked(as_bob: Person, accounts: Accounts) -> None:
    made = as_bob("POST", "/devices/meter-1/keys", {"name": "Cellar"})
    assert made.status_code == 201
    key = made.json()
    holder = keys.holder_of(accounts, key["key"])
    assert holder is not None
    assert holder.device is not None
    assert holder.device.device_id == "meter-1"
    listed = as_bob("GET", "/devices/meter-1/keys")
    assert [(row["key_id"], row["name"]) for row in listed.json()["keys"]] == [(key["key_id"], "Cellar")]
    assert key["key"] not in listed.text
    gateway = as_bob("POST", "/sites/house/keys").json()
    assert keys.holder_of(accounts, gateway["key"]) == keys.KeyHolder(None, "house")
    assert as_bob("DELETE", f"/devices/meter-1/keys/{gateway['key_id']}").status_code == 404
    assert as_bob("DELETE", f"/devices/meter-1/keys/{key['key_id']}").status_code == 204
    assert as_bob("DELETE", f"/sites/house/keys/{gateway['key_id']}").status_code == 204
    assert keys.holder_of(accounts, key["key"]) is None
    assert keys.holder_of(accounts, gateway["key"]) is None
    assert as_bob("GET", "/sites/house/keys").json() == {"keys": []}


def test_last_owner_stays_and_a_second_one_may_go(as_bob: Person, bob: User, admin: User) -> None:
    assert as_bob("DELETE", f"/sites/house/members/{bob.user_id}").status_code == 409
    assert as_bob("POST", "/sites/house/members", {"user_id": bob.user_id, "role": "viewer"}).status_code == 409
    assert as_bob("POST", "/sites/house/members", {"username": "ADA", "role": "owner"}).json()["username"] == "ada"
    assert as_bob("DELETE", f"/sites/house/members/{bob.user_id}").status_code == 204
    assert as_bob("GET", "/sites/house").status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        {"username": "ada", "role": "consultant"}, {"username": "ada", "role": "admin"}, {"username": "nobody", "role": "viewer"},
        {"role": "viewer"}, {"username": "ada", "user_id": "x", "role": "viewer"}, {"username": "a\x00", "role": "viewer"},
        {"username": "ada", "role": "owner", "ends_at": "2030-01-01T00:00:00Z"}, {"username": "ada", "role": "viewer", "site_id": "home"},
    ],
)  # fmt: skip
def test_membership_that_cannot_be_is_refused(as_bob: Person, admin: User, given: dict) -> None:
    assert as_bob("POST", "/sites/house/members", given).status_code == 400
    assert len(as_bob("GET", "/sites/house/members").json()["members"]) == 1


def test_invitation_makes_one_person_a_member_once(as_bob: Person, client: TestClient, admin: User) -> None:
    made = as_bob("POST", "/sites/house/invitations", {"role": "viewer", "email": "ada@example.org"}).json()
    assert [row["invitation_id"] for row in as_bob("GET", "/sites/house/invitations").json()["invitations"]] == [made["invitation_id"]]
    assert made["token"] not in as_bob("GET", "/sites/house/invitations").text
    as_ada = Person(client, "ada")
    assert as_ada("POST", "/invitations/accept", {"token": "x" + made["token"]}).status_code == 400
    assert as_ada("POST", "/invitations/accept", {"token": made["token"]}).json() == {"site_id": "house", "role": "viewer", "ends_at": None}
    assert as_ada("GET", "/sites/house").status_code == 200
    assert as_bob("POST", "/invitations/accept", {"token": made["token"]}).status_code == 400
    withdrawn = as_bob("POST", "/sites/house/invitations", {"role": "owner"}).json()
    assert as_bob("DELETE", f"/sites/house/invitations/{withdrawn['invitation_id']}").status_code == 204
    assert as_ada("POST", "/invitations/accept", {"token": withdrawn["token"]}).status_code == 400
    assert as_ada("PUT", "/sites/house", {"name": "x"}).status_code == 403


ENERGY = {"part": "energy", "direction": "import", "quantity_unit": "kWh", "unit_price": "0.123456789"}


def test_contract_keeps_every_digit_and_is_the_sites_own(as_bob: Person, accounts: Accounts) -> None:
    assert as_bob("GET", "/sites/house/tariffs").json()["tariff_id"] is None
    made = as_bob("PUT", "/sites/house/tariffs", {"name": "Flat", "currency": "EUR", "prices": [ENERGY]})
    assert made.status_code == 200
    assert '"unit_price":0.123456789' in made.text
    assert as_bob("GET", "/sites/house/tariffs").json() == made.json()
    second = as_bob("POST", "/sites", PLACE | {"tariff_id": made.json()["tariff_id"]}).json()
    assert second["tariff_id"] == made.json()["tariff_id"]
    own = as_bob("PUT", f"/sites/{second['site_id']}/tariffs", {"name": "Own", "currency": "EUR", "prices": []}).json()
    assert own["tariff_id"] != made.json()["tariff_id"]
    assert as_bob("GET", "/sites/house/tariffs").json() == made.json()


@pytest.mark.parametrize(
    "prices",
    [
        [ENERGY, ENERGY | {"valid_from": "2026-01-01T00:00:00Z"}],
        [ENERGY | {"valid_until": "1960-01-01T00:00:00Z"}],
        [ENERGY | {"unit_price": "NaN"}],
        [ENERGY | {"unit_price": "0.1234567891"}],
        [ENERGY | {"unit_price": "1e300"}],
        [ENERGY | {"direction": "fixed"}],
        [ENERGY | {"tariff_id": "other"}],
        [ENERGY | {"valid_from": "2026-01-01T00:00:00"}],
        "all",
    ],
)
def test_price_that_cannot_be_is_refused(as_bob: Person, prices: object) -> None:
    assert as_bob("PUT", "/sites/house/tariffs", {"name": "T", "currency": "EUR", "prices": prices}).status_code == 400
    assert as_bob("GET", "/sites/house/tariffs").json()["tariff_id"] is None


def test_tariff_of_a_stranger_cannot_be_taken(as_bob: Person, client: TestClient, site: Site) -> None:
    as_ada = Person(client, "ada")
    foreign = as_ada("PUT", "/sites/home/tariffs", {"name": "Secret", "currency": "EUR", "prices": [ENERGY]}).json()["tariff_id"]
    refused = as_bob("PUT", "/sites/house", {"tariff_id": foreign})
    assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, "tariff_id")


def test_what_was_done_is_in_the_audit_log_with_who_did_it(as_bob: Person, bob: User, accounts: Accounts) -> None:
    as_bob("PUT", "/sites/house", {"name": "New"})
    as_bob("DELETE", "/devices/meter-1")
    found: list[AuditEntry] = [entry for entry in entries(accounts) if entry.action in {"site.change", "device.delete"}]
    assert {(entry.action, entry.user_id, entry.subject_id) for entry in found} == {
        ("site.change", bob.user_id, "house"),
        ("device.delete", bob.user_id, "meter-1"),
    }


class Letterbox:
    """Takes mail."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], str]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the name that aiosmtpd calls
        content = envelope.content
        assert isinstance(content, bytes)
        self.letters.append((envelope.rcpt_tos, str(message_from_bytes(content, policy=default).get_content())))
        return "250 OK"


def test_invitation_goes_by_mail_and_never_names_the_site(
    settings: Settings, home: Home, lake: Lake, house: Site, free_port: Callable[[], int]
) -> None:
    letterbox, port = Letterbox(), free_port()
    server = Controller(letterbox, hostname="127.0.0.1", port=port)
    server.start()
    mail = {"mail_url": SecretStr(f"smtp://127.0.0.1:{port}"), "mail_from": "aurora@example.com", "public_url": "https://sun.example.com"}
    services = open_services(settings.model_copy(update=mail), home)
    try:
        with TestClient(build(services)) as client:
            made = Person(client, "bob")("POST", "/sites/house/invitations", {"role": "viewer", "email": "ada@example.org"}).json()
            services.post.finish()
    finally:
        server.stop()
    ((recipients, body),) = letterbox.letters
    assert recipients == ["ada@example.org"]
    assert made["token"] in body
    assert "bob" in body
    assert house.name not in body


@pytest.mark.parametrize("email", ["ada", "a b@c", "ada@x.org\r\nBcc: all@x.org", "<ada@x.org>", "@", "a@" + "x" * 260])
def test_invitation_to_what_is_no_address_is_refused(as_bob: Person, email: str) -> None:
    assert as_bob("POST", "/sites/house/invitations", {"role": "viewer", "email": email}).status_code == 400


def test_site_moves_to_another_zone_from_a_day_on(as_bob: Person) -> None:
    before = as_bob("GET", "/sites/house").json()["time_zone"]
    moved = as_bob("PUT", "/sites/house", {"time_zone": "Asia/Tokyo", "time_zone_from": "2026-07-01"})
    assert (moved.status_code, moved.json()["time_zone"]) == (200, "Asia/Tokyo")
    past = [{"time_zone": before, "until": "2026-07-01"}]
    assert moved.json()["past_time_zones"] == past
    # Who says the same zone again without a day leaves the history alone.
    assert as_bob("PUT", "/sites/house", {"time_zone": "Asia/Tokyo", "name": "House"}).json()["past_time_zones"] == past
    again = as_bob("PUT", "/sites/house", {"time_zone": "Asia/Kolkata", "time_zone_from": "2026-09-01"}).json()
    assert again["past_time_zones"] == [*past, {"time_zone": "Asia/Tokyo", "until": "2026-09-01"}]
    earlier = as_bob("PUT", "/sites/house", {"time_zone": "Asia/Kolkata", "time_zone_from": "2026-02-01"}).json()
    assert earlier["past_time_zones"] == [{"time_zone": before, "until": "2026-02-01"}]
    assert as_bob("PUT", "/sites/house", {"time_zone": "Asia/Kolkata", "time_zone_from": None}).json()["past_time_zones"] is None
    for wrong in ({"time_zone_from": "2026-07-01"}, {"time_zone": "Asia/Tokyo", "time_zone_from": "soon"}):
        refused = as_bob("PUT", "/sites/house", wrong)
        assert (refused.status_code, refused.json()["detail"][0]["field"]) == (400, "time_zone_from")
