"""A button by which a person decides something, with a reason, or takes it back."""

import streamlit as st

from aurora.accounts.reasons import LONGEST_REASON


def asked(key: str, *, is_decided: bool, decide: str, take_back: str, reason: str) -> tuple[bool, str | None]:
    """Whether the button was pressed, and the reason that was given.

    Args:
        key: Tells it from the others of the page.
        is_decided: Whether that is already decided, so that it can only be taken back.
        decide: The button's text.
        take_back: Its text once that is decided.
        reason: What to ask for.
    """
    with st.form(key, border=False):
        given = ""
        if not is_decided:
            given = st.text_input(reason, placeholder=reason, label_visibility="collapsed", max_chars=LONGEST_REASON)
        is_sent = st.form_submit_button(take_back if is_decided else decide)
    return is_sent, given or None
