"""All that is known of a key in, why it stands as it does out: what it waits for, and when something can happen next.

Nothing is read here: what is known is gathered in `dossier`. What a key may wait for is one entry of `WAITS`; all that
hold are told, for a key that has a tombstone may have a closed host as well.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.ledger.chain import Entry
from adce_assets.ledger.transitions import CLAIMABLE, UNDER_WAY, State
from adce_assets.loop.known import Instance, Known, later
from adce_assets.loop.records import OPEN_STATES

STANDS = {
    State.UNTRACKED: "nothing has happened to it yet",
    State.DETECTED: "it was found open, and nobody works on it",
    State.PLANNED: "it stands in a task of the queue",
    State.LEASED: "a run works on it",
    State.FETCHED: "a run has fetched it",
    State.STAGED: "a run has staged it",
    State.AUDITED: "a run has audited it, and is about to promote it",
    State.PROMOTED: "a run has written it, and nobody else has seen it yet",
    State.SEEN: "another reader than its writer has seen it",
    State.CLOSED: "the gap is closed: an inventory has confirmed it",
    State.FAILED: "the last try failed",
    State.TOMBSTONED: "the source has nothing for it, for all that is known",
    State.DEAD_LETTERED: "it is not tried again before a person says so",
    State.WITHDRAWN: "the contract no longer asks for it",
}
"""What the state of a key in the ledger means."""
COVERAGE_STANDS = {
    "present": "the lake holds it, as it should be",
    "unexpected": "the lake holds it, and the contract does not ask for it",
    "not expected": "the contract does not ask for it",
}
"""What the state of a key in coverage means, where coverage gives no reason."""
UNTOLD = ("until", "next_at", "probed_at", "failures", "probes", "sha256", "url")
"""What an entry's detail holds that its short form leaves out, or says in its own words."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that a key waits for; ``until`` is when it is over (UTC), None where nobody knows."""

    what: str
    says: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Why a key stands as it does.

    Attributes:
        known: What was known.
        says: How it stands, in words.
        waits: What it waits for, all of it; nothing, where nothing is to be done for it.
        next_at: When something can happen next: the end of all waits; None where nobody knows or nothing will.
        history: What happened, a line each.
    """

    known: Known
    says: str
    waits: tuple[Wait, ...] = ()
    next_at: datetime | None = None
    history: tuple[Mapping[str, str], ...] = ()


def explain(known: Known) -> Why:
    """Say why a key stands as it does."""
    waits = tuple(wait for rule in WAITS if (wait := rule(known)) is not None)
    if not waits and known.may_be_tried:
        waits = (_tick(known),)
    untils = [wait.until for wait in waits if wait.until is not None]
    next_at = max(untils) if untils and len(untils) == len(waits) else None
    return Why(known, "; ".join(_standing(known)), waits, next_at, tuple(map(_told, known.entries)))


def _standing(known: Known) -> Iterator[str]:
    """Say how a key stands: what the ledger knows of it, then what the last reconciliation has found."""
    if known.standing is not None:
        yield STANDS[known.state]
    found = known.expectation
    said = found.reason or COVERAGE_STANDS.get(found.state, "")
    if known.standing is None or found.state in OPEN_STATES or found.state in {"unexpected", "not expected"}:
        yield f"{found.state}: {said}" if said and said not in COVERAGE_STANDS.values() else said or found.state
    if known.here and found.state == "missing":
        yield f"by now there is an object under it ({known.here})"


def _lease(known: Known) -> Wait | None:
    """Wait for the run that holds the key."""
    standing = known.standing
    if standing is None or standing.state not in UNDER_WAY:
        return None
    if later(standing.lease_until, known.now):
        return Wait("lease", f"run {standing.run} has it, until {_moment(standing.lease_until)}", standing.lease_until)
    says = f"the lease of run {standing.run} is over: whoever looks next may take it"
    return Wait("lease", says, known.now)


def _person(known: Known) -> Wait | None:
    if known.standing is None or known.state is not State.DEAD_LETTERED:
        return None
    detail = known.standing.detail
    told = detail.get("why") or detail.get("what") or detail.get("class") or "it failed for good"
    return Wait("dead_letter", f"{told}; `adce dlq replay {known.key}` tries it again")


def _tombstone(known: Known) -> Wait | None:
    if known.standing is None or known.state is not State.TOMBSTONED:
        return None
    told, until = known.standing.detail.get("until"), None
    if told:
        until = datetime.fromisoformat(told)
    why = known.standing.detail.get("why", "the source has nothing")
    return Wait("tombstone", f"{why}; it is asked for again from {_moment(until)} on", until)


def _backoff(known: Known) -> Wait | None:
    standing = known.standing
    if standing is None or standing.state not in CLAIMABLE or not later(standing.next_at, known.now):
        return None
    kind = standing.detail.get("class", "")
    tries = f"probe {standing.probes}" if kind == "absent" else f"{standing.failures} failure(s) in a row"
    return Wait("backoff", f"{tries}{f', the last as `{kind}`' if kind else ''}: the next try comes", standing.next_at)


def _closure(known: Known) -> Wait | None:
    """Wait for another reader, or for the inventory that confirms what one has seen."""
    if known.standing is None or known.state not in {State.PROMOTED, State.SEEN}:
        return None
    if known.state is State.SEEN:
        return _reconciliation(known, "the next inventory confirms what another reader has seen", "closure")
    limit = _moment(known.standing.since + known.rules.unseen)
    return _reconciliation(known, f"another reader looks for it; unseen after {limit} it is a gap again", "closure")


def _due(known: Known) -> Wait | None:
    found = known.expectation
    if found.state == "not_due":
        return Wait("due", "it is not due yet", found.due_at)
    if found.state == "unknown":
        return _reconciliation(known, f"{found.reason or 'nobody knows'}: the next reconciliation looks again")
    return None


def _task(known: Known) -> Wait | None:
    """Wait for a task; what holds the key itself is told by the others."""
    if not known.may_be_tried or (known.place is not None and known.place.task):
        return None
    if known.place is None:
        return _reconciliation(known, "the next reconciliation puts it into a gap and a task")
    if known.place.held:
        return _reconciliation(known, f"it was held when the queue was made ({known.place.held}): the next one has it")
    return Wait("task", f"no task collects it: {known.place.left_out or 'the queue does not say why'}")


def _approval(known: Known) -> Wait | None:
    return Wait("approval", known.approval) if known.may_be_tried and known.approval else None


def _host(known: Known) -> Wait | None:
    """Wait for a host that has closed itself, or that takes requests and never answers."""
    host = known.host
    if host is None or not (known.may_be_tried or known.state in UNDER_WAY):
        return None
    if host.blocked_since:
        says = f"`{host.name}` takes requests and never answers since {_moment(host.blocked_since)}: one tries again"
        return Wait("breaker", says, host.next_probe)
    if host.closed_until:
        return Wait("host", f"`{host.name}` is left alone: {host.closed_why}", host.closed_until)
    return None


def _limit(known: Known) -> Wait | None:
    """Wait for the others that ask the same host, within its rate."""
    host = known.host
    if host is None or host.closed_until or host.blocked_since or not (known.may_be_tried or known.state in UNDER_WAY):
        return None
    waiting = sum(host.waiting.values())
    if not waiting:
        return None
    of_lane = host.waiting.get(known.lane, 0)
    says = (
        f"{waiting} request(s) of `{host.budget}` wait, {of_lane} in the lane `{known.lane}`, at {host.rate:g} a second"
    )
    return Wait("limit", says, known.now + timedelta(seconds=waiting / host.rate))


def _daemon(known: Known) -> Wait | None:
    """Wait for somebody who starts runs at all."""
    dagster = known.instance
    if not known.may_be_tried or known.place is None or not known.place.task:
        return None
    if dagster is None:
        return Wait("daemon", "no Dagster is named here (DAGSTER_HOME) that would start runs; `adce collect` does")
    if not dagster.is_well:
        last = f"was last heard of at {_moment(dagster.beat_at)}" if dagster.beat_at else "has never run"
        return Wait("daemon", f"Dagster's daemon {last}: start it, or run `adce collect`")
    if not dagster.sensor_is_on:
        return Wait("sensor", "the sensor `task_queue_sensor` is switched off: switch it on, or run `adce collect`")
    return None


def _lane(known: Known) -> Wait | None:
    """Wait for the run of the same lane, or for a place among the runs."""
    dagster = known.instance
    if dagster is None or not known.may_be_tried:
        return None
    if dagster.run and dagster.run_waits:
        full = dagster.pool_limit is not None and dagster.pool_used >= dagster.pool_limit
        where = f"the pool `{dagster.pool}` ({dagster.pool_used} of {dagster.pool_limit})" if full else "its turn"
        return Wait("pool" if full else "queue", f"run {dagster.run} stands in Dagster's queue and waits for {where}")
    if dagster.done_by:
        says = f"run {dagster.done_by} had its batch of this queue: what it left is started again after the next look"
        return _reconciliation(known, says)
    if dagster.run and not known.rules.is_urgent:
        return Wait("lane", f"run {dagster.run} works on the same scraper, season and priority: what it leaves is next")
    return _full(known, dagster)


def _full(known: Known, dagster: Instance) -> Wait | None:
    """Wait for a place among the runs: of all, or of those of the same priority."""
    rules = known.rules
    if dagster.in_flight >= rules.runs_at_most:
        return Wait(
            "queue",
            f"{dagster.in_flight} run(s) are under way; this priority starts beside fewer than {rules.runs_at_most}",
        )
    if rules.alike_at_most is not None and dagster.alike >= rules.alike_at_most:
        return Wait("queue", f"{dagster.alike} run(s) of this priority are under way, and {rules.alike_at_most} may be")
    return None


def _reconciliation(known: Known, says: str, what: str = "reconciliation") -> Wait:
    """Wait for the next reconciliation; a report or a completion may ask for one before its time."""
    return Wait(what, says, known.rules.reconciles_at)


def _tick(known: Known) -> Wait:
    """Wait for nothing but the sensor's next look at the queue."""
    before = f"; {known.place.position - 1} task(s) stand before it" if known.place else ""
    until = known.now + known.rules.sensor_every
    return Wait(
        "tick", f"nothing holds it: the sensor of the queue looks again within {_seconds(known)} s{before}", until
    )


WAITS: tuple[Callable[[Known], Wait | None], ...] = (
    _lease,
    _person,
    _tombstone,
    _backoff,
    _closure,
    _due,
    _task,
    _approval,
    _host,
    _limit,
    _daemon,
    _lane,
)
"""What a key may wait for, in the order in which it is told."""


def _told(entry: Entry) -> Mapping[str, str]:
    """Tell an entry of the ledger in a line."""
    parts = [f"{name}: {value}" for name, value in entry.detail.items() if name not in UNTOLD and value is not None]
    parts += [
        f"{name.replace('_', ' ')} {entry.detail[name]}" for name in ("until", "next_at") if entry.detail.get(name)
    ]
    return {
        "at": _moment(entry.at),
        "event": entry.event.value,
        "run": entry.run,
        "task": entry.task,
        "detail": "; ".join(parts),
    }


def _seconds(known: Known) -> str:
    return f"{known.rules.sensor_every.total_seconds():g}"


def _moment(moment: datetime | None) -> str:
    return "a moment that nobody knows" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
