"""Ledger, queue and limiter together, in any order of what can happen to them: they stand as a plain model says.

Runs claim what the queue offers, ask a host for it, find this or that, tell of it or die; objects are lost, the host
closes, time passes. The model is a few dictionaries. In the end everything is let go well, and nothing may be left
over. ``ADCE_TEST_EXAMPLES`` is the number of lives that are tried.
"""

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adce_assets.errors import AdceError, GoneError, HostClosedError, TransientFetchError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Answered, Limits
from adce_assets.fetch.outcomes import Evidence
from adce_assets.fetch.staging import Outcome, Promotion
from adce_assets.ledger import policy
from adce_assets.ledger.leases import Wish
from adce_assets.loop import tasks
from adce_assets.loop.reconciling import reconcile
from adce_assets.loop.state import QUEUE
from adce_assets.scrapers.interface import Failed, Wanted
from adce_assets.scrapers.promoting import Absent, Promoted, Settled
from adce_assets.scrapers.recording import Recorder
from adce_assets_tests.conftest import Workshop
from adce_assets_tests.examples import examples
from adce_assets_tests.ledger.test_transitions import table
from adce_assets_tests.whole.mortal import CONTRACT

OUTCOMES = table()
NAMES = {"things": ["a", "b", "c", "d"], "others": ["e", "f"]}
KEYS = [f"{kind}/{name}.json" for kind, names in NAMES.items() for name in names]
UNDER_WAY = {"leased", "fetched", "staged", "audited"}
OPEN = {"detected", "planned", "failed"}
LEASE = timedelta(hours=1)
HOST = Host(base_url="https://here.example", requests_per_second=0.1, burst=2, max_wait_s=60)
URL = f"{HOST.base_url}/thing"
BODY = b'{"name": "a thing"}'
DAY = timedelta(days=1)
FOUND = ("good", "good", "good", "nothing", "broken", "gone")


def cell(key: str) -> tuple[str, str, str]:
    return "some", key.partition("/")[0], "all"


runs = st.sampled_from(["run-1", "run-2"])


@dataclass
class Key:
    """What the model knows of a key."""

    state: str = "untracked"
    run: str = ""
    until: datetime | None = None
    failures: int = 0
    probes: int = 0
    probed_at: datetime | None = None
    next_at: datetime | None = None
    buried_until: datetime | None = None

    def take(self, event: str, run: str) -> bool:
        """Let something happen, if it may."""
        after = OUTCOMES[self.state, event]
        if after == "." or (self.state in UNDER_WAY and self.run != run):
            return False
        self.state, self.run = after, run
        return True


@dataclass
class Run:
    """A run that works: what it holds, and what it has found and not yet told."""

    recorder: Recorder
    until: datetime
    held: set[str]
    found: list[tuple[str, str, datetime]] = field(default_factory=list)


