"""`aurora mosquitto`: a Mosquitto that somebody else runs, with the configuration and rights that Aurora keeps."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.context import open_context, say, show

mosquitto = typer.Typer(help="A Mosquitto that runs elsewhere, with Aurora's configuration and rights.", no_args_is_help=True)


@mosquitto.command("config")
def config(
    folder: Annotated[Path, typer.Argument(help="Where Mosquitto reads its files; made where it is missing.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where devices connect.")] = 1883,
    host: Annotated[str, typer.Option(help="Address it listens on; empty for all.")] = "127.0.0.1",
    watch: Annotated[bool, typer.Option(help="Go on, and have it read the rights again within seconds of a change.")] = False,
    reload: Annotated[str | None, typer.Option(help="Command that makes it read them; else the signal HUP to its process.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write configuration, passwords and rights for a Mosquitto, of every device in use."""
    from ingestion.listener import LISTENER_SECRET
    from ingestion.mosquitto import RightsKeeper, keep_fresh
    from ingestion.mosquitto_files import write_configuration
    from ingestion.processes import stop_signal

    context = open_context("info" if watch else "warning")
    place = folder.expanduser().absolute()
    written = write_configuration(place, port, host, context.settings.max_message_bytes)
    keeper = RightsKeeper(context.accounts, context.home.secret(LISTENER_SECRET), place)
    keeper.write()
    show({"configuration": str(written)}, json, f"Start it with: mosquitto -c {written}")
    if watch:
        say(f"Watching: {place} follows the accounts. Ctrl-C ends it.")
        keep_fresh(keeper, context.settings, context.home, reload, stop_signal())
