"""State of data: which devices are heard from, what was refused of them, what a person should know, and that they know it."""

from datetime import UTC, datetime

import streamlit as st

from app.pages import cards, deciding
from app.queries import overview
from app.queries.conditions import Finding, device_states, open_findings, refusals
from app.services import Services
from aurora.accounts.acknowledgements import acknowledge
from aurora.accounts.memberships import role_at
from aurora.accounts.models import Site, User
from aurora.accounts.rights import may
from aurora.domain.texts import text

MOST_FINDINGS = 25


def show(services: Services, site: Site, user: User) -> None:
    """The whole page of a site the person may see."""
    now = datetime.now(UTC)
    _findings(services, site, user, now)
    _devices(services, site, now)
    _refused(services, site, now)


def _findings(services: Services, site: Site, user: User, now: datetime) -> None:
    found = open_findings(services.reader, services.accounts, site)
    may_change = may(role_at(services.accounts, user.user_id, site.site_id, now), "change_devices")
    with st.container(key="card_findings"):
        st.html(cards.heading(text("state.findings"), text("state.findings_subtitle")))
        if not found:
            st.html(cards.hint(text("anomalies.nothing_open")))
        for finding in found[:MOST_FINDINGS]:
            st.html(cards.finding(finding, site.calendar))
            if may_change:
                _decide(services, site, user, finding)
        if len(found) > MOST_FINDINGS:
            st.html(cards.hint(text("state.more_findings", count=len(found) - MOST_FINDINGS)))


def _decide(services: Services, site: Site, user: User, finding: Finding) -> None:
    """The button that says that a finding is known of, with what is known, or takes that back."""
    is_sent, reason = deciding.asked(
        f"know_{finding.anomaly_id}", is_decided=finding.is_acknowledged,
        decide=text("state.acknowledge"), take_back=text("state.reopen"), reason=text("state.reason"),
    )  # fmt: skip
    if is_sent:
        acknowledge(
            services.accounts,
            finding.anomaly_id,
            site_id=site.site_id,
            is_acknowledged=not finding.is_acknowledged,
            reason=reason,
            by=user.user_id,
            now=datetime.now(UTC),
        )
        st.rerun()


def _devices(services: Services, site: Site, now: datetime) -> None:
    published = overview.publication(services.reader, site)
    found = device_states(services.reader, services.accounts, site, now)
    with st.container(key="card_devices"):
        st.html(cards.heading(text("state.devices"), cards.freshness(published.finished_at, published.pending_days, now)))
        shown = "".join(cards.device_state(device, site.calendar) for device in found)
        st.html(shown or cards.hint(text("state.no_devices", site_id=site.site_id)))


def _refused(services: Services, site: Site, now: datetime) -> None:
    found = refusals(services.reader, services.accounts, site, now)
    with st.container(key="card_refused"):
        st.html(cards.heading(text("state.refused"), text("state.refused_subtitle")))
        st.html("".join(cards.refusals(one, site.calendar) for one in found) or cards.hint(text("state.nothing_refused")))
        if found:
            st.html(cards.hint(text("state.replay")))
