"""Whatever is appended, claimed and opened again, in any order: the ledger stands as a plain model of it says.

The model is a dictionary, and knows the rules from the table of the transitions' own test. ``ADCE_TEST_EXAMPLES`` is
the number of lives that are tried.
"""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.proving import check
from adce_assets.ledger.transitions import Event
from adce_assets_tests.examples import examples
from adce_assets_tests.ledger.conftest import NOW, emptied, happened
from adce_assets_tests.ledger.test_transitions import table

OUTCOMES = table()
HELD = {"leased", "fetched", "staged", "audited"}
OPEN = {"detected", "planned", "failed"}
KEYS = ["a", "b", "c"]
HOUR = timedelta(hours=1)

some_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)
runs = st.sampled_from(["run-1", "run-2"])
happenings = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([event.value for event in Event]), runs), min_size=1, max_size=6
)


class Life(RuleBasedStateMachine):
    """A few keys, two runs, and a clock that goes on by itself now and then."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.ledger = self.open()
        self.now = NOW
        self.states: dict[str, str] = dict.fromkeys(KEYS, "untracked")
        self.holders: dict[str, tuple[str, datetime | None]] = {}
        self.waits: dict[str, datetime | None] = {}
        self.entries: list[tuple[str, str, str]] = []

    def open(self) -> Ledger:
        return open_ledger(self.url)

    def teardown(self) -> None:
        self.ledger.dispose()

    def note(self, key: str, event: str, run: str, until: datetime | None = None) -> bool:
        """Tell the model of an event; say whether it may happen."""
        before = self.states[key]
        after = OUTCOMES[before, event]
        is_its_runs = before in HELD or (before == "failed" and event in {"dead_lettered", "tombstoned"})
        if after == "." or (is_its_runs and self.holders[key][0] != run):
            return False
        self.states[key] = after
        self.holders[key] = (run, until if event == "leased" else self.holders.get(key, ("", None))[1])
        if event in {"failed", "reopened", "closed", "detected"}:
            self.waits[key] = self.now + HOUR if event == "failed" else None
        self.entries.append((key, event, run))
        return True

    @rule(told=happenings)
    def append(self, told: list[tuple[str, str, str]]) -> None:
        transitions = [happened(event, key, at=self.now, run=run, **self.detail(event)) for key, event, run in told]
        done = self.ledger.append(transitions)
        refused = [one for one, way in zip(transitions, told, strict=True) if not self.note(*way)]
        assert [one.transition for one in done.refused] == refused
        assert done.entries == len(told) - len(refused)

    def detail(self, event: str) -> dict[str, Any]:
        return {"next_at": (self.now + HOUR).isoformat(), "failures": 1} if event == "failed" else {}

    @rule(keys=some_keys, run=runs, reopen=st.booleans(), renew=st.booleans())
    def claim(self, keys: list[str], run: str, *, reopen: bool, renew: bool) -> None:
        until = self.now + 2 * HOUR
        wishes = [Wish(key, "espn", "pbp", "2024-25") for key in keys]
        got = self.ledger.claim(wishes, run=run, until=until, now=self.now, reopen=reopen, renew=renew)
        assert got == [key for key in dict.fromkeys(keys) if self.leased(key, run, until, reopen=reopen, renew=renew)]

    def leased(self, key: str, run: str, until: datetime, *, reopen: bool, renew: bool) -> bool:
        """Let the model lease a key, if it may."""
        state = self.states[key]
        if state in HELD:
            holder, ends = self.holders[key]
            if not (renew and holder == run) and (ends is None or ends > self.now):
                return False
            assert self.note(key, "released", holder)
        elif state == "untracked":
            assert self.note(key, "detected", run)
        elif state in OPEN:
            wait = self.waits.get(key)
            if wait is not None and wait > self.now and not reopen:
                return False
        elif reopen:
            assert self.note(key, "detected" if state == "withdrawn" else "reopened", run)
        else:
            return False
        assert self.note(key, "leased", run, until)
        return True

    @rule(minutes=st.sampled_from([1, 59, 60, 121]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def open_again(self) -> None:
        self.ledger.dispose()
        self.ledger = self.open()

    @rule(key=st.sampled_from(KEYS))
    def prove(self, key: str) -> None:
        if self.states[key] != "untracked":
            proof = self.ledger.prove(key)
            assert (proof.faults, check(proof.to_document()), proof.state) == ((), (), self.states[key])

    @invariant()
    def stands_as_the_model_says(self) -> None:
        tracked = {key: state for key, state in self.states.items() if state != "untracked"}
        assert {state.key: state.state.value for state in self.ledger.states()} == tracked
        assert {state.key for state in self.ledger.states() if state.lease_until} <= {
            key for key, state in self.states.items() if state in HELD
        }

    @invariant()
    def every_entry_is_there_in_its_place(self) -> None:
        found = {entry.seq: entry for key in KEYS for entry in self.ledger.entries(key)}
        assert [(found[seq].key, found[seq].event.value, found[seq].run) for seq in sorted(found)] == self.entries
        assert self.ledger.head().seq == len(self.entries)

    @invariant()
    def the_chain_is_whole(self) -> None:
        assert self.ledger.verify().faults == ()


def test_whatever_happens_the_ledger_stands_as_a_plain_model_says(database_url: str):
    class LifeHere(Life):
        def __init__(self) -> None:
            super().__init__(emptied(database_url))

    lives = settings(max_examples=examples(8), stateful_step_count=20)
    run_state_machine_as_test(LifeHere, settings=lives)
