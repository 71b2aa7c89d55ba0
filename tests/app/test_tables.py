"""Tables and lists over REST: nobody is ever shown another's rows."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from app.api.server import build
from app.queries import tables
from app.services import open_services
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Membership, User
from aurora.accounts.tariffs import FlatPrices, add_flat_tariff
from aurora.home import Home
from aurora.lake.manifest import MANIFEST, newest
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from tests.app.published import publish, publish_energy, recommendation_rows, republish

PASSWORD = "correct horse battery"
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
MINE, THEIRS = "mine", "theirs"


@pytest.fixture
def clients(settings: Settings, home: Home, lake: Lake, accounts: Accounts, admin: User) -> dict[str, TestClient]:
    """Ada, an admin who owns the site `theirs`, and bob, who owns `mine`."""
    bob = people.add_user(accounts, "bob", PASSWORD, "user")
    for owner, site_id in ((bob, MINE), (admin, THEIRS)):
        add_flat_tariff(accounts, f"tariff-{site_id}", site_id, "EUR", FlatPrices(Decimal(1)))
        sites.add_site(
            accounts, owner, name=site_id, site_id=site_id, time_zone="UTC", latitude=0, longitude=0, currency="EUR",
            tariff_id=f"tariff-{site_id}", price_zone=f"zone-{site_id}", carbon_zone=f"zone-{site_id}",
        )  # fmt: skip
        devices.add_device(accounts, site_id, name="Meter", kind="meter", device_id=f"device-{site_id}")
    api = build(open_services(settings, home))
    found = {}
    for name in ("ada", "bob"):
        client = TestClient(api)
        token = client.post("/v1/auth/token", data={"username": name, "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        found[name] = client
    return found


def row(name: str, whose: str) -> dict[str, Any]:
    """A row of a table that speaks of somebody's site in every column that can."""
    known = {"site_id": whose, "device_id": f"device-{whose}", "station_id": f"device-{whose}", "zone": f"zone-{whose}"}
    known["tariff_id"] = f"tariff-{whose}"
    made: dict[str, Any] = {}
    for column in TABLES[name].schema:
        kind = column.type
        if column.name in known:
            made[column.name] = known[column.name]
        elif pa.types.is_string(kind):
            made[column.name] = f"={whose}"
        elif pa.types.is_timestamp(kind):
            made[column.name] = NOW
        elif pa.types.is_date(kind):
            made[column.name] = NOW.date()
        else:
            made[column.name] = None
    return made


def fill(lake: Lake, accounts: Accounts, name: str) -> None:
    """One row of each person in a table."""
    rows = [row(name, whose) for whose in (MINE, THEIRS)]
    if name.startswith("bronze/"):
        lake.land(name, pa.Table.from_pylist(rows, schema=TABLES[name].schema))
    else:
        publish(lake, accounts, "refresh", {name: pl.DataFrame(pa.Table.from_pylist(rows, schema=TABLES[name].schema))}, NOW)


