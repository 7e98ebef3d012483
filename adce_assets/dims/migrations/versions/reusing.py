"""What a remembered number was measured by, and when an event was last told while it rested."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both; what was measured before was measured by nobody knows what, and is not used instead of measuring."""
    op.add_column("dims_measurements", sa.Column("definition", sa.Text, nullable=False, server_default=""))
    op.create_index("dims_measurements_last", "dims_measurements", ["metric", "id"])
    op.add_column("dims_events", sa.Column("cooled_at", sa.DateTime(timezone=True)))
