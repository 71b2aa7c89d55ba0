"""The curls of docs/api.md, run as they stand against a running API and ingestion, and that each endpoint on places has one."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aurora.accounts import people, sites
from tests.app.running import PASSWORD, set_up, start, stop, wait_until_healthy

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```(?:sh|bash)\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.needs("curl", "jq")
def test_examples_run_as_they_stand(tmp_path: Path, free_port: Callable[[], int]) -> None:
    api_port, ingest_port, mqtt_port = free_port(), free_port(), free_port()
    _settings, _home, accounts, *_ = set_up(tmp_path)
    people.add_user(accounts, "bob", PASSWORD, "user")
    ports = {"AURORA_API_PORT": str(api_port), "AURORA_INGEST_PORT": str(ingest_port), "AURORA_MQTT_PORT": str(mqtt_port)}
    processes = [start(module, tmp_path, **ports) for module in ("app.api.server", "ingestion.server")]
    addresses = {"API": f"http://127.0.0.1:{api_port}", "INGEST": f"http://127.0.0.1:{ingest_port}"}
    try:
        for url, process in zip(addresses.values(), processes, strict=True):
            wait_until_healthy(url, process)
        script = "set -euo pipefail\n" + "\n".join(BLOCKS)
        environment = {"PATH": os.environ["PATH"], "PASSWORD": PASSWORD, "LC_ALL": "C.UTF-8", **addresses}
        ran = subprocess.run(
            ["bash", "-xc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr[-1500:]
        assert '"accepted":1' in ran.stdout.replace(" ", "")
        assert [site.site_id for site in sites.all_sites(accounts)] == ["home"]
    finally:
        for process in processes:
            stop(process)
        accounts.engine.dispose()


def test_every_endpoint_has_an_example() -> None:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    text = re.sub(r"\$\(jq [^)]*\)", "$ID", "\n".join(SHOWN).replace("\\\n", " "))
    calls = re.findall(r"curl -f?sS (?:-X (\w+) )?\"\$(?:API|INGEST)(/[^\"?]*)[^\"]*\"(.*)", text)
    seen = {(method or ("POST" if " -d " in rest or " -F " in rest else "GET"), path) for method, path, rest in calls}
    wanted = [(method.upper(), re.sub(r"\{\w+\}", "[^/]+", path)) for path, methods in described["paths"].items() for method in methods]
    assert [one for one in wanted if not any(one[0] == method and re.fullmatch(one[1], path) for method, path in seen)] == []
