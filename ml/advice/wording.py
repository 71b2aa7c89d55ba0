"""How a recommendation is told: title, description and what to do, from its figures."""

from datetime import date
from decimal import Decimal
from typing import Any

MESSAGES = {
    "advice.base_load.title": "Find what runs day and night",
    "advice.base_load.description": (
        "Over the last four weeks at least {recent_w} W ran at any hour, {excess_w} W more than in {best_month_name}, your best month"
        " ({best_w} W). Half of that over {days} days would be {saving_kwh} kWh{cost}."
    ),
    "advice.base_load.action": (
        "Late in the evening switch off what is not needed, one device at a time, and watch the power on the overview fall."
    ),
    "advice.out_of_hours.title": "Switch off what runs while you are closed",
    "advice.out_of_hours.description": (
        "Nights and weekends used {closed_kwh} kWh in {days} days, {closed_mean_kw} kW on average, while your quiet closed hours need"
        " {quiet_kw} kW. Half of the difference is {saving_kwh} kWh{cost}."
    ),
    "advice.out_of_hours.action": (
        "Walk through at closing time with a list: ventilation, lighting, cooling, screens; put what can be on a timer."
    ),
    "advice.shift_to_solar.title": "Run appliances at noon",
    "advice.shift_to_solar.description": (
        "In {days} days you gave {surplus_kwh} kWh to the grid around noon and took {evening_kwh} kWh from it in the evening. On"
        " {useful_days} of these days a washing machine or dishwasher could have run on surplus; a third of the evening use moved there,"
        " where it fits, is {saving_kwh} kWh less from the grid{cost}."
    ),
    "advice.shift_to_solar.action": "Set the dishwasher and the washing machine to start between 10:00 and 14:00 on sunny days.",
    "advice.add_battery.title": "A battery of {battery_kwh} kWh would keep your surplus",
    "advice.add_battery.description": (
        "In {days} days you gave {export_kwh} kWh to the grid and took {night_kwh} kWh from it between evening and morning. A battery of"
        " {battery_kwh} kWh would have served {saving_kwh} kWh of that{cost}, and would have been at least half used on {useful_days} days."
    ),
    "advice.add_battery.action": "Ask for an offer for about {battery_kwh} kWh and compare its price with this saving.",
    "advice.cost": ", worth {saving_cost} {currency}",
}
PARTS = ("title", "description", "action")


def tell(message_key: str, params: dict[str, Any]) -> dict[str, str]:
    """English title, description and action of a recommendation from its `params`."""
    shown = {name: _shown(name, value) for name, value in params.items()}
    shown |= {f"{name.removesuffix('_kw')}_w": f"{value * 1000:.0f}" for name, value in params.items() if name.endswith("_kw")}
    if "best_month" in params:
        month = date.fromisoformat(params["best_month"])
        shown["best_month_name"] = f"{month:%B %Y}"
    shown["cost"] = MESSAGES["advice.cost"].format(**shown) if params.get("saving_cost") is not None else ""
    return {part: MESSAGES[f"{message_key}.{part}"].format(**shown) for part in PARTS}


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
