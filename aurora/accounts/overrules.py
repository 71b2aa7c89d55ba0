"""Decisions how a meter was read that people reversed, or let stand again."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.models import Overrule
from aurora.accounts.reasons import refuse_long_reason

# What `decided_by` says where nobody decided, and where it is not known who did.
RULE, SOMEBODY = "rule", "person"


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
    refuse_long_reason(reason)
    said = Overrule(
        event_id=event_id, device_id=device_id, site_id=site_id, is_overruled=is_overruled, reason=reason, user_id=by, decided_at=now
    )
    with accounts.transaction() as session:
        said = session.merge(said)
        action = "meter_event.overrule" if is_overruled else "meter_event.restore"
        note(session, action, user_id=by, subject=("meter_event", event_id), site_id=site_id, details={"device_id": device_id})
    return said


def laid_over(row: dict[str, Any], said: Overrule | None, names: Mapping[str, str]) -> dict[str, Any]:
    """A row of `gold/meter_events` with what was said of it last, and by whose name.

    Args:
        row: As published; its decided_by may be the id of a user.
        said: What was said last, if anything was.
        names: User names by id; of whoever is not among them it says `SOMEBODY`.
    """
    if said is None or (not said.is_overruled and not row["is_overruled"]):
        decided_by = row["decided_by"]
        return row | {"decided_by": RULE if decided_by == RULE else names.get(decided_by, SOMEBODY)}
    by = names.get(said.user_id or "", SOMEBODY) if said.is_overruled else RULE
    return row | {"is_overruled": said.is_overruled, "decided_by": by}


def all_overrules(accounts: Accounts, site_ids: Collection[str] | None = None) -> dict[str, Overrule]:
    """What was said last of each decision (of some sites), by event id; those let stand again among them."""
    chosen = select(Overrule).order_by(Overrule.event_id)
    with accounts.reading() as session:
        rows = session.scalars(chosen if site_ids is None else chosen.where(Overrule.site_id.in_(site_ids)))
        return {row.event_id: row for row in rows}
