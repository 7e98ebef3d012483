"""What the loop is about to start in, what has to wait for a person out; and what persons have decided, kept for good.

New work is measured in keys by cell, against what was open when the loop last went on: a queue has caps, and what they
cut off waits behind it. So the work that a full queue brings up from an old remainder is not new, and a million keys
are a million however few of them stand in the queue.

Two things are held. More new tasks than `approvals.max_new_tasks`, whatever brought them; and, after a change of the
contract, more keys that are or may become open than `approvals.max_new_share` of what was expected before, unless they
fit into one task. Only the cells that have grown most wait, until what is left is within the limits: a mistake in one
source does not hold up tonight's games of the others.

A fresh installation has nothing to compare with: its contract counts as accepted, and all of its open keys are new. A
lake that is nearly whole, such as the demo's, starts at once; an empty one waits for a person, once.
"""

import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from adce_assets.autonomous import Approvals
from adce_assets.errors import ConditionFailedError, LakeError, VerifyError
from adce_assets.ledger.records import Count, Record, Sha256, Time, built, write_once
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, ID_DIGITS, OPEN_STATES
from adce_assets.loop.state import COVERAGE, State

logger = logging.getLogger(__name__)

BASELINE = "approvals/baseline"
DECISIONS = "approvals/decisions/"
MOST_BYTES = 1024 * 1024
"""Of a decision: what a person has said, and the cells and numbers it was about."""
TO_COME = (*OPEN_STATES, "unknown", "not_due")
"""The states of keys that are, or may become, something to ask for."""
NAMED = 3
"""Cells that a message names; all are counted."""

CellName = tuple[str, str, str]


def _check_printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        message = "only printable characters may stand here, and at least one that can be seen"
        raise ValueError(message)
    return text.strip()


Said = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_printable)]


