"""Reports over REST: comparisons, forms, tags, pages."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from app.api.access import Subject
from app.api.encoding import csv_parts
from app.api.reports import SummaryOf, known_summary
from app.api.server import build
from app.queries.comparison import changes
from app.queries.periods import base_of, named
from app.services import open_services
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.memberships import give_role, remove_member
from aurora.accounts.models import Site, User
from aurora.domain.calendar import day_start, local_date
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.published import publish, publish_all, publish_energy

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC)


@pytest.fixture
def api(settings: Settings, home: Home, lake: Lake, admin: User) -> Iterator[TestClient]:
    with TestClient(build(open_services(settings, home))) as client:
        token = client.post("/v1/auth/token", data={"username": "ada", "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def daily(site: Site, first: date, consumption: Sequence[float | None], cost: Sequence[str | None]) -> pl.DataFrame:
    """gold/energy_daily of days with a known consumption and cost, wholly covered."""
    count = len(consumption)
    return pl.DataFrame(
        {
            "site_id": site.site_id, "local_date": [first + timedelta(days=n) for n in range(count)], "consumption_kwh": consumption,
            "cost": [None if one is None else Decimal(one) for one in cost], "currency": "EUR", "day_seconds": 86_400,
            "consumption_covered_seconds": [None if one is None else 86_400.0 for one in consumption],
        },
        schema_overrides={"consumption_kwh": pl.Float64, "cost": pl.Decimal(18, 6)},
    )  # fmt: skip


def months(site: Site, *firsts: date) -> pl.DataFrame:
    return pl.DataFrame({"site_id": site.site_id, "local_month": list(firsts)})


@pytest.mark.parametrize(
    ("period", "compare_to", "today", "base"),
    [
        ("month", "previous_period", date(2026, 11, 10), (date(2026, 10, 1), date(2026, 10, 11))),
        ("month", "previous_period", date(2026, 3, 31), (date(2026, 2, 1), date(2026, 3, 1))),
        ("month", "last_year", date(2024, 2, 29), (date(2023, 2, 1), date(2023, 3, 1))),
        ("today", "previous_period", date(2026, 1, 1), (date(2025, 12, 31), date(2026, 1, 1))),
        ("yesterday", "last_year", date(2024, 3, 1), (date(2023, 2, 28), date(2023, 3, 1))),
        ("week", "previous_period", date(2026, 11, 25), (date(2026, 11, 16), date(2026, 11, 19))),
        ("week", "last_year", date(2026, 11, 25), (date(2025, 11, 24), date(2025, 11, 27))),
        ("year", "previous_period", date(2024, 12, 31), (date(2023, 1, 1), date(2024, 1, 1))),
        ("year", "last_year", date(2026, 2, 3), (date(2025, 1, 1), date(2025, 2, 4))),
        ("last_7_days", "previous_period", date(2026, 11, 25), (date(2026, 11, 12), date(2026, 11, 19))),
        ("last_30_days", "last_year", date(2026, 11, 25), (date(2025, 10, 27), date(2025, 11, 26))),
        ("last_month", "previous_period", date(2026, 3, 15), (date(2026, 1, 1), date(2026, 2, 1))),
        ("last_month", "last_year", date(2026, 3, 15), (date(2025, 2, 1), date(2025, 3, 1))),
        ("last_year", "last_year", date(2026, 3, 15), (date(2024, 1, 1), date(2025, 1, 1))),
    ],
)
def test_base_of_a_comparison_is_as_long_as_what_has_begun(period, compare_to, today, base) -> None:
    assert base_of(period, compare_to, today) == base
    first, _ = named(period, today)
    assert base[1] <= first


def test_changes_are_null_where_the_base_is_zero_or_unknown_and_money_of_two_currencies_is_not_compared() -> None:
    now = {"a_kwh": 3.0, "b_kwh": 1.0, "c_kwh": None, "d_kwh": 1.0, "cost": Decimal("2"), "currency": "EUR", "site_id": "x"}
    before = {"a_kwh": 2.0, "b_kwh": 0.0, "c_kwh": 1.0, "d_kwh": None, "cost": Decimal("-4"), "currency": "EUR", "site_id": "y"}
    assert changes(now, before) == {
        "a_kwh": {"absolute": 1.0, "relative": 0.5},
        "b_kwh": {"absolute": 1.0, "relative": None},
        "c_kwh": {"absolute": None, "relative": None},
        "d_kwh": {"absolute": None, "relative": None},
        "cost": {"absolute": Decimal("6"), "relative": 1.5},
    }
    assert "cost" not in changes(now, before | {"currency": "CHF"})


def test_comparison_reckons_both_periods_and_their_change(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    today = local_date(NOW, site.time_zone)
    first = today - timedelta(days=13)
    rows = daily(site, first, [1.0] * 6 + [None] + [2.0] * 7, ["0.10"] * 7 + ["0.15"] * 7)
    publish(lake, accounts, "refresh", {"gold/energy_daily": rows, "gold/energy_monthly": months(site, today.replace(day=1))}, NOW)
    found = api.get("/v1/reports/comparison/home?period=last_7_days").json()
    assert (found["current"]["consumption_kwh"], found["base"]["consumption_kwh"]) == (14.0, 6.0)
    assert found["changes"]["consumption_kwh"] == {"absolute": 8.0, "relative": pytest.approx(8 / 6)}
    assert found["changes"]["cost"] == {"absolute": pytest.approx(0.35), "relative": pytest.approx(0.5)}
    assert found["changes"]["production_kwh"] == {"absolute": None, "relative": None}
    assert found["current"]["completeness_ratio"] == pytest.approx(1)
    assert found["base"]["completeness_ratio"] == pytest.approx(6 / 7)
    assert datetime.fromisoformat(found["base"]["period_end_at"]) == day_start(today - timedelta(days=6), site.time_zone)
    assert datetime.fromisoformat(found["as_of"]) <= datetime.now(UTC)


def test_ones_own_use_of_a_time_follows_from_its_sums_as_it_does_in_every_row(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site
) -> None:
    first, known = date(2025, 3, 3), {"production_kwh": [5.0, 8.0, 1.0], "grid_export_kwh": [2.0, 10.0, None]}
    rows = daily(site, first, [3.0, 4.0, 5.0], ["0.6"] * 3).with_columns(
        **{name: pl.Series(values, dtype=pl.Float64) for name, values in known.items()}, self_consumed_kwh=pl.Series([3.0, 0.0, None])
    )
    publish(lake, accounts, "refresh", {"gold/energy_daily": rows, "gold/energy_monthly": months(site, date(2025, 3, 1))}, NOW)
    (week,) = api.get("/v1/reports/trends/home?interval=week&start_date=2025-03-03&end_date=2025-03-10").json()["points"]
    # 14 - 12, not 3 + 0: what is lacking on the second day is not cut off, and the third's export is not known.
    assert (week["self_consumed_kwh"], week["self_consumption_ratio"]) == (2.0, pytest.approx(2.0 / 14.0))


def test_comparison_with_a_site_takes_ones_own_alone(api: TestClient, lake: Lake, accounts: Accounts, admin: User, site: Site) -> None:
    other = sites.add_site(accounts, admin, name="B", site_id="b", time_zone="UTC", latitude=0, longitude=0)
    eve = people.add_user(accounts, "eve", PASSWORD, "user")
    hers = sites.add_site(accounts, eve, name="C", site_id="c", time_zone="UTC", latitude=0, longitude=0)
    for one in (site, other, hers):
        publish_energy(lake, accounts, one, NOW, days=3)
    found = api.get("/v1/reports/comparison/home?compare_to=b&period=yesterday").json()
    assert (found["current"]["site_id"], found["base"]["site_id"]) == ("home", "b")
    for stranger in ("c", "none", "x" * 64):
        assert api.get(f"/v1/reports/comparison/home?compare_to={stranger}").status_code == 404
    needed = api.get("/v1/reports/comparison/home?compare_to=peers")
    assert (needed.status_code, "floor area" in needed.json()["detail"]) == (404, True)
    peers = pl.DataFrame(
        {"site_id": ["home", "c"], "local_month": date(2026, 5, 1), "peer_group": "g", "peers": 9, "percentile": [0.25, 0.9],
         "site_kwh_per_m2": 2.0, "median_kwh_per_m2": 3.0}
    )  # fmt: skip
    publish(lake, accounts, "advice", {"gold/peer_comparison": peers}, NOW)
    found = api.get("/v1/reports/comparison/home?compare_to=peers").json()
    assert (found["local_month"], found["peers"], found["percentile"]) == ("2026-05-01", 9, 0.25)


def as_csv(api: TestClient, path: str, **query: str) -> list[dict[str, str]]:
    answer = api.get(path, params=query, headers={"Accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9_-]+\.csv"', answer.headers["content-disposition"])
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize(
    ("zone_name", "day", "hours", "offsets"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23, {"1.0", "2.0"}),
        ("Europe/Berlin", date(2025, 10, 26), 25, {"2.0", "1.0"}),
        ("Asia/Kolkata", date(2026, 3, 29), 24, {"5.5"}),
    ],
)
def test_csv_tells_local_time_offset_and_utc_time_through_a_clock_change(
    api: TestClient, lake: Lake, accounts: Accounts, admin: User, zone_name: str, day: date, hours: int, offsets: set[str]
) -> None:
    site = sites.add_site(accounts, admin, name="Z", site_id="zoned", time_zone=zone_name, latitude=1, longitude=1, currency="EUR")
    publish_energy(lake, accounts, site, day_start(day + timedelta(days=2), zone_name), days=4)
    rows = as_csv(api, "/v1/reports/trends/zoned", start_date=f"{day}", end_date=f"{day + timedelta(days=1)}", interval="hour")
    assert len(rows) == hours
    assert {row["utc_offset_hours"] for row in rows} == offsets
    for row in rows:
        ahead = datetime.fromisoformat(row["local_time"]) - datetime.fromisoformat(row["utc_time"])
        assert ahead == timedelta(hours=float(row["utc_offset_hours"]))
        assert row["local_date"] == f"{day}"
    assert len({row["utc_time"] for row in rows}) == hours
    assert "emissions_kg_co2" not in rows[0]
    assert float(rows[0]["grid_import_kwh"]) >= 0


def test_files_hold_the_whole_history_in_one_call(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW, days=10)
    published = lake.scan("gold/energy_15min").collect()
    rows = as_csv(api, "/v1/reports/trends/home", interval="15min")
    assert len(rows) == published.height
    assert sum(float(row["consumption_kwh"]) for row in rows) == pytest.approx(published.get_column("consumption_kwh").sum())
    answer = api.get("/v1/reports/trends/home?interval=day", headers={"Accept": "application/vnd.apache.parquet"})
    found = pq.read_table(io.BytesIO(answer.content))
    assert found.num_rows == lake.scan("gold/energy_daily").collect().height
    assert "site_id" not in found.column_names
    assert sum(found["cost"].to_pylist()) == lake.scan("gold/energy_daily").collect().get_column("cost").sum()


@pytest.mark.parametrize("interval", ["week", "month", "year", "day", "hour"])
def test_every_interval_goes_out_in_every_form(api: TestClient, lake: Lake, accounts: Accounts, site: Site, interval: str) -> None:
    publish_energy(lake, accounts, site, NOW, days=3)
    span = {"start_date": "2020-01-01", "end_date": "2030-01-01", "interval": interval, "limit": "50000"}
    points = api.get("/v1/reports/trends/home", params=span).json()["points"]
    rows = as_csv(api, "/v1/reports/trends/home", interval=interval)
    table = pq.read_table(
        io.BytesIO(api.get("/v1/reports/trends/home", params=span, headers={"Accept": "application/vnd.apache.parquet"}).content)
    )
    assert len(points) == len(rows) == table.num_rows > 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_makes_formulas_of_foreign_names_harmless(start: str) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    frame = pl.DataFrame({"name": [evil, "fine = 1"], "tags": [[evil], []], "value": [-1.5, 2.0]})
    rows = list(csv.reader(io.StringIO(b"".join(csv_parts([frame])).decode(), newline="")))
    assert rows[1] == [f"'{evil}", f"'{evil}", "-1.5"]
    assert rows[2] == ["fine = 1", "", "2.0"]


def test_pages_of_a_trend_walk_the_whole_range_once(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW, days=4)
    today = local_date(NOW, site.time_zone)
    span = {"start_date": f"{today - timedelta(days=3)}", "end_date": f"{today}", "interval": "hour"}
    whole = api.get("/v1/reports/trends/home", params=span).json()["points"]
    address, walked = "/v1/reports/trends/home", []
    found = api.get(address, params={**span, "limit": "14"}).json()
    publish_energy(lake, accounts, sites.find_site(accounts, "home"), NOW, days=1)
    while True:
        assert len(found["points"]) <= 14
        walked += found["points"]
        if found["next"] is None:
            break
        found = api.get(found["next"]).json()
    assert walked == whole


def test_answer_is_not_sent_again_until_something_is_published(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_all(lake, accounts, site, NOW, days=3)
    today = local_date(NOW, site.time_zone)
    addresses = [
        "/v1/reports/summary/home?period=month", f"/v1/reports/trends/home?start_date={today - timedelta(days=2)}&end_date={today}",
        "/v1/reports/comparison/home", "/v1/forecast/energy_consumption/home", "/v1/tables/gold/energy_daily",
    ]  # fmt: skip
    tags = {}
    for address in addresses:
        answer = api.get(address)
        tags[address] = answer.headers["etag"]
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")
        assert {"Accept", "Authorization"} <= set(answer.headers["vary"].split(", "))
        again = api.get(address, headers={"If-None-Match": f'"other", W/{tags[address]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tags[address]
    assert len(set(tags.values())) == len(addresses)
    assert api.get(addresses[4], headers={"Accept": "text/csv"}).headers["etag"] != tags[addresses[4]]
    publish_all(lake, accounts, site, NOW, days=1)
    for address in addresses:
        assert api.get(address, headers={"If-None-Match": tags[address]}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("*/*", 200, "application/json"),
        ("", 200, "application/json"),
        ("text/csv;q=0.5, application/json;q=0.9", 200, "application/json"),
        ("text/*", 200, "text/csv; charset=utf-8"),
        ("application/json;q=0, */*;q=0.1", 200, "text/csv; charset=utf-8"),
        ("application/vnd.apache.parquet", 200, "application/vnd.apache.parquet"),
        ("text/html", 406, ""),
        ("application/json;q=x", 406, ""),
    ],
)
def test_form_follows_accept(api: TestClient, lake: Lake, accounts: Accounts, site: Site, accept: str, status: int, kind: str) -> None:
    publish_energy(lake, accounts, site, NOW, days=2)
    answer = api.get("/v1/reports/trends/home?start_date=2026-01-01&end_date=2027-01-01", headers={"Accept": accept})
    assert answer.status_code == status
    assert status == 406 or answer.headers["content-type"] == kind


def test_publication_is_seen_at_once(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    for _ in range(3):
        published = publish_energy(lake, accounts, site, NOW, days=1)
        assert api.get("/v1/reports/summary/home").json()["refresh_id"] == published


def test_new_publication_gives_new_numbers_where_the_old_ones_were_known(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site
) -> None:
    today = local_date(datetime.now(UTC), site.time_zone)
    for added_kwh, consumption_kwh in ((3.0, 3.0), (5.0, 8.0), (4.0, 12.0)):
        tables = {
            "gold/energy_daily": daily(site, today, [added_kwh], ["1.2"]),
            "gold/energy_monthly": months(site, today.replace(day=1)),
        }
        publish(lake, accounts, "refresh", tables, NOW)
        assert [api.get("/v1/reports/summary/home").json()["consumption_kwh"] for _ in range(3)] == [consumption_kwh] * 3


@pytest.mark.parametrize(("ending", "status"), [("login", 401), ("password", 401), ("membership", 404), ("end of membership", 404)])
def test_known_answer_is_refused_as_soon_as_the_right_to_it_ends(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site, ending: str, status: int
) -> None:
    publish_energy(lake, accounts, site, NOW, days=2)
    bob = people.add_user(accounts, "bob", PASSWORD, "user")
    give(accounts, "home", bob, "viewer", NOW + timedelta(hours=1))
    token = api.post("/v1/auth/token", data={"username": "bob", "password": PASSWORD}).json()["access_token"]
    address, as_bob = "/v1/reports/summary/home", {"Authorization": f"Bearer {token}"}
    held = [api.get(address, headers=as_bob) for _ in range(3)][-1]
    assert held.status_code == 200
    if ending == "login":
        people.revoke_others(accounts, bob.user_id, "none", datetime.now(UTC))
    elif ending == "password":
        people.set_password(accounts, "bob", f"another {PASSWORD}")
    elif ending == "membership":
        remove_member(accounts, "home", bob.user_id)
    else:
        give(accounts, "home", bob, "viewer", datetime.now(UTC))
    assert api.get(address, headers=as_bob).status_code == status
    assert api.get(address, headers=as_bob | {"If-None-Match": held.headers["etag"]}).status_code == status
    assert api.get(address).status_code == 200


def test_report_opens_no_file_of_other_sites_alone(api: TestClient, lake: Lake, accounts: Accounts, admin: User, site: Site) -> None:
    other = sites.add_site(accounts, admin, name="Other", site_id="other", time_zone="UTC", latitude=52.0, longitude=13.0)
    publish_energy(lake, accounts, other, NOW, days=2)
    publish_energy(lake, accounts, site, NOW, days=2)
    files = lake.files("gold/energy_hourly")
    for path in files.filter(pl.col("min.site_id") == "other").get_column("path"):
        (Path(lake.storage.uri) / "gold/energy_hourly" / path).unlink()
    today = local_date(NOW, site.time_zone)
    answer = api.get(
        "/v1/reports/trends/home", params={"start_date": f"{today - timedelta(days=1)}", "end_date": f"{today}", "interval": "hour"}
    )
    assert (answer.status_code, bool(answer.json()["points"])) == (200, True)


def test_periods_of_the_same_days_keep_their_names(settings: Settings, home: Home, lake: Lake, accounts: Accounts, site: Site) -> None:
    """On a Monday the week is today; what was worked out for one must not answer for the other."""
    publish_energy(lake, accounts, site, NOW, days=2)
    services, today = open_services(settings, home), local_date(NOW, site.time_zone)
    for period in ("today", "week"):
        question = SummaryOf("home", "home", site.time_zone, period, today, today + timedelta(days=1))
        _, body = known_summary(services, Subject(site, None), question, None)
        assert json.loads(body)["period"] == period
        at_hand = services.reader.at_hand(question)
        assert at_hand is not None
        assert at_hand[1] == body


EXAMPLES = re.findall(
    r'curl -fsS "\$API(/v1/(?:reports|tables|forecast|recommendations)\S*)" -H "\$AS_ME"(?: -H "Accept: (\S+)")?',
    (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8"),
)


def test_examples_of_the_documents_work(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_all(lake, accounts, site, NOW, days=3)
    assert len(EXAMPLES) == 10
    for path, accept in EXAMPLES:
        answer = api.get(path.replace("$SITE", "home"), headers={"Accept": accept} if accept else {})
        assert answer.status_code == 200, (path, answer.text)
        assert not accept or answer.headers["content-type"].startswith(accept)


def test_place_is_visible_exactly_where_the_list_of_sites_shows_it(accounts: Accounts, admin: User, site: Site) -> None:
    devices.add_device(accounts, "home", name="Meter", kind="meter", device_id="m")
    bob = people.add_user(accounts, "bob", PASSWORD, "user")
    give(accounts, "home", bob, "consultant", NOW + timedelta(hours=1))
    for user, now, is_seen in ((admin, NOW, True), (bob, NOW, True), (bob, NOW + timedelta(hours=1), False)):
        assert bool(people.visible_sites(accounts, user.user_id, now)) is is_seen
        for name in ("home", "m"):
            found = people.visible_place(accounts, user.user_id, name, now)
            assert (found is not None) is is_seen
        if is_seen:
            place = people.visible_place(accounts, user.user_id, "m", now)
            assert place is not None
            assert (place[0].site_id, place[0].time_zone, place[1] and place[1].device_id) == ("home", "Europe/Berlin", "m")
    assert people.visible_place(accounts, admin.user_id, "none", NOW) is None


def give(accounts: Accounts, site_id: str, user: User, role: str, ends_at: datetime) -> None:
    with accounts.transaction() as session:
        give_role(session, site_id, user.user_id, role, ends_at)
