"""The Overview: power now, today, the last days, what is expected, what to do."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from app.pages import cards, charts
from app.pages.logins import signed_in
from app.queries import forecasts, overview
from app.queries.now import SitePower, live_power
from app.services import Services, current
from aurora.accounts.acknowledgements import known_findings
from aurora.accounts.models import Site
from aurora.domain import formats
from aurora.domain.calendar import local_date
from aurora.domain.texts import text

LIVE_SECONDS = 2.5
DAYS = 7
MOST_SHOWN = 4
CHART = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "displaylogo": False}
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class View:
    """One site as one run of the page sees it."""

    services: Services
    site: Site
    now: datetime


def show(services: Services, site: Site) -> None:
    """The whole page of a site the person may see."""
    st.session_state["refresh_id"] = services.reader.snapshot().refresh_id
    power_now(site)
    view = View(services, site, datetime.now(UTC))
    days = overview.last_days(services.reader, site, DAYS, view.now)
    today(view, days)
    left, right = st.columns(2, gap="small")
    with left:
        week(view, days)
    with right:
        expected(view)
    left, right = st.columns([3, 2], gap="small")
    with left:
        advice(view)
    with right:
        unusual(view)


@st.fragment(run_every=LIVE_SECONDS)
def power_now(site: Site) -> None:
    """Power now; runs again by itself every few seconds, and the whole page with it when a new refresh is there."""
    services = current()
    signed_in(services)
    if services.reader.snapshot().refresh_id != st.session_state.get("refresh_id"):
        st.rerun()
    now = datetime.now(UTC)
    power = live_power(services.live, services.accounts, site, now)
    published = overview.publication(services.reader, site)
    with st.container(key="card_now"):
        st.html(cards.heading(text("now.title"), cards.freshness(published.finished_at, published.pending_days, now)))
        st.html(_power(power, site))


def _power(power: SitePower, site: Site) -> str:
    if not power.is_live and not power.silent_for:
        return cards.hint(text("now.nothing_yet", site_id=site.site_id))
    return cards.tiles(cards.power_tiles(power), "now") + cards.mix_bar(power)


def today(view: View, days: list[overview.Day]) -> None:
    """Energy, money and completeness of the local day."""
    day = local_date(view.now, view.site.calendar)
    with st.container(key="card_today"):
        st.html(cards.heading(text("today.title"), formats.day_name(day)))
        newest = days[-1] if days and days[-1].local_date == day else None
        has_production = any((known.energy_kwh["production"] or 0) > 0 for known in days)
        shown = cards.tiles(cards.today_tiles(newest, has_production=has_production), "today") if newest else ""
        st.html(shown or cards.hint(text("today.nothing_yet")))


def week(view: View, days: list[overview.Day]) -> None:
    """The last seven local days."""
    with st.container(key="card_week"):
        st.html(cards.heading(text("week.title"), text("week.subtitle")))
        if not days:
            st.html(cards.hint(text("week.nothing_yet", site_id=view.site.site_id)))
            return
        st.plotly_chart(charts.week_chart(days), theme=None, config=CHART, key="week_chart")


def expected(view: View) -> None:
    """The next 24 hours."""
    with st.container(key="card_forecast"):
        st.html(cards.heading(text("forecast.title"), text("forecast.subtitle")))
        low = view.now.replace(minute=0, second=0, microsecond=0)
        wanted = {"use": "consumption", "solar": "production"}
        found = {name: forecasts.latest(view.services.reader, view.site.site_id, channel, view.now) for name, channel in wanted.items()}
        known = {name: forecast for name, forecast in found.items() if forecast and _is_worth_showing(forecast, low)}
        if not known:
            st.html(cards.hint(text("forecast.nothing_yet")))
            return
        figure = charts.forecast_chart(known, low, low + 24 * HOUR, view.site.calendar)
        st.plotly_chart(figure, theme=None, config=CHART, key="forecast_chart")


def _is_worth_showing(forecast: forecasts.Forecast, low: datetime) -> bool:
    ahead = forecast.between(low, low + 24 * HOUR)
    return any((point["upper_80_kwh"] or 0) > charts.LEAST_SHOWN_KWH for point in ahead)


def advice(view: View) -> None:
    """What to do, the greatest saving first."""
    found = overview.recommendations(view.services.reader, [view.site.site_id], view.now)
    with st.container(key="card_advice"):
        st.html(cards.heading(text("advice.title")))
        st.html("".join(cards.recommendation(row) for row in found[:MOST_SHOWN]) or cards.hint(text("advice.nothing_yet")))


def unusual(view: View) -> None:
    """Open anomalies that nobody said to know of."""
    known = known_findings(view.services.accounts, [view.site.site_id])
    found = overview.open_anomalies(view.services.reader, view.site, known)
    with st.container(key="card_unusual"):
        st.html(cards.heading(text("anomalies.title")))
        st.html(cards.anomaly_list(found, view.site.calendar))
