"""The frame round every page: who is logged in, which site, the way out."""

from datetime import UTC, datetime

import streamlit as st

from aurora.accounts.models import User
from aurora.accounts.people import visible_sites
from aurora.domain.texts import text
from app.gate import TO_LOGIN_SCRIPT
from app.services import Services, current


def show() -> None:
    """The page of the person whose cookie the session carries."""
    services = current()
    st.set_page_config(page_title=text("app.name"), layout="wide")
    user = signed_in(services)
    st.write(user.username)


def signed_in(services: Services) -> User:
    """Whose login the session carries; where it has ended, the browser is sent to the form and the run stops here."""
    user = services.sessions.user(st.context.cookies, datetime.now(UTC))
    if user is None:
        st.html(f"<p>{text('app.signed_out')} <a href='/login'>{text('app.sign_in_again')}</a></p>")
        st.html(f"<script>{TO_LOGIN_SCRIPT}</script>", unsafe_allow_javascript=True)
        st.stop()
    return user
