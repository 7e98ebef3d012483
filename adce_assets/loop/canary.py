"""A gap made up in, a verdict on the loop itself out: it must be found, planned, filled and closed within its limit.

The canary lives in a shadow of the installation: a contract of one key, named for the day, a lake of its own below the
real one, a state of its own, and a ledger of its own, so that neither sees the other's keys. All else is the real
thing: the same storage, the same steps, the same way to collect, the same limits' place. Each canary begins with an
empty lake, so that there always is a gap. Who collects is handed in, for other rooms know it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from adce_assets.configuration import ReconciliationConfig, Scanning
from adce_assets.contract.loading import Contract, load_contract
from adce_assets.errors import AdceError, LakeError, LedgerError, printable
from adce_assets.lake.store import open_store, vacate
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.transitions import UNDER_WAY, Event, State
from adce_assets.loop.project import OWN_PREFIX, Project, open_project
from adce_assets.loop.state import CANARY, LEDGER_HEAD, QUEUE
from adce_assets.loop.tasks import TaskKey, task_keys

SOURCE, DATA_TYPE, SCRAPER = "adce", "canary", "canary"
DATA_SET = f"{SOURCE}/{DATA_TYPE}"
LAKE = f"{OWN_PREFIX}canary/lake"
"""Where the canary's lake lies below the real one."""
DATABASE = "canary.sqlite"
"""The file of the canary's ledger, in the folder of this machine for what its processes share."""
LONGEST_FAULT = 500
"""Characters of a fault that are kept."""
NEXT = "when that is mended, `adce canary` tells whether the loop lives"
PATIENCE_S = 120
"""How long one canary waits for another's end."""
CONTRACT = """
version: 1
leagues:
  canary: {{first_season: 2000-01, season_starts: 1}}
dimensions:
  day: {{values: ['{day}']}}
sources:
  {source}:
    description: the loop's own health
    league: canary
    data_types:
      {data_type}:
        description: a document that says which day it is
        for_each: [day]
        templates: ['canary/{{day}}.json']
        seasons: all
        freshness_days: 36500
        scraper: {scraper}
        min_bytes: 2
"""
STEPS = (Event.DETECTED, Event.PLANNED, Event.LEASED, Event.PROMOTED, Event.SEEN, Event.CLOSED)
"""What is told of a canary's way, as far as it went."""

Collect = Callable[[Project, Sequence[TaskKey]], None]
"""Collects keys into the lake of a project."""


