"""`aurora demo` by a user who is not root, where there is no network but loopback."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PYTHON

PROGRAM = Path(__file__).with_name("demo_day.py")
OFFLINE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec unshare --user --map-user=1000 --map-group=1000 "$@"', "sh"]


@pytest.mark.needs("namespaces")
@pytest.mark.timeout(900)
def test_demo_lives_without_network_and_root_and_survives_being_killed(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [*OFFLINE, PYTHON, str(PROGRAM), str(tmp_path)], cwd=root, capture_output=True, text=True, check=False, timeout=850
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    seen = json.loads(result.stdout.splitlines()[-1])
    print({name: value for name, value in seen.items() if name not in {"tables", "output"}})
    assert seen["uid"] == 1000
    assert seen["page_without_session"] == 303
    assert len(seen["sites"]) == 3
    assert seen["trends"] == 30
    assert seen["forecast"] == 24
    assert seen["in_silver"] == pytest.approx([0.111, 0.222, 0.333])
    assert seen["refresh"] == 0
    for name in ("gold/anomalies", "gold/meter_events", "gold/recommendations", "gold/forecasts", "gold/cost_lines"):
        assert seen["tables"][name] > 0, name
    assert set(seen["metrics"]) >= {"ingestion", "api", "app"}
    assert set(seen["metrics"].values()) == {200}
    assert "Password" in seen["output"]
    assert seen["left_after_stop"] == []
    assert seen["stop_seconds"] < 10
