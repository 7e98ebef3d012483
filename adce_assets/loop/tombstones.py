"""The ledger in, two tables out: keys that the source has nothing for, and keys that nobody may try to collect now.

A tombstone ends by itself. Then a few keys of its cell are asked for again, the newest, and what is found out of them
goes for the others: if one is collected, all are open again; if the source has nothing for any, all stay as they are
for another while. The answer goes as well for those that end a little later. A key that does not answer within that
time, or is a dead letter, answers for nobody: then others are asked. What the tables mean for coverage and gaps is
decided there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.policy import tombstone_until
from adce_assets.ledger.transitions import CLAIMABLE, UNDER_WAY, Event
from adce_assets.ledger.transitions import State as Standing
from adce_assets.loop.bookkeeping import append
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, HELD_KEYS, TOMBSTONES

if TYPE_CHECKING:
    import pyarrow as pa

Cell = tuple[str, str, str]
COLLECTED = frozenset({Standing.PROMOTED, Standing.SEEN, Standing.CLOSED})
ANSWER_LASTS = 0.1
"""For how much of the life of a tombstone the answer of a probe goes for its cell, and a probe is waited for; no less
than the pause between two probes of a key."""
LONGEST_REASON = 200
"""Characters of a reason in a table."""
PROBE = "probe"
"""The member of a detail that marks a key which is asked for again in the place of its cell."""


def write(project: Project, *, run: str = "") -> None:
    """Renew the tombstones that have ended, and write `tombstones.parquet` and `held_keys.parquet`.

    Args:
        project: The installation.
        run: Dagster's run that does it.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    now = project.clock()
    append(project, _renewed(project, now, run))
    buried, held = _Rows(), _Rows()
    certain = project.ledger.states(states=[Standing.TOMBSTONED, Standing.DEAD_LETTERED, *UNDER_WAY])
    for state in chain(certain, project.ledger.states(states=CLAIMABLE, pausing=True)):
        if state.state is Standing.TOMBSTONED:
            buried.add(state.key, _epitaph(state, now), tombstone_ends(state))
        holding = _HOLDS.get(state.state, _as_tombstone)(state, now)
        if holding is not None:
            held.add(state.key, *holding)
    project.state.write_table(TOMBSTONES, buried.table("reason"))
    project.state.write_table(HELD_KEYS, held.table("held"))


def tombstone_ends(state: KeyState) -> datetime:
    """Say when a tombstoned key is asked for again."""
    told = state.detail.get("until")
    return datetime.fromisoformat(told) if told else state.since


@dataclass(slots=True)
class _Rows:
    """Rows of a key, a text and a moment, a column each."""

    keys: list[str]
    texts: list[str]
    moments: list[datetime | None]

    def __init__(self) -> None:
        self.keys, self.texts, self.moments = [], [], []

    def add(self, key: str, text: str, moment: datetime | None) -> None:
        self.keys.append(key)
        self.texts.append(text[:LONGEST_REASON])
        self.moments.append(moment)

    def table(self, text: str) -> "pa.Table":
        """Lay the rows out in the order of their keys."""
        import pyarrow as pa

        columns = [pa.array(self.keys, pa.string()), pa.array(self.texts, pa.string())]
        columns.append(pa.array(self.moments, pa.timestamp("us", tz="UTC")))
        return pa.table(columns, names=["key", text, "until"]).sort_by("key")


def _epitaph(state: KeyState, now: datetime) -> str:
    ends, why = tombstone_ends(state), state.detail.get("why", "the source has nothing")
    if ends > now:
        return f"{why}; asked for again on {ends:%Y-%m-%d}"
    return f"{why}; asked for again when others of its cell have been"


Holding = tuple[str, datetime | None] | None
"""Why nobody may try to collect a key, and until when (None: nobody knows); None where somebody may."""


def _as_pausing(state: KeyState, now: datetime) -> Holding:
    """Hold what waits for its next try, also where a run has taken it before its time and given it back."""
    if state.next_at is None or state.next_at <= now:
        return None
    kind = state.detail.get("class")
    return f"next try at {_minute(state.next_at)}{f' after `{kind}`' if kind else ''}", state.next_at


def _as_dead(state: KeyState, _now: datetime) -> Holding:
    told = state.detail.get("what") or state.detail.get("why") or state.detail.get("class")
    return f"dead-lettered: {told}", None


def _as_leased(state: KeyState, now: datetime) -> Holding:
    if state.lease_until is None or state.lease_until <= now:
        return None
    return f"leased by run {state.run} until {_minute(state.lease_until)}", state.lease_until


def _as_tombstone(state: KeyState, _now: datetime) -> Holding:
    """Hold what is in the lake, but not as it should be, and cannot be had better."""
    return f"tombstoned: {state.detail.get('why', 'the source has nothing')}", None


_HOLDS: Mapping[Standing, Callable[[KeyState, datetime], Holding]] = {
    **dict.fromkeys(CLAIMABLE, _as_pausing),
    Standing.DEAD_LETTERED: _as_dead,
    **dict.fromkeys(UNDER_WAY, _as_leased),
}


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")


