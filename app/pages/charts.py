"""The charts of the pages, as Plotly figures. Amber and blue stay apart for colour-blind eyes; hours and days are the site's."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.queries.forecasts import Forecast
from app.queries.overview import Day
from aurora.domain import formats
from aurora.domain.calendar import local_date, local_hour
from aurora.domain.texts import text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLORS = {"own": "#e6a118", "battery": "#63b7a8", "grid": "#1d6fa5", "exported": "#f4d38a", "use": "#31486b", "solar": "#e6a118"}
BANDS = {"use": "rgba(49,72,107,0.16)", "solar": "rgba(230,161,24,0.22)"}
INK, GRID_LINE = "#52617a", "#e4eaf1"
HEIGHT_PX = 320
LEAST_SHOWN_KWH = 0.005
TICK_HOURS = 4


def week_chart(days: Sequence[Day]) -> "Figure":
    """What was used on each local day by where it came from, and below the line what was fed in. [kWh]"""
    from plotly.graph_objects import Bar

    labels = [formats.weekday(day.local_date).replace(" ", "<br>") for day in days]
    sources = [day.sources_kwh for day in days]
    stacked: dict[str, list[float | None]] = {
        name: [split[name] if split else None for split in sources] for name in ("own", "battery", "grid")
    }
    # A day whose split is unknown still shows what was used or, failing that, bought.
    stacked["use"] = [None if split else _whole(day) for day, split in zip(days, sources, strict=True)]
    stacked["exported"] = [None if kwh is None else -kwh for kwh in (day.energy_kwh["grid_export"] for day in days)]
    names = {name: text(f"week.{name}") for name in ("own", "battery", "grid", "exported")} | {"use": text("today.used")}
    figure = _figure(text("week.axis"))
    for name, values in stacked.items():
        if any(abs(value or 0.0) > LEAST_SHOWN_KWH for value in values):
            shown = [formats.energy(abs(value)) if value is not None else "" for value in values]
            figure.add_trace(
                Bar(x=labels, y=values, name=names[name], marker_color=COLORS[name], customdata=shown, hovertemplate=_hover(names[name]))
            )
    figure.update_layout(barmode="relative", bargap=0.35)
    figure.update_xaxes(type="category")
    return figure


def _whole(day: Day) -> float | None:
    return day.energy_kwh["consumption"] if day.energy_kwh["consumption"] is not None else day.energy_kwh["grid_import"]


def forecast_chart(forecasts: dict[str, Forecast], low: datetime, high: datetime, zone_name: str) -> "Figure":
    """Expected energy of each hour from `low` to `high` with its 80 % range, for `use` and `solar`. [kWh]"""
    figure = _figure(text("forecast.axis"))
    hours: list[datetime] = []
    for name, forecast in forecasts.items():
        points = forecast.between(low, high)
        hours = hours or [point["interval_start_at"] for point in points]
        _add_band(figure, name, points, zone_name)
    ticks = [hour for hour in hours if local_hour(hour, zone_name) % TICK_HOURS == 0]
    labels = [_tick(hour, zone_name, is_first=index == 0) for index, hour in enumerate(ticks)]
    figure.update_xaxes(tickvals=ticks, ticktext=labels, tickmode="array")
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add_band(figure: "Figure", name: str, points: Sequence[dict[str, Any]], zone_name: str) -> None:
    from plotly.graph_objects import Scatter

    hours = [point["interval_start_at"] for point in points]
    label = text(f"forecast.{name}")
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": name}
    figure.add_trace(Scatter(x=hours, y=[point["upper_80_kwh"] for point in points], showlegend=False, **edge))
    figure.add_trace(
        Scatter(
            x=hours,
            y=[point["lower_80_kwh"] for point in points],
            fill="tonexty",
            fillcolor=BANDS[name],
            name=text("forecast.band", name=label),
            **edge,
        )
    )
    shown = [
        f"{formats.clock(point['interval_start_at'], zone_name)}  {formats.energy(point['predicted_kwh'])}"
        f" ({formats.number(point['lower_80_kwh'])} – {formats.number(point['upper_80_kwh'])})"
        for point in points
    ]
    figure.add_trace(
        Scatter(
            x=hours,
            y=[point["predicted_kwh"] for point in points],
            name=label,
            mode="lines",
            line={"color": COLORS[name], "width": 2.5},
            legendgroup=name,
            customdata=shown,
            hovertemplate=_hover(label),
        )
    )


def _tick(hour: datetime, zone_name: str, *, is_first: bool) -> str:
    clock = formats.clock(hour, zone_name)
    begins_day = local_hour(hour, zone_name) < TICK_HOURS
    return f"{clock}<br>{formats.weekday(local_date(hour, zone_name))}" if is_first or begins_day else clock


def _hover(label: str) -> str:
    return f"{label}: %{{customdata}}<extra></extra>"


def _figure(y_title: str) -> "Figure":
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.update_layout(
        height=HEIGHT_PX,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Source Sans, system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": -0.22, "x": 0, "yanchor": "top", "title": None},
        hovermode="x unified",
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": GRID_LINE, "font": {"color": "#16233a"}},
        dragmode=False,
    )
    figure.update_xaxes(showgrid=False, fixedrange=True, linecolor=GRID_LINE, automargin=True)
    title = {"text": y_title, "standoff": 8}
    figure.update_yaxes(title=title, gridcolor=GRID_LINE, zerolinecolor="#b9c5d4", fixedrange=True, automargin=True)
    return figure
