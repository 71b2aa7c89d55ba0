"""`aurora import`, `refresh`, `sql`, `simulate`, `replay-rejected`: readings in, numbers out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.context import Context, open_context, progress_bars, say, show, show_table

if TYPE_CHECKING:
    from ingestion.summaries import LoadSummary

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


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


def sql(
    query: str,
    as_of: Annotated[str | None, typer.Option(help="As it was known at a time, or in the publication of that refresh_id.")] = None,
    json: Json = False,
) -> None:
    """Ask the lake in SQL: tables by their name, such as "gold/energy_daily" or gold.energy_daily."""
    from aurora.connect import moment_of
    from aurora.lake import manifest
    from aurora.lake.sql import ask

    lake = open_context().lake
    snapshot = manifest.newest(lake) if as_of is None else manifest.as_of(lake, moment_of(as_of))
    columns, rows = ask(snapshot, query, is_newest=as_of is None)
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
    done = run(context.settings, context.home, context.accounts, devices, rate, seconds, seed)
    say(f"{done.acknowledged} of {done.sent} readings acknowledged.")


def replay_rejected(
    reason: Annotated[str | None, typer.Option(help="Only what was refused for this reason.")] = None, json: Json = False
) -> None:
    """Put refused messages through again, each once."""
    from ingestion.replay import replay_rejected as replay

    context = open_context()
    count = replay(context.lake, context.accounts, context.settings, reason=reason)
    show({"replayed": count}, json, f"{count} refused messages put through again.")


def import_file(
    file: Annotated[str, typer.Argument(help="A CSV, Parquet, Green Button or NEM12 file, also packed; or the word list or undo.")],
    load_id: Annotated[str | None, typer.Argument(help="After undo: which import to take back.")] = None,
    site: Annotated[str | None, typer.Option(help="Id or unique name of the site.")] = None,
    device: Annotated[str | None, typer.Option(help="Land on this device instead of the site's own import device.")] = None,
    role: Annotated[str | None, typer.Option(help="sub or check: beside main devices. main, with --device: adds to others.")] = None,
    time_column: Annotated[str | None, typer.Option(help="Name of the time column.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Zone of times without offset, such as Europe/Berlin.")] = None,
    unit: Annotated[str | None, typer.Option(help="Wh, kWh, MWh, W or kW")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="COLUMN=channel; may be given several times.")] = None,
    measure: Annotated[str | None, typer.Option(help="interval_kwh, register_kwh or power_kw")] = None,
    label: Annotated[str | None, typer.Option(help="Whether times name the start or the end of an interval.")] = None,
    decimal: Annotated[str | None, typer.Option(help="point or comma: the decimal mark of its numbers.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Import readings from a file; `aurora import list` shows what was imported, `aurora import undo LOAD_ID` takes it back."""
    from ingestion.files import import_file as run

    context = open_context()
    if file == "list" and site is None:
        _list_imports(context, as_json=json)
        return
    if file == "undo" and site is None:
        _undo_import(context, load_id, as_json=json)
        return
    if load_id is not None:
        raise typer.BadParameter("One file at a time.", param_hint="FILE")
    if site is None:
        raise typer.BadParameter("Say which site it belongs to.", param_hint="--site")
    with progress_bars() as progress:
        done = run(
            context.lake,
            context.accounts,
            context.settings,
            Path(file),
            site,
            device=device,
            role=role,
            time_column=time_column,
            time_zone=time_zone,
            unit=unit,
            channels=_channels(channel or []),
            measure=measure,
            label=label,
            decimal=decimal,
            dry_run=dry_run,
            progress=progress,
        )
    _tell(done)
    refused = f" The refused rows and why: {done.rejected_file}" if done.rejected_file else ""
    counts = f"{done.new} new, {done.known} known, {done.rejected} refused; {done.first_at} to {done.last_at}"
    text = f"{_meanings(done.mapping)}{done.read} values read: {counts}.{refused}"
    show(done.as_dict(), json, text if dry_run else f"{text} `aurora refresh` brings them into the numbers.")


def _tell(done: "LoadSummary") -> None:
    """Say what a person may want to know of how a file was read."""
    if done.format is not None:
        say(f"Read as a file of {done.format}; flags say otherwise where that is wrong.")
    if done.mapping_from is not None:
        say(f"Columns taken as in the import {done.mapping_from}; flags say otherwise where that is wrong.")
    for doubt in done.doubts:
        say(doubt["sentence"])
    for hour in done.ambiguous:
        say(
            f"{hour['values']} values from {hour['first_at']} on are of an hour that the clock showed twice, and nothing in the file tells"
            " which of the two: taken as the earlier one. Times in UTC or with offsets would settle it."
        )
    for quality, values in done.qualities.items():
        say(f"{values} values are {quality}, as the file says; they count, and their energy is marked as estimated.")
    for currency, amount in done.costs.items():
        say(f"The file says that its energy cost {amount:,.2f} {currency}.")


def _meanings(mapping: dict[str, Any]) -> str:
    """What each column was taken for, a line each."""
    columns = mapping["columns"]
    is_interval = any(one["measure"] == "interval_kwh" for one in columns.values())
    label = f", the {mapping['label']} of each interval" if is_interval else ""
    zone = f", in {mapping['time_zone']} where they have no offset" if mapping["time_zone"] else ""
    lines = [f"{mapping['time_column']}: the times{label}{zone}"]
    lines += [f"{name}: {one['channel']}, {one['measure']} in {one['unit']}" for name, one in columns.items()]
    lines += [f"{name}: not read" for name in mapping["unread"]]
    return "".join(f"{line}\n" for line in lines)


def _channels(given: list[str]) -> dict[str, str]:
    pairs = [item.rpartition("=") for item in given]
    if any(not column or not channel for column, _, channel in pairs):
        raise typer.BadParameter("Expected COLUMN=channel, such as Netzbezug=grid_import.", param_hint="--channel")
    return {column: channel for column, _, channel in pairs}


def _undo_import(context: Context, load_id: str | None, *, as_json: bool) -> None:
    from ingestion.withdrawals import undo_load

    if load_id is None:
        raise typer.BadParameter("Say which import: `aurora import list` shows them.", param_hint="LOAD_ID")
    done = undo_load(context.lake, context.accounts, load_id, waiting=lambda who: say(f"Waiting: {who} is publishing."))
    text = f"{done.readings} readings and {done.rejected} refused rows of {load_id} withdrawn."
    show(done.as_dict(), as_json, f"{text} `aurora refresh` brings the days to what they are without it.")


def _list_imports(context: Context, *, as_json: bool) -> None:
    from aurora.accounts import loads
    from ingestion.withdrawals import is_withdrawn

    columns = (
        "load_id",
        "site_id",
        "device_id",
        "file_name",
        "readings_read",
        "readings_new",
        "readings_known",
        "readings_rejected",
        "first_at",
        "last_at",
        "loaded_at",
    )
    rows = [
        {column: getattr(load, column) for column in columns}
        | {"qualities": loads.notes(load).get("qualities", {}), "is_withdrawn": is_withdrawn(context.lake, load.load_id)}
        for load in loads.all_loads(context.accounts)
    ]
    show_table("Imports", rows, as_json, "imports")
