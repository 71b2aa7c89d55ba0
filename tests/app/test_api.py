"""The REST API: who may ask, what shapes answer, what is refused."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import jwt
import polars as pl
import pytest
from starlette.testclient import TestClient

from app.api.server import build
from app.services import open_services
from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.domain.calendar import day_start, local_date
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.published import forecast_rows, publish, publish_all, publish_energy, quarter_energy, recommendation_rows

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC)


@pytest.fixture
def api(settings: Settings, home: Home, lake: Lake, admin: User) -> Iterator[TestClient]:
    with TestClient(build(open_services(settings, home))) as client:
        client.headers["Authorization"] = f"Bearer {token_of(client)['access_token']}"
        yield client


def token_of(client: TestClient, username: str = "ada", password: str = PASSWORD) -> dict:
    return client.post("/v1/auth/token", data={"username": username, "password": password}).json()


@pytest.fixture
def stranger(accounts: Accounts) -> Site:
    other = people.add_user(accounts, "eve", PASSWORD, "user")
    site = sites.add_site(accounts, other, name="Other", site_id="other", time_zone="UTC", latitude=0, longitude=0)
    devices.add_device(accounts, "other", name="Meter", kind="meter", device_id="other-meter")
    return site


def test_token_has_the_agreed_shape_and_lifetime(api: TestClient, settings: Settings) -> None:
    given = token_of(api)
    assert {"access_token", "token_type", "expires_in", "refresh_token"} <= given.keys()
    assert (given["token_type"], given["expires_in"]) == ("bearer", 60 * settings.token_minutes)
    header = jwt.get_unverified_header(given["access_token"])
    assert header["alg"] == "HS256"
    assert header["kid"]


def test_token_is_refused_when_the_password_is_wrong(api: TestClient) -> None:
    for username, password in (("ada", "wrong"), ("nobody", PASSWORD)):
        answer = api.post("/v1/auth/token", data={"username": username, "password": password})
        assert (answer.status_code, answer.json()) == (401, {"detail": "User name or password is not right."})
        assert answer.headers["www-authenticate"] == "Bearer"


def test_token_makes_a_guesser_wait(api: TestClient) -> None:
    statuses = [api.post("/v1/auth/token", data={"username": "bob", "password": "wrong"}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert int(api.post("/v1/auth/token", data={"username": "Bob", "password": "wrong"}).headers["retry-after"]) > 0
    assert "access_token" in token_of(api)


def test_credentials_are_refused_when_missing_forged_or_old(api: TestClient, accounts: Accounts) -> None:
    good = token_of(api)["access_token"]
    forged = jwt.encode(jwt.decode(good, options={"verify_signature": False}), "x" * 32, "HS256")
    unsigned = jwt.encode(jwt.decode(good, options={"verify_signature": False}), None, "none")
    bad = ("Bearer", f"Basic {good}", f"Bearer {forged}", f"Bearer {unsigned}", "Bearer x", "Bearer ")
    for header in ({}, *({"Authorization": words} for words in bad)):
        answer = TestClient(api.app).get("/v1/sites", headers=header)
        assert answer.status_code == 401, header
        assert isinstance(answer.json()["detail"], str)
    people.set_password(accounts, "ada", "another good password")
    assert api.get("/v1/sites", headers={"Authorization": f"Bearer {good}"}).status_code == 401


def test_refresh_token_is_good_for_one_use(api: TestClient) -> None:
    first = token_of(api)["refresh_token"]
    second = api.post("/v1/auth/refresh", json={"refresh_token": first})
    assert second.status_code == 200
    assert api.get("/v1/sites", headers={"Authorization": f"Bearer {second.json()['access_token']}"}).status_code == 200
    assert api.post("/v1/auth/refresh", json={"refresh_token": first}).status_code == 401
    assert api.post("/v1/auth/logout", json={"refresh_token": second.json()["refresh_token"]}).status_code == 204
    assert api.post("/v1/auth/refresh", json={"refresh_token": second.json()["refresh_token"]}).status_code == 401


def test_sites_lists_memberships_only(api: TestClient, site: Site, stranger: Site) -> None:
    found = api.get("/v1/sites").json()["sites"]
    assert [one["site_id"] for one in found] == ["home"]
    assert found[0]["time_zone"] == "Europe/Berlin"
    assert api.get("/v1/sites/home").json()["site_id"] == "home"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sites/other", "/v1/sites/other/devices", "/v1/devices/other-meter", "/v1/devices/none", "/v1/reports/trends/other",
        "/v1/reports/trends/other-meter?interval=nonsense&start_date=x", "/v1/reports/summary/other?period=nonsense",
        "/v1/forecast/energy_consumption/other?horizon=nonsense", "/v1/forecast/energy_production/none", "/v1/recommendations/somebody",
    ],
)  # fmt: skip
def test_strangers_things_are_not_found_whatever_else_is_asked(api: TestClient, site: Site, stranger: Site, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("end_date=2026-03-01", "start_date"),
        ("start_date=2026-03-01", "end_date"),
        ("start_date=2026-03-01&end_date=2026-03-01", "end_date"),
        ("start_date=2026-13-01&end_date=2026-03-02", "start_date"),
        ("start_date=2026-03-01T00:00:00&end_date=2026-03-02", "start_date"),
        ("start_date=2026-03-01&end_date=2026-03-02&interval=fortnight", "interval"),
        ("start_date=1990-01-01&end_date=2026-03-02&interval=15min", "interval"),
        ("start_date=2026-03-01&end_date=2026-03-02&as_of=2026-03-01T00:00:00", "as_of"),
    ],
)
def test_trends_name_the_field_when_input_is_wrong(api: TestClient, site: Site, query: str, field: str) -> None:
    answer = api.get(f"/v1/reports/trends/home?{query}")
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["detail"]] == [field]
    assert all(problem["reason"] for problem in answer.json()["detail"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/reports/trends/home?start_date=2026-03-01&end_date=2026-03-02", "/v1/reports/summary/home",
        "/v1/forecast/energy_consumption/home", "/v1/recommendations/{user_id}",
    ],
)  # fmt: skip
def test_reports_say_what_is_needed_when_there_is_no_data(api: TestClient, admin: User, site: Site, path: str) -> None:
    answer = api.get(path.format(user_id=admin.user_id))
    assert answer.status_code == 404
    assert "`aurora " in answer.json()["detail"]


def points(api: TestClient, subject: str, **query: str) -> list[dict]:
    answer = api.get(f"/v1/reports/trends/{subject}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["points"]


def test_trends_by_day_are_gold_with_exact_money(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW)
    today = local_date(NOW, site.time_zone)
    answer = api.get("/v1/reports/trends/home", params={"start_date": f"{today - timedelta(days=3)}", "end_date": f"{today}"})
    body = json.loads(answer.text, parse_float=Decimal)
    assert (body["site_id"], body["interval"]) == ("home", "day")
    assert [point["local_date"] for point in body["points"]] == [f"{today - timedelta(days=n)}" for n in (3, 2, 1)]
    gold = lake.scan("gold/energy_daily").filter(pl.col("local_date") == today - timedelta(days=3)).collect().row(0, named=True)
    assert body["points"][0]["cost"] == gold["cost"]
    assert float(body["points"][0]["consumption_kwh"]) == gold["consumption_kwh"]
    assert body["points"][0]["emissions_kg_co2"] is None
    assert body["points"][0]["completeness_ratio"] == 1


@pytest.mark.parametrize(("zone_name", "minutes"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15), ("Europe/Berlin", 0)])
def test_trends_by_hour_are_the_sites_clock_hours(
    api: TestClient, lake: Lake, accounts: Accounts, admin: User, zone_name: str, minutes: int
) -> None:
    site = sites.add_site(accounts, admin, name="Site", site_id="zoned", time_zone=zone_name, latitude=1, longitude=1, currency="EUR")
    publish_energy(lake, accounts, site, NOW)
    day = local_date(NOW, zone_name) - timedelta(days=1)
    found = points(api, "zoned", start_date=f"{day}", end_date=f"{day + timedelta(days=1)}", interval="hour")
    starts = [datetime.fromisoformat(point["interval_start_at"]) for point in found]
    assert starts == [day_start(day, zone_name) + timedelta(hours=n) for n in range(24)]
    assert {start.minute for start in starts} == {minutes}
    daily = points(api, "zoned", start_date=f"{day}", end_date=f"{day + timedelta(days=1)}")[0]
    assert sum(point["grid_import_kwh"] for point in found) == pytest.approx(daily["grid_import_kwh"], abs=1e-9)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2025, 10, 26), 25)])
def test_trends_of_a_day_follow_the_clock_change(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site, day: date, hours: int
) -> None:
    publish_energy(lake, accounts, site, day_start(day + timedelta(days=2), site.time_zone), days=4)
    span = {"start_date": f"{day}", "end_date": f"{day + timedelta(days=1)}"}
    assert len(points(api, "home", **span, interval="hour")) == hours
    assert len(points(api, "home", **span, interval="15min")) == 4 * hours


def test_trends_take_times_with_offset_and_leave_the_end_out(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW)
    day = local_date(NOW, "UTC") - timedelta(days=2)
    found = points(api, "home", start_date=f"{day}T06:15:00+02:00", end_date=f"{day}T05:00:00Z", interval="15min")
    assert [point["interval_start_at"] for point in found] == [f"{day}T04:{minute}:00Z" for minute in (15, 30, 45)]


def test_trends_leave_out_the_day_that_began_before_the_range(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW)
    day = local_date(NOW, site.time_zone) - timedelta(days=4)
    found = points(api, "home", start_date=f"{day}T12:00:00Z", end_date=f"{day + timedelta(days=2)}T12:00:00Z")
    assert [point["local_date"] for point in found] == [f"{day + timedelta(days=1)}", f"{day + timedelta(days=2)}"]


def test_trends_by_week_are_whole_weeks_that_begin_in_the_range(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    end = day_start(date(2026, 6, 22), site.time_zone)  # a Monday
    publish_energy(lake, accounts, site, end, days=16)
    found = points(api, "home", start_date="2026-06-03", end_date="2026-06-16", interval="week")
    assert [point["local_date"] for point in found] == ["2026-06-08", "2026-06-15"]
    day = 4 * sum(quarter_energy(quarter / 4)["production"] for quarter in range(96)) / 4
    assert found[1]["production_kwh"] == pytest.approx(7 * day, abs=1e-6)
    assert found[0]["completeness_ratio"] == 1
    assert 0 < found[0]["self_sufficiency_ratio"] < 1
    assert points(api, "home", start_date="2026-01-01", end_date="2027-01-01", interval="year")[0]["local_month"] == "2026-01-01"
    assert points(api, "home", start_date="2026-06-01", end_date="2026-07-01", interval="month")[0]["local_month"] == "2026-06-01"
    assert points(api, "home", start_date="2026-06-02", end_date="2026-07-01", interval="month") == []


def test_trends_of_a_device_hold_its_channels_only(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    devices.add_device(accounts, "home", name="PV", kind="inverter", device_id="pv-1")
    day = date(2026, 6, 10)
    begin = day_start(day, site.time_zone)
    rows = pl.DataFrame(
        {
            "device_id": "pv-1", "site_id": "home", "channel": "production", "energy_kwh": 0.25, "covered_seconds": 900.0,
            "interval_start_at": [begin + timedelta(minutes=15 * n) for n in range(6)], "interval_seconds": 900, "quality": "measured",
            "local_date": day,
        }
    )  # fmt: skip
    publish(lake, accounts, "refresh", {"silver/energy": rows}, NOW)
    found = points(api, "pv-1", start_date="2026-06-10", end_date="2026-06-11", interval="hour")
    assert [(point["production_kwh"], point["completeness_ratio"]) for point in found] == [(1.0, 1.0), (0.5, 0.5)]
    assert set(found[0]) == {"interval_start_at", "production_kwh", "completeness_ratio"}
    daily = points(api, "pv-1", start_date="2026-06-10", end_date="2026-06-11")
    assert daily == [{"local_date": "2026-06-10", "production_kwh": 1.5, "completeness_ratio": pytest.approx(1.5 / 24)}]


def test_summary_of_a_period_adds_up_its_days(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    publish_energy(lake, accounts, site, NOW)
    today = local_date(NOW, site.time_zone)
    found = api.get("/v1/reports/summary/home", params={"period": "last_7_days"}).json()
    days = points(api, "home", start_date=f"{today - timedelta(days=6)}", end_date=f"{today + timedelta(days=1)}")
    assert found["site_id"] == "home"
    assert datetime.fromisoformat(found["period_start_at"]) == day_start(today - timedelta(days=6), site.time_zone)
    assert datetime.fromisoformat(found["period_end_at"]) == day_start(today + timedelta(days=1), site.time_zone)
    assert found["consumption_kwh"] == pytest.approx(sum(day["consumption_kwh"] for day in days), abs=1e-9)
    assert found["cost"] == pytest.approx(sum(day["cost"] for day in days), abs=1e-6)
    for period in ("today", "yesterday", "week", "month", "year", "last_30_days", "last_month", "last_year"):
        assert api.get("/v1/reports/summary/home", params={"period": period}).status_code == 200
    assert api.get("/v1/reports/summary/home", params={"period": "last_year"}).json()["consumption_kwh"] is None


def test_forecast_gives_the_newest_issue_by_hour(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    other = sites.add_site(accounts, people.user_by_name(accounts, "ada"), name="B", site_id="b", time_zone="UTC", latitude=0, longitude=0)
    for moment in (NOW - timedelta(hours=1), NOW):
        publish(lake, accounts, "forecast", {"gold/forecasts": forecast_rows(site, moment)}, moment)
    publish(lake, accounts, "forecast", {"gold/forecasts": forecast_rows(other, NOW + timedelta(minutes=1))}, NOW)
    found = api.get("/v1/forecast/energy_consumption/home").json()
    assert (found["site_id"], found["channel"], found["model_name"]) == ("home", "consumption", "aurora")
    assert datetime.fromisoformat(found["issued_at"]) == NOW
    assert len(found["points"]) == 24
    assert all(point["lower_80_kwh"] <= point["predicted_kwh"] <= point["upper_80_kwh"] for point in found["points"])
    too_far = api.get("/v1/forecast/energy_production/home?horizon=7d")
    assert too_far.status_code == 404
    assert "48 hours" in too_far.json()["detail"]
    assert api.get("/v1/forecast/energy_production/home?horizon=1y").status_code == 400


def test_recommendations_hold_now_and_begin_with_the_greatest_saving(
    api: TestClient, lake: Lake, accounts: Accounts, admin: User, site: Site
) -> None:
    publish(lake, accounts, "advice", {"gold/recommendations": recommendation_rows(site, NOW)}, NOW)
    found = api.get(f"/v1/recommendations/{admin.user_id}").json()["recommendations"]
    assert [row["recommendation_id"] for row in found] == ["r2", "r1"]
    assert found[0]["expected_saving_cost"] == 364.8
    assert found[0]["params"] == {"days": 365}


def test_recommendations_of_somebody_else_are_not_found(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site, stranger: Site
) -> None:
    publish(lake, accounts, "advice", {"gold/recommendations": recommendation_rows(stranger, NOW)}, NOW)
    eve = people.user_by_name(accounts, "eve")
    assert api.get(f"/v1/recommendations/{eve.user_id}").status_code == 404


def test_as_of_answers_as_an_earlier_publication_did(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    first = publish_energy(lake, accounts, site, NOW - timedelta(hours=30), days=3)
    between = datetime.now(UTC)
    publish_all(lake, accounts, site, NOW, days=1)
    today = local_date(NOW, site.time_zone)
    span = {"start_date": f"{today - timedelta(days=9)}", "end_date": f"{today + timedelta(days=1)}"}
    assert points(api, "home", **span, as_of=first) == points(api, "home", **span, as_of=between.isoformat())
    assert len(points(api, "home", **span)) > len(points(api, "home", **span, as_of=first))
    for missing, status in (("2020-01-01T00:00:00Z", 404), (f"{first[:-6]}000000", 404), ("no-such-refresh", 400)):
        assert api.get("/v1/reports/trends/home", params={**span, "as_of": missing}).status_code == status


def test_as_of_is_gone_when_its_files_were_cleaned_up(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site, settings: Settings
) -> None:
    first = publish_energy(lake, accounts, site, NOW, days=3)
    for path in lake.files("gold/energy_daily").get_column("path"):
        (Path(settings.resolved_lake_uri) / "gold/energy_daily" / path).unlink()
    answer = api.get("/v1/reports/trends/home", params={"start_date": "2020-01-01", "end_date": "2030-01-01", "as_of": first})
    assert answer.status_code == 410
    assert "Ask for a later time" in answer.json()["detail"]


def test_openapi_describes_paths_and_refusals_and_docs_need_nothing_from_outside(api: TestClient) -> None:
    described = api.get("/v1/openapi.json").json()
    known = {"/v1/auth/token", "/v1/sites/{site_id}", "/v1/reports/trends/{device_id}", "/v1/recommendations/{user_id}"}
    assert known <= set(described["paths"])
    answers = [operation["responses"] for methods in described["paths"].values() for operation in methods.values()]
    assert not any("422" in responses for responses in answers)
    page = api.get("/v1/docs").text
    assert "/v1/reports/trends/{device_id}" in page
    assert "http://" not in page
    assert "https://" not in page


def test_input_errors_are_400_when_the_body_is_no_json(api: TestClient) -> None:
    for body in (b"{", b"[]", b'{"refresh_token": 5}'):
        answer = api.post("/v1/auth/refresh", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert {"field", "reason"} <= answer.json()["detail"][0].keys()
