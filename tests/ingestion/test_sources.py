"""Services on the network: what each answer means, and what becomes of it when asked again, late, cut off or refused."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from aurora.accounts import devices, sites
from aurora.errors import Refused
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion.messages import WeatherValue
from ingestion.sources import electricity_maps, entsoe, nord_pool, octopus, open_meteo, pvgis, tibber, uk_carbon
from ingestion.sources.asking import asker
from ingestion.sources.pull import pull
from ingestion.sources.registry import pull_all
from ingestion.sources.rows import BadAnswer, Carbon, Price, Target

NOW = datetime(2026, 9, 10, 15, 30, tzinfo=UTC)
DAY = NOW.replace(hour=0, minute=0)
HOUR = timedelta(hours=1)


def prices(rows) -> dict[str, float]:
    return {f"{row.interval_start_at:%d %H:%M}": round(row.price_per_kwh, 6) for row in rows}


def publication(*series: str) -> bytes:
    return f"<Publication_MarketDocument xmlns='urn:iec62325'><type>A44</type>{''.join(series)}</Publication_MarketDocument>".encode()


def series(points: dict[int, float], start: str, end: str, resolution: str = "PT60M", curve: str = "A03", rank: int | None = None) -> str:
    given = "".join(f"<Point><position>{place}</position><price.amount>{value}</price.amount></Point>" for place, value in points.items())
    name = "classificationSequence_AttributeInstanceComponent.position"
    return (
        f"<TimeSeries>{f'<{name}>{rank}</{name}>' if rank else ''}<currency_Unit.name>EUR</currency_Unit.name>"
        f"<price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>{curve}</curveType><Period><timeInterval><start>{start}</start>"
        f"<end>{end}</end></timeInterval><resolution>{resolution}</resolution>{given}</Period></TimeSeries>"
    )


def test_entsoe_curve_a03_repeats_what_it_leaves_out_and_a01_does_not() -> None:
    span = ("2026-09-10T22:00Z", "2026-09-11T02:00Z")
    points = {1: 80.5, 2: 75.0, 4: -2.25}
    whole = entsoe.parse(publication(series(points, *span)), "DE-LU")
    assert prices(whole) == {"10 22:00": 0.0805, "10 23:00": 0.075, "11 00:00": 0.075, "11 01:00": -0.00225}
    assert {row.currency for row in whole} == {"EUR"}
    assert list(prices(entsoe.parse(publication(series(points, *span, curve="A01")), "DE-LU"))) == ["10 22:00", "10 23:00", "11 01:00"]


def test_entsoe_of_two_series_the_lower_rank_counts_then_the_finer() -> None:
    span = ("2026-09-10T22:00Z", "2026-09-11T00:00Z")
    fine = series({place: 10.0 * place for place in range(1, 5)}, span[0], "2026-09-10T23:00Z", "PT15M", rank=2)
    coarse = series({1: 100.0, 2: 200.0}, *span, rank=1)
    assert prices(entsoe.parse(publication(fine, coarse), "X")) == {"10 22:00": 0.1, "10 23:00": 0.2}
    alike = entsoe.parse(publication(coarse.replace(">1</class", ">2</class"), fine), "X")
    assert prices(alike) == {"10 22:00": 0.01, "10 22:15": 0.02, "10 22:30": 0.03, "10 22:45": 0.04, "10 23:00": 0.2}


def test_entsoe_days_of_the_clock_change_have_92_and_100_quarters() -> None:
    autumn = series({1: 50.0}, "2026-10-24T22:00Z", "2026-10-25T23:00Z", "PT15M")
    spring = series({1: 50.0}, "2026-03-28T23:00Z", "2026-03-29T22:00Z", "PT15M")
    assert [len(entsoe.parse(publication(day), "X")) for day in (autumn, spring)] == [100, 92]


def test_entsoe_without_data_is_none_and_other_refusals_are_told() -> None:
    def refusal(code: str, text: str) -> bytes:
        reason = f"<Reason><code>{code}</code><text>{text}</text></Reason>"
        return f"<Acknowledgement_MarketDocument>{reason}</Acknowledgement_MarketDocument>".encode()

    assert entsoe.parse(refusal("999", "No matching data found"), "X") == []
    with pytest.raises(BadAnswer, match="Invalid token"):
        entsoe.parse(refusal("401", "Invalid token"), "X")
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Publication_MarketDocument>&a;</Publication_MarketDocument>'
    for body in (b"<html>503</html>", b"nonsense", bomb, publication("<TimeSeries><Period/></TimeSeries>")):
        with pytest.raises(BadAnswer):
            entsoe.parse(body, "X")


def test_octopus_pence_with_tax_become_pounds_and_an_open_end_lasts() -> None:
    span = (DAY, DAY + timedelta(hours=2))
    content = {"results": [
        {"value_exc_vat": 23.4, "value_inc_vat": 24.57, "valid_from": "2026-09-10T01:00:00Z", "valid_to": None, "payment_method": None},
        {"value_inc_vat": -1.5, "valid_from": "2026-09-10T00:30:00Z", "valid_to": "2026-09-10T01:00:00Z"},
        {"value_inc_vat": 99.0, "valid_from": "2026-09-10T01:30:00+01:00", "valid_to": "2026-09-10T02:00:00+01:00",
         "payment_method": "NON_DIRECT_DEBIT"},
    ]}  # fmt: skip
    assert prices(octopus.parse(content, "T", span)) == {"10 00:30": -0.015, "10 01:00": 0.2457, "10 01:30": 0.2457}
    with pytest.raises(BadAnswer):
        octopus.parse({"results": [{"value_inc_vat": None, "valid_from": "2026-09-10T01:00:00Z", "valid_to": None}]}, "T", span)


def test_tibber_prices_are_in_whole_currency_and_tomorrow_is_awaited() -> None:
    def home(tomorrow: list[dict[str, Any]]) -> dict[str, Any]:
        today = [{"total": 0.6543, "currency": "SEK", "startsAt": "2026-09-10T00:00:00.000+02:00"}]
        return {"data": {"viewer": {"homes": [{"id": "h", "currentSubscription": {"priceInfo": {"today": today, "tomorrow": tomorrow}}}]}}}

    early = tibber.parse(home([]), "h")
    assert (early.rows, early.is_awaited) == ([Price("h", DAY - 2 * HOUR, 0.6543, "SEK")], True)
    later = tibber.parse(home([{"total": 0.1, "currency": "SEK", "startsAt": "2026-09-11T00:00:00.000+02:00"}]), "h")
    assert (len(later.rows), later.is_awaited) == (2, False)
    with pytest.raises(BadAnswer):
        tibber.parse({"errors": [{"message": "no"}]}, "h")


def test_nord_pool_megawatt_hours_become_kilowatt_hours_and_preliminary_is_estimated() -> None:
    content = {
        "currency": "SEK", "areaStates": [{"state": "Preliminary", "areas": ["SE3"]}],
        "multiIndexEntries": [
            {"deliveryStart": "2026-09-09T22:00:00Z", "deliveryEnd": "2026-09-09T22:15:00Z", "entryPerArea": {"SE3": 523.75}},
            {"deliveryStart": "2026-09-09T22:15:00Z", "deliveryEnd": "2026-09-09T22:30:00Z", "entryPerArea": {"SE4": 1.0}},
        ],
    }  # fmt: skip
    assert nord_pool.parse(content, "SE3") == [Price("SE3", DAY - 2 * HOUR, 0.52375, "SEK", is_estimated=True)]


def test_electricity_maps_marks_estimates_and_forecasts() -> None:
    latest = {
        "zone": "FR",
        "carbonIntensity": 83,
        "datetime": "2026-09-10T15:00:00.000Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": True,
    }
    assert electricity_maps.parse(latest, "FR") == [Carbon("FR", DAY + 15 * HOUR, 0.083, "lifecycle", is_estimated=True)]
    ahead = {"zone": "DE", "forecast": [{"carbonIntensity": 626, "datetime": "2026-09-10T16:00:00.000Z"}]}
    assert electricity_maps.parse(ahead, "DE") == [Carbon("DE", DAY + 16 * HOUR, 0.626, "lifecycle", is_forecast=True)]
    with pytest.raises(BadAnswer):
        electricity_maps.parse(ahead, "FR")


def test_uk_carbon_takes_the_forecast_where_nothing_was_measured_and_is_operational() -> None:
    content = {"data": [
        {"from": "2026-09-10T12:00Z", "to": "2026-09-10T12:30Z", "intensity": {"forecast": 266, "actual": 263, "index": "moderate"}},
        {"from": "2026-09-10T23:00Z", "to": "2026-09-10T23:30Z", "intensity": {"forecast": 100, "actual": None, "index": "low"}},
    ]}  # fmt: skip
    assert uk_carbon.parse(content, "GB") == [
        Carbon("GB", DAY + 12 * HOUR, 0.263, "operational"),
        Carbon("GB", DAY + 23 * HOUR, 0.1, "operational", is_forecast=True),
    ]


def test_open_meteo_units_nulls_and_the_step_that_a_mean_covers() -> None:
    content = {
        "utc_offset_seconds": 3600, "hourly_units": {"time": "iso8601", "temperature_2m": "°F", "shortwave_radiation": "W/m²",
                                                     "wind_speed_10m": "km/h", "cloud_cover": "%"},
        "hourly": {"time": ["2026-09-10T14:00", "2026-09-10T17:00"], "temperature_2m": [68.0, None], "shortwave_radiation": [500.0, 250.0],
                   "wind_speed_10m": [36.0, 0.0], "cloud_cover": [25, 100]},
    }  # fmt: skip
    found = open_meteo.parse(content, "w", NOW)
    assert [(row.quantity, f"{row.measured_at:%H:%M}", round(row.value, 6), row.is_forecast) for row in found] == [
        ("ghi_w_per_m2", "12:00", 500.0, False),
        ("cloud_cover_ratio", "13:00", 0.25, False),
        ("temperature_celsius", "13:00", 20.0, False),
        ("wind_m_per_s", "13:00", 10.0, False),
        ("ghi_w_per_m2", "15:00", 250.0, True),
        ("cloud_cover_ratio", "16:00", 1.0, True),
        ("wind_m_per_s", "16:00", 0.0, True),
    ]
    quarter = {
        "minutely_15_units": {"time": "unixtime", "shortwave_radiation_instant": "W/m²"},
        "minutely_15": {"time": [1789043400], "shortwave_radiation_instant": [1.0]},
    }
    assert open_meteo.parse(quarter, "w", NOW)[0].measured_at == datetime.fromtimestamp(1789043400, UTC)
    for bad in (
        {"error": True, "reason": "Latitude must be in range"},
        {"hourly": {"time": [1], "cloud_cover": [1, 2]}, "hourly_units": {"time": "unixtime"}},
    ):
        with pytest.raises(BadAnswer):
            open_meteo.parse(bad, "w", NOW)


def test_pvgis_values_stand_under_the_hour_they_were_scanned_in() -> None:
    content = {"outputs": {"hourly": [{"time": "20230701:1110", "G(i)": 800.5, "T2m": 25.1, "WS10m": 1.5}]}}
    at = datetime(2023, 7, 1, 11, tzinfo=UTC)
    assert WeatherValue("w", "ghi_w_per_m2", at, 800.5, False) in pvgis.parse(content, "w")
    with pytest.raises(BadAnswer, match="Location over the sea"):
        pvgis.parse({"message": "Location over the sea. Please, select another location"}, "w")


class Replay:
    """A server that answers as told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, list[str]]], tuple[int, bytes]] = lambda _path, _query: (200, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                split = urlsplit(self.path)
                query = parse_qs(split.query)
                outer.asked.append((split.path, query, dict(self.headers)))
                status, body = outer.answer(split.path, query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def replay() -> Iterator[Replay]:
    """A service on this machine."""
    made = Replay()
    yield made
    made.server.shutdown()
    made.server.server_close()


def quickly(name: str):
    return asker(name, attempts=3, pause_seconds=0.01)


def half_hours(query: dict[str, list[str]], until: datetime) -> bytes:
    start, end = (datetime.fromisoformat(query[name][0]) for name in ("period_from", "period_to"))
    results = []
    while start < min(end, until):
        results.append(
            {
                "value_inc_vat": float(start.hour),
                "valid_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "valid_to": f"{start + HOUR / 2:%Y-%m-%dT%H:%M:%SZ}",
            }
        )
        start += HOUR / 2
    return json.dumps({"next": None, "results": results[::-1]}).encode()


TARIFF = Target("E-1R-AGILE-24-10-01-A")


def landed(lake: Lake, table: str) -> pl.DataFrame:
    return lake.scan(table).collect()


def test_asked_again_only_what_is_new_is_landed_and_a_day_ahead_is_awaited(lake: Lake, home: Home, replay: Replay) -> None:
    published = DAY + timedelta(days=1)
    replay.answer = lambda _path, query: (200, half_hours(query, published))
    source = octopus.Octopus(replay.url)
    first = pull(lake, home.path / "dlt", source, [TARIFF], quickly("Octopus"), NOW)
    assert [(one.state, one.rows, one.newest_at) for one in first] == [("not_published_yet", 31 * 48, published - HOUR / 2)]
    again = pull(lake, home.path / "dlt", source, [TARIFF], quickly("Octopus"), NOW + HOUR)
    assert [(one.state, one.rows) for one in again] == [("not_published_yet", 0)]
    published += timedelta(days=1)
    asked = len(replay.asked)
    done = pull(lake, home.path / "dlt", source, [TARIFF], quickly("Octopus"), NOW + 2 * HOUR)
    assert [(one.state, one.rows) for one in done] == [("ok", 48)]
    assert len(replay.asked) - asked == 1
    rows = landed(lake, "bronze/prices")
    assert rows.height == rows.n_unique(["zone", "interval_start_at"]) == 32 * 48
    assert set(rows["currency"]) == {"GBP"}
    assert set(rows["source"]) == {"octopus"}


def test_a_source_that_breaks_off_keeps_what_it_had_and_goes_on_from_there(lake: Lake, home: Home, replay: Replay) -> None:
    def broken(_path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        start = datetime.fromisoformat(query["period_from"][0])
        return (503, b"") if start > DAY - timedelta(days=20) else (200, half_hours(query, NOW))

    replay.answer = broken
    source = octopus.Octopus(replay.url)
    first = pull(lake, home.path / "dlt", source, [TARIFF], quickly("Octopus"), NOW)
    assert [(one.state, one.rows, one.message) for one in first] == [("failed", 14 * 48, "Octopus answered 503. It is asked again later.")]
    assert len(replay.asked) == 1 + 3
    replay.asked.clear()
    replay.answer = lambda _path, query: (200, half_hours(query, DAY + timedelta(days=2)))
    done = pull(lake, home.path / "dlt", source, [TARIFF], quickly("Octopus"), NOW)
    assert [(one.state, one.rows) for one in done] == [("ok", 18 * 48)]
    assert datetime.fromisoformat(replay.asked[0][1]["period_from"][0]) >= DAY - timedelta(days=18)


def test_a_correction_is_landed_beside_what_it_corrects(lake: Lake, home: Home, replay: Replay) -> None:
    state = "Preliminary"

    def day(_path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        date = datetime.fromisoformat(f"{query['date'][0]}T00:00:00+00:00")
        if date > DAY:
            return 204, b""
        entries = [{"deliveryStart": f"{date:%Y-%m-%dT%H:%M:%SZ}", "entryPerArea": {"SE3": 100.0}}]
        return 200, json.dumps(
            {"currency": "EUR", "areaStates": [{"state": state, "areas": ["SE3"]}], "multiIndexEntries": entries}
        ).encode()

    replay.answer = day
    source = nord_pool.NordPool(replay.url)
    first = pull(lake, home.path / "dlt", source, [Target("SE3")], quickly("Nord Pool"), NOW)
    assert [(one.state, one.rows) for one in first] == [("not_published_yet", 31)]
    state = "Final"
    second = pull(lake, home.path / "dlt", source, [Target("SE3")], quickly("Nord Pool"), NOW + HOUR)
    assert second[0].rows == 2
    assert landed(lake, "bronze/prices").sort("received_at")["is_estimated"].to_list()[-2:] == [False, False]


def test_what_fails_is_told_without_its_token(lake: Lake, home: Home, replay: Replay, capfd: pytest.CaptureFixture[str]) -> None:
    replay.answer = lambda _path, _query: (401, b"secret-token-1 is wrong")
    source = entsoe.Entsoe(replay.url, "secret-token-1")
    refused = pull(lake, home.path / "dlt", source, [Target("DE-LU")], quickly("ENTSO-E"), NOW)
    replay.server.shutdown()
    replay.server.server_close()
    silent = pull(lake, home.path / "dlt", source, [Target("DE-LU")], quickly("ENTSO-E"), NOW)
    assert [refused[0].state, silent[0].state] == ["failed", "failed"]
    assert "Check its token" in refused[0].message
    assert "could not be reached" in silent[0].message
    assert "secret-token-1" not in repr(refused + silent) + "".join(capfd.readouterr())
    assert replay.asked[0][1]["securityToken"] == ["secret-token-1"]


def test_an_endless_answer_is_cut_off(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.sources.asking.MOST_BYTES", 1_000_000)
    replay.answer = lambda _path, _query: (200, b"1" * 5_000_000)
    with pytest.raises(BadAnswer, match="more than"):
        quickly("PVGIS")(entsoe.Request(replay.url))


def test_next_page_is_asked_of_the_same_service_whatever_it_names(lake: Lake, home: Home, replay: Replay) -> None:
    page = {"next": "http://elsewhere.example/v1/stolen?page=2", "results": []}
    replay.answer = lambda path, _query: (200, json.dumps(page if "stolen" not in path else {"next": None, "results": []}).encode())
    pull(lake, home.path / "dlt", octopus.Octopus(replay.url), [TARIFF], quickly("Octopus"), NOW)
    assert {path for path, _, _ in replay.asked} == {
        "/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-A/standard-unit-rates/",
        "/v1/stolen",
    }


def weather(_path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
    start, end = (datetime.fromisoformat(f"{query[name][0]}T00:00:00+00:00") for name in ("start_date", "end_date"))
    times = [int(start.timestamp()) + 3600 * hour for hour in range(((end - start).days + 1) * 24)]
    units = {"time": "unixtime", "temperature_2m": "°C"}
    return 200, json.dumps({"hourly_units": units, "hourly": {"time": times, "temperature_2m": [20.0] * len(times)}}).encode()


def test_everything_that_the_settings_and_sites_name_is_asked_and_told(
    lake: Lake, home: Home, accounts, settings: Settings, site, replay: Replay
) -> None:
    sites.change_site(accounts, site.site_id, latitude=52.123456, longitude=13.654321, carbon_zone="GB", price_zone=TARIFF.name)

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        if path.startswith("/v1/products"):
            return 200, half_hours(query, DAY + timedelta(days=2))
        return weather(path, query) if "/v1/" in path else (500, b"")

    replay.answer = answer
    urls = dict.fromkeys(("open_meteo_url", "open_meteo_archive_url", "octopus_url", "uk_carbon_url"), replay.url)
    chosen = settings.model_copy(update={"sources": "open_meteo, octopus,uk_carbon", **urls})
    done = pull_all(lake, accounts, chosen, home, NOW, ask_with=quickly)
    assert {one.source: one.state for one in done} == {"open_meteo": "ok", "octopus": "ok", "uk_carbon": "failed"}
    station = devices.find_device(accounts, f"{site.site_id}-weather")
    assert station.kind == "weather_station"
    assert sites.find_site(accounts, site.site_id).weather_station_id == station.device_id
    observed = landed(lake, "bronze/weather").filter(~pl.col("is_forecast"))
    assert observed["measured_at"].n_unique() == observed.height == 365 * 24 + 16
    places = {(query["latitude"][0], query["longitude"][0]) for path, query, _ in replay.asked if path.endswith(("forecast", "archive"))}
    assert places == {("52.12", "13.65")}
    assert [one["state"] for one in home.read_note("sources")["pulled"]] == ["ok", "ok", "failed"]
    assert pull_all(lake, accounts, settings.model_copy(update=urls), home, NOW, only="open_meteo", ask_with=quickly) == []
    with pytest.raises(Refused, match="openmeteo"):
        pull_all(lake, accounts, settings.model_copy(update={"sources": "openmeteo"}), home, NOW)


@pytest.mark.needs("test_data")
def test_recorded_answers_are_read_whole(test_data) -> None:
    api = test_data / "api"
    rates = octopus.parse(
        json.loads((api / "octopus_agile_unit_rates.json").read_text()),
        "T",
        (datetime(2020, 5, 1, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)),
    )
    assert len(rates) == len(json.loads((api / "octopus_agile_unit_rates.json").read_text())["results"])
    pool = nord_pool.parse(json.loads((api / "nordpool_dayahead_indices_60min_se3.json").read_text()), "SE3")
    assert (len(pool), pool[0].price_per_kwh, pool[0].currency) == (24, 0.52375, "SEK")
    grid = uk_carbon.parse(json.loads((api / "uk_carbon_intensity_fw24h.json").read_text()), "GB")
    assert (grid[0].kg_co2_per_kwh, grid[0].is_forecast) == (0.146, True)
    sky = open_meteo.parse(json.loads((api / "open_meteo_forecast.json").read_text()), "w", NOW)
    assert {row.quantity for row in sky} >= {"temperature_celsius", "ghi_w_per_m2", "wind_m_per_s"}
    assert pvgis.parse(json.loads((api / "pvgis_hourly_seriescalc_2013_2014.json").read_text()), "w")
