"""The whole API description against the API itself: whatever is sent, no answer is a fault of ours and each is as described."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from app.api.server import build
from app.services import open_services
from app.throttle import Most, Throttle
from aurora.accounts import devices, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import User
from aurora.accounts.tokens import Tokens
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests.app.published import publish_all
from tests.conftest import IS_TRIALS

# Some operations have fewer different requests than their share, so more than the twenty thousand that are wanted.
CASES = 24_000 if IS_TRIALS else 1_500
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
AWAY = {(503, "/v1/forecast/train_model"), (503, "/v1/jobs/{job_id}")}
# Ids that mean something, so that not every case ends at "not found".
KNOWN = {"site_id": "home", "device_id": "home-meter", "user_id": "me"}


@pytest.fixture
def api(settings: Settings, home: Home, lake: Lake, accounts: Accounts, admin: User) -> Iterator[TestClient]:
    facts = {"time_zone": "Europe/Berlin", "latitude": 52.0, "longitude": 13.0, "currency": "EUR"}
    site = sites.add_site(accounts, admin, name="Home", site_id="home", **facts)
    devices.add_device(accounts, "home", name="Meter", kind="meter", device_id="home-meter")
    publish_all(lake, accounts, site, datetime.now(UTC))
    with TestClient(
        build(open_services(settings, home), Throttle(accounts, Most(*[10**9] * len(fields(Most))))), raise_server_exceptions=False
    ) as client:
        yield client


@pytest.mark.timeout(6 * 3600 if IS_TRIALS else 300)
@pytest.mark.parametrize("has_login", [False, True])
def test_no_request_breaks_the_api(api: TestClient, admin: User, has_login: bool) -> None:
    schema = schemathesis.openapi.from_dict(api.get("/v1/openapi.json").json())
    schema.app = api.app
    operations = [found.ok() for found in schema.get_all_operations()]
    seen: dict[int, int] = {}
    tokens: Tokens = api.app.state.tokens
    for operation in operations:

        @settings(max_examples=max(CASES // len(operations) // 2, 5), deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def attempt(case: schemathesis.Case) -> None:
            for name, value in KNOWN.items():
                if name in case.path_parameters and len(str(case.path_parameters[name])) % 2:
                    case.path_parameters[name] = value
            # A new login each time: some requests end the one they are made with.
            headers = {"Authorization": f"Bearer {tokens.issue(admin, datetime.now(UTC))['access_token']}"} if has_login else {}
            answer = case.call(headers=headers, session=api)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            # Training is Dagster's, which does not run here.
            assert answer.status_code < 500 or (answer.status_code, case.operation.path) in AWAY, answer.text
            case.validate_response(answer, checks=CHECKS)

        attempt()
    print(f"seen: {dict(sorted(seen.items()))} of {sum(seen.values())} cases, with login: {has_login}")
    assert not has_login or seen[200] > seen.get(401, 0)
