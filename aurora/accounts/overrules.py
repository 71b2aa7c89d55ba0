"""Decisions how a meter was read that people reversed, or let stand again."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.models import Overrule
from aurora.errors import WrongFacts

LONGEST_REASON = 512


def overrule(
    accounts: Accounts,
    event_id: str,
    *,
    device_id: str,
    site_id: str,
    is_overruled: bool,
    reason: str | None,
    by: str | None,
    now: datetime,
) -> Overrule:
    """Keep what a person says of a decision, in place of what was said before; the next refresh reckons with it.

    Args:
        accounts: The database.
        event_id: The decision, a row of `gold/meter_events`.
        device_id: Whose reading it was about.
        site_id: Where that device is.
        is_overruled: Whether the decision is reversed; False lets it stand again.
        reason: Why.
        by: Who says so; None for the command line.
        now: When.

    Raises:
        WrongFacts: If the reason is too long.
    """
    if reason is not None and len(reason) > LONGEST_REASON:
        raise WrongFacts([("reason", f"has at most {LONGEST_REASON} characters")])
    said = Overrule(
        event_id=event_id, device_id=device_id, site_id=site_id, is_overruled=is_overruled, reason=reason, user_id=by, decided_at=now
    )
    with accounts.transaction() as session:
        said = session.merge(said)
        action = "meter_event.overrule" if is_overruled else "meter_event.restore"
        note(session, action, user_id=by, subject=("meter_event", event_id), site_id=site_id, details={"device_id": device_id})
    return said


def all_overrules(accounts: Accounts, site_ids: Collection[str] | None = None) -> dict[str, Overrule]:
    """What was said last of each decision (of some sites), by event id; those let stand again among them."""
    chosen = select(Overrule).order_by(Overrule.event_id)
    with accounts.reading() as session:
        rows = session.scalars(chosen if site_ids is None else chosen.where(Overrule.site_id.in_(site_ids)))
        return {row.event_id: row for row in rows}