def arrow(client: TestClient, address: str) -> list[dict[str, Any]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    return pa.ipc.open_stream(answer.content).read_all().to_pylist()


@pytest.mark.parametrize("name", [name for name in TABLES if name != MANIFEST])
def test_table_shows_own_rows_in_every_form_and_meta_to_admins_alone(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts, name: str
) -> None:
    fill(lake, accounts, name)
    address = f"/v1/tables/{name}"
    if name in {"meta/baselines", "bronze/rejected"}:
        assert clients["bob"].get(address).status_code == 403
        assert len(arrow(clients["ada"], address)) == 2
        return
    found = arrow(clients["bob"], address)
    assert len(found) == 1
    said = {str(value) for value in found[0].values()}
    assert any(MINE in value for value in said)
    assert not any(THEIRS in value for value in said)
    parquet = pq.read_table(io.BytesIO(clients["bob"].get(address, headers={"Accept": "application/vnd.apache.parquet"}).content))
    assert parquet.to_pylist() == found
    text = clients["bob"].get(address, headers={"Accept": "text/csv"}).text
    assert len(text.splitlines()) == 2
    assert THEIRS not in text
    assert ",=" not in text.replace(",'=", "")
    assert [MINE in str(one.values()) for one in arrow(clients["ada"], address)] == [False]


def test_rows_of_a_moved_device_are_those_of_the_site_it_stands_at_now(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts
) -> None:
    for name in ("bronze/readings", "bronze/weather", "bronze/device_status"):
        fill(lake, accounts, name)
    fill(lake, accounts, "gold/data_quality")

    def devices_seen_by(who: str, name: str, column: str = "device_id") -> set[str]:
        found = clients[who].get(f"/v1/tables/{name}", params={"columns": column}, headers={"Accept": "text/csv"})
        return set(found.text.split()[1:])

    both = {"device-mine", "device-theirs"}
    assert devices_seen_by("bob", "bronze/readings") == {"device-mine"}
    devices.change_device(accounts, "device-mine", site_id=THEIRS)
    for name, column in (("bronze/readings", "device_id"), ("bronze/weather", "station_id"), ("bronze/device_status", "device_id")):
        assert devices_seen_by("ada", name, column) == both, name
        assert devices_seen_by("bob", name, column) == set(), name
    assert devices_seen_by("bob", "gold/data_quality") == {"device-mine"}
    assert devices_seen_by("ada", "gold/data_quality") == {"device-theirs"}


def test_manifest_is_for_admins(clients: dict[str, TestClient], lake: Lake, accounts: Accounts) -> None:
    fill(lake, accounts, "gold/anomalies")
    assert clients["bob"].get(f"/v1/tables/{MANIFEST}").status_code == 403
    assert len(arrow(clients["ada"], f"/v1/tables/{MANIFEST}")) == 1


def test_table_that_is_not_there_is_not_found_for_anybody(clients: dict[str, TestClient]) -> None:
    for name in ("gold/none", "secret/users", "gold/..%2f..%2faccounts", "meta/none"):
        for client in clients.values():
            assert client.get(f"/v1/tables/{name}").status_code == 404
    assert arrow(clients["bob"], "/v1/tables/gold/savings") == []


def test_table_gives_chosen_columns_of_a_range(clients: dict[str, TestClient], lake: Lake, accounts: Accounts) -> None:
    site = sites.find_site(accounts, MINE)
    first = publish_energy(lake, accounts, site, NOW, days=5)
    found = arrow(clients["bob"], "/v1/tables/gold/energy_daily?columns=local_date,cost&start_date=2026-06-08&end_date=2026-06-10")
    assert [list(one) for one in found] == [["local_date", "cost"]] * 2
    assert {one["local_date"] for one in found} == {date(2026, 6, 8), date(2026, 6, 9)}
    quarters = arrow(clients["bob"], "/v1/tables/gold/energy_15min?start_date=2026-06-09T23:00:00Z&end_date=2026-06-10T01:00:00%2B00:00")
    assert len(quarters) == 8
    publish_energy(lake, accounts, site, NOW, days=1)
    assert len(arrow(clients["bob"], "/v1/tables/gold/energy_daily")) == 6
    assert len(arrow(clients["bob"], f"/v1/tables/gold/energy_daily?as_of={first}")) == 5
    for query, field in (("columns=none", "columns"), ("start_date=x", "start_date"), ("end_date=2026-06-09T00:00:00", "end_date")):
        answer = clients["bob"].get(f"/v1/tables/gold/energy_daily?{query}")
        assert (answer.status_code, answer.json()["detail"][0]["field"]) == (400, field)
    assert clients["bob"].get("/v1/tables/gold/energy_daily", headers={"Accept": "text/html"}).status_code == 406


def test_table_is_read_a_part_at_a_time(lake: Lake, accounts: Accounts, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 100)
    site = sites.add_site(accounts, admin, name="S", site_id="s", time_zone="UTC", latitude=0, longitude=0, currency="EUR")
    publish_energy(lake, accounts, site, NOW, days=5)
    snapshot = newest(lake)
    seen = tables.Seen(frozenset({"s"}), frozenset(), frozenset(), frozenset())
    question = tables.Question("gold/energy_15min", snapshot.versions["gold/energy_15min"], ("site_id", "cost"), None, None, seen)
    parts = list(tables.rows(snapshot, question))
    assert max(part.height for part in parts) <= 100
    assert sum(part.height for part in parts) == lake.scan("gold/energy_15min").collect().height > 400


def anomalies(count: int) -> pl.DataFrame:
    own = row("gold/anomalies", MINE) | {"params": "{}"}
    facts = [own | {"anomaly_id": f"a{n}", "starts_at": NOW - timedelta(hours=n // 2)} for n in range(count)]
    return pl.DataFrame(pa.Table.from_pylist(facts, schema=TABLES["gold/anomalies"].schema))


def test_pages_of_a_list_walk_it_once_whatever_is_published_meanwhile(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts
) -> None:
    publish(lake, accounts, "refresh", {"gold/anomalies": anomalies(25)}, NOW)
    address: str | None = f"/v1/sites/{MINE}/anomalies?limit=10"
    walked = []
    while address:
        found = clients["bob"].get(address).json()
        walked += [one["anomaly_id"] for one in found["anomalies"]]
        address = found["next"]
        publish(lake, accounts, "refresh", {"gold/anomalies": anomalies(3).with_columns(pl.lit("new").alias("anomaly_id"))}, NOW)
    assert sorted(walked) == sorted(f"a{n}" for n in range(25))


@pytest.mark.parametrize(
    ("path", "table"),
    [("meter-events", "meter_events"), ("anomalies", "anomalies"), ("data-quality", "data_quality"), ("device-status", "device_status")],
)
def test_conditions_of_a_site_are_shown_to_those_who_see_it(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts, path: str, table: str
) -> None:
    rows = [row(f"gold/{table}", whose) | ({"params": '{"a": 1}'} if table == "anomalies" else {}) for whose in (MINE, THEIRS)]
    frame = pl.DataFrame(pa.Table.from_pylist(rows, schema=TABLES[f"gold/{table}"].schema))
    publish(lake, accounts, "refresh", {f"gold/{table}": frame}, NOW)
    found = clients["bob"].get(f"/v1/sites/{MINE}/{path}").json()
    assert [one["device_id"] for one in found[table]] == [f"device-{MINE}"]
    assert "refresh_id" not in found[table][0]
    assert clients["bob"].get(f"/v1/sites/{THEIRS}/{path}?limit=nonsense").status_code == 404
    assert clients["bob"].get(f"/v1/sites/{MINE}/{path}?limit=0").status_code == 400


def test_overruling_lies_over_what_was_published_and_needs_the_right(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts
) -> None:
    own = {"is_overruled": False, "decided_by": "rule"}
    rows = [row("gold/meter_events", whose) | own | {"event_id": f"e-{whose}"} for whose in (MINE, THEIRS)]
    frame = pl.DataFrame(pa.Table.from_pylist(rows, schema=TABLES["gold/meter_events"].schema))
    publish(lake, accounts, "refresh", {"gold/meter_events": frame}, NOW)
    bob, path = clients["bob"], f"/v1/sites/{MINE}/meter-events"
    for overruled in (True, False, True):
        kept = bob.put(f"/v1/meter-events/e-{MINE}", json={"overruled": overruled, "reason": "read by hand"})
        assert (kept.status_code, kept.json()["overruled"]) == (200, overruled)
        found = bob.get(path).json()["meter_events"][0]
        assert (found["is_overruled"], found["decided_by"]) == (overruled, "bob" if overruled else "rule")
    assert bob.get(f"{path}?as_of={newest(lake).refresh_id}").json()["meter_events"][0]["is_overruled"] is False
    assert [one["reason"] for one in bob.get("/v1/users/me/export").json()["meter_decisions"]] == ["read by hand"]
    assert bob.put(f"/v1/meter-events/e-{MINE}", json={"overruled": "maybe"}).status_code == 400
    for body in (b"{", b'{"overruled": true}', b"[]"):
        assert bob.put(f"/v1/meter-events/e-{THEIRS}", content=body).status_code == 404
    bob_id = people.user_by_name(accounts, "bob").user_id
    with accounts.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == bob_id).values(role="viewer"))
    assert bob.put(f"/v1/meter-events/e-{MINE}", json={"overruled": False}).status_code == 403
    with accounts.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == bob_id).values(role="owner"))


