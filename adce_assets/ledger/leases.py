"""How a key stands and who would like it in, what has to happen for it out: who may lease a key, and when."""

from dataclasses import dataclass
from datetime import datetime

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


def steps(
    wish: Wish,
    state: KeyState | None,
    *,
    run: str,
    until: datetime,
    now: datetime,
    reopen: bool = False,
    renew: bool = False,
) -> tuple[Transition, ...]:
    """List what has to happen for a run to lease a key; nothing if it may not have it.

    What it holds already it has only by asking for more time: two daemons may start a run twice, and each of its
    processes would take the other's keys for its own.

    Args:
        wish: The key.
        state: How it stands; None if nothing is known of it.
        run: Who would like it.
        until: When the lease would be over.
        now: The present moment.
        reopen: Whether the run may have as well what is settled, withdrawn, or waits for its next try.
        renew: Whether it holds the key, and needs it for longer.
    """
    if state is None:
        first = (_step(wish, Event.DETECTED, now, run),)
    elif state.state in UNDER_WAY:
        is_its_own = renew and state.run == run
        if not is_its_own and (state.lease_until is None or state.lease_until > now):
            return ()
        first = (_given_back(wish, state, run, now),)
    elif state.state in CLAIMABLE:
        if state.next_at is not None and state.next_at > now and not reopen:
            return ()
        first = ()
    elif not reopen:
        return ()
    else:
        again = Event.DETECTED if state.state is State.WITHDRAWN else Event.REOPENED
        first = (_step(wish, again, now, run, why="a run was asked for it"),)
    return (*first, _step(wish, Event.LEASED, now, run, until=moment_text(until)))


def _given_back(wish: Wish, state: KeyState, run: str, now: datetime) -> Transition:
    """Release a key in the name of the run that held it."""
    why = "the run needs it for longer" if state.run == run else f"the lease was over; taken by run {run}"
    return _step(wish, Event.RELEASED, now, state.run, why=why)


def _step(wish: Wish, event: Event, now: datetime, run: str, **detail: str) -> Transition:
    return Transition(wish.key, event, wish.source, wish.data_type, wish.season, now, run, wish.task, detail)