class Decision(Record):
    """What a person has decided about what was held; it holds for this much of these cells, and for nothing larger.

    ``number`` counts the decisions about one thing; the last one counts, and all of them are kept. ``cells`` are the
    tasks and keys of each cell that waited.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    id: Annotated[str, Field(pattern=r"^hold-[0-9a-f]{16}$")]
    number: Annotated[int, Field(ge=1, le=9999)]
    accepted: bool
    by: Said
    note: Said
    at: Time
    contract: Sha256
    new_tasks: Count
    new_keys: Count
    cells: dict[str, tuple[Count, Count]]
    why: Said

    @property
    def key(self) -> str:
        """Where it lies in the state."""
        return _place(self.id, self.number)


class _Baseline(Record):
    """What was known when the loop last went on: open keys and keys to come by cell, and all that was expected.

    Cells that went on beside others that are ``waiting`` are known as they are since; ``root`` stays as it was.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    serial: Count
    root: Sha256
    waiting: tuple[str, ...]
    contract: Sha256
    queue: Sha256
    expected: Count
    cells: dict[str, tuple[Count, Count]]


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the work on a cell has grown: tasks to start now, and keys that are or may become open."""

    cell: CellName
    tasks: int
    keys: int


@dataclass(frozen=True, slots=True)
class Held:
    """What waits for an approval.

    Attributes:
        id: Names it, as long as it grows out of the same state of things.
        contract: The digest of the contract that it is about.
        why: The limits that it is beyond, in words.
        new_tasks: The tasks that are new, of all cells.
        new_keys: The keys that are new or to come, of all cells.
        growths: The cells that wait, the largest first.
        decision: The last decision about it, None where nobody has decided.
    """

    id: str
    contract: str
    why: str
    new_tasks: int
    new_keys: int
    growths: tuple[Growth, ...]
    decision: Decision | None

    def holds(self, task: Mapping[str, Any]) -> bool:
        """Tell whether a task of the queue waits; what is not of the cells that have grown goes on."""
        return tuple(task[name] for name in CELL) in {growth.cell for growth in self.growths}

    def __str__(self) -> str:
        """Say in one line what waits, why, and what to do."""
        cells = ", ".join("/".join(growth.cell) for growth in self.growths[:NAMED])
        more = f" and {len(self.growths) - NAMED:,} more" if len(self.growths) > NAMED else ""
        return f"waiting for an approval of {cells}{more}: {self.why}; {self._what_next()}"

    def _what_next(self) -> str:
        ask = f"`adce approve show {self.id}`, then accept or reject it"
        if self.decision is None:
            return ask
        if self.decision.accepted:
            return f"{self.decision.by} has accepted {self.decision.new_tasks:,} tasks, and it has grown since: {ask}"
        return f"rejected by {self.decision.by}: {self.decision.note}"


def hold(project: Project, queue: Mapping[str, Any]) -> Held | None:
    """Say what of the queue must wait, or None; what goes on is what the next queue is compared with.

    Raises:
        LakeError: there is no coverage yet, or the state cannot be read or written.
    """
    held, known = _judged(project, queue)
    if known is not None:
        told = known.model_dump(mode="json", exclude={"schema_version"})
        project.state.write_json(BASELINE, told, volatile=("serial", "root"))
    return held


def look(project: Project, queue: Mapping[str, Any]) -> Held | None:
    """Say what of the queue would have to wait, as `hold` does, and write nothing."""
    return _judged(project, queue)[0]


def decide(project: Project, held: Held, *, accepted: bool, by: str, note: str) -> Decision:
    """Write down, for good, what a person has decided about what is held.

    Raises:
        VerifyError: what was said cannot be kept.
        ConditionFailedError: somebody else has decided at the same moment.
    """
    fields = {
        "schema": 1,
        "id": held.id,
        "number": _next_number(project.state, held.id),
        "accepted": accepted,
        "by": by,
        "note": note,
        "at": project.clock(),
        "contract": held.contract,
        "new_tasks": held.new_tasks,
        "new_keys": held.new_keys,
        "cells": {"/".join(growth.cell): (growth.tasks, growth.keys) for growth in held.growths},
        "why": held.why,
    }
    decision = built(Decision, fields, held.id)
    try:
        write_once(project.state.store, decision.key, decision)
    except ConditionFailedError as error:
        hint = "look at `adce approve list`, then decide again"
        raise ConditionFailedError("somebody has decided this meanwhile", where=held.id, hint=hint) from error
    return decision


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided, oldest first, and the documents among them that nobody can believe, each with the reason."""

    taken: tuple[Decision, ...]
    refused: tuple[str, ...]


def decisions(state: State, about: str = "") -> Decisions:
    """Read all that was ever decided, or what was ``about`` one id; LakeError where the state cannot be read."""
    taken, refused = [], []
    for found in state.store.list(f"{DECISIONS}{about}"):
        try:
            taken.append(_decision(state, found.key, found.size))
        except VerifyError as fault:
            refused.append(str(fault).splitlines()[0])
    return Decisions(tuple(sorted(taken, key=lambda one: (one.at, one.id, one.number))), tuple(refused))


def _next_number(state: State, held_id: str) -> int:
    """Count on from the last decision that can be believed, past whatever else lies there."""
    last = max((decision.number for decision in decisions(state, held_id).taken), default=0)
    there = {found.key for found in state.store.list(f"{DECISIONS}{held_id}")}
    return next(number for number in count(last + 1) if _place(held_id, number) not in there)


def _place(held_id: str, number: int) -> str:
    return f"{DECISIONS}{held_id}.{number:04d}.json"


def _decision(state: State, key: str, size: int) -> Decision:
    if size > MOST_BYTES:
        raise VerifyError(f"the decision has {size:,} bytes", where=key, valid=f"at most {MOST_BYTES:,}")
    try:
        decision = Decision.model_validate_json(state.store.get(key))
    except ValidationError as error:
        raise VerifyError(f"not a decision that can be believed: {error.error_count()} fault(s)", where=key) from error
    if decision.key != key:
        raise VerifyError(f"the decision is about {decision.id}, which is not where it lies", where=key)
    return decision


