"""The tables of the history, as they stand after the last migration. How rows are read is in `history_rows`.

A table or column is changed by a file in `migrations/versions/` and here; a test compares the two.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from adce_assets.dims.history_records import ApprovalState

metadata = sa.MetaData()

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which knows no time zones, keeps it as text in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Write a moment; ValueError if it has no time zone."""
        if value is None:
            return None
        if value.utcoffset() is None:
            message = f"{value} has no time zone"
            raise ValueError(message)
        return value.astimezone(UTC).replace(tzinfo=None if dialect.name == "sqlite" else UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Read it in UTC, whatever the time zone of the session."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id() -> sa.Column[Any]:
    return sa.Column("id", _Id, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, Moment, nullable=False)


runs = sa.Table(
    "dims_runs",
    metadata,
    _id(),
    _moment("started_at"),
    _moment("ended_at"),
    _text("trigger"),
    _text("by"),
    sa.Index("dims_runs_by_time", "started_at"),
    sqlite_autoincrement=True,
)
measurements = sa.Table(
    "dims_measurements",
    metadata,
    _id(),
    sa.Column("run_id", _Id, nullable=False),
    _text("metric"),
    _moment("at"),
    sa.Column("value", sa.Text),
    sa.Column("number", sa.Double),
    _text("error"),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("is_cached", sa.Boolean, nullable=False),
    _text("status"),
    _text("severity"),
    sa.Column("drift", sa.Double),
    sa.Column("accepted", sa.Text),
    sa.Column("accepted_at", Moment),
    sa.Column("accepted_how", sa.Text),
    sa.Column("accepted_by", sa.Text),
    sa.Column("in_season", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("definition", sa.Text, nullable=False, server_default=""),
    sa.Index("dims_measurements_by_metric", "metric", "at"),
    sa.Index("dims_measurements_last", "metric", "id"),
    sa.Index("dims_measurements_by_run", "run_id"),
    sqlite_autoincrement=True,
)
"""``value`` and ``accepted`` are JSON, which keeps the type; ``number`` is for those who ask in SQL."""
events = sa.Table(
    "dims_events",
    metadata,
    _id(),
    _text("event"),
    _text("source"),
    _moment("at"),
    sa.Column("ended_at", Moment),
    sa.Column("run_id", _Id),
    _text("error"),
    sa.Column("cooled", sa.Integer, nullable=False),
    sa.Column("cooled_at", Moment),
    sa.Index("dims_events_by_time", "event", "source", "at"),
    sqlite_autoincrement=True,
)
snapshots = sa.Table(
    "dims_snapshots",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    _text("document"),
)
IS_PENDING = sa.text(f"state = '{ApprovalState.PENDING}'")
approvals = sa.Table(
    "dims_approvals",
    metadata,
    _id(),
    _text("metric"),
    _text("state"),
    sa.Column("old", sa.Text),
    _text("new"),
    sa.Column("drift", sa.Double),
    _text("severity"),
    sa.Column("run_id", _Id),
    _moment("asked_at"),
    _moment("proposed_at"),
    sa.Column("decided_at", Moment),
    _text("by"),
    _text("note"),
    sa.Index("dims_approvals_pending", "metric", unique=True, postgresql_where=IS_PENDING, sqlite_where=IS_PENDING),
    sa.Index("dims_approvals_by_metric", "metric", "id"),
    sqlite_autoincrement=True,
)
proposals = sa.Table(
    "dims_proposals",
    metadata,
    _id(),
    sa.Column("approval_id", _Id, sa.ForeignKey("dims_approvals.id"), nullable=False),
    _moment("at"),
    _text("value"),
    sa.Column("drift", sa.Double),
    _text("severity"),
    sa.Column("run_id", _Id),
    sa.Index("dims_proposals_by_approval", "approval_id"),
    sqlite_autoincrement=True,
)
