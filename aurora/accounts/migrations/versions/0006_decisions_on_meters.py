"""what people say of how meters are read: overruled decisions, factors, channels, exchanges."""

import sqlalchemy as sa
from alembic import op

import aurora.accounts.models

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEW_FACTS = (("factor", sa.Float()), ("channels", sa.JSON()), ("replacements", sa.JSON()))


def upgrade() -> None:
    """Make the change."""
    for name, kind in NEW_FACTS:
        op.add_column("devices", sa.Column(name, kind, nullable=True))
    op.create_table(
        "overrules",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("is_overruled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("decided_at", aurora.accounts.models.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("event_id"),
    )
    with op.batch_alter_table("overrules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_overrules_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_overrules_site_id"), ["site_id"], unique=False)


def downgrade() -> None:
    """Take the change back. Columns not in a batch: SQLite cannot make a table anew to which others refer."""
    with op.batch_alter_table("overrules", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_overrules_site_id"))
        batch_op.drop_index(batch_op.f("ix_overrules_device_id"))
    op.drop_table("overrules")
    for name, _ in reversed(NEW_FACTS):
        op.drop_column("devices", name)
