"""Two periods held against each other, and a site against its peers."""

from decimal import Decimal
from typing import Any

from app.queries.reader import rows_of_site
from aurora.accounts.models import Site
from aurora.lake.manifest import Snapshot

Number = float | Decimal


def changes(now: dict[str, Any], before: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Change of each figure that both have: `absolute` in its own unit, `relative` to the size of the one before.

    Null where one is unknown, `relative` also where the one before is 0. Money of two currencies is not compared.
    """
    is_same_money = now.get("currency") == before.get("currency")
    shared = [name for name, value in now.items() if name in before and _is_figure(name, value, before[name])]
    return {name: _change(now[name], before[name]) for name in shared if is_same_money or name not in {"cost", "export_revenue"}}


def _is_figure(name: str, *values: Any) -> bool:
    return name.endswith(("_kwh", "_kw", "_ratio", "_kg_co2", "cost", "export_revenue")) and all(
        value is None or isinstance(value, int | float | Decimal) for value in values
    )


def _change(now: Number | None, before: Number | None) -> dict[str, Any]:
    if now is None or before is None:
        return {"absolute": None, "relative": None}
    absolute = now - before  # pyright: ignore[reportOperatorIssue]
    return {"absolute": absolute, "relative": float(absolute) / abs(float(before)) if before else None}


def peers(snapshot: Snapshot, site: Site) -> dict[str, Any] | None:
    """The newest month in which the site was compared with its peers; None where it never was."""
    rows = rows_of_site(snapshot, "gold/peer_comparison", site.site_id).sort("local_month", descending=True)
    return rows.drop("refresh_id", "site_id").fill_nan(None).row(0, named=True) if rows.height else None
