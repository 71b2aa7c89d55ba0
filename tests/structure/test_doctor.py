"""`aurora doctor`: nothing to find in a new home, and a red line with the way out for each part that is broken."""

import json
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import typer

from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.settings import Settings
from orchestration.cli.running import doctor
from orchestration.running.doctor import Finding, examine, judge_clock
from tests.app.published import publish


@pytest.fixture
def well(settings: Settings, home: Home, lake: Lake, accounts: Accounts, free_port: Callable[[], int]) -> Settings:
    """Settings of a new home in which nothing is wrong."""
    return settings.model_copy(update={f"{name}_port": free_port() for name in ("app", "api", "ingest", "dagster", "mqtt")})


def red(settings: Settings) -> dict[str, Finding]:
    failed = {finding.part: finding for finding in examine(settings) if finding.state == "fail"}
    assert all(finding.way_out for finding in failed.values())
    return failed


def test_new_home_is_well(well: Settings) -> None:
    assert red(well) == {}
    assert {finding.part.split()[0] for finding in examine(well)} == {
        "home", "permissions", "secret", "port", "database", "lake", "broker", "disk", "clock",
    }  # fmt: skip


def test_home_that_is_not_there_is_red_alone(settings: Settings, tmp_path) -> None:
    assert [(finding.part, finding.state) for finding in examine(settings.model_copy(update={"home": tmp_path / "nothing"}))] == [
        ("home", "fail")
    ]


def test_file_that_others_may_read_is_named(well: Settings, home: Home) -> None:
    (home.secrets / "secret_key").chmod(0o644)
    assert "secrets/secret_key" in red(well)["permissions"].says


def test_missing_secret_key_is_red(well: Settings, home: Home) -> None:
    (home.secrets / "secret_key").unlink()
    assert "aurora init" in red(well)["secret key"].way_out


def test_port_of_another_program_is_named_with_its_setting(well: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = red(well.model_copy(update={"api_port": port}))
    assert "AURORA_API_PORT" in found[f"port {port}"].way_out


def test_database_before_the_newest_migration_is_red(well: Settings, accounts: Accounts) -> None:
    accounts.migrate("0001", is_down=True)
    assert "0001" in red(well)["database"].says


def test_database_that_does_not_answer_is_red(well: Settings, free_port: Callable[[], int]) -> None:
    from pydantic import SecretStr

    url = SecretStr(f"postgresql://aurora:geheim@127.0.0.1:{free_port()}/aurora")
    found = red(well.model_copy(update={"database_url": url}))
    assert "AURORA_DATABASE_URL" in found["database"].way_out
    assert "geheim" not in found["database"].says


def test_lake_without_its_tables_is_red(well: Settings, tmp_path) -> None:
    assert red(well.model_copy(update={"lake_uri": str(tmp_path / "elsewhere")})).keys() == {"lake"}


def test_lake_of_another_schema_version_is_red(well: Settings, home: Home) -> None:
    log = home.path / "lake" / "gold" / "energy_daily" / "_delta_log" / "00000000000000000000.json"
    log.write_text(re.sub(r'"aurora.schema_version":"\d+"', '"aurora.schema_version":"0"', log.read_text()))
    assert "gold/energy_daily" in red(well)["lake"].says


def test_broker_that_does_not_answer_is_red(well: Settings, free_port: Callable[[], int]) -> None:
    from pydantic import SecretStr

    url = SecretStr(f"mqtt://aurora:geheim@127.0.0.1:{free_port()}")
    found = red(well.model_copy(update={"mqtt_url": url}))
    assert "AURORA_MQTT_URL" in found["broker"].way_out
    assert "geheim" not in found["broker"].says


def test_full_disk_is_red(well: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = psutil.disk_usage("/")._replace(free=100 * 1024**2)
    monkeypatch.setattr(psutil, "disk_usage", lambda _path: usage)
    assert "Make room" in red(well)["disk"].way_out


def test_clock_behind_the_newest_publication_is_red(well: Settings, lake: Lake, accounts: Accounts) -> None:
    publish(lake, accounts, "refresh", {}, datetime.now(UTC))
    assert "clock" not in red(well)
    made = manifest.newest(lake).finished_at
    assert made is not None
    assert judge_clock(made - timedelta(hours=2), made).state == "fail"
    assert judge_clock(made, made).state == "ok"


def test_command_ends_with_3_and_one_object_where_something_is_red(
    well: Settings, home: Home, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path
) -> None:
    for name in ("app", "api", "ingest", "dagster", "mqtt"):
        monkeypatch.setenv(f"AURORA_{name.upper()}_PORT", str(getattr(well, f"{name}_port")))
    monkeypatch.setenv("AURORA_HOME", str(home.path))
    monkeypatch.chdir(tmp_path)
    doctor(json=True)
    assert json.loads(capsys.readouterr().out)["is_well"] is True
    (home.secrets / "secret_key").unlink()
    with pytest.raises(typer.Exit) as ended:
        doctor(json=True)
    assert ended.value.exit_code == 3
    assert json.loads(capsys.readouterr().out)["is_well"] is False
