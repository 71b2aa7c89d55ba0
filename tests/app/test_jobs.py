"""Training over REST, with Dagster's own webserver; its daemon is away, so that a run that was started waits."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from app.api.server import build
from app.services import open_services
from aurora import home as homes
from aurora.accounts import people
from aurora.accounts.database import Accounts
from aurora.lake.store import open_lake
from aurora.settings import Settings
from orchestration.running import dagster_programs
from tests.app.running import ROOT
from tests.ports import free_port

PASSWORD = "correct horse battery"
STARTS_WITHIN_SECONDS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def clients(folder: Path) -> Iterator[tuple[dict[str, TestClient], int]]:
    """Ada, an admin, and bob, who is none; and the port where Dagster is to be."""
    port = free_port()
    settings = Settings(home=folder / "home", dagster_port=port, _env_file=None)  # pyright: ignore[reportCallIssue]
    home, accounts = homes.create(settings), Accounts(settings.resolved_database_url)
    accounts.migrate()
    open_lake(settings.resolved_lake_uri).create_tables()
    api = build(open_services(settings, home))
    found = {}
    for name, role in (("ada", "admin"), ("bob", "user")):
        people.add_user(accounts, name, PASSWORD, role)
        client = TestClient(api)
        token = client.post("/v1/auth/token", data={"username": name, "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        found[name] = client
    yield found, port
    accounts.engine.dispose()


def test_training_says_when_dagster_is_away(clients: tuple[dict[str, TestClient], int]) -> None:
    by_name, _ = clients
    for answer in (by_name["ada"].post("/v1/forecast/train_model"), by_name["ada"].get("/v1/jobs/x")):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "aurora status" in answer.json()["detail"]


def test_training_is_for_admins(clients: tuple[dict[str, TestClient], int]) -> None:
    by_name, _ = clients
    assert by_name["bob"].post("/v1/forecast/train_model").status_code == 403
    assert by_name["bob"].get("/v1/jobs/x").status_code == 403
    assert TestClient(by_name["bob"].app).post("/v1/forecast/train_model").status_code == 401


def test_training_is_started_once_however_often_it_is_asked_for(clients: tuple[dict[str, TestClient], int], folder: Path) -> None:
    by_name, port = clients
    ada = by_name["ada"]
    with dagster(folder, port):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ada.post("/v1/forecast/train_model"), range(4)))
        assert [answer.status_code for answer in answers] == [202] * 4, answers[0].text
        started = {answer.json()["job_id"] for answer in answers}
        assert len(started) == 1
        job_id = started.pop()
        found = ada.get(f"/v1/jobs/{job_id}").json()
        assert found == {"job_id": job_id, "state": "queued", "started_at": None, "finished_at": None, "message": None}
        assert ada.get("/v1/jobs/00000000-0000-0000-0000-000000000000").status_code == 404
        end(port, job_id)
        ended = ada.get(f"/v1/jobs/{job_id}").json()
        assert (ended["state"], ended["message"]) == ("failed", "canceled")
        assert ada.post("/v1/forecast/train_model").json()["job_id"] != job_id


def end(port: int, run_id: str) -> None:
    """Take a waiting run back, as Dagster's own page does."""
    query = 'mutation { terminateRun(runId: "%s", terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename } }' % run_id  # noqa: UP031
    answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=30).json()
    assert answer["data"]["terminateRun"]["__typename"] == "TerminateRunSuccess"


class dagster:  # noqa: N801
    """Dagster's webserver over the project's definitions, as a context."""

    def __init__(self, folder: Path, port: int) -> None:
        home = homes.open_home(Settings(home=folder / "home", _env_file=None))  # pyright: ignore[reportCallIssue]
        self.home, self.port, self.folder = dagster_programs.prepare(home), port, folder

    def __enter__(self) -> None:
        workspace = self.folder / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - python_module:\n      module_name: orchestration.definitions\n      location_name: aurora\n"
            f"      working_directory: {ROOT}\n",
            encoding="utf-8",
        )
        command = [str(Path(sys.executable).parent / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(self.port), "-w", str(workspace)]
        variables = os.environ | {"DAGSTER_HOME": str(self.home), "AURORA_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=variables, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/server_info").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.3)
        raise AssertionError("Dagster did not answer")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
