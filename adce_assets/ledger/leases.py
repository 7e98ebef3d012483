"""How a key stands and who would like it in, what has to happen for it out: who may lease a key, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.transitions import CLAIMABLE, UNDER_WAY, Event, State


@dataclass(frozen=True, slots=True)
class Wish:
    """A key that a run would like to work on, and the task it stands in."""

    key: str
    source: str
    data_type: str
    season: str
    task: str = ""


@dataclass(frozen=True)
class Terms:
    """On what terms a run would like keys.

    Attributes:
        run: Who would like them.
        until: When the leases would be over.
        now: The present moment.
        reopen: Whether the run may have as well what is settled, withdrawn, or waits for its next try.
        renew: Whether it holds the keys, and needs them for longer.
    """

    run: str
    until: datetime
    now: datetime
    reopen: bool = False
    renew: bool = False

    @cached_property
    def lease(self) -> Mapping[str, str]:
        """What every lease of these terms says."""
        return {"until": moment_text(self.until)}


def steps(wish: Wish, state: KeyState | None, terms: Terms) -> tuple[Transition, ...]:
    """List what has to happen for a run to lease a key; nothing if it may not have it.

    What it holds already it has only by asking for more time: two daemons may start a run twice, and each of its
    processes would take the other's keys for its own.
    """
    if state is None:
        first = (_step(wish, Event.DETECTED, terms),)
    elif not _is_free(state, terms):
        return ()
    elif state.state in UNDER_WAY:
        first = (_given_back(wish, state, terms),)
    elif state.state in CLAIMABLE:
        first = ()
    else:
        again = Event.DETECTED if state.state is State.WITHDRAWN else Event.REOPENED
        first = (_step(wish, again, terms, why="a run was asked for it"),)
    return (*first, _step(wish, Event.LEASED, terms)._replace(detail=terms.lease))


def _is_free(state: KeyState, terms: Terms) -> bool:
    """Tell whether a run may have a key: one that is held only once its lease is over, or for longer."""
    if state.state in UNDER_WAY:
        is_its_own = terms.renew and state.run == terms.run
        return is_its_own or (state.lease_until is not None and state.lease_until <= terms.now)
    waits = state.next_at is not None and state.next_at > terms.now
    return terms.reopen or (state.state in CLAIMABLE and not waits)


def _given_back(wish: Wish, state: KeyState, terms: Terms) -> Transition:
    """Release a key in the name of the run that held it."""
    is_its_own = state.run == terms.run
    why = "the run needs it for longer" if is_its_own else f"the lease was over; taken by run {terms.run}"
    return _step(wish, Event.RELEASED, terms, state.run, why=why)


def _step(wish: Wish, event: Event, terms: Terms, run: str | None = None, **detail: str) -> Transition:
    by = terms.run if run is None else run
    return Transition(wish.key, event, wish.source, wish.data_type, wish.season, terms.now, by, wish.task, detail)