def _judged(project: Project, queue: Mapping[str, Any]) -> tuple[Held | None, _Baseline | None]:
    """Judge a queue; beside the answer, what is known from now on, None where that has not changed."""
    before, stamp = _before(project.state), _stamp(queue)
    if before is not None and before.queue == stamp:
        return None, None
    now = _now(project, queue, 0 if before is None else before.serial + 1)
    keys_per_task = project.settings.reconciliation.task_queue.keys_per_task
    growths = list(_growths(before, now, keys_per_task))
    held = _held(project, before, now, growths)
    if held is None:
        return None, now
    last = max(decisions(project.state, held.id).taken, key=lambda decision: decision.number, default=None)
    if last is not None and last.accepted and last.contract == now.contract:
        more = [growth for growth in growths if not _covers(last, growth, project.settings.autonomous.approvals.margin)]
        if _held(project, before, now, more) is None:
            return None, now
    # What waits has to be beyond the limits by itself: else it would be let go because the others are known now.
    alone = None if before is None else _held(project, before, now, held.growths)
    stays = before is None or alone is None or alone.growths != held.growths
    return replace(held, decision=last), None if stays else _beside(before, now, held)


def _beside(before: _Baseline, now: _Baseline, held: Held) -> _Baseline:
    """Know the cells that go on beside what is held as they are now, and all else as it was."""
    waiting = {"/".join(growth.cell) for growth in held.growths}
    cells = {name: counts for name, counts in now.cells.items() if name not in waiting}
    cells |= {name: counts for name, counts in before.cells.items() if name in waiting}
    return before.model_copy(update={"cells": cells, "waiting": tuple(sorted(waiting))})


def _covers(decision: Decision, growth: Growth, margin: float) -> bool:
    """Tell whether an acceptance is of this cell, and of no less of it than now but for a margin."""
    most, (tasks, keys) = 1 + margin, decision.cells.get("/".join(growth.cell), (0, 0))
    return growth.tasks <= tasks * most and growth.keys <= keys * most


def _stamp(queue: Mapping[str, Any]) -> str:
    """Sum up what a queue is about, whenever it was made."""
    left = [[entry["gap_id"], entry["keys"]] for entry in queue["left_out"]]
    return hashlib.sha256(json.dumps([[task["id"] for task in queue["tasks"]], left]).encode()).hexdigest()


def _before(state: State) -> _Baseline | None:
    """Read what was known when the loop last went on; what cannot be read is nothing, and then all work is new."""
    if state.store.head(f"{BASELINE}.json") is None:
        return None
    try:
        return _Baseline.model_validate_json(json.dumps(state.read_json(BASELINE)))
    except (LakeError, ValidationError) as error:
        logger.warning("forgotten, so that all work counts as new: %s/%s.json: %s", state.store.url, BASELINE, error)
        return None


def _now(project: Project, queue: Mapping[str, Any], serial: int) -> _Baseline:
    """Count what is open, and to come, by cell; cells that nothing can collect start nothing.

    A reconciliation writes one file after the other. So the contract is the one that the cells were counted by, and
    what the queue asks for counts where a newer coverage has less of it.
    """
    coverage, asked = project.state.read_json(COVERAGE), _asked(queue)
    cells = {"/".join(cell[name] for name in CELL): cell for cell in coverage["cells"] if cell["scraper"] is not None}
    stamp = _stamp(queue)
    fields = {
        "schema": 1,
        "serial": serial,
        "root": hashlib.sha256(f"{serial}\n{stamp}\n{json.dumps(coverage['cells'])}".encode()).hexdigest(),
        "waiting": (),
        "contract": coverage["contract"],
        "queue": stamp,
        "expected": sum(cell["expected"] for cell in cells.values()),
        "cells": {
            name: (max(_sum(cell, OPEN_STATES), asked[name]), max(_sum(cell, TO_COME), asked[name]))
            for name, cell in cells.items()
        },
    }
    return built(_Baseline, fields, BASELINE)


