"""The first tables: what was measured and how it was judged, what has happened, and daily snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "dims_runs",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("started_at", _Moment, nullable=False),
        sa.Column("ended_at", _Moment, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Index("dims_runs_by_time", "started_at"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dims_measurements",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("run_id", _Id, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("at", _Moment, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("number", sa.Double),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("is_cached", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("drift", sa.Double),
        sa.Column("accepted", sa.Text),
        sa.Column("accepted_at", _Moment),
        sa.Column("accepted_how", sa.Text),
        sa.Column("accepted_by", sa.Text),
        sa.Index("dims_measurements_by_metric", "metric", "at"),
        sa.Index("dims_measurements_by_run", "run_id"),
        sqlite_autoincrement=True,
    )
    _make_events_and_snapshots()


def _make_events_and_snapshots() -> None:
    op.create_table(
        "dims_events",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", _Moment, nullable=False),
        sa.Column("ended_at", _Moment),
        sa.Column("run_id", _Id),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("cooled", sa.Integer, nullable=False),
        sa.Index("dims_events_by_time", "event", "source", "at"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dims_snapshots",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
