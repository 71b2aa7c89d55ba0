"""The help is there at once, and a refusal is one line with the way out."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

AURORA = [sys.executable, "-m", "orchestration.cli"]
ROOT = Path(__file__).resolve().parents[2]


def _run(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
    return subprocess.run(
        [*AURORA, *arguments],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(ROOT)} | environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = ("polars", "pyarrow", "dagster", "pydantic", "sqlalchemy", "rich.console")
    program = f"import sys; from orchestration.cli import commands; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
    began = time.monotonic()
    assert subprocess.run([*AURORA, "--help"], capture_output=True, check=False, cwd=ROOT).returncode == 0
    print(f"help took {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize("command", ["status", "refresh", "train", "forecast", "recommend"])
def test_command_without_a_home_says_what_to_do(tmp_path: Path, command: str) -> None:
    result = _run(tmp_path, command)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert "aurora init" in result.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"AURORA_APP_PORT=eighty\n", "AURORA_APP_PORT"),
        (b"just words\n", "line 1"),
        (b"\xff\xfe\x00A", ".env cannot be read"),
        (b"AURORA_API_PORT=99999999\n", "AURORA_API_PORT"),
    ],
)
def test_damaged_env_file_is_named_with_the_way_out(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    result = _run(tmp_path, "status")
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr


def test_missing_secret_is_named_with_the_way_out(tmp_path: Path) -> None:
    assert _run(tmp_path, "init").returncode == 0
    (tmp_path / "data" / "secrets" / "secret_key").unlink()
    result = _run(tmp_path, "process", "app")
    assert result.returncode == 3
    assert "AURORA_SECRET_KEY" in result.stderr
    assert (tmp_path / "data" / "secrets").stat().st_mode & 0o077 == 0


def test_sites_devices_and_people_by_command(tmp_path: Path) -> None:
    _run(tmp_path, "init")
    assert _run(tmp_path, "user", "add", "ada", "--role", "admin", "--password-stdin", stdin="short\n").returncode == 3
    assert _run(tmp_path, "user", "add", "ada", "--role", "admin", "--password-stdin", stdin="correct horse battery\n").returncode == 0
    place = ["--time-zone", "Asia/Kathmandu", "--latitude", "27.7", "--longitude", "85.3", "--json"]
    assert _run(tmp_path, "site", "add", "--name", "Home", *place).stdout == '{"site_id": "home"}\n'
    assert _run(tmp_path, "site", "add", "--name", "Home", *place).stdout.startswith('{"site_id": "home-')
    assert _run(tmp_path, "site", "add", "--name", "Home", "--id", "home", *place).returncode == 3
    refused = _run(tmp_path, "device", "add", "--site", "Home", "--name", "m", "--kind", "meter")
    assert refused.returncode == 3
    assert "2 sites are named Home" in refused.stderr
    made = _run(tmp_path, "device", "add", "--site", "home", "--name", "Meter", "--kind", "meter", "--json").stdout
    assert made == '{"device_id": "meter", "topic": "aurora/v1/meter/readings"}\n'
    assert _run(tmp_path, "user", "disable", "ada").returncode == 3
