"""Who is looking at a page: asked again at every run of a script and of each of its fragments."""

from datetime import UTC, datetime

import streamlit as st

from app.gate import TO_LOGIN_SCRIPT
from app.services import Services
from aurora.accounts.models import User
from aurora.domain.texts import text


def signed_in(services: Services) -> User:
    """Whose login the session carries; where it has ended, the browser is sent to the form and the run stops here."""
    user = services.sessions.user(st.context.cookies, datetime.now(UTC))
    if user is None:
        st.html(f'<p class="au-hint">{text("app.signed_out")} <a href="/login">{text("app.sign_in_again")}</a></p>')
        st.html(f"<script>{TO_LOGIN_SCRIPT}</script>", unsafe_allow_javascript=True)
        st.stop()
    return user
