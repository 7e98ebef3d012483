"""Verdicts, events and decisions in, what happened to each metric out: the memory of the metrics, in SQL.

The tables are in `history_tables`, what the two databases do differently in `history_database`; what is measured,
judged, held back and accepted is decided elsewhere. All that is written in one call is written at once or not at all,
and one writer waits for the other, whatever process it is in.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adce_assets.dims import history_approvals, history_pruning
from adce_assets.dims.history_database import Database
from adce_assets.dims.history_figures import stats_of, trend_of
from adce_assets.dims.history_records import (
    Approval,
    ApprovalState,
    Happening,
    Point,
    Proposal,
    Pruned,
    Recorded,
    Run,
    Stats,
    Trend,
)
from adce_assets.dims.history_rows import (
    approval_of,
    document_of,
    document_text,
    happening_of,
    measurement_of,
    point_of,
    proposal_of,
    row_of,
    verdict_of,
)
from adce_assets.dims.history_tables import approvals, events, measurements, proposals, runs, snapshots
from adce_assets.dims.metrics import Measurement, Severity, Status, Value, Verdict
from adce_assets.errors import HistoryError, printable


class History:
    """The history of one database. Safe between processes and between threads.

    Every method raises HistoryError where the database cannot be used, or holds what no history writes.

    Args:
        database: Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database, self.url = database, database.url

    def record(
        self,
        verdicts: Sequence[Verdict],
        *,
        started_at: datetime,
        ended_at: datetime,
        trigger: str,
        by: str,
        held: Collection[str] = (),
        settled: Collection[str] = (),
        apply: Callable[[Recorded], None] | None = None,
    ) -> Recorded:
        """Remember a verification: its run, every verdict, and what waits for a person from now on.

        Args:
            verdicts: What was found.
            started_at: When it was begun (UTC).
            ended_at: When it was done.
            trigger: What it was begun by.
            by: Who began it.
            held: The metrics among them whose values wait for a person from now on.
            settled: The metrics that are back where they were: nobody is asked about them any more.
            apply: Called while nobody else can write here; if it raises, nothing is remembered.
        """
        told = {"started_at": started_at, "ended_at": ended_at, "trigger": printable(trigger), "by": printable(by)}
        with self._database.write() as connection:
            run_id = _added(connection, runs, told)
            if verdicts:
                connection.execute(sa.insert(measurements), [row_of(verdict, run_id) for verdict in verdicts])
            waiting = [verdict for verdict in verdicts if verdict.measurement.metric in held]
            asked = [history_approvals.hold_verdict(connection, verdict, run_id) for verdict in waiting]
            history_approvals.withdraw(connection, settled, by=by, at=ended_at)
            recorded = Recorded(run_id, tuple(asked))
            if apply is not None:
                apply(recorded)
        return recorded

    def latest(self, ids: Collection[str], since: datetime, until: datetime | None = None) -> Mapping[str, Measurement]:
        """Look up what was remembered last of each metric in a time, errors left out; not all need to be there."""
        asked = sa.select(measurements).where(_within(since, until), measurements.c.error == "", _MEASURED)
        with self._database.read() as connection:
            rows = {metric: connection.execute(_last(asked, metric)).first() for metric in ids}
            return {metric: measurement_of(row) for metric, row in rows.items() if row is not None}

    def newest(self, ids: Collection[str]) -> Mapping[str, Verdict]:
        """Look up the verdict that was remembered last of each metric, be it an error; not all need to be there."""
        with self._database.read() as connection:
            rows = {metric: connection.execute(_last(sa.select(measurements), metric)).first() for metric in ids}
            return {metric: verdict_of(row) for metric, row in rows.items() if row is not None}

    def confirmed_in_season(self, accepted_at: Mapping[str, datetime]) -> frozenset[str]:
        """Name the metrics of which what was accepted at a moment was measured in season since, and was in order."""
        of = measurements.c
        asked = sa.select(of.id).where(of.status == Status.OK.value, of.in_season).limit(1)
        with self._database.read() as connection:
            same = {
                metric: asked.where(of.metric == metric, of.accepted_at == at) for metric, at in accepted_at.items()
            }
            return frozenset(metric for metric, one in same.items() if connection.scalar(one) is not None)

    def verdicts(self, run_id: int) -> tuple[Verdict, ...]:
        """List all verdicts of a run, in the order in which they were told; none of one that is gone."""
        asked = sa.select(measurements).where(measurements.c.run_id == run_id).order_by(measurements.c.id)
        with self._database.read() as connection:
            return tuple(verdict_of(row) for row in connection.execute(asked))

    def series(self, metric: str, since: datetime, until: datetime | None = None) -> list[Point]:
        """List what was measured of a metric in a time, oldest first, errors too; what was cached is told once."""
        return self.many_series((metric,), since, until)[metric]

    def many_series(
        self, ids: Collection[str], since: datetime, until: datetime | None = None
    ) -> Mapping[str, list[Point]]:
        """List what was measured of several metrics in a time, as `series` does; each is there."""
        found: dict[str, list[Point]] = {metric: [] for metric in ids}
        of = measurements.c
        asked = sa.select(*of["metric", "at", "value", "error", "status", "drift", "accepted"])
        asked = asked.where(of.metric.in_(found), _within(since, until), _MEASURED).order_by(of.metric, of.at, of.id)
        with self._database.read() as connection:
            for row in connection.execute(asked):
                found[row.metric].append(point_of(row))
        return found

    def stats(self, metric: str, since: datetime, until: datetime | None = None) -> Stats:
        """Sum up what was measured of a metric in a time."""
        return stats_of(self.series(metric, since, until))

    def trend(self, metric: str, since: datetime, until: datetime | None = None) -> Trend:
        """Say where a metric was going in a time."""
        return trend_of(self.series(metric, since, until))

    def runs(self, limit: int = 20) -> list[Run]:
        """List the last verifications, newest first."""
        asked = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
        by = measurements.c["run_id", "status"]
        with self._database.read() as connection:
            rows = connection.execute(asked).all()
            counted = sa.select(*by, sa.func.count()).where(by[0].in_([row.id for row in rows])).group_by(*by)
            counts: dict[int, dict[Status, int]] = {row.id: {} for row in rows}
            for run_id, status, count in connection.execute(counted):
                counts[run_id][Status(status)] = count
        return [Run(row.id, row.started_at, row.ended_at, row.trigger, row.by, counts[row.id]) for row in rows]

    def begin_event(self, event: str, source: str, at: datetime, cooldown_s: float) -> int | None:
        """Begin what follows from an event, unless the same of the same source was begun less than a cooldown ago.

        Of any number that tell of it at once, in whatever process, one gets a number.

        Returns:
            The number of what was begun; None while it cools, which is counted.
        """
        of, wait = events.c, timedelta(seconds=cooldown_s)
        told = {"event": printable(event), "source": printable(source)}
        same = sa.and_(of.event == told["event"], of.source == told["source"])
        # In both directions: the clocks of two machines are never quite the same.
        cooling = sa.select(of.id).where(same, of.at > at - wait, of.at < at + wait).order_by(of.at.desc()).limit(1)
        with self._database.write() as connection:
            begun = connection.scalar(cooling)
            if begun is None:
                return _added(connection, events, {**told, "at": at, "error": "", "cooled": 0})
            connection.execute(sa.update(events).where(of.id == begun).values(cooled=of.cooled + 1, cooled_at=at))
        return None

    def last_cooled(self) -> Mapping[str, datetime]:
        """Say of each event that was told while it cooled when that was last so, whatever its source."""
        of = events.c
        asked = sa.select(of.event, sa.func.max(of.cooled_at)).where(of.cooled_at.is_not(None)).group_by(of.event)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(asked)}

    def end_event(self, event_id: int, *, at: datetime, run_id: int | None = None, error: str = "") -> None:
        """Say what became of an event; HistoryError if none of that number is under way."""
        told = sa.update(events).where(events.c.id == event_id, events.c.ended_at.is_(None))
        with self._database.write() as connection:
            ended = connection.execute(told.values(ended_at=at, run_id=run_id, error=printable(error)))
            if ended.rowcount != 1:
                raise HistoryError(f"no event {event_id} is under way", where=self.url)

    def events(self, limit: int = 20, *, event: str | None = None, source: str | None = None) -> list[Happening]:
        """List the last events that were acted on, newest first, of all or of some kind or source."""
        asked = sa.select(events).order_by(events.c.at.desc(), events.c.id.desc()).limit(limit)
        for column, wanted in ((events.c.event, event), (events.c.source, source)):
            asked = asked if wanted is None else asked.where(column == printable(wanted))
        with self._database.read() as connection:
            return [happening_of(row) for row in connection.execute(asked)]

    def hold(
        self,
        metric: str,
        *,
        old: Value | None,
        new: Value,
        drift: float | None,
        severity: Severity,
        run_id: int | None,
        at: datetime,
    ) -> int:
        """Let a value wait for a person; what waits of that metric already is brought up to date instead.

        Returns:
            The number of the approval.
        """
        proposal = Proposal(at, new, drift, severity, run_id)
        with self._database.write() as connection:
            return history_approvals.hold(connection, metric, old, proposal)

    def approvals(self, state: ApprovalState | None = None) -> list[Approval]:
        """List approvals, oldest first, of all or of one state."""
        asked = sa.select(approvals).order_by(approvals.c.id)
        asked = asked if state is None else asked.where(approvals.c.state == state.value)
        with self._database.read() as connection:
            return [approval_of(row) for row in connection.execute(asked)]

    def approval(self, approval_id: int) -> Approval:
        """Look an approval up; HistoryError if there is none of that number."""
        with self._database.read() as connection:
            return self._approval(connection, approval_id)

    def proposals(self, approval_id: int) -> list[Proposal]:
        """List the values that were proposed in an approval, oldest first: the last one is decided on."""
        asked = sa.select(proposals).where(proposals.c.approval_id == approval_id).order_by(proposals.c.id)
        with self._database.read() as connection:
            return [proposal_of(row) for row in connection.execute(asked)]

    def decide(
        self,
        approval_id: int,
        *,
        accept: bool,
        by: str,
        note: str,
        at: datetime,
        apply: Callable[[Approval], None] | None = None,
    ) -> Approval:
        """Accept or reject what waits, once.

        Args:
            approval_id: Its number.
            accept: Whether the new value holds from now on.
            by: Who says so.
            note: Why.
            at: When (UTC).
            apply: Called when it is accepted, while nobody else can write here; if it raises, nothing is decided.

        Raises:
            HistoryError: it is decided already, there is none of that number, or nobody says who decides.
        """
        if not printable(by).strip():
            raise HistoryError("nobody is named who decides", where=f"approval {approval_id}", hint="say who with --by")
        with self._database.write() as connection:
            found = self._approval(connection, approval_id)
            if found.state != ApprovalState.PENDING:
                what = f"it was {found.state.value} by {found.by} at {found.decided_at:%Y-%m-%d %H:%M} UTC already"
                raise HistoryError(what, where=f"approval {approval_id} of `{found.metric}`")
            state = ApprovalState.ACCEPTED if accept else ApprovalState.REJECTED
            history_approvals.close(connection, approval_id, state, by=by, note=note, at=at)
            decided = self._approval(connection, approval_id)
            if accept and apply is not None:
                apply(decided)
        return decided

    def keep_snapshot(self, day: date, document: Mapping[str, Any]) -> None:
        """Keep the values of a day, which JSON can hold, in the place of those that were kept of it before."""
        text = document_text(document)
        with self._database.write() as connection:
            connection.execute(sa.delete(snapshots).where(snapshots.c.day == day))
            connection.execute(sa.insert(snapshots).values(day=day, document=text))

    def snapshot(self, day: date) -> dict[str, Any] | None:
        """Return what was kept of a day; None if nothing was."""
        with self._database.read() as connection:
            text = connection.scalar(sa.select(snapshots.c.document).where(snapshots.c.day == day))
            return None if text is None else document_of(text)

    def snapshot_days(self) -> list[date]:
        """List the days of which there are snapshots, oldest first."""
        with self._database.read() as connection:
            return list(connection.scalars(sa.select(snapshots.c.day).order_by(snapshots.c.day)))

    def prune(self, now: datetime, *, days: int, snapshots: int) -> Pruned:
        """Let go of what is older than so many days, and of all but so many snapshots; approvals stay for good.

        The days are reckoned from the newest run that has company, whatever `now` is beyond it: see `history_pruning`.
        """
        with self._database.write() as connection:
            gone = history_pruning.prune(connection, now, timedelta(days=days))
            return Pruned(*gone, history_pruning.prune_snapshots(connection, snapshots))

    def dispose(self) -> None:
        """Close every connection."""
        self._database.dispose()

    def _approval(self, connection: sa.Connection, approval_id: int) -> Approval:
        row = connection.execute(sa.select(approvals).where(approvals.c.id == approval_id)).one_or_none()
        if row is None:
            hint = "`adce dims approve list` names those that wait"
            raise HistoryError(f"there is no approval {approval_id}", where=self.url, hint=hint)
        with self._database.legible():
            return approval_of(row)


def open_history(url: str) -> History:
    """Open the history of a database; its tables are made, or brought up to date, when it is first used.

    Raises:
        HistoryError: a URL of something else than SQLite or PostgreSQL, or one that is not written as it should be.
    """
    return History(Database(url))


_MEASURED = measurements.c.is_cached.is_(False)


def _within(since: datetime, until: datetime | None) -> sa.ColumnElement[bool]:
    at = measurements.c.at
    return at >= since if until is None else sa.and_(at >= since, at <= until)


def _last(asked: sa.Select[Any], metric: str) -> sa.Select[Any]:
    of = measurements.c
    return asked.where(of.metric == metric).order_by(of.id.desc()).limit(1)


def _added(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> int:
    key = connection.execute(sa.insert(table).values(row)).inserted_primary_key
    return int(key[0]) if key else 0
