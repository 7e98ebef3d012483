"""A moment in, what is older than it gone: runs, what they measured, events; and all but the newest snapshots.

What a person has decided, or is to decide, is never let go.
"""

from datetime import date, datetime

import sqlalchemy as sa

from adce_assets.dims.history_tables import events, measurements, runs, snapshots


def prune(connection: sa.Connection, before: datetime) -> tuple[int, int, int]:
    """Let go of the runs and events that were begun before; return how many measurements, runs and events went."""
    old = sa.select(runs.c.id).where(runs.c.started_at < before)
    return (
        connection.execute(sa.delete(measurements).where(measurements.c.run_id.in_(old))).rowcount,
        connection.execute(sa.delete(runs).where(runs.c.started_at < before)).rowcount,
        connection.execute(sa.delete(events).where(events.c.at < before)).rowcount,
    )


def prune_snapshots(connection: sa.Connection, keep: int) -> tuple[date, ...]:
    """Let go of all but the newest snapshots; return the days of the others, oldest first."""
    days = list(connection.scalars(sa.select(snapshots.c.day).order_by(snapshots.c.day.desc()).offset(keep)))
    if days:
        connection.execute(sa.delete(snapshots).where(snapshots.c.day <= days[0]))
    return tuple(reversed(days))
