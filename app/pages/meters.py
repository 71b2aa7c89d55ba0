"""Meters: the decisions how meters were read, and the means to reverse them."""

from datetime import UTC, datetime

import streamlit as st

from app.pages import cards
from app.queries.meters import Event, events
from app.services import Services
from aurora.accounts.memberships import role_at
from aurora.accounts.models import Site, User
from aurora.accounts.overrules import LONGEST_REASON, overrule
from aurora.accounts.rights import may
from aurora.domain.texts import text

MOST_SHOWN = 25


def show(services: Services, site: Site, user: User) -> None:
    """The whole page of a site the person may see."""
    found = events(services.reader, services.accounts, site, MOST_SHOWN)
    may_change = may(role_at(services.accounts, user.user_id, site.site_id, datetime.now(UTC)), "change_devices")
    with st.container(key="card_meters"):
        st.html(cards.heading(text("meters.title"), text("meters.subtitle")))
        if not found.count:
            st.html(cards.hint(text("meters.nothing_yet")))
        for event in found.newest:
            st.html(cards.meter_event(event, site.calendar))
            if may_change:
                _decide(services, site, user, event)
        if found.count > len(found.newest):
            st.html(cards.hint(text("meters.more", count=found.count - len(found.newest))))


def _decide(services: Services, site: Site, user: User, event: Event) -> None:
    """The button that reverses a decision, with a reason, or lets it stand again."""
    with st.form(f"decide_{event.event_id}", border=False):
        reason = None
        if not event.is_overruled:
            label = text("meters.reason")
            reason = st.text_input(label, placeholder=label, label_visibility="collapsed", max_chars=LONGEST_REASON)
        is_sent = st.form_submit_button(text("meters.restore") if event.is_overruled else text("meters.overrule"))
    if is_sent:
        overrule(
            services.accounts,
            event.event_id,
            device_id=event.device_id,
            site_id=site.site_id,
            is_overruled=not event.is_overruled,
            reason=reason or None,
            by=user.user_id,
            now=datetime.now(UTC),
        )
        st.rerun()
