"""repeats, answered again without being done again."""

import sqlalchemy as sa
from alembic import op

import aurora.accounts.models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "repeats",
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("body", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.String(length=1024), nullable=False),
        sa.Column("ends_at", aurora.accounts.models.UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("request"),
    )
    with op.batch_alter_table("repeats", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_repeats_ends_at"), ["ends_at"], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("repeats", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_repeats_ends_at"))
    op.drop_table("repeats")
