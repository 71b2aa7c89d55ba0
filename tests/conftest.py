"""What all tests share: small real things in a temporary folder, and what the machine must have."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Connection, Engine, event

from aurora import home as homes
from aurora.accounts import people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.accounts.people import passwords
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from tests import ports, prepared

IS_CI = os.environ.get("CI") == "true"
IS_TRIALS = os.environ.get("AURORA_TIER") == "trials"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

hypothesis_settings.register_profile(
    "aurora", deadline=None, derandomize=not IS_TRIALS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
hypothesis_settings.load_profile("aurora")


def _has_namespaces() -> bool:
    unshare = shutil.which("unshare")
    if not unshare or not shutil.which("ip"):
        return False
    return subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode == 0


def _may_mount() -> bool:
    if os.getuid() != 0 or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False).returncode:
            return False
        return subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0


def _postgres_folder() -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(found[-1].parent) if found else None


PARTS: dict[str, tuple[Callable[[], bool], str]] = {
    "mosquitto": (lambda: bool(shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()), "run `make system-packages`"),
    "chromium": (lambda: bool(CHROMIUM), "run `make system-packages`"),
    "postgresql": (lambda: _postgres_folder() is not None, "run `make system-packages`"),
    "curl": (lambda: bool(shutil.which("curl")), "run `make system-packages`"),
    "jq": (lambda: bool(shutil.which("jq")), "run `make system-packages`"),
    "faketime": (lambda: bool(shutil.which("faketime")), "run `make system-packages`"),
    "mounts": (_may_mount, "needs the right to mount a small tmpfs"),
    "namespaces": (_has_namespaces, "needs `unshare` and `ip` and the right to make a network namespace"),
    "test_data": (
        lambda: Path(os.environ.get("AURORA_TEST_DATA", "/nonexistent")).is_dir(),
        "set AURORA_TEST_DATA to the folder of real data",
    ),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name what the machine cannot run; under CI a missing part is a failure."""
    for mark in item.iter_markers("needs"):
        for part in mark.args:
            is_there, way_out = PARTS[part]
            if not is_there():
                message = f"{part} is missing: {way_out}"
                pytest.fail(message) if IS_CI else pytest.skip(message)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real series, payloads and responses; ask for it together with `@pytest.mark.needs("test_data")`."""
    return Path(os.environ["AURORA_TEST_DATA"])


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """`count(small, trials)`: how often to try, by tier."""
    return lambda small, trials: trials if IS_TRIALS else small


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that names a TCP port nobody listens on."""
    return ports.free_port


@pytest.fixture(scope="session", autouse=True)
def product_hasher() -> Iterator[Callable[[], PasswordHasher]]:
    """The product's own way to hash passwords. The tests use a cheap one instead: hundreds of them add a person or log one in."""
    own = passwords._hasher
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", prepared.cheap_hasher)
        yield own


@pytest.fixture(autouse=True)
def closed_databases() -> Iterator[None]:
    """No test leaves its databases open: two thousand of them would hold more than the 1,024 files that paho can wait for."""
    opened: set[Engine] = set()

    def note(connection: Connection) -> None:
        opened.add(connection.engine)

    event.listen(Engine, "engine_connect", note)
    yield
    event.remove(Engine, "engine_connect", note)
    for engine in opened:
        engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an own home, whatever the environment says."""
    for name in list(os.environ):
        if name.startswith("AURORA_") and name not in {"AURORA_TEST_DATA", "AURORA_TIER"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AURORA_HOME", str(tmp_path / "home"))
    return Settings()  # pyright: ignore[reportCallIssue]


@pytest.fixture
def home(settings: Settings) -> Home:
    """An initialised home."""
    return homes.create(settings)


@pytest.fixture
def lake(settings: Settings, home: Home) -> Lake:
    """A lake with all tables, empty."""
    return prepared.lake_of(settings)


@pytest.fixture
def accounts(settings: Settings, home: Home) -> Iterator[Accounts]:
    """An accounts database at the newest migration, empty."""
    made = prepared.accounts_of(settings)
    yield made
    made.engine.dispose()


@pytest.fixture
def admin(accounts: Accounts) -> User:
    """An admin, `ada`, with the password `correct horse battery`."""
    return people.add_user(accounts, "ada", "correct horse battery", "admin")


@pytest.fixture
def site(accounts: Accounts, admin: User) -> Site:
    """A site `home` in Berlin that belongs to `ada`."""
    return sites.add_site(
        accounts, admin, name="Home", site_id="home", time_zone="Europe/Berlin", latitude=52.5, longitude=13.4, country="DE", currency="EUR"
    )


PYTHON = sys.executable
