"""The frame round every page: who is logged in, which site, the way out."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from app.pages import cards, changes, conditions, meters, overview
from app.pages.logins import signed_in
from app.services import Services, current
from aurora.accounts.models import Site, User
from aurora.accounts.people import visible_sites
from aurora.domain.texts import text

STYLE = Path(__file__).parent / "style.css"
ICON = Path(__file__).parents[1] / "assets" / "icon.svg"


def show() -> None:
    """The page of the person whose cookie the session carries."""
    services = current()
    st.set_page_config(page_title=text("app.name"), page_icon=str(ICON), layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    user = signed_in(services)
    sites = visible_sites(services.accounts, user.user_id, datetime.now(UTC))
    with st.container(key="header", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(_brand(is_demo=services.home.is_demo), width="content")
        site = _pick(sites)
        st.html(_way_out(services, user), width="content")
    if site is None:
        with st.container(key="card_none"):
            st.html(cards.heading(text("sites.none_title")) + cards.hint(text("sites.none_hint")))
        return
    page = _pick_page(site)
    if page == "meters":
        meters.show(services, site, user)
    elif page == "changes":
        changes.show(services, site)
    elif page == "state":
        conditions.show(services, site, user)
    else:
        overview.show(services, site)


def _pick_page(site: Site) -> str:
    """The page of the address, the Overview where it names none, below links to all of them."""
    titles = {
        "overview": text("nav.overview"),
        "state": text("state.title"),
        "meters": text("meters.title"),
        "changes": text("changes.title"),
    }
    asked = st.query_params.get("page", "")
    chosen = asked if asked in titles else next(iter(titles))
    links = "".join(_link(page, title, site, is_chosen=page == chosen) for page, title in titles.items())
    st.html(f'<nav class="au-nav">{links}</nav>')
    return chosen


def _link(page: str, title: str, site: Site, *, is_chosen: bool) -> str:
    target = escape("/?" + urlencode({"page": page, "site": site.site_id}))
    here = ' aria-current="page"' if is_chosen else ""
    return f'<a href="{target}" target="_self"{here}>{escape(title)}</a>'


def _brand(*, is_demo: bool) -> str:
    badge = f'<span class="au-badge" title="{escape(text("app.demo_hint"))}">{escape(text("app.demo_badge"))}</span>' if is_demo else ""
    return f'<div class="au-brand"><span class="au-sun"></span>{escape(text("app.name"))}{badge}</div>'


def _pick(sites: list[Site]) -> Site | None:
    """The site to show: the one of the address where the person may see it, else the first."""
    by_id = {site.site_id: site for site in sites}
    if not by_id:
        return None
    asked = st.query_params.get("site", "")
    chosen = asked if asked in by_id else next(iter(by_id))
    if len(by_id) == 1:
        st.html(f'<div class="au-site">{escape(by_id[chosen].name)}</div>', width="content")
    else:
        chosen = st.selectbox(
            text("app.site"),
            list(by_id),
            index=list(by_id).index(chosen),
            format_func=lambda site_id: by_id[site_id].name,
            label_visibility="collapsed",
            width=260,
        )
        st.query_params["site"] = chosen
    return by_id[chosen]


def _way_out(services: Services, user: User) -> str:
    token = services.sessions.logout_token(st.context.cookies)
    return (
        f'<form class="au-out" method="post" action="/logout"><a href="/account" target="_self">{escape(user.username)}</a>'
        f'<input type="hidden" name="token" value="{escape(token)}"><button type="submit">{escape(text("app.sign_out"))}</button></form>'
    )
