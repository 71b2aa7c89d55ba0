"""`aurora demo`, `up`, `init`, `status`: an installation and its processes."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aurora.errors import EXIT_REFUSED
from orchestration.cli.context import Context, open_context, progress_bars, say, show

if TYPE_CHECKING:
    from aurora.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DEMO_SEED = 20
DEMO_REFRESH_SECONDS = 120
START_SECONDS = 300
MOST_NAMED = 5


def init(json: Json = False) -> None:
    """Make the home: its folder, secret key, accounts database and lake."""
    from aurora import settings

    context = _initialised(settings.load(), is_demo=False)
    show({"home": str(context.home.path)}, json, f"{context.home.path} is ready. Next: aurora user add NAME --role admin")


def demo(
    seed: Annotated[int, typer.Option(help="The same seed gives the same history.")] = DEMO_SEED,
) -> None:
    """Everything on this machine with generated data; prints addresses and a login."""
    from aurora import settings

    os.environ.setdefault("AURORA_REFRESH_SECONDS", str(DEMO_REFRESH_SECONDS))
    from orchestration.running import supervisor

    context = _initialised(settings.load(), is_demo=True)
    supervisor.check(context.settings, context.home)
    began = time.monotonic()
    _prepare_demo(context, seed)
    say(f"History is landed and refreshed in {time.monotonic() - began:.0f} s. Starting the processes ...")
    _serve(context)


def up() -> None:
    """Everything on this machine for real use."""
    from aurora import settings

    _serve(_initialised(settings.load(), is_demo=False))


def status(json: Json = False) -> None:
    """Show what runs where, the last refresh and what the tables hold."""
    from orchestration.running import status as state

    context = open_context()
    found = state.read(context.settings, context.home, context.lake, context.accounts)
    show(found, json, _status_text(found))


def doctor(json: Json = False) -> None:
    """Look for what keeps the installation from its work; each finding says the way out."""
    from dataclasses import asdict

    from aurora import logs, settings
    from orchestration.running.doctor import examine

    logs.configure("cli", "error", "console")
    found = examine(settings.load())
    is_well = all(finding.state != "fail" for finding in found)
    lines = [f"{one.state:<4}  {one.part:<12}  {one.says}{f' -> {one.way_out}' if one.way_out else ''}" for one in found]
    show({"is_well": is_well, "findings": [asdict(finding) for finding in found]}, json, "\n".join(lines))
    if not is_well:
        raise typer.Exit(EXIT_REFUSED)


def process(name: str) -> None:
    """Be one of the processes (used by demo and up)."""
    from aurora import home, logs, settings
    from orchestration.running.processes import run_process

    loaded = settings.load()
    logs.configure(name, loaded.log_level, loaded.log_format)
    run_process(name, loaded, home.open_home(loaded))


def _initialised(loaded: "Settings", *, is_demo: bool) -> Context:
    from aurora import home, logs
    from aurora import settings as all_settings
    from aurora.lake.migrations import bring_up_to_date

    logs.configure("cli", "warning", "console")
    made = home.create(loaded, is_demo=is_demo)
    os.environ["AURORA_HOME"] = str(made.path)
    context = Context(all_settings.load(), made)
    context.accounts.migrate()
    for table in bring_up_to_date(context.lake):
        if table.before:
            say(f"Migrated {table.name} from schema version {table.before}. New columns: {', '.join(table.columns) or 'none'}.")
    return context


def _prepare_demo(context: Context, seed: int) -> None:
    from aurora.accounts import people
    from aurora.errors import Refused
    from aurora.lake import manifest
    from ingestion.demo import prepare
    from orchestration.running.status import DEMO_USER
    from transform.refresh import Refresher

    try:
        people.add_user(context.accounts, DEMO_USER, context.home.secret("demo_password"), "admin")
    except Refused:
        people.user_by_name(context.accounts, DEMO_USER)
    with progress_bars() as progress:
        prepare(context.lake, context.accounts, context.home, context.settings, seed=seed, now=datetime.now(UTC), progress=progress)
        refresher = Refresher(context.lake, context.accounts, context.home, context.settings)
        if not manifest.newest(context.lake).refresh_id:
            refresher.run(full=True, progress=progress)
        else:
            refresher.run(progress=progress)


def _serve(context: Context) -> None:
    """Run every process until Ctrl-C."""
    from orchestration.running import supervisor

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with supervisor.running(context.settings, context.home) as child:
            _wait_until_answering(context, child)
            _print_addresses(context)
            learner = _learn(context)
            while child.poll() is None:
                time.sleep(0.5)
                learner = _told_when_learnt(learner)
            say(f"The process runner ended. Its log is {context.home.path / 'logs' / 'supervisord.log'}.")
            raise typer.Exit(1)
    except KeyboardInterrupt:
        say("Stopped. Nothing is lost; the same command goes on where this left off.")


def _wait_until_answering(context: Context, child: "subprocess.Popen[bytes]") -> None:
    from aurora.errors import Refused
    from orchestration.running import status as state
    from orchestration.running import supervisor

    names = supervisor.wanted(context.settings, context.home)
    deadline = time.monotonic() + START_SECONDS
    with progress_bars() as progress:
        while True:
            waiting = [name for name in names if not state.is_answering(name, context.settings, context.home)]
            progress(len(names) - len(waiting), len(names), "starting processes")
            if not waiting:
                return
            if child.poll() is not None or time.monotonic() > deadline:
                logs = ", ".join(str(context.home.path / "logs" / f"{name}.log") for name in waiting)
                raise Refused(f"Not answering: {', '.join(waiting)}. Their logs say why: {logs}")
            time.sleep(0.5)


def _print_addresses(context: Context) -> None:
    from aurora.accounts import people
    from orchestration.running import status as state

    where = state.addresses(context.settings)
    lines = [f"  Pages     {where['app']}", f"  REST API  {where['api']}/v1/docs", f"  Ingest    {where['ingest']}/v1/ingest",
             f"  Dagster   {where['dagster']}", f"  MQTT      {where['mqtt']}"]  # fmt: skip
    if context.home.is_demo:
        lines += [
            "",
            f"  Login     {state.DEMO_USER}",
            f"  Password  {context.home.secret('demo_password')}",
            "",
            "  The data is generated.",
        ]
    elif not people.has_admin(context.accounts):
        lines += ["", "  Make a login: aurora user add NAME --role admin"]
    sys.stdout.write("\nAurora is running. Ctrl-C ends it.\n\n" + "\n".join(lines) + "\n\n")
    sys.stdout.flush()


def _learn(context: Context) -> "subprocess.Popen[bytes] | None":
    """Train, forecast and advise once in a new demo; afterwards Dagster does by its schedules."""
    from aurora.lake import manifest

    known = manifest.newest(context.lake).versions
    if not context.home.is_demo or {"gold/forecasts", "gold/recommendations"} <= set(known):
        return None
    say("Training models and issuing the first forecasts ...")
    steps = "; ".join(
        f"subprocess.run([sys.executable, '-m', 'orchestration.cli', '{step}'], check=True)" for step in ("train", "forecast", "recommend")
    )
    from orchestration.running.environment import end_with_parent
    from orchestration.running.processes import log_file

    with log_file(context.home, "learning").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", f"import subprocess, sys; {steps}"],
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )


def _told_when_learnt(learner: "subprocess.Popen[bytes] | None") -> "subprocess.Popen[bytes] | None":
    if learner is None or learner.poll() is None:
        return learner
    say("Forecasts and recommendations are there." if learner.returncode == 0 else "Training failed: see logs/learning.log in the home.")
    return None


def _connection_text(listener: dict[str, Any]) -> str:
    since = f" since {listener['since']}" if listener["since"] else ""
    return f"{listener['state']}{since}{': ' if listener['reason'] else ''}{listener['reason']}"


def _landing_text(landing: dict[str, Any]) -> list[str]:
    """Why nothing is stored; nothing where all is well, or ingestion does not run."""
    if landing["is_storing"] is not False:
        return []
    since = f" since {landing['since'][:19].replace('T', ' ')} UTC" if landing["since"] else ""
    way_out = "Senders wait and nothing acknowledged is lost; it goes on by itself once the cause is gone."
    return [f"Landing       NOTHING IS STORED{since}: {landing['reason']}. {way_out}"]


def _weather_text(weather: dict[str, Any] | None) -> list[str]:
    """How old the weather is; nothing where there is none."""
    if weather is None:
        return []
    hours = weather["age_seconds"] / 3600
    return [
        f"Weather       observed until {weather['observed_until'][:16].replace('T', ' ')} UTC, {hours:.1f} h ago, by {weather['source']}"
    ]


def _status_text(found: dict[str, Any]) -> str:
    last = found["last_refresh"]
    refreshed = f"{last['finished_at']:%Y-%m-%d %H:%M:%S} UTC, {last['readings_in']} readings" if last else "never"
    lines = [
        ("Ready." if found["ready"] else "Not ready.") + (" Demo data." if found["is_demo"] else ""),
        f"Home          {found['home']}",
        f"Last refresh  {refreshed}; {found['pending_days']} site-days pending",
        f"Refused       {'unknown' if found['rejected'] is None else found['rejected']} messages",
        *_landing_text(found["landing"]),
        *(f"DAMAGED       {one}" for one in found["damaged"][:MOST_NAMED]),
        *_weather_text(found["weather"]),
        *(f"{name:<13} {url}" for name, url in found["addresses"].items()),
        *(f"{name:<13} {'answers' if answers else 'does not answer'}" for name, answers in found["processes"].items()),
        *(f"{name:<13} {_connection_text(one)}" for name, one in found["listeners"].items()),
        *(f"{name:<26} {table['rows']:>10} rows, version {table['version']}" for name, table in found["tables"].items() if table["rows"]),
    ]
    if login := found.get("demo_login"):
        lines.append(f"Login         {login['username']} {login['password']}")
    return "\n".join(lines)
