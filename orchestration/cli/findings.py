"""`aurora finding`: what a person should know, and which of it they know."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.context import Context, open_context, show, show_table

if TYPE_CHECKING:
    import polars as pl

finding = typer.Typer(help="What a person should know, and which of it they know.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FindingId = Annotated[str, typer.Argument(help="As `finding list` shows it.")]
Reason = Annotated[str | None, typer.Option(help="What is known of it, for those who come later.")]
COLUMNS = ("anomaly_id", "starts_at", "site_id", "device_id", "kind", "severity", "status", "explanation")


@finding.command("list")
def list_findings(
    site: Annotated[str | None, typer.Option(help="Id or unique name of a site; all otherwise.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    json: Json = False,
) -> None:
    """Show open findings, the newest first, and whether somebody knows of them."""
    import polars as pl

    from aurora.accounts import sites
    from aurora.accounts.acknowledgements import known_findings

    context = open_context()
    found = _findings(context)
    if site is not None:
        found = found.filter(pl.col("site_id") == sites.find_site(context.accounts, site).site_id)
    if not every:
        found = found.filter(pl.col("status") == "open")
    known = known_findings(context.accounts)
    rows = found.sort("starts_at", "anomaly_id", descending=True).select(COLUMNS).iter_rows(named=True)
    show_table("Findings", [row | {"is_acknowledged": row["anomaly_id"] in known} for row in rows], json, "findings")


@finding.command("acknowledge")
def acknowledge(finding_id: FindingId, reason: Reason = None, json: Json = False) -> None:
    """Say that a finding is known of; pages put it last."""
    _say(finding_id, reason, json, is_acknowledged=True)


@finding.command("reopen")
def reopen(finding_id: FindingId, reason: Reason = None, json: Json = False) -> None:
    """Take that back; the finding is told again."""
    _say(finding_id, reason, json, is_acknowledged=False)


def _say(anomaly_id: str, reason: str | None, json: bool, *, is_acknowledged: bool) -> None:
    import polars as pl

    from aurora.accounts import acknowledgements
    from aurora.errors import Unknown

    context = open_context()
    found = _findings(context).filter(pl.col("anomaly_id") == anomaly_id)
    if found.is_empty():
        raise Unknown(f"There is no finding {anomaly_id}. `aurora finding list --all` shows them.")
    row = found.row(0, named=True)
    acknowledgements.acknowledge(
        context.accounts, anomaly_id, site_id=row["site_id"], is_acknowledged=is_acknowledged, reason=reason, by=None, now=datetime.now(UTC)
    )
    what = "is known of" if is_acknowledged else "is told again"
    line = f"The {row['kind']} of {row['site_id']} at {row['starts_at']:%Y-%m-%d %H:%M} UTC {what}."
    show({"anomaly_id": anomaly_id, "is_acknowledged": is_acknowledged}, json, line)


def _findings(context: Context) -> "pl.DataFrame":
    from aurora.lake import manifest

    return manifest.newest(context.lake).scan("gold/anomalies").collect()
