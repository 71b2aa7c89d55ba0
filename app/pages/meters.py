"""Meters: the decisions how meters were read, and the means to reverse them."""

from datetime import UTC, datetime

import streamlit as st

from app.pages import cards, deciding
from app.queries.meters import Event, events
from app.services import Services
from aurora.accounts.memberships import role_at
from aurora.accounts.models import Site, User
from aurora.accounts.overrules import overrule
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
    is_sent, reason = deciding.asked(
        f"decide_{event.event_id}", is_decided=event.is_overruled,
        decide=text("meters.overrule"), take_back=text("meters.restore"), reason=text("meters.reason"),
    )  # fmt: skip
    if is_sent:
        overrule(
            services.accounts,
            event.event_id,
            device_id=event.device_id,
            site_id=site.site_id,
            is_overruled=not event.is_overruled,
            reason=reason,
            by=user.user_id,
            now=datetime.now(UTC),
        )
        st.rerun()
