"""The audit log: who did what, when. Entries are only ever added.

Call `note` inside the transaction that does the deed, so that neither stands without the other:

    with accounts.transaction() as session:
        session.add(site)
        audit.note(session, "site.add", user_id=caller.user_id, subject=("site", site.site_id), site_id=site.site_id)

`action` is `<subject>.<verb>` in the present tense (`login.start`, `password.change`, `member.add`, `key.revoke`); `user_id` is who did
it, None for the command line and for strangers. Ids go into `subject` and `site_id`; `details` holds further facts that are no secret
and nobody's personal data: whatever stands there outlives the person who is named.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aurora.accounts.database import Accounts
from aurora.accounts.models import AuditEntry

MOST_DETAILS = 2048
MOST_ENTRIES = 1000


def note(
    session: Session,
    action: str,
    *,
    user_id: str | None = None,
    subject: tuple[str, str] | None = None,
    site_id: str | None = None,
    address: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry to the transaction of `session`.

    Args:
        session: The transaction that does the deed.
        action: What was done, `<subject>.<verb>`, at most 48 characters.
        user_id: Who did it; None for the command line and for somebody unknown.
        subject: Kind and id of what it was done to.
        site_id: The site it happened at, so that its owners can be told.
        address: The IP address it came from.
        details: Further facts, kept as JSON and dropped where they are longer than 2,048 characters.
    """
    kind, subject_id = subject or (None, None)
    written = json.dumps(details, default=str) if details else None
    session.add(
        AuditEntry(
            audit_id=str(uuid.uuid4()),
            at=datetime.now(UTC),
            user_id=user_id,
            action=action,
            subject_kind=kind,
            subject_id=subject_id,
            site_id=site_id,
            address=address,
            details=written if written is None or len(written) <= MOST_DETAILS else None,
        )
    )


def entries(accounts: Accounts, user_id: str | None = None, most: int = MOST_ENTRIES) -> list[AuditEntry]:
    """The newest entries first: all of them, or those of one person, who did them or whom they were done to."""
    asked = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.audit_id).limit(most)
    if user_id is not None:
        asked = asked.where(or_(AuditEntry.user_id == user_id, AuditEntry.subject_id == user_id))
    with accounts.reading() as session:
        return list(session.scalars(asked))
