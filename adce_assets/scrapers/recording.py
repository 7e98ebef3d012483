"""Keys that a run would like and what came of them in, entries of the ledger out.

A run claims its keys before it asks for any, and keeps them for as long as its process lives: a thread of its own asks
for more time, because a run may wait its turn for hours in which no key comes to an end. What came of them is written
in parts, each after the receipts that it is about; and whatever the run leaves is given back at its end, however it
ends. Two machines may start one run: each then has a part of its keys, and waits at its end for the other one, because
the end of one is the end of the run. It does not wait when it is stopped, nor for one that has died: that one cannot be
seen from here, but it says nothing of its keys any more. What may follow what is said by the ledger, and what follows
from a failure by its policy.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self

from adce_assets.errors import AdceError, HostClosedError, LedgerError, RunEndsError, TransientFetchError, printable
from adce_assets.fetch.outcomes import classify
from adce_assets.ledger import policy
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.journal import LONGEST, MOST
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import CLAIMABLE, UNDER_WAY, Event, State
from adce_assets.scrapers.interface import Failed
from adce_assets.scrapers.promoting import Absent, Promoted, Settled
from adce_assets.scrapers.stopping import Stop

log = logging.getLogger(__name__)

AT_ONCE = 5_000
"""Keys that are claimed in one transaction: others wait meanwhile."""
LONGEST_TEXT = 300
BEAT_S = 15.0
"""How often a run looks whether its lease is half over."""
PATIENCE_S = 900.0
"""How long the other half of a run may say nothing of its keys. One that works does so each minute; one that waits its
turn for longer than this is taken for dead: others may then have its keys, and what it says of them is refused."""

LEFT_TO = {
    State.PROMOTED: "the next inventory: it was collected meanwhile",
    State.SEEN: "the next inventory: it was collected meanwhile",
    State.CLOSED: "nobody: closed meanwhile",
    State.TOMBSTONED: "nobody: known unavailable",
    State.DEAD_LETTERED: "a person: a dead letter",
    State.WITHDRAWN: "nobody: no longer asked for",
}


@dataclass(frozen=True, slots=True)
class Left:
    """Keys that a run did not get: to whom they are left, how many, and until when (UTC); None where nobody knows."""

    to: str
    keys: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The keys that a run got, and the others."""

    keys: frozenset[str]
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure, without what it holds on to."""

    wish: Wish
    at: datetime
    failure: str
    permanent: bool
    what: str
    url: str


@dataclass(slots=True)
class Recorder:
    """Tells the ledger what a run does.

    Attributes:
        ledger: The ledger.
        run: Dagster's id of the run.
        clock: The time (UTC).
        lease: How long the run has its keys without a word from it; it is given more while it lives.
        rules: What follows from a failure.
        chance: A random number in [0, 1), so that not everything is tried again at once.
        beat_s: How often it looks, inside its block, whether to ask for more time.
        stop: Says when it shall not wait for another half of the run.
    """

    ledger: Ledger
    run: str
    clock: Callable[[], datetime]
    lease: timedelta
    rules: policy.Rules
    chance: Callable[[], float] = random.random
    beat_s: float = BEAT_S
    stop: Stop = field(default_factory=lambda: Stop(threading.Event()))
    held: dict[str, Wish] = field(default_factory=dict)
    waiting: list[_Failure | tuple[Transition, ...]] = field(default_factory=list)
    written_at: datetime = field(init=False)
    until: datetime = field(init=False)
    _wished: set[str] = field(default_factory=set, init=False)
    _writing: threading.RLock = field(default_factory=threading.RLock, init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _beating: threading.Thread | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self.written_at = self.clock()
        self.until = self.written_at + self.lease

    def claim(self, wishes: Sequence[Wish], *, reopen: bool = False) -> Claimed:
        """Lease keys to the run; those that it does not get are counted, with the reason.

        Args:
            wishes: The keys.
            reopen: Whether what is settled, or waits for its next try, is wanted as well.

        Raises:
            LedgerError: the database cannot be used.
        """
        with self._writing:
            self.until = until = self.clock() + self.lease
            taken = frozenset(key for part in _parts(wishes) for key in self._claimed(part, until, reopen=reopen))
            self.held |= {wish.key: wish for wish in wishes if wish.key in taken}
        wished = {wish.key for wish in wishes}
        self._wished |= wished
        others = wished - taken
        return Claimed(taken, tuple(self._left(others)) if others else ())

    def _claimed(self, wishes: Sequence[Wish], until: datetime, **how: bool) -> list[str]:
        return self.ledger.claim(wishes, run=self.run, until=until, now=self.clock(), **how)

    def _left(self, keys: set[str]) -> Iterator[Left]:
        """Say to whom keys are left, the most first."""
        counts: Counter[str] = Counter()
        ends: dict[str, datetime] = {}
        for state in self.ledger.states(keys=keys):
            to, until = _left_to(state)
            counts[to] += 1
            if until is not None:
                ends[to] = min(until, ends.get(to, until))
        for to, count in counts.most_common():
            yield Left(to, count, ends.get(to))

    def settle(self, settled: Settled) -> None:
        """Note what came of a key that is held; it is written with the next part."""
        wish = self.held.get(settled.wanted.key)
        if wish is None:
            return
        at = self.clock()
        match settled:
            case Promoted():
                self.waiting.append(tuple(self._promoted(wish, settled, at)))
            case Absent():
                entry = settled.entry
                self.waiting.append(_Failure(wish, at, policy.ABSENT, permanent=False, what=entry.what, url=entry.url))
            case Failed() if was_not_tried(settled.error, settled.url):
                self.waiting.append((self._said(wish, Event.RELEASED, at, why=_short(settled.error.what)),))
            case Failed():
                kind = classify(settled.error)
                what, url = _short(settled.error.what), settled.url
                self.waiting.append(_Failure(wish, at, kind.value, permanent=kind.permanent, what=what, url=url))

    @property
    def is_due(self) -> bool:
        """Whether what waits has waited for long, or for many."""
        return len(self.waiting) >= MOST or (bool(self.waiting) and self.clock() - self.written_at >= LONGEST)

    def write(self) -> None:
        """Write what waits, after the receipts of it are written; ask for more time if the lease is half over.

        Raises:
            LedgerError: the database cannot be used; what waits waits on.
        """
        failed = [noted.wish.key for noted in self.waiting if isinstance(noted, _Failure)]
        states = {state.key: state for state in self.ledger.states(keys=failed)} if failed else {}
        told = [entry for noted in self.waiting for entry in self._entries(noted, states)]
        with self._writing:
            if told:
                self._append(told)
            for transition in told:
                self.held.pop(transition.key, None)
        self.waiting, self.written_at = [], self.clock()
        self.renew()

    def renew(self) -> None:
        """Ask for more time for what is held, if the lease is half over.

        Raises:
            LedgerError: the database cannot be used; the lease goes on until its end.
        """
        with self._writing:
            now = self.clock()
            if self.held and self.until - now < self.lease / 2:
                for part in _parts(list(self.held.values())):
                    self._claimed(part, now + self.lease, renew=True)
                self.until = now + self.lease

    def _beat(self) -> None:
        """Ask for more time now and then, whatever the run waits for, until it ends."""
        while not self._ended.wait(self.beat_s):
            try:
                self.renew()
            except LedgerError as error:
                log.warning("no more time for the keys of the run, which has them until %s: %s", self.until, error)

    def __enter__(self) -> Self:
        self._beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self._wait_for_its_other_half()

    def _wait_for_its_other_half(self) -> None:
        """Wait while another process of this same run holds any of the keys and comes on with them."""
        held, since = self._held_by_the_other({}), self.stop.clock()
        while held and not self.stop():
            if self.stop.clock() - since >= PATIENCE_S:
                log.warning("another process of this run says nothing of %d key(s) any more: it is over", len(held))
                return
            self.stop.flag.wait(self.beat_s)
            before, held = held, self._held_by_the_other(held)
            if held != before:
                since = self.stop.clock()

    def _held_by_the_other(self, before: Mapping[str, int]) -> Mapping[str, int]:
        """Look which keys are held in the name of this run, each by its last entry; as before, if nobody can say."""
        try:
            found = self.ledger.states(keys=self._wished, states=UNDER_WAY)
            return {state.key: state.seq for state in found if state.run == self.run}
        except LedgerError as error:
            log.warning("nobody can say whether another process of this run works: %s", error)
            return before

    def close(self) -> None:
        """Give back what the run still holds; what was not written counts as not done, and is found by the next run.

        Raises:
            LedgerError: the database cannot be used; the leases end by themselves.
        """
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        with self._writing:
            at, self.waiting = self.clock(), []
            left = [self._said(wish, Event.RELEASED, at, why="the run ended before it") for wish in self.held.values()]
            self.held = {}
            if left:
                self._append(left)

    def _append(self, transitions: Sequence[Transition]) -> None:
        refused = self.ledger.append(transitions).refused
        if refused:
            first = refused[0]
            log.warning(
                "%d entries were refused, for others have taken the keys; the first: %s of %s, which is %s",
                len(refused),
                first.transition.event,
                first.transition.key,
                first.state,
            )

    def _entries(
        self, noted: "_Failure | tuple[Transition, ...]", states: Mapping[str, KeyState]
    ) -> Iterator[Transition]:
        """Say what a note comes to; of a failure, with what follows from it."""
        if not isinstance(noted, _Failure):
            yield from noted
        elif (state := states.get(noted.wish.key)) is not None:
            yield from self._failed(noted, state)

    def _failed(self, failure: _Failure, state: KeyState) -> Iterator[Transition]:
        wish, at, told = failure.wish, failure.at, {"class": failure.failure, "what": failure.what}
        next_ = policy.after_failure(state, failure.failure, at, self.rules, self.chance, permanent=failure.permanent)
        tries = next_.tries
        detail = told | {
            "url": failure.url,
            "failures": tries.failures,
            "probes": tries.probes,
            "probed_at": _text(tries.probed_at),
            "next_at": _text(next_.next_at) if isinstance(next_, policy.Retry) else None,
        }
        yield self._said(wish, Event.FAILED, at, **detail)
        match next_:
            case policy.Dead():
                yield self._said(wish, Event.DEAD_LETTERED, at, **told, failures=tries.failures, why=next_.why)
            case policy.Tombstone():
                yield self._said(wish, Event.TOMBSTONED, at, why=next_.why, until=_text(next_.until))

    def _promoted(self, wish: Wish, settled: Promoted, at: datetime) -> Iterator[Transition]:
        """Say how an object came into the lake; of one that was there already, only that it is good."""
        promotion = settled.promotion
        if settled.is_new:
            yield self._said(wish, Event.FETCHED, settled.fetched_at, url=settled.url, attempts=settled.attempts)
            yield self._said(wish, Event.STAGED, at, size=promotion.size, sha256=promotion.sha256)
            yield self._said(wish, Event.AUDITED, at, records=promotion.records, warnings=len(settled.warnings))
        yield self._said(
            wish,
            Event.PROMOTED,
            settled.promoted_at,
            etag=promotion.etag or None,
            size=promotion.size,
            sha256=promotion.sha256,
            records=promotion.records,
            url=settled.url,
            already_there=not settled.is_new,
        )

    def _said(self, wish: Wish, event: Event, at: datetime, **detail: str | int | None) -> Transition:
        return Transition(wish.key, event, wish.source, wish.data_type, wish.season, at, self.run, wish.task, detail)


def was_not_tried(error: AdceError, url: str) -> bool:
    """Tell whether nobody was asked for a key: the host lets nobody ask, the run ends, or its day has not begun."""
    too_early = type(error) is TransientFetchError and not url
    return too_early or isinstance(error, HostClosedError | RunEndsError)


def _left_to(state: KeyState) -> tuple[str, datetime | None]:
    if state.state in UNDER_WAY:
        return f"run {state.run}", state.lease_until
    if state.state in CLAIMABLE:
        return "the next try", state.next_at
    until = state.detail.get("until") if state.state is State.TOMBSTONED else None
    return LEFT_TO[state.state], datetime.fromisoformat(until) if until else None


def _parts(wishes: Sequence[Wish]) -> Iterator[list[Wish]]:
    rest = iter(wishes)
    while part := list(islice(rest, AT_ONCE)):
        yield part


def _short(text: str) -> str:
    return printable(text)[:LONGEST_TEXT]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)
