"""What keeps an installation from its work, or soon will: one finding a part, each with the way out."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import psutil
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from aurora import processes
from aurora.accounts.database import MIGRATIONS, Accounts
from aurora.errors import AuroraError
from aurora.home import Home, open_home, secret_key
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from orchestration.running.processes import PROCESSES

LEAST_FREE_BYTES, SCARCE_FREE_BYTES = 500 * 1024**2, 5 * 1024**3
MOST_CLOCK_DIFFERENCE = timedelta(seconds=30)
PORTS = {"app": "app_port", "api": "api_port", "ingestion": "ingest_port", "dagster": "dagster_port", "broker": "mqtt_port"}


@dataclass(frozen=True)
class Finding:
    """How one part is.

    Attributes:
        part: What was looked at.
        state: `ok`; `warn`, it works but should be seen to; `fail`, it does not.
        says: What was found.
        way_out: What to do; empty where nothing is.
    """

    part: str
    state: Literal["ok", "warn", "fail"]
    says: str
    way_out: str = ""


Look = Callable[[Settings, Home], Iterator[Finding]]


def examine(settings: Settings) -> list[Finding]:
    """Findings of every part; without a home, of the home alone."""
    try:
        home = open_home(settings)
    except AuroraError as error:
        return [Finding("home", "fail", str(error), "Run `aurora init`.")]
    found = [Finding("home", "ok", f"{home.path}{', the demo' if home.is_demo else ''}")]
    for look in (_permissions, _secret, _ports, _database, _lake, _broker, _disk, _clock):
        found += look(settings, home)
    return found


def _permissions(_settings: Settings, home: Home) -> Iterator[Finding]:
    private = [home.path / "aurora.json", home.secrets, *home.secrets.glob("*"), *home.path.glob("accounts.sqlite*")]
    opened = [path for path in private if path.exists() and path.stat().st_mode & 0o077]
    names = ", ".join(str(path.relative_to(home.path)) for path in opened)
    if opened:
        yield Finding("permissions", "fail", f"others may read {names}", f"Run `chmod -R go-rwx {home.path}`.")
    else:
        yield Finding("permissions", "ok", "secrets and accounts are for their owner alone")


def _secret(settings: Settings, home: Home) -> Iterator[Finding]:
    try:
        length = len(secret_key(settings, home))
    except AuroraError as error:
        yield Finding("secret key", "fail", str(error), "Run `aurora init`, or set AURORA_SECRET_KEY.")
        return
    is_long = length >= 32
    says = "there" if is_long else f"only {length} characters long"
    yield Finding("secret key", "ok" if is_long else "warn", says, "" if is_long else "Set AURORA_SECRET_KEY to 32 random characters.")


def _ports(settings: Settings, home: Home) -> Iterator[Finding]:
    for name, setting in PORTS.items():
        if not PROCESSES[name].is_wanted(settings, home):
            continue
        port, pid = getattr(settings, setting), home.read_note(name).get("pid")
        part = f"port {port}"
        holder = _holder(settings.host, port)
        if holder is None:
            yield Finding(part, "ok", f"free for {name}")
        elif _is_ours(home, pid):
            yield Finding(part, "ok", f"Aurora's own {name}")
        else:
            yield Finding(
                part, "fail", f"{name} cannot have it: {holder} does", f"End that, or set AURORA_{setting.upper()} to a free port."
            )


def _is_ours(home: Home, pid: int | None) -> bool:
    running = home.read_note("up")
    return (pid is not None and processes.is_alive(pid)) or bool(running and processes.is_alive(running["pid"], running["started_at"]))


def _holder(host: str, port: int) -> str | None:
    """Who listens on a port; None where it is free."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            pass
        else:
            return None
    try:
        held = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,))
        pid = next((one.pid for one in held if one.pid), None)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else "another program"
    except psutil.Error:
        return "another program"


