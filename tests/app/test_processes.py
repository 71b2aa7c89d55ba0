"""The processes of the pages and the API: start, refuse, end."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

import app.api.server
import app.server
from app import serving
from app.services import open_services
from aurora.accounts.models import User
from aurora.errors import NotReady, Refused
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from orchestration.running import supervisor
from tests.app.running import set_up, start, stop, wait_until_healthy
from tests.ports import free_port

PROCESSES = [("app.server", "AURORA_APP_PORT", "app"), ("app.api.server", "AURORA_API_PORT", "api")]
RUNS = [(app.server.run, "app_port"), (app.api.server.run, "api_port")]


@pytest.mark.parametrize(("module", "setting", "name"), PROCESSES)
def test_process_says_where_it_is_and_ends_soon_after_sigterm(tmp_path: Path, module: str, setting: str, name: str) -> None:
    set_up(tmp_path)
    port = free_port()
    process = start(module, tmp_path, **{setting: str(port)})
    wait_until_healthy(f"http://127.0.0.1:{port}", process)
    note = json.loads((tmp_path / "home" / "run" / f"{name}.json").read_text())
    measured = json.loads((tmp_path / "home" / "run" / f"metrics-{name}.json").read_text())["url"]
    assert (note["url"], note["pid"]) == (f"http://127.0.0.1:{port}", process.pid)
    assert f'aurora_request_seconds_count{{route="/healthz",service="{name}",status="200"}}' in httpx.get(measured).text
    assert stop(process) < 5
    assert process.returncode == 0


@pytest.mark.parametrize(("run", "setting"), RUNS)
def test_process_names_the_setting_when_its_port_is_taken(settings: Settings, home: Home, run: Callable, setting: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Refused, match=f"Port {port} is taken by another program. Set AURORA_{setting.upper()} to a free one."):
            run(settings.model_copy(update={setting: port}), home)


def test_start_waits_for_what_a_killed_one_left_behind(settings: Settings, home: Home) -> None:
    ports: dict[str, int] = {f"{name}_port": free_port() for name in ("app", "api", "ingest", "dagster", "mqtt")}
    ours = settings.model_copy(update=ports)
    held = "import socket, sys, time; one = socket.socket(); one.bind(('127.0.0.1', int(sys.argv[1]))); one.listen(); print(flush=True)"
    with subprocess.Popen([sys.executable, "-c", f"{held}; time.sleep(4)", str(ports["api_port"])], stdout=subprocess.PIPE) as left:
        assert left.stdout
        left.stdout.readline()
        with pytest.raises(Refused, match="AURORA_API_PORT"):
            supervisor.check(ours, home)
        home.note("up", {"pid": 2**22 + 1, "started_at": 0.0})
        supervisor.check(ours, home)
        left.kill()


def test_process_sends_each_part_of_an_answer_at_once() -> None:
    """The system would hold back the second part until the caller has confirmed the first, which takes them 40 ms."""

    async def first_connection() -> int:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[socket.socket] = loop.create_future()
        with serving.bind("127.0.0.1", 0, "AURORA_API_PORT") as listener:
            server = await asyncio.start_server(lambda _reader, writer: accepted.set_result(writer.get_extra_info("socket")), sock=listener)
            async with server:
                _reader, writer = await asyncio.open_connection(*listener.getsockname())
                is_sent_at_once = (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                writer.close()
        return is_sent_at_once

    assert asyncio.run(first_connection()) == 1


@pytest.mark.parametrize(("run", "setting"), RUNS)
def test_process_says_what_to_do_when_the_secret_is_missing(settings: Settings, home: Home, run: Callable, setting: str) -> None:
    (home.secrets / "secret_key").unlink()
    with pytest.raises(NotReady, match="The secret key is missing: set AURORA_SECRET_KEY, or run `aurora init`"):
        run(settings.model_copy(update={setting: free_port()}), home)


def test_readiness_is_refused_when_the_lake_is_gone(settings: Settings, home: Home, lake: Lake, admin: User) -> None:
    api = TestClient(app.api.server.build(open_services(settings, home)))
    assert api.get("/v1/readyz").json() == {"status": "ready"}
    shutil.rmtree(Path(settings.resolved_lake_uri) / "meta")
    assert {api.get(path).status_code for path in ("/readyz", "/v1/readyz")} == {503}
    assert api.get("/readyz").json()["problems"] == ["lake"]
    assert api.get("/healthz").status_code == 200


def test_readiness_is_refused_when_the_accounts_are_not_set_up(settings: Settings, home: Home, lake: Lake) -> None:
    api = TestClient(app.api.server.build(open_services(settings, home)))
    assert api.get("/readyz").json()["problems"] == ["accounts"]
