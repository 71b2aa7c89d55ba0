"""Everything that reports answers as of an earlier publication while it is kept, 410 once it is gone, and 400 where none can be meant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from starlette.testclient import TestClient

from app.api.server import build
from app.services import open_services
from aurora.accounts import sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.accounts.tariffs import ALWAYS
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.published import publish_all, republish

NOW = datetime.now(UTC)
SPAN = f"start_date={(NOW - timedelta(days=3)).date()}&end_date={NOW.date()}"
PATHS = [
    f"reports/trends/home?interval=day&{SPAN}", "reports/summary/home?period=last_7_days", "reports/comparison/home?period=yesterday",
    "forecast/energy_consumption/home?horizon=24h", "forecast/energy_production/home?horizon=24h", "recommendations/{user}?",
    "sites/home/meter-events?", "sites/home/anomalies?", "sites/home/data-quality?", "sites/home/device-status?",
    "tables/gold/energy_daily?",
]  # fmt: skip


@pytest.fixture
def api(settings: Settings, home: Home, lake: Lake, admin: User) -> Iterator[TestClient]:
    with TestClient(build(open_services(settings, home))) as client:
        login = {"username": "ada", "password": "correct horse battery"}
        client.headers["Authorization"] = f"Bearer {client.post('/v1/auth/token', data=login).json()['access_token']}"
        yield client


def test_every_report_answers_as_of_a_publication_or_says_why_not(
    api: TestClient, lake: Lake, accounts: Accounts, site: Site, admin: User
) -> None:
    first = publish_all(lake, accounts, site, NOW - timedelta(hours=30), days=8)
    between = datetime.now(UTC).isoformat()
    paths = [f"/v1/{path.format(user=admin.user_id)}" for path in PATHS]

    def ask(path: str, as_of: str | None = None) -> tuple[int, bytes]:
        answer = api.get(path if as_of is None else f"{path}&as_of={quote(as_of)}")
        return answer.status_code, answer.content

    as_it_was = {path: ask(path) for path in paths}
    assert {status for status, _ in as_it_was.values()} == {200}
    publish_all(lake, accounts, site, NOW, days=1)
    for path in paths:
        assert ask(path, first) == ask(path, between) == as_it_was[path], path
        assert ask(path, "no-such-thing")[0] == 400, path
        assert ask(path, "2020-01-01T00:00:00Z")[0] == 404, path
    assert ask(paths[0]) != as_it_was[paths[0]]

    gone = manifest.as_of(lake, first).versions["gold/energy_daily"]
    for log in sorted((Path(lake.storage.uri) / "gold" / "energy_daily" / "_delta_log").glob("*.json")):
        if int(log.stem) <= gone:
            log.unlink()
    for path in paths:
        assert (ask(path, first)[0], ask(path, between)[0]) == (410, 410), path


def test_days_and_hours_are_named_by_the_calendar_of_their_publication(api: TestClient, lake: Lake, accounts: Accounts, site: Site) -> None:
    def publish_calendar(zone: str) -> str:
        facts = {"site_id": ["home"], "time_zone": [zone], "valid_from": [ALWAYS]}
        return republish(lake, accounts, {"dims/sites": pl.DataFrame(facts)}, NOW)

    publish_all(lake, accounts, site, NOW, days=8)
    first = publish_calendar(site.time_zone)
    paths = [f"/v1/{path}" for path in PATHS if path.startswith("reports")] + [f"/v1/reports/trends/home?interval=hour&{SPAN}"]
    as_it_was = {path: api.get(path).json() for path in paths}
    table = {"Accept": "text/csv"}
    in_local_time = api.get(paths[-1], headers=table).content
    sites.change_site(accounts, "home", time_zone="Pacific/Kiritimati")
    for path in paths:
        assert api.get(path).json() == as_it_was[path], "nothing is worked out anew yet"
    publish_calendar("Pacific/Kiritimati")
    differing = 0
    for path in paths:
        now, then = api.get(path).json(), api.get(f"{path}&as_of={first}").json()
        assert then == as_it_was[path], path
        differing += any(now[name] != then[name] for name in ("points", "period_start_at", "current") if name in now)
    # A day's figures were not published anew; what it begins with is another instant.
    assert differing == len(paths) - 1
    assert api.get(f"{paths[-1]}&as_of={first}", headers=table).content == in_local_time