def _renewed(project: Project, now: datetime, run: str) -> Iterator[Transition]:
    """Say what becomes of the tombstones that have ended, a cell at a time."""
    ended: dict[Cell, datetime] = {}
    for state in project.ledger.states(states=[Standing.TOMBSTONED]):
        ends = tombstone_ends(state)
        if ends <= now:
            ended[_cell(state)] = min(ends, ended.get(_cell(state), ends))
    if not ended:
        return
    rules = project.settings.reconciliation.tombstones
    window = max(timedelta(days=rules.lasts_days * ANSWER_LASTS), timedelta(hours=rules.probe_hours))
    probes = _probes(project, {cell: ends - window for cell, ends in ended.items()})
    pen = _Pen(project, now, now - window, tombstone_until(now, rules), run)
    for cell in ended:
        yield from pen.renew(cell, probes.get(cell, []))


class Probe(NamedTuple):
    """A key that was asked for in the place of its cell, how it stands, and since when it is asked for."""

    state: KeyState
    asked_at: datetime


def _probes(project: Project, since: Mapping[Cell, datetime]) -> dict[Cell, list[Probe]]:
    """Find the keys that were asked for again in the place of their cells since a moment, and are still wanted."""
    asked = {
        entry.key: entry.at
        for entry in project.ledger.recent([Event.REOPENED], min(since.values()))
        if entry.detail.get(PROBE) and entry.at >= since.get((entry.source, entry.data_type, entry.season), entry.at)
    }
    found: defaultdict[Cell, list[Probe]] = defaultdict(list)
    for state in project.ledger.states(keys=asked) if asked else ():
        if state.state is not Standing.WITHDRAWN:
            found[_cell(state)].append(Probe(state, asked[state.key]))
    return found


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes down what becomes of tombstones that have ended, now; new ones last ``until``.

    A probe that has given no answer is waited for if it was asked for after ``patience``.
    """

    project: Project
    now: datetime
    patience: datetime
    until: datetime
    run: str

    def renew(self, cell: Cell, probes: Sequence[Probe]) -> Iterator[Transition]:
        """Say what becomes of those of one cell, by what was found out of its probes."""
        collected = next((probe.state.key for probe in probes if probe.state.state in COLLECTED), None)
        said_no = [probe.state for probe in probes if _says_no(probe.state)]
        if collected is not None:
            yield from self._all(self._ended(cell), cell, Event.REOPENED, {"why": f"`{collected}` could be had"})
        elif any(self._is_waited_for(probe, beside=said_no) for probe in probes):
            return
        elif said_no:
            yield from self._bury(cell, said_no)
        else:
            told = "its tombstone has ended: it is asked for in the place of its cell"
            yield from self._all(self._newest(cell), cell, Event.REOPENED, {"why": told, PROBE: True})

    def _is_waited_for(self, probe: Probe, *, beside: Sequence[KeyState]) -> bool:
        """Tell whether a probe may yet answer; a dead letter never will, but others are not asked at once for it."""
        if probe.asked_at <= self.patience or _says_no(probe.state):
            return False
        return not beside or probe.state.state is not Standing.DEAD_LETTERED

    def _bury(self, cell: Cell, probes: Sequence[KeyState]) -> Iterator[Transition]:
        """Let a cell rest again; what a run has failed at is told in the name of that run."""
        why = f"{len(probes)} of its cell were asked for again, and the source has nothing"
        detail = {"why": why, "until": moment_text(self.until)}
        yield from self._all(self._ended(cell), cell, Event.TOMBSTONED, detail)
        for probe in probes:
            if probe.state in CLAIMABLE:
                run = probe.run if probe.state is Standing.FAILED else self.run
                yield Transition(probe.key, Event.TOMBSTONED, *cell, at=self.now, run=run, detail=detail)

    def _ended(self, cell: Cell) -> list[str]:
        """List the keys of a cell whose tombstones have ended."""
        states = self.project.ledger.states(cell=cell, states=[Standing.TOMBSTONED])
        return [state.key for state in states if tombstone_ends(state) <= self.now]

    def _newest(self, cell: Cell) -> list[str]:
        """Choose the keys of a cell that are asked for in the place of all."""
        keys = self._ended(cell)
        events = _events(self.project, set(keys))
        keys.sort(key=lambda key: (events.get(key, ""), key), reverse=True)
        return keys[: self.project.settings.reconciliation.tombstones.probes_per_cell]

    def _all(self, keys: Iterable[str], cell: Cell, event: Event, detail: Mapping[str, Any]) -> Iterator[Transition]:
        for key in keys:
            yield Transition(key, event, *cell, at=self.now, run=self.run, detail=detail)


def _says_no(probe: KeyState) -> bool:
    """Tell whether the source has said again that it has nothing for a key."""
    return probe.state is Standing.TOMBSTONED or (probe.state in CLAIMABLE and probe.probes > 0)


def _events(project: Project, keys: set[str]) -> dict[str, str]:
    """Read when the events of keys were, in a form that can be ordered, as far as the last coverage tells."""
    import pyarrow.parquet as pq

    with project.state.local_memory(COVERAGE, ("key", "event_at")) as path:
        if path is None:
            return {}
        rows = pq.read_table(path, columns=["key", "event_at"], filters=[("key", "in", keys)], partitioning=None)
    return {row["key"]: row["event_at"].isoformat() for row in rows.to_pylist() if row["event_at"] is not None}


def _cell(state: KeyState) -> Cell:
    return state.source, state.data_type, state.season
