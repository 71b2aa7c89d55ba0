"""What changed: figures of closed days that a later refresh put right, and why."""

import streamlit as st

from app.pages import cards
from app.queries.changes import changes
from app.services import Services
from aurora.accounts.models import Site
from aurora.domain.texts import text

MOST_SHOWN = 60


def show(services: Services, site: Site) -> None:
    """The whole page of a site the person may see."""
    found = changes(services.reader, site, MOST_SHOWN)
    with st.container(key="card_changes"):
        st.html(cards.heading(text("changes.title"), text("changes.subtitle")))
        st.html("".join(cards.day_changed(day, site) for day in found.newest) or cards.hint(text("changes.nothing_yet")))
        if found.count > len(found.newest):
            st.html(cards.hint(text("changes.more", count=found.count - len(found.newest))))
