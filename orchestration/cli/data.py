"""`aurora import`, `refresh`, `sql`, `simulate`, `replay-rejected`: readings in, numbers out."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.context import open_context, progress_bars, say, show

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FULL_RANGE_ROWS = 10_000


def refresh(
    full: Annotated[bool, typer.Option("--full", help="Rebuild everything that still has raw readings.")] = False,
    wait: Annotated[float, typer.Option(help="How long to wait for another refresh. [s]")] = 600,
    json: Json = False,
) -> None:
    """Bring silver and gold up to every reading acknowledged before this call."""
    from transform.refresh import Refresher

    context = open_context()
    with progress_bars() as progress:
        done = Refresher(context.lake, context.accounts, context.home, context.settings).run(
            full=full, wait_seconds=wait, progress=progress, waiting=lambda who: say(f"Waiting: {who} is publishing.")
        )
    show(
        {"refresh_id": done.refresh_id, "readings_in": done.readings_in, "days_touched": done.days_touched, "seconds": done.seconds},
        json,
        f"{done.readings_in} readings, {done.days_touched} site-days in {sum(done.seconds.values()):.1f} s.",
    )


def sql(query: str, json: Json = False) -> None:
    """Ask the lake in SQL: tables by their name, such as "gold/energy_daily" or gold.energy_daily."""
    from orchestration.lake_sql import ask

    context = open_context()
    columns, rows = ask(context.lake, query)
    from orchestration.cli.context import show_table

    show_table("", [dict(zip(columns, row, strict=True)) for row in rows], json, "rows")


def simulate(
    devices: Annotated[int, typer.Option(min=1, help="How many devices.")] = 10,
    rate: Annotated[float, typer.Option(min=0.01, help="Messages a second in all.")] = 10,
    seconds: Annotated[float | None, typer.Option(help="How long; until Ctrl-C otherwise.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Publish readings of made-up devices to the broker."""
    from ingestion.simulator import simulate as run

    context = open_context()
    run(context.settings, context.home, context.accounts, devices=devices, rate=rate, seconds=seconds, seed=seed)


def replay_rejected(
    reason: Annotated[str | None, typer.Option(help="Only what was refused for this reason.")] = None, json: Json = False
) -> None:
    """Put refused messages through again, each once."""
    from ingestion.replay import replay_rejected as replay

    context = open_context()
    count = replay(context.lake, context.accounts, context.settings, reason=reason)
    show({"replayed": count}, json, f"{count} refused messages put through again.")


def import_file(
    file: Path,
    site: Annotated[str, typer.Option(help="Id or unique name of the site.")],
) -> None:
    """Import readings from a file."""
    raise typer.Exit(2)
