"""What can be known of a key, declared once: `dossier` gathers it, `why` explains it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import HostState
from adce_assets.ledger.chain import Entry
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import CLAIMABLE, State
from adce_assets.loop.priority import Score
from adce_assets.loop.records import OPEN_STATES


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the last reconciliation says of a key: one of `records.STATES`, ``unexpected`` or ``not expected``."""

    state: str
    reason: str = ""
    due_at: datetime | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A key's place in the gaps and the queue.

    Attributes:
        gap_id: The gap that it belongs to.
        priority: The gap's.
        reason: The gap's, in words.
        detected_at: When the gap was first found.
        task: The task that collects it, empty if none does.
        position: The task's place in the queue, from 1.
        of: How many tasks the queue has.
        left_out: Why no task collects it.
        held: Why nobody may try to collect it, as the last reconciliation saw it.
    """

    gap_id: str
    priority: str
    reason: str
    detected_at: datetime
    task: str = ""
    position: int = 0
    of: int = 0
    left_out: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """What Dagster's own records say, as far as it concerns a key.

    Attributes:
        beat_at: When the daemon last said that it lives; None if it never has.
        is_well: Whether it runs.
        sensor_is_on: Whether the sensor of the queue is switched on.
        run: The run that works on the key's lane, empty if there is none.
        run_waits: Whether that run still waits in Dagster's queue.
        done_by: The run that has collected the key's batch of this queue, and is over; empty if none has.
        in_flight: Runs that collect, queued or running.
        alike: Those among them of the key's own priority.
        pool: The pool of the key's host.
        pool_limit: How many runs it lets ask the host at once; None if nobody has said.
        pool_used: How many do.
    """

    beat_at: datetime | None
    is_well: bool
    sensor_is_on: bool
    run: str = ""
    run_waits: bool = False
    done_by: str = ""
    in_flight: int = 0
    alike: int = 0
    pool: str = ""
    pool_limit: int | None = None
    pool_used: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that an explanation needs.

    Attributes:
        unseen: How long nobody but its writer need have seen an object.
        sensor_every: How often the sensor of the queue looks.
        reconciles_at: When the loop reconciles next in any case; None where nobody runs it.
        runs_at_most: How many runs may be under way for one of the key's priority to be started.
        alike_at_most: How many of its priority may be; None for any number.
        is_urgent: Whether its priority waits for no run of the same lane.
    """

    unseen: timedelta
    sensor_every: timedelta
    reconciles_at: datetime | None
    runs_at_most: int
    alike_at_most: int | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a key; None, or empty, where there is nothing to know.

    Attributes:
        key: The key.
        now: The present moment (UTC).
        rules: The settings.
        cell: Its source, data type and season, empty if nobody knows them.
        standing: How the ledger says that it stands.
        entries: What happened to it, oldest first.
        expectation: What the last reconciliation says.
        here: Size and time of the object that lies under it now, in words; empty if there is none.
        place: Its place in the gaps and the queue.
        score: Its task's.
        scraper: Who collects it.
        lane: The part of the host's budget that it would use.
        host: How the host stands that is asked.
        approval: What of the queue waits for a person, if its cell is among it.
        instance: What Dagster says; None where there is no instance.
    """

    key: str
    now: datetime
    rules: Rules
    cell: tuple[str, str, str] | tuple[()] = ()
    standing: KeyState | None = None
    entries: Sequence[Entry] = ()
    expectation: Expectation = Expectation("not expected")
    here: str = ""
    place: Place | None = None
    score: Score | None = None
    scraper: str = ""
    lane: Lane = Lane.FRESH
    host: HostState | None = None
    approval: str = ""
    instance: Instance | None = None

    @property
    def state(self) -> State:
        """Where the ledger says that it stands."""
        return self.standing.state if self.standing else State.UNTRACKED

    @property
    def may_be_tried(self) -> bool:
        """Whether a run could collect it, as far as the key alone is concerned."""
        free = self.standing is None or (self.state in CLAIMABLE and not later(self.standing.next_at, self.now))
        return free and self.expectation.state in OPEN_STATES


def later(moment: datetime | None, now: datetime) -> bool:
    """Tell whether a moment is still to come."""
    return moment is not None and moment > now
