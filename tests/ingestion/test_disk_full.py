"""A disk that fills up: a loud error that status shows, nothing acknowledged is lost, and all goes on once there is room again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import CapturingLogger

from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.errors import Transient
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.settings import Settings
from orchestration.cli.running import _landing_text
from orchestration.running import status
from tests import prepared
from tests.ingestion.conftest import wait_for

READINGS = "bronze/readings"
MEGABYTE = 1024**2
pytestmark = pytest.mark.needs("mounts")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left_bytes: int = 0) -> Path:
    """Take what is free on the disk but for so much."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file, suppress(OSError):
        file.write(b"\0" * (free - left_bytes))
    return ballast


def body(first: int) -> list[dict[str, object]]:
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    return [
        {"measured_at": (base + timedelta(seconds=first + number)).isoformat(), "channel": "consumption", "measure": "power_kw",
         "value": float(first + number)}
        for number in range(50)
    ]  # fmt: skip


def test_full_disk_under_the_lake_is_told_and_costs_no_acknowledged_reading(
    small_disk: Path, settings: Settings, home: Home, accounts: Accounts, new_device, broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion import landing, server

    # Where lines go is set for the whole process, by whichever test came before.
    lines = CapturingLogger()
    monkeypatch.setattr(landing, "log", lines)
    monkeypatch.setattr(server, "COMMIT_WAIT_SECONDS", 1.0)
    chosen = settings.model_copy(update={"lake_uri": str(small_disk / "lake")})
    lake, device = prepared.lake_of(chosen), new_device("m1")
    ballast = fill(small_disk, MEGABYTE // 4)
    acknowledged: set[float] = set()
    with server.open_service(chosen, home):
        url = f"http://127.0.0.1:{chosen.ingest_port}/v1/ingest/energy_data"
        client = httpx.Client(headers={"X-API-Key": device.key}, timeout=10)
        refused, sent = 0, 0
        while refused < 3 and sent < 20_000:
            readings = body(sent)
            answer = client.post(url, json=readings)
            assert answer.status_code in {202, 503}
            if answer.status_code == 202:
                acknowledged |= {float(str(one["value"])) for one in readings}
            else:
                refused += 1
            sent += 50
        assert (refused, bool(acknowledged)) == (3, True)
        told = status.landing(chosen)
        assert told["is_storing"] is False
        assert "space" in told["reason"].lower()
        assert "NOTHING IS STORED since" in _landing_text(told)[0]
        assert set(open_lake(chosen.resolved_lake_uri).scan(READINGS).collect().get_column("value")) >= acknowledged
        ballast.unlink()
        wait_for(lambda: status.landing(chosen)["is_storing"], 40)
        assert client.post(url, json=body(sent)).status_code == 202
        client.close()
    values = lake.scan(READINGS).collect().unique(["device_id", "channel", "measure", "measured_at"]).get_column("value")
    assert set(values) >= acknowledged | {float(number) for number in range(sent, sent + 50)}
    assert values.n_unique() == values.len()
    assert ("error", "not stored, trying again; senders wait") in {(call.method_name, *call.args) for call in lines.calls}
    print(f"disk full after {len(acknowledged)} acknowledged readings; hit {refused} bodies; none lost")


def test_full_disk_under_the_accounts_refuses_changes_and_keeps_what_is_there(small_disk: Path, settings: Settings, home: Home) -> None:
    file = small_disk / "accounts.sqlite"
    chosen = settings.model_copy(update={"database_url": type(settings.database_url)(f"sqlite:///{file}")})
    accounts = prepared.accounts_of(chosen)
    owner = people.add_user(accounts, "ada", "correct horse battery", "admin")
    place = {"time_zone": "UTC", "latitude": 1.0, "longitude": 1.0}
    sites.add_site(accounts, owner, name="Home", site_id="home", **place)
    ballast, added, reasons = fill(small_disk), 0, list[str]()
    for number in range(2_000):
        try:
            devices.add_device(accounts, "home", name="x" * 100, kind="meter", device_id=f"d{number}")
            added += 1
        except Transient as error:
            reasons.append(str(error))
            if len(reasons) == 3:
                break
    way_out = "Make room and try again; nothing was changed."
    assert reasons == [f"The accounts database {file} cannot be written (database or disk is full). {way_out}"] * 3
    assert len(devices.all_devices(accounts, "home")) == added
    assert people.check_login(accounts, "ada", "correct horse battery") is not None
    ballast.unlink()
    devices.add_device(accounts, "home", name="after", kind="meter", device_id="after")
    with closing(accounts.engine.raw_connection()) as connection:
        assert connection.cursor().execute("pragma integrity_check").fetchone()[0] == "ok"
    accounts.engine.dispose()
    print(f"disk full after {added} devices; hit {len(reasons)} changes")