def test_finding_that_somebody_knows_of_stays_known_through_refreshes_and_saying_so_needs_the_right(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts
) -> None:
    rows = [row("gold/anomalies", whose) | {"anomaly_id": f"a-{whose}", "params": "{}"} for whose in (MINE, THEIRS)]
    frame = pl.DataFrame(pa.Table.from_pylist(rows, schema=TABLES["gold/anomalies"].schema))
    bob, path = clients["bob"], f"/v1/sites/{MINE}/anomalies"
    for acknowledged in (True, False, True):
        republish(lake, accounts, {"gold/anomalies": frame}, NOW)
        kept = bob.put(f"/v1/anomalies/a-{MINE}", json={"acknowledged": acknowledged, "reason": "the sauna"})
        assert (kept.status_code, kept.json()["acknowledged"], kept.json()["reason"]) == (200, acknowledged, "the sauna")
        republish(lake, accounts, {"gold/anomalies": frame}, NOW)
        assert [one["is_acknowledged"] for one in bob.get(path).json()["anomalies"]] == [acknowledged]
    known = bob.get("/v1/users/me/export").json()["known_findings"]
    assert [(one["anomaly_id"], one["reason"]) for one in known] == [(f"a-{MINE}", "the sauna")]
    assert clients["ada"].get("/v1/users/me/export").json()["known_findings"] == []
    assert bob.put(f"/v1/anomalies/a-{MINE}", json={"acknowledged": "maybe"}).status_code == 400
    assert bob.put(f"/v1/anomalies/a-{MINE}", json={"acknowledged": True, "reason": "x" * 513}).status_code == 400
    for body in (b"{", b'{"acknowledged": true}', b"[]"):
        assert bob.put(f"/v1/anomalies/a-{THEIRS}", content=body).status_code == 404
    bob_id = people.user_by_name(accounts, "bob").user_id
    with accounts.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == bob_id).values(role="viewer"))
    assert bob.put(f"/v1/anomalies/a-{MINE}", json={"acknowledged": False}).status_code == 403
    with accounts.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == bob_id).values(role="owner"))


