"""`aurora meter-event`: decisions how meters were read, and what people say of them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.context import Context, open_context, show, show_table

if TYPE_CHECKING:
    import polars as pl

meter_event = typer.Typer(help="Decisions how meters were read, and what people say of them.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
EventId = Annotated[str, typer.Argument(help="As `meter-event list` shows it.")]
Reason = Annotated[str | None, typer.Option(help="Why, for those who come later.")]
COLUMNS = ("event_id", "at", "device_id", "channel", "kind", "energy_kwh_affected", "evidence", "decided_by", "is_overruled")


@meter_event.command("list")
def list_events(
    site: Annotated[str | None, typer.Option(help="Id or unique name of a site; all otherwise.")] = None, json: Json = False
) -> None:
    """Show where it took a decision to read a meter, the newest first."""
    import polars as pl

    from aurora.accounts import overrules, sites
    from aurora.accounts.memberships import members_of

    context = open_context()
    events = _events(context)
    if site is not None:
        events = events.filter(pl.col("site_id") == sites.find_site(context.accounts, site).site_id)
    said = overrules.all_overrules(context.accounts)
    members = [one for site_id in events["site_id"].unique() for one in members_of(context.accounts, site_id)]
    names = {one["user_id"]: one["username"] for one in members}
    shown = events.sort("at", "event_id", descending=True).select(COLUMNS)
    rows = [overrules.laid_over(row, said.get(row["event_id"]), names) for row in shown.iter_rows(named=True)]
    show_table("Meter events", rows, json, "meter_events")


@meter_event.command("overrule")
def overrule(event: EventId, reason: Reason = None, json: Json = False) -> None:
    """Reverse a decision; the next refresh rebuilds the days that it reaches."""
    _decide(event, reason, json, is_overruled=True)


@meter_event.command("restore")
def restore(event: EventId, reason: Reason = None, json: Json = False) -> None:
    """Let a reversed decision stand again."""
    _decide(event, reason, json, is_overruled=False)


def _decide(event_id: str, reason: str | None, json: bool, *, is_overruled: bool) -> None:
    import polars as pl

    from aurora.accounts import overrules
    from aurora.errors import Unknown
    from aurora.lake import manifest
    from aurora.lake.sealing import sealed_of

    context = open_context()
    found = _events(context).filter(pl.col("event_id") == event_id)
    if found.is_empty():
        raise Unknown(f"There is no meter event {event_id}. `aurora meter-event list` shows them.")
    row = found.row(0, named=True)
    overrules.overrule(
        context.accounts, event_id, device_id=row["device_id"], site_id=row["site_id"], is_overruled=is_overruled, reason=reason, by=None,
        now=datetime.now(UTC),
    )  # fmt: skip
    what = "is reversed" if is_overruled else "stands again"
    is_sealed = bool(sealed_of(manifest.newest(context.lake), [(row["device_id"], row["at"])]))
    then = "The raw readings of its day are gone: its figures stand." if is_sealed else "`aurora refresh` reckons with it."
    line = f"The {row['kind']} of {row['device_id']} at {row['at']:%Y-%m-%d %H:%M} UTC {what}. {then}"
    show({"event_id": event_id, "is_overruled": is_overruled, "is_sealed": is_sealed}, json, line)


def _events(context: Context) -> "pl.DataFrame":
    from aurora.lake import manifest

    return manifest.newest(context.lake).scan("gold/meter_events").collect()
