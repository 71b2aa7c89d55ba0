"""`aurora pull`: weather, prices and carbon intensity from services on the network."""

from typing import Annotated

import typer

from orchestration.cli.context import open_context, progress_bars, show

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def pull(
    source: Annotated[str | None, typer.Argument(help="Ask this one alone, such as entsoe; else all that the settings name.")] = None,
    json: Json = False,
) -> None:
    """Ask for weather, prices and carbon intensity now; Dagster asks every hour."""
    from datetime import UTC, datetime

    from ingestion.sources.registry import pull_all

    context = open_context()
    with progress_bars() as progress:
        done = pull_all(context.lake, context.accounts, context.settings, context.home, datetime.now(UTC), only=source, progress=progress)
    lines = [f"{one.source:<17} {one.target:<28} {one.state:<18} {one.rows} new rows {one.message}".rstrip() for one in done]
    none = "Nothing to ask for. AURORA_SOURCES names the services to ask, sites their place and zones."
    show({"pulled": [one.as_dict() for one in done]}, json, "\n".join(lines) or none)
