"""Findings that people know of: kept here, so that no refresh forgets it."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.models import Acknowledgement
from aurora.accounts.reasons import refuse_long_reason


def acknowledge(
    accounts: Accounts, anomaly_id: str, *, site_id: str, is_acknowledged: bool, reason: str | None, by: str | None, now: datetime
) -> Acknowledgement:
    """Keep that a person knows of a finding, or takes that back, in place of what was said before.

    Args:
        accounts: The database.
        anomaly_id: The finding, a row of `gold/anomalies`.
        site_id: Where it is.
        is_acknowledged: Whether it is known of; False tells it again.
        reason: What they know of it.
        by: Who says so; None for the command line.
        now: When.

    Raises:
        WrongFacts: If the reason is too long.
    """
    refuse_long_reason(reason)
    said = Acknowledgement(
        anomaly_id=anomaly_id, site_id=site_id, is_acknowledged=is_acknowledged, reason=reason, user_id=by, decided_at=now
    )
    with accounts.transaction() as session:
        said = session.merge(said)
        action = "finding.acknowledge" if is_acknowledged else "finding.reopen"
        note(session, action, user_id=by, subject=("finding", anomaly_id), site_id=site_id)
    return said


def all_acknowledgements(accounts: Accounts, site_ids: Collection[str] | None = None) -> dict[str, Acknowledgement]:
    """What was said last of each finding (of some sites), by its id; those to be told again among them."""
    chosen = select(Acknowledgement).order_by(Acknowledgement.anomaly_id)
    with accounts.reading() as session:
        rows = session.scalars(chosen if site_ids is None else chosen.where(Acknowledgement.site_id.in_(site_ids)))
        return {row.anomaly_id: row for row in rows}


def known_findings(accounts: Accounts, site_ids: Collection[str] | None = None) -> frozenset[str]:
    """Ids of the findings (of some sites) that somebody knows of."""
    return frozenset(name for name, said in all_acknowledgements(accounts, site_ids).items() if said.is_acknowledged)
