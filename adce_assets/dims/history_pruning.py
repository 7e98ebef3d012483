"""A moment in, what is older than it gone: runs, what they measured, events; and all but the newest snapshots.

What a person has decided, or is to decide, is never let go. Nor is a clock believed that has jumped ahead: the days
that are kept end with the newest run that another one precedes, by a day at least and by no more than is kept.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from adce_assets.dims.history_tables import events, measurements, runs, snapshots

DAY = timedelta(days=1)
"""For how long a clock may be wrong before it is believed."""


def prune(connection: sa.Connection, now: datetime, keep: timedelta) -> tuple[int, int, int]:
    """Let go of the runs and events that are too old; return how many measurements, runs and events went."""
    asked = sa.select(runs.c.started_at).where(runs.c.started_at <= now).order_by(runs.c.started_at.desc())
    end = _trusted(list(connection.scalars(asked)), keep)
    return (0, 0, 0) if end is None else _let_go(connection, end - keep)


def _trusted(moments: Sequence[datetime], keep: timedelta) -> datetime | None:
    """Find the newest moment that has company, in moments of which the newest is first."""
    return next((at for at in moments if any(at - keep <= other <= at - DAY for other in moments)), None)


def _let_go(connection: sa.Connection, before: datetime) -> tuple[int, int, int]:
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