class Loop(RuleBasedStateMachine):
    """One installation, two runs at most at a time, one host, and a clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.now = datetime(2024, 1, 15, 12, tzinfo=UTC)
        contract = CONTRACT.format(**NAMES)
        self.project = Workshop(lambda: home).project(contract, now=lambda: self.now)
        self.retries = policy.Rules.of(self.project.settings.reconciliation)
        self.limits = Limits(
            home / "limits.sqlite", clock_ms=lambda: int(self.now.timestamp() * 1000), sleep=self.sleep
        )
        self.closed_until = self.now
        self.asked: list[datetime] = []
        self.keys = {key: Key() for key in KEYS}
        self.lake: set[str] = set()
        self.queue: list[tasks.TaskKey] = []
        self.runs: dict[str, Run] = {}
        self.reconciled: tuple[Any, ...] = ()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def teardown(self) -> None:
        try:
            self.let_go_well()
        finally:
            self.limits.dispose()
            self.project.ledger.dispose()
            self.folder.cleanup()

    @initialize()
    def reconcile_first(self) -> None:
        self.reconcile()

    @property
    def world(self) -> tuple[Any, ...]:
        """All that a reconciliation may find changed."""
        return self.now, frozenset(self.lake), self.project.ledger.head().seq

    @precondition(lambda self: self.world != self.reconciled)
    @rule()
    def reconcile(self) -> None:
        self.now += timedelta(seconds=1)
        before = {name: (key.state, key.next_at) for name, key in self.keys.items()}
        reconcile(self.project, ["one", "two"], mode="list", accept_loss=True)
        self.queue = tasks.task_keys(
            self.project.state, [task["id"] for task in self.project.state.read_json(QUEUE)["tasks"]]
        )
        for state in self.project.ledger.states():
            known = self.keys[state.key]
            assert state.state.value in self.after(state.key, *before[state.key]), (state, before[state.key])
            known.state = state.state.value
            known.failures, known.probes, known.next_at = state.failures, state.probes, state.next_at
            until = state.detail.get("until")
            known.buried_until = datetime.fromisoformat(until) if known.state == "tombstoned" and until else None
        assert sorted(key.key for key in self.queue) == sorted(filter(self.is_to_be_had, KEYS))
        self.reconciled = self.world

    def after(self, name: str, state: str, next_at: datetime | None) -> set[str]:
        """Say how a key may stand after a reconciliation."""
        key = self.keys[name]
        if state in UNDER_WAY and key.until is not None and key.until > self.now:
            return {state}
        if name in self.lake:
            return {"closed"}
        if state == "failed" and next_at is not None and next_at > self.now:
            return {"failed"}
        if state == "tombstoned":
            is_over = key.buried_until is not None and key.buried_until <= self.now
            return {"tombstoned", "planned"} if is_over else {"tombstoned"}
        return {"dead_lettered"} if state == "dead_lettered" else {"planned", "tombstoned"}

    def is_to_be_had(self, name: str) -> bool:
        return name not in self.lake and self.keys[name].state == "planned"

    @rule(run=runs, most=st.integers(1, 6))
    def begin(self, run: str, most: int) -> None:
        """Let a run claim what the queue offers, which may be old by now."""
        if run not in self.runs:
            keys = [key.key for key in self.queue[:most]]
            recorder = Recorder(self.project.ledger, run, self.project.clock, LEASE, self.retries, chance=lambda: 0.5)
            self.runs[run] = Run(recorder, self.now + LEASE, set())
            assert recorder.claim([Wish(key, *cell(key)) for key in keys]).keys == self.leased(run, keys)

    def leased(self, run: str, names: Iterable[str], *, renew: bool = False) -> set[str]:
        """Let the model lease keys to a run, or for longer if it holds them; return those it got."""
        got = {name for name in names if self.may_have(self.keys[name], run if renew else "")}
        self.runs[run].until = self.now + LEASE
        self.runs[run].held |= got
        for name in got:
            self.keys[name].state, self.keys[name].run, self.keys[name].until = "leased", run, self.now + LEASE
        return got

    def may_have(self, key: Key, holder: str) -> bool:
        if key.state in UNDER_WAY:
            return key.run == holder or (key.until is not None and key.until <= self.now)
        return key.state in OPEN and (key.next_at is None or key.next_at <= self.now)

    @rule(run=runs, found=st.sampled_from(FOUND))
    def fetch(self, run: str, found: str) -> None:
        """Ask for the first key that a run holds and has not asked for, if the host may be asked."""
        if run not in self.runs:
            return
        at_work = self.runs[run]
        left = sorted(at_work.held - {name for name, _, _ in at_work.found})
        if left:
            refused = self.ask()
            end = "closed" if refused else found
            settled = self.settled(left[0], end, refused)
            at_work.recorder.settle(settled)
            at_work.found.append((left[0], end, self.now))

    def ask(self) -> HostClosedError | None:
        longest = timedelta(seconds=HOST.max_wait_s)
        is_closed = self.closed_until - self.now > longest
        try:
            self.limits.acquire("here", HOST)
        except HostClosedError as error:
            assert is_closed
            return error
        assert not is_closed
        assert self.now >= self.closed_until
        self.limits.answered("here", HOST, Answered.OK)
        self.asked.append(self.now)
        return None

    def settled(self, name: str, end: str, refused: HostClosedError | None) -> Settled:
        one = Wanted(name, *cell(name), {}, None)
        errors: dict[str, AdceError] = {"broken": TransientFetchError("broken"), "gone": GoneError("gone")}
        if refused is not None:
            return Failed(one, refused, "")
        if end in errors:
            return Failed(one, errors[end], URL)
        if end == "nothing":
            return Absent(one, Evidence(URL, 404, "nothing", "0" * 64, self.now, self.now + DAY).of(name))
        etag = self.project.lake.put(name, BODY)
        self.lake.add(name)
        promotion = Promotion(name, etag, len(BODY), hashlib.sha256(BODY).hexdigest(), 1, Outcome.WRITTEN)
        return Promoted(one, URL, self.now, self.now, promotion, ())

    @rule(run=runs)
    def tell(self, run: str) -> None:
        """Let a run write down what it has found; it takes more time for the rest if its lease is half over."""
        if run not in self.runs:
            return
        at_work = self.runs[run]
        at_work.recorder.write()
        known = {name: (key.failures, key.probes, key.probed_at) for name, key in self.keys.items()}
        for name, end, at in at_work.found:
            self.note(run, name, end, at, *known[name])
            at_work.held.discard(name)
        at_work.found = []
        if at_work.held and at_work.until - self.now < LEASE / 2:
            self.leased(run, list(at_work.held), renew=True)

    def note(
        self, run: str, name: str, end: str, at: datetime, failures: int, probes: int, probed_at: datetime | None
    ) -> None:
        """Tell the model what a run tells the ledger."""
        key = self.keys[name]
        if end == "good":
            for event in ("fetched", "staged", "audited", "promoted"):
                key.take(event, run)
        elif end == "closed":
            key.take("released", run)
        elif end == "nothing":
            self.note_nothing(key, run, at, probes, probed_at)
        else:
            failures += 1
            if key.take("failed", run):
                key.failures, key.next_at = failures, at + timedelta(minutes=min(15 * 4 ** (failures - 1), 24 * 60))
            if end == "gone" or failures >= 5:
                key.take("dead_lettered", run)

    def note_nothing(self, key: Key, run: str, at: datetime, probes: int, probed_at: datetime | None) -> None:
        is_new = not probes or probed_at is None or at - probed_at >= DAY
        last = at if is_new else probed_at
        assert last is not None
        if key.take("failed", run):
            key.failures, key.probes, key.probed_at, key.next_at = 0, probes + is_new, last, last + 1.1 * DAY
        if is_new and probes + 1 >= 3:
            key.next_at = None
            if key.take("tombstoned", run):
                key.buried_until = at + timedelta(days=30)

    @rule(run=runs)
    def end(self, run: str) -> None:
        """Let a run end in order: what it holds goes back."""
        if run in self.runs:
            self.tell(run)
            at_work = self.runs.pop(run)
            at_work.recorder.close()
            for name in at_work.held:
                self.keys[name].take("released", run)

    @rule(run=runs)
    def die(self, run: str) -> None:
        """Let a run die without a word."""
        self.runs.pop(run, None)

    @rule(minutes=st.sampled_from([1, 20, 61, 300, 25 * 60, 31 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(seconds=st.sampled_from([30, 600, 7200]))
    def close_host(self, seconds: int) -> None:
        self.limits.close_host("here", HOST, seconds, "it asked for it")
        self.closed_until = max(self.closed_until, self.now + timedelta(seconds=seconds))

    @rule(name=st.sampled_from(KEYS))
    def lose(self, name: str) -> None:
        """Take an object out of the lake behind everybody's back."""
        self.project.lake.delete(name)
        self.lake.discard(name)

    @invariant()
    def keys_stand_as_the_model_says(self) -> None:
        states = {state.key: state.state.value for state in self.project.ledger.states()}
        assert states == {name: key.state for name, key in self.keys.items() if key.state != "untracked"}
        assert self.project.ledger.verify().faults == ()

    @invariant()
    def the_host_was_never_asked_faster_than_it_allows(self) -> None:
        for first, at in enumerate(self.asked):
            for more, later in enumerate(self.asked[first:]):
                allowed = HOST.burst + (later - at).total_seconds() * HOST.requests_per_second
                assert more + 1 <= allowed + 0.01

    def let_go_well(self) -> None:
        """Let the same loop go on in a world without faults: everything that is not a person's to decide is closed."""
        self.runs.clear()
        for _ in range(4):
            self.now += timedelta(days=62)
            self.reconcile()
            if {key.state for key in self.keys.values()} <= {"closed", "dead_lettered"}:
                return
            self.begin("last", len(KEYS))
            while self.runs["last"].held - {name for name, _, _ in self.runs["last"].found}:
                self.fetch("last", "good")
            self.end("last")
        raise AssertionError(f"still open: {self.keys}")


TestLoop: Any = Loop.TestCase
TestLoop.settings = settings(
    max_examples=examples(4),
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)
