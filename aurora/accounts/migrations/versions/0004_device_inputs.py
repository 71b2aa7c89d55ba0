"""what the inputs of a device measure."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("devices", sa.Column("inputs", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take the change back. Not in a batch: SQLite cannot make a table anew to which others refer."""
    op.drop_column("devices", "inputs")