def test_feedback_lies_over_what_was_published_and_the_newest_counts(
    clients: dict[str, TestClient], lake: Lake, accounts: Accounts
) -> None:
    now = datetime.now(UTC)
    both = [recommendation_rows(sites.find_site(accounts, whose), now) for whose in (MINE, THEIRS)]
    both[1] = both[1].with_columns(recommendation_id="t-" + pl.col("recommendation_id"))
    publish(lake, accounts, "advice", {"gold/recommendations": pl.concat(both)}, now)
    bob = clients["bob"]
    assert {one["site_id"] for one in bob.get("/v1/recommendations/me").json()["recommendations"]} == {MINE}
    for word in ("helpful", "accepted", "not_helpful"):
        assert bob.post("/v1/recommendations/r1/feedback", json={"feedback": word}).json()["feedback"] == word
    bob.post("/v1/recommendations/r2/feedback", json={"feedback": "done"})
    found = {one["recommendation_id"]: one for one in bob.get("/v1/recommendations/me").json()["recommendations"]}
    assert (found["r1"]["feedback"], found["r1"]["status"], found["r1"]["feedback_score"]) == ("not_helpful", "open", 0)
    assert (found["r2"]["feedback"], found["r2"]["status"]) == ("done", "done")
    assert bob.post("/v1/recommendations/r1/feedback", json={"feedback": "great"}).status_code == 400
    for body in (b"{", b'{"feedback": "helpful"}', b"[]"):
        assert bob.post("/v1/recommendations/t-r1/feedback", content=body).status_code == 404
    assert clients["ada"].get("/v1/recommendations/me").json()["recommendations"][0]["feedback"] is None
    first = bob.get("/v1/recommendations/me?limit=1").json()
    second = bob.get(first["next"]).json()
    assert [one["recommendations"][0]["recommendation_id"] for one in (first, second)] == ["r2", "r1"]
    assert second["next"] is None
