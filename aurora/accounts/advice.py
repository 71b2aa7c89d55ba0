"""What people said of recommendations."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Feedback

KINDS = ("helpful", "not_helpful", "dismissed", "accepted", "done")


def give_feedback(accounts: Accounts, user_id: str, site_id: str, recommendation_id: str, feedback: str, now: datetime) -> Feedback:
    """Keep what a person says of a recommendation, in place of what they said before."""
    given = Feedback(recommendation_id=recommendation_id, user_id=user_id, site_id=site_id, feedback=feedback, given_at=now)
    with accounts.transaction() as session:
        return session.merge(given)


def newest_feedback(accounts: Accounts, site_ids: Collection[str]) -> dict[tuple[str, str], Feedback]:
    """What was said last of each recommendation of some sites, by site and recommendation."""
    with accounts.reading() as session:
        rows = session.scalars(select(Feedback).where(Feedback.site_id.in_(site_ids)).order_by(Feedback.given_at, Feedback.user_id))
        return {(row.site_id, row.recommendation_id): row for row in rows}
