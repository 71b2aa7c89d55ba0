"""`aurora maintain`, `backup`, `restore`: the lake kept small, a whole home copied as of one moment, and put back."""

from pathlib import Path
from typing import Annotated

import typer

from aurora.errors import EXIT_REFUSED
from orchestration.cli.context import Context, open_context, progress_bars, say, show

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
MEBIBYTE = 1024**2


def maintain(
    light: Annotated[bool, typer.Option("--light", help="Only compact what grows by the minute.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Change nothing; name every file that is damaged or missing.")] = False,
    wait: Annotated[float, typer.Option(help="How long to wait for a publisher. [s]")] = 600,
    json: Json = False,
) -> None:
    """Compact small files, let go what is past its time, delete what nobody needs any more."""
    context = open_context()
    if verify:
        _verify(context, json)
        return
    from transform.maintain import maintain as run

    with progress_bars() as progress:
        done = run(
            context.lake, context.accounts, context.settings, is_light=light, wait_seconds=wait, progress=progress,
            waiting=lambda who: say(f"Waiting: {who} is publishing."),
        )  # fmt: skip
    kept = "" if done.has_deleted or light else " Nothing was deleted: a backup is at work."
    text = f"{done.files_replaced} files folded, {done.files_deleted} deleted ({done.bytes_deleted / MEBIBYTE:.1f} MiB).{kept}"
    show(done.as_dict(), json, text)


def _verify(context: Context, as_json: bool) -> None:
    from dataclasses import asdict

    from aurora.keeping.verify import verify

    with progress_bars() as progress:
        found = verify(context.lake, context.accounts, context.home, progress)
    lines = [f"{one.path}: {one.problem}" for one in found]
    way_out = ["Restore the newest backup into an empty home: aurora restore DIR"] if found else ["Every file is whole."]
    show({"is_whole": not found, "damaged": [asdict(one) for one in found]}, as_json, "\n".join(lines + way_out))
    if found:
        raise typer.Exit(EXIT_REFUSED)


def backup(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one that is not there yet; best on another disk.")],
    wait: Annotated[float, typer.Option(help="How long to wait for a publisher. [s]")] = 600,
    json: Json = False,
) -> None:
    """Copy lake, accounts, models and secrets as of this moment, while everything goes on."""
    from aurora.keeping.backup import backup as copy

    context = open_context()
    with progress_bars() as progress:
        done = copy(
            context.lake, context.accounts, context.home, folder.absolute(), wait_seconds=wait, progress=progress,
            waiting=lambda who: say(f"Waiting: {who} is at work."),
        )  # fmt: skip
    result = {"folder": str(folder.absolute()), "taken_at": done.taken_at, "files": len(done.files), "size_bytes": done.size_bytes}
    text = f"{len(done.files)} files, {done.size_bytes / MEBIBYTE:.1f} MiB, as of {done.taken_at:%Y-%m-%d %H:%M:%S} UTC. It holds secrets."
    show(result, json, text)


def restore(
    folder: Annotated[Path, typer.Argument(help="Where `aurora backup` put it.")],
    check: Annotated[bool, typer.Option("--check", help="Only see whether every file of it is whole.")] = False,
    json: Json = False,
) -> None:
    """Put a backup into an empty home; `aurora up` or `aurora refresh` go on from there."""
    from aurora import logs, settings
    from aurora.keeping import restore as restoring

    logs.configure("cli", "warning", "console")
    loaded = settings.load()
    with progress_bars() as progress:
        done = restoring.check(folder, progress) if check else restoring.restore(folder.absolute(), loaded, progress)
    result = {"taken_at": done.taken_at, "files": len(done.files), "size_bytes": done.size_bytes, "is_restored": not check}
    said = "whole" if check else f"restored into {loaded.home.expanduser().absolute()}. Next: aurora refresh"
    show(result, json, f"The backup of {done.taken_at:%Y-%m-%d %H:%M:%S} UTC is {said}")
