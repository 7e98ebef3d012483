"""What waits for a person, and was decided by one; and whether a metric was measured in its season."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)
_IS_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Make the tables of approvals; what was measured before counts as measured in season."""
    op.create_table(
        "dims_approvals",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text, nullable=False),
        sa.Column("drift", sa.Double),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("run_id", _Id),
        sa.Column("asked_at", _Moment, nullable=False),
        sa.Column("proposed_at", _Moment, nullable=False),
        sa.Column("decided_at", _Moment),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Index(
            "dims_approvals_pending", "metric", unique=True, postgresql_where=_IS_PENDING, sqlite_where=_IS_PENDING
        ),
        sa.Index("dims_approvals_by_metric", "metric", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dims_proposals",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("approval_id", _Id, sa.ForeignKey("dims_approvals.id"), nullable=False),
        sa.Column("at", _Moment, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("drift", sa.Double),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("run_id", _Id),
        sa.Index("dims_proposals_by_approval", "approval_id"),
        sqlite_autoincrement=True,
    )
    op.add_column("dims_measurements", sa.Column("in_season", sa.Boolean, nullable=False, server_default=sa.true()))
