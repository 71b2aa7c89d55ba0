"""The processes of the pages and the API: start, refuse, end."""

import json
from pathlib import Path

import httpx
import pytest

from tests.app.running import free_port, set_up, start, stop, wait_until_healthy

PROCESSES = [("app.server", "AURORA_APP_PORT", "app"), ("app.api.server", "AURORA_API_PORT", "api")]


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


@pytest.mark.parametrize(("module", "setting", "name"), PROCESSES)
def test_process_names_the_setting_when_its_port_is_taken(tmp_path: Path, module: str, setting: str, name: str) -> None:
    import socket

    set_up(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start(module, tmp_path, **{setting: str(port)})
        _, errors = process.communicate(timeout=40)
    assert f"Refused: Port {port} is taken by another program. Set {setting} to a free one." in errors


def test_process_says_what_to_do_when_the_secret_is_missing(tmp_path: Path) -> None:
    _, home, *_ = set_up(tmp_path)
    (home.secrets / "secret_key").unlink()
    process = start("app.server", tmp_path, AURORA_APP_PORT=str(free_port()))
    _, errors = process.communicate(timeout=40)
    assert "NotReady: The secret key is missing: set AURORA_SECRET_KEY, or run `aurora init`" in errors


def test_readiness_is_refused_when_the_lake_is_gone(tmp_path: Path) -> None:
    import shutil

    set_up(tmp_path)
    port = free_port()
    process = start("app.api.server", tmp_path, AURORA_API_PORT=str(port))
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        assert httpx.get(f"http://127.0.0.1:{port}/v1/readyz").json() == {"status": "ready"}
        shutil.rmtree(tmp_path / "home" / "lake" / "meta")
        answers = {httpx.get(f"http://127.0.0.1:{port}{path}").status_code for path in ("/readyz", "/v1/readyz")}
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    finally:
        stop(process)
    assert answers <= {200, 503}
