"""keys as Mosquitto keeps passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("device_keys", sa.Column("mosquitto_hash", sa.String(length=160), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("device_keys", "mosquitto_hash")