@dataclass(frozen=True, slots=True)
class Canary:
    """What came of a canary.

    Attributes:
        key: The key that was to be filled.
        sent_at: When its gap was made (UTC).
        limit: How long it may take.
        took: From detected to closed; None if it never was closed.
        steps: What happened to it, and when.
        fault: What went wrong, in words; empty if nothing did.
        asleep: Who does not watch for the real loop, and what to do about it.
    """

    key: str
    sent_at: datetime
    limit: timedelta
    took: timedelta | None
    steps: tuple[tuple[Event, datetime], ...]
    fault: str
    asleep: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether its gap was closed in time, and somebody watches for real ones."""
        return not self.fault and self.took is not None and self.took <= self.limit and not self.asleep

    @property
    def says(self) -> str:
        """Say what came of it, in one line; where something is wrong, with what to do."""
        told = [self._says_of_the_gap, *(f"nobody watches: {one}" for one in self.asleep)]
        return "; ".join(told if self.is_alive else [*told, NEXT])

    @property
    def _says_of_the_gap(self) -> str:
        most = f"{self.limit / timedelta(minutes=1):g} minutes"
        reached = self.steps[-1][0].value if self.steps else "no step"
        if self.fault:
            return f"the gap of `{self.key}` was not closed; it came as far as {reached}: {self.fault}"
        if self.took is None:
            return f"the gap of `{self.key}` was not closed; it came as far as {reached}; allowed: {most}"
        return (
            f"the gap of `{self.key}` was closed {self.took.total_seconds():.1f} s after it was found; allowed: {most}"
        )

    def document(self, now: datetime) -> dict[str, Any]:
        """Lay it out as the state keeps it."""
        return {
            "generated_at": now.isoformat(),
            "key": self.key,
            "sent_at": self.sent_at.isoformat(),
            "alive": self.is_alive,
            "says": self.says,
            "limit_minutes": self.limit / timedelta(minutes=1),
            "seconds": None if self.took is None else round(self.took.total_seconds(), 3),
            "fault": self.fault or None,
            "asleep": list(self.asleep),
            "steps": [{"event": event.value, "at": at.isoformat()} for event, at in self.steps],
        }


def send(project: Project, collect: Collect, *, run: str = "", asleep: Sequence[str] = ()) -> Canary:
    """Send a canary, and write what came of it into `canary.json`; what fails is told there, and nothing is raised.

    Args:
        project: The installation whose loop is looked after.
        collect: Collects keys as the loop's own runs do.
        run: Dagster's run that does it.
        asleep: Who does not watch for the real loop, which this one goes around without.

    Raises:
        LakeError: the state could not be written.
    """
    sent_at, fault = project.clock(), ""
    key = f"canary/{sent_at:%Y-%m-%d}.json"
    steps: tuple[tuple[Event, datetime], ...] = ()
    try:
        project.ledger.append(())  # the canary has one of its own: whether the real one can be written is tried here
        with shadow(project, sent_at) as installation:
            try:
                _fly(installation, collect, run)
            finally:
                steps = _way(installation, key, sent_at)
    except AdceError as error:
        fault = printable(" ".join(str(error).split()))[:LONGEST_FAULT]
    limit = timedelta(minutes=project.settings.autonomous.canary.limit_minutes)
    canary = Canary(key, sent_at, limit, _took(steps), steps, fault, tuple(asleep))
    project.state.write_json(CANARY, canary.document(project.clock()), volatile=())
    return canary


@contextmanager
def shadow(project: Project, now: datetime) -> Iterator[Project]:
    """Lend the canary's own installation beside a project, to one canary at a time on this machine.

    Raises:
        LedgerError: another canary does not come to its end.
    """
    lake, state, folder = (
        f"{project.lake.url}/{LAKE}",
        f"{project.state.store.url}/{CANARY}",
        project.settings.work_folder,
    )
    settings = replace(
        project.settings,
        configured_lake=lake,
        state_url=state,
        configured_database=f"sqlite:///{folder / DATABASE}",
        host_urls={},
        reconciliation=_reconciliation(project.settings.reconciliation),
    )
    for url in (lake, state):
        open_store(url, make=True)
    with _alone(folder):
        yield open_project(settings, contract_of(now))


def _reconciliation(real: ReconciliationConfig) -> ReconciliationConfig:
    """Take over what the machine and the bucket ask for, and nothing of how the real lake is scanned."""
    scanning = Scanning(encryption=real.s3.encryption, kms_key_id=real.s3.kms_key_id)
    return ReconciliationConfig(s3=scanning, engine=real.engine)


def contract_of(now: datetime) -> Contract:
    """Make the contract of a day: one key."""
    with TemporaryDirectory(prefix="adce-canary-") as folder:
        path = Path(folder) / "data_inventory.yaml"
        told = {"source": SOURCE, "data_type": DATA_TYPE, "scraper": SCRAPER, "day": f"{now:%Y-%m-%d}"}
        path.write_text(CONTRACT.format(**told), encoding="utf-8")
        return load_contract(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "canary.lock")
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout as error:
        raise LedgerError("another canary is under way, and does not come to its end", where=str(folder)) from error
    try:
        yield
    finally:
        lock.release()


def _fly(project: Project, collect: Collect, run: str) -> None:
    """Go once around the loop, and look again."""
    from adce_assets.loop.reconciling import reconcile

    _clear(project)
    reconcile(project, {SCRAPER}, mode="list", accept_loss=True, run=run)
    tasks = [task["id"] for task in project.state.read_json(QUEUE)["tasks"]]
    collect(project, task_keys(project.state, tasks))
    reconcile(project, {SCRAPER}, mode="list", accept_loss=True, run=run)


def _clear(project: Project) -> None:
    """Take away what earlier canaries have left: their documents, and their keys that never were closed.

    Their ledger may have been another machine's: what was kept of it says nothing of this one. Their records go where
    removing is allowed; where they stay, they are as those of any lake that has been collected into before.
    """
    for found in list(project.lake.list()):
        if found.key.startswith(OWN_PREFIX):
            with suppress(LakeError):
                project.lake.delete(found.key)
        else:
            vacate(project.lake, found.key)
    if project.state.store.head(f"{LEDGER_HEAD}.json") is not None:
        project.state.write_json(LEDGER_HEAD, {"heads": {}})
    project.ledger.append(
        [step for state in list(project.ledger.states()) for step in _given_up(state, project.clock())]
    )


def _given_up(state: KeyState, now: datetime) -> Iterator[Transition]:
    """Say what has to happen for a key to be a new gap when it is found open."""
    cell = state.source, state.data_type, state.season
    why = {"why": "canaries are sent one at a time, and another one is"}
    if state.state in UNDER_WAY:
        yield Transition(state.key, Event.RELEASED, *cell, at=now, run=state.run, detail=why)
    if state.state not in {State.CLOSED, State.WITHDRAWN}:
        yield Transition(state.key, Event.WITHDRAWN, *cell, at=now, detail=why)


def _way(project: Project, key: str, since: datetime) -> tuple[tuple[Event, datetime], ...]:
    """List what happened to the key of this canary."""
    entries = [entry for entry in project.ledger.entries(key) if entry.at >= since]
    found = {(Event.DETECTED if entry.event is Event.REOPENED else entry.event): entry.at for entry in entries}
    return tuple((event, found[event]) for event in STEPS if event in found)


def _took(steps: Sequence[tuple[Event, datetime]]) -> timedelta | None:
    at = dict(steps)
    if Event.CLOSED not in at or Event.DETECTED not in at:
        return None
    return at[Event.CLOSED] - at[Event.DETECTED]