def _asked(queue: Mapping[str, Any]) -> Counter[str]:
    """Count the keys of a queue by cell: those of its tasks, and those that they leave out."""
    asked = Counter[str]()
    for task in queue["tasks"]:
        asked["/".join(task[name] for name in CELL)] += sum(task[f"{state}_files"] for state in OPEN_STATES)
    for left in queue["left_out"]:
        asked["/".join(left[name] for name in CELL)] += left["keys"]
    return asked


def _sum(cell: Mapping[str, Any], states: Collection[str]) -> int:
    return sum(cell[state] for state in states)


def _held(project: Project, before: _Baseline | None, now: _Baseline, growths: Collection[Growth]) -> Held | None:
    """Hold what has grown beyond the limits against what was known before."""
    limits = project.settings.autonomous.approvals
    keys_per_task = project.settings.reconciliation.task_queue.keys_per_task
    tasks, keys = sum(growth.tasks for growth in growths), sum(growth.keys for growth in growths)
    why, waiting = [], set[CellName]()
    if tasks > limits.max_new_tasks:
        why.append(f"{tasks:,} new tasks, more than {limits.max_new_tasks:,}")
        waiting |= _largest({growth.cell: growth.tasks for growth in growths}, limits.max_new_tasks)
    allowed = _allowed(before, now, limits, keys_per_task)
    if allowed is not None and keys > allowed:
        why.append(f"a contract with {keys:,} new keys, more than {limits.max_new_share:.0%} of those before")
        waiting |= _largest({growth.cell: growth.keys for growth in growths}, allowed)
    if not why:
        return None
    if before is not None:
        waiting |= {growth.cell for growth in growths if "/".join(growth.cell) in before.waiting}
    grown = sorted((one for one in growths if one.cell in waiting), key=lambda one: (-one.tasks, -one.keys, one.cell))
    return Held(_id(before, now), now.contract, "; ".join(why), tasks, keys, tuple(grown), None)


def _allowed(before: _Baseline | None, now: _Baseline, limits: Approvals, keys_per_task: int) -> float | None:
    """Say how many keys a changed contract may add; None where it has not changed, or is the first."""
    if before is None or before.contract == now.contract:
        return None
    return max(limits.max_new_share * before.expected, keys_per_task)


def _growths(before: _Baseline | None, now: _Baseline, keys_per_task: int) -> Iterator[Growth]:
    """Say of each cell that has grown by how much; keys to come count beside those that are open already."""
    known = {} if before is None else before.cells
    for name, (open_now, to_come) in now.cells.items():
        was_open, was_to_come = known.get(name, (0, 0))
        opened, more = max(open_now - was_open, 0), max(to_come - was_to_come, 0)
        if opened or more:
            source, data_type, season = name.split("/")
            yield Growth((source, data_type, season), math.ceil(opened / keys_per_task), max(opened, more))


def _largest(sizes: Mapping[CellName, int], allowed: float) -> set[CellName]:
    """Choose the largest, until the sum of the others is within what is allowed."""
    chosen, left = set(), sum(sizes.values())
    for cell in sorted(sizes, key=lambda cell: (-sizes[cell], cell)):
        if left <= allowed:
            break
        chosen.add(cell)
        left -= sizes[cell]
    return chosen


def _id(before: _Baseline | None, now: _Baseline) -> str:
    """Name what is held by what it grows out of and the contract that it is of."""
    told = f"{'' if before is None else before.root}\n{now.contract}"
    return f"hold-{hashlib.sha256(told.encode()).hexdigest()[:ID_DIGITS]}"