def _database(settings: Settings, _home: Home) -> Iterator[Finding]:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    accounts = Accounts(settings.resolved_database_url)
    try:
        with accounts.engine.connect() as connection:
            held = MigrationContext.configure(connection).get_current_revision()
            now = connection.execute(sql("select current_timestamp")).scalar_one()
    except (SQLAlchemyError, OSError) as error:
        first = str(error).splitlines()[0]
        yield Finding("database", "fail", f"cannot be used: {first}", "Check AURORA_DATABASE_URL and that the server runs.")
        return
    finally:
        accounts.engine.dispose()
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if held != newest:
        yield Finding("database", "fail", f"at migration {held or 'none'}, not {newest}", "Run `aurora init`; it keeps what is there.")
    else:
        yield Finding("database", "ok", f"at migration {held}")
    if isinstance(now, datetime) and abs(now.astimezone(UTC) - datetime.now(UTC)) > MOST_CLOCK_DIFFERENCE:
        yield Finding("clock", "fail", f"the database's clock says {now.isoformat()}", "Synchronise the clocks of both machines.")


def _lake(settings: Settings, _home: Home) -> Iterator[Finding]:
    lake = open_lake(settings.resolved_lake_uri)
    try:
        versions = {name: lake.delta(name).metadata().configuration.get("aurora.schema_version") for name in TABLES}
    except (AuroraError, OSError) as error:
        yield Finding("lake", "fail", str(error).splitlines()[0], "Run `aurora init`, or check AURORA_LAKE_URI and its credentials.")
        return
    except Exception as error:
        # The storage of each kind of address raises errors of its own; whatever it is, the doctor says it and looks at the rest.
        yield Finding("lake", "fail", f"cannot be read: {str(error).splitlines()[0]}", "Check AURORA_LAKE_URI and its credentials.")
        return
    old = [name for name, version in versions.items() if version != str(TABLES[name].schema_version)]
    if old:
        yield Finding("lake", "fail", f"of another schema version: {', '.join(old)}", "Run `aurora init` with this version of Aurora.")
    else:
        yield Finding("lake", "ok", f"{len(versions)} tables in {lake.storage.uri}")


def _broker(settings: Settings, home: Home) -> Iterator[Finding]:
    from ingestion.broker_login import login_problem
    from ingestion.listener import broker_address

    is_own = PROCESSES["broker"].is_wanted(settings, home)
    pid = home.read_note("broker").get("pid")
    if is_own and not (pid is not None and processes.is_alive(pid)):
        yield _own_broker(settings)
        return
    try:
        address = broker_address(settings, home)
    except AuroraError as error:
        yield Finding("broker", "fail", str(error), "Correct AURORA_MQTT_URL.")
        return
    problem = login_problem(address)
    if problem:
        yield Finding("broker", "fail", f"{address.host}:{address.port}: {problem}", "Check AURORA_MQTT_URL and that the broker runs.")
    else:
        yield Finding("broker", "ok", f"{address.host}:{address.port} lets the listener in")


def _own_broker(settings: Settings) -> Finding:
    """Whether the broker that Aurora runs can be started."""
    if settings.broker == "embedded":
        return Finding("broker", "ok", "the embedded one, which starts with `aurora up`")
    from ingestion.mosquitto import program

    try:
        return Finding("broker", "ok", f"{program()}, which starts with `aurora up`")
    except AuroraError as error:
        return Finding("broker", "fail", "there is no mosquitto on this machine", str(error))


def _disk(_settings: Settings, home: Home) -> Iterator[Finding]:
    free = psutil.disk_usage(str(home.path)).free
    says = f"{free / 1024**3:.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        yield Finding("disk", "fail", says, "Make room: without it readings are refused.")
    elif free < SCARCE_FREE_BYTES:
        yield Finding("disk", "warn", says, "Make room soon.")
    else:
        yield Finding("disk", "ok", says)


def _clock(settings: Settings, _home: Home) -> Iterator[Finding]:
    yield judge_clock(datetime.now(UTC), _newest_publication(open_lake(settings.resolved_lake_uri)))


def judge_clock(now: datetime, newest: datetime | None) -> Finding:
    """Whether our clock can be right, given when the newest publication was made; None where there is none."""
    if newest is not None and newest > now + MOST_CLOCK_DIFFERENCE:
        says = f"{now:%Y-%m-%d %H:%M:%S} UTC is before the newest publication, {newest:%Y-%m-%d %H:%M:%S} UTC"
        return Finding("clock", "fail", says, "Set the clock; readings of now look like those of the past.")
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _newest_publication(lake: Lake) -> datetime | None:
    try:
        return manifest.newest(lake).finished_at
    except Exception:
        # `_lake` has told what is wrong with it already.
        return None
