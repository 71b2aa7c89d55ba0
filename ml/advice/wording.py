"""How a recommendation is told: title, description and what to do, from its figures."""

from datetime import date
from decimal import Decimal
from typing import Any

from aurora.domain.texts import text

PARTS = ("title", "description", "action")


def tell(message_key: str, params: dict[str, Any]) -> dict[str, str]:
    """English title, description and action of a recommendation from its `params`."""
    shown = {name: _shown(name, value) for name, value in params.items()}
    shown |= {f"{name.removesuffix('_kw')}_w": f"{value * 1000:.0f}" for name, value in params.items() if name.endswith("_kw")}
    if "best_month" in params:
        month = date.fromisoformat(params["best_month"])
        shown["best_month_name"] = f"{month:%B %Y}"
    shown["cost"] = text("advice.phrase.cost", **shown) if params.get("saving_cost") is not None else ""
    return {part: text(f"{message_key}.{part}", **shown) for part in PARTS}


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Figures as they are kept beside the text: rounded to a Wh or a W, money as text."""
    return {
        name: round(value, 3) if isinstance(value, float) else str(value) if isinstance(value, Decimal) else value
        for name, value in params.items()
    }


def _shown(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if name == "battery_kwh" else f"{value:.1f}" if name.endswith("_kw") else f"{value:,.0f}"
    return str(value)
