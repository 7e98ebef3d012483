"""A queue and what it would cost in, a plan that a person can read and a machine can carry out to the letter out.

A plan names every key with the version that it replaces, and carries a seal over all it says: a file that was cut off
or edited by mistake is refused. Anybody can seal, so what a file says is hostile until it was checked. Held against the
open keys of a later look, it says what has moved since. Whom its keys are asked of, and at which price, is told by the
caller; nothing is started here.
"""

import hashlib
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from adce_assets.configuration import PRIORITIES
from adce_assets.contract.loading import Contract
from adce_assets.errors import AdceError, LakeError, VerifyError, printable
from adce_assets.ledger.records import Count, Key, Name, SeasonName, Sha256, Time
from adce_assets.loop.project import Project
from adce_assets.loop.state import INVENTORY
from adce_assets.loop.tasks import TaskKey, name_of

MOST_BYTES = 256 * 1024 * 1024
"""Of a plan's file: a million keys have about 100 MiB."""
MOST_KEYS = 1_000_000

USD_PER_WRITE, USD_PER_READ = 0.005 / 1000, 0.0004 / 1000
"""What S3 Standard in us-east-1 takes for a PUT or LIST, and for a GET or HEAD (https://aws.amazon.com/s3/pricing/, in
2025); other regions and classes differ, and DELETE is free."""
PUTS_PER_KEY = 2
"""The staged copy, and the object itself."""
GETS_PER_KEY = 4
"""The staged copy is read back, and its end; the object is read again for its closure, and by the next inventory."""
HEADS_PER_KEY = 2
"""Whether a good object is there already; and, by another reader, that it is there afterwards."""
RECORDS_PER_CELL = 2
"""What a run writes beside its objects: receipts, and a completion."""
KEYS_PER_LIST = 1000


def _check_printable(text: str) -> str:
    if not text.isprintable():
        message = "only printable characters may stand here"
        raise ValueError(message)
    return text


LONGEST = 2000
Shown = Annotated[str, Field(max_length=LONGEST), AfterValidator(_check_printable)]
Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_printable)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Priority = Literal["critical", "high", "medium", "low"]
OpenState = Literal["missing", "stale", "damaged"]


class Written(BaseModel):
    """A part of a plan: strict about types, closed to unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PlannedTask(Written):
    """A task of the plan; of each of its ``keys``: the key, its state, and the ETag of what it replaces or null."""

    id: Annotated[str, Field(pattern=r"^task-[0-9a-f]{16}$")]
    priority: Priority
    score: Annotated[float, Field(allow_inf_nan=False)]
    source: Name
    scraper: Name
    data_type: Name
    season: SeasonName
    reason: Shown
    keys: Annotated[
        tuple[tuple[Key, OpenState, Annotated[str, Field(max_length=1024)] | None], ...],
        Field(min_length=1, max_length=100_000),
    ]

    @property
    def data_set(self) -> str:
        """Of which data set (``source/data_type``) its keys are."""
        return f"{self.source}/{self.data_type}"


class Group(Written):
    """What the plan does for the tasks of one source and priority, in keys; ``bytes`` is null where nobody knows.

    ``refused`` are keys of tasks of which the scraper's entry says that nobody need ask; they are asked nothing.
    ``last_probe`` are those of the others that get a tombstone if the source has nothing for them this time either.
    """

    source: Name
    priority: Priority
    tasks: Count
    collect: Count
    refresh: Count
    refused: Count
    last_probe: Count
    left: Count
    requests: Count
    bytes: Count | None


class Unavailable(Written):
    """Keys of a source that cannot be had: with a tombstone, or because the contract says so; nobody asks for them."""

    source: Name
    tombstoned: Count
    unavailable: Count


class Left(Written):
    """Keys of a cell that the plan does not collect, and why."""

    source: Name
    data_type: Name
    season: SeasonName
    priority: Priority
    keys: Count
    reason: Shown


class HostWork(Written):
    """What a host, or a program, is asked for, and how long that takes; seconds are null where nobody knows."""

    host: Label
    budget: Label
    requests: Count
    keys: Count
    per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    waiting: Count
    succeeded: Count
    failed: Count
    in_pages: bool
    p50_s: Number | None
    p90_s: Number | None


class Cost(Written):
    """What the lake's storage takes for it, in requests and US dollars."""

    puts: Count
    gets: Count
    heads: Count
    lists: Count
    usd: Number


class Plan(Written):
    """All that a plan says.

    Attributes:
        digest: Sums up the inventory and the contract that it was made from; two plans of the same have the same.
        contract: The digest of the contract.
        lake: Of which lake it is.
        held: What of it waits for an approval, in words; empty for nothing.
        p50_s: Seconds until half of the trials have collected everything; null where nobody knows.
        p90_s: Until nine of ten have.
        seal: Sums up everything else that stands in the file.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["adce-plan"]
    made_at: Time
    as_of: Time
    digest: Sha256
    contract: Sha256
    lake: dict[str, str | tuple[str, ...]]
    chosen: dict[str, str]
    held: Shown
    groups: tuple[Group, ...]
    unavailable: tuple[Unavailable, ...]
    left: tuple[Left, ...]
    hosts: tuple[HostWork, ...]
    p50_s: Number | None
    p90_s: Number | None
    cost: Cost
    tasks: tuple[PlannedTask, ...]
    seal: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def keys(self) -> int:
        """How many keys it collects."""
        return sum(len(task.keys) for task in self.tasks)

    def sealed(self) -> "Plan":
        """Return the same plan with its seal."""
        return self.model_copy(update={"seal": _seal(self)})


def _seal(plan: Plan) -> str:
    return hashlib.sha256(plan.model_dump_json(by_alias=True, exclude={"seal"}).encode()).hexdigest()


def digest(project: Project) -> str:
    """Sum up the contract and the last inventory; LakeError where that is of another contract, or of none."""
    inventory = project.state.read_json(INVENTORY)
    if inventory["contract"] != project.contract.digest:
        raise LakeError(
            "was taken for another contract",
            where=f"{project.state.store.url}/{INVENTORY}.json",
            hint="the contract has changed since: run `adce reconcile`, then `adce plan`",
        )
    told = [inventory["contract"], inventory["of"], inventory["tables"]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def planned_tasks(tasks: Sequence[Mapping[str, Any]], keys: Iterable[TaskKey]) -> tuple[PlannedTask, ...]:
    """Put the tasks of a queue and their keys together; a task without a key is left away."""
    of_task: dict[str, list[tuple[str, str, str | None]]] = {}
    for key in keys:
        of_task.setdefault(key.task_id, []).append((key.key, key.state, key.etag))
    names = ("id", "priority", "source", "scraper", "data_type", "season")
    return tuple(
        PlannedTask.model_validate(
            {
                **{name: task[name] for name in names},
                "score": float(task["score"]),
                "reason": printable(task["reason"])[:LONGEST],
                "keys": tuple(of_task[task["id"]]),
            }
        )
        for task in tasks
        if task["id"] in of_task
    )


def named(task: PlannedTask) -> PlannedTask:
    """Give a task the name that the queue gives to one of this cell, these keys and these versions."""
    cell = task.source, task.data_type, task.season
    return task.model_copy(update={"id": name_of(cell, ((key, etag) for key, _, etag in task.keys))})


def cost(tasks: Sequence[PlannedTask], objects: int, *, on_s3: bool) -> Cost:
    """Say what S3 takes for the keys, and for the listing of all ``objects`` afterwards; a folder takes nothing."""
    if not on_s3:
        return Cost(puts=0, gets=0, heads=0, lists=0, usd=0)
    keys = sum(len(task.keys) for task in tasks)
    cells = len({(task.data_set, task.season, task.priority) for task in tasks})
    listed = math.ceil((objects + keys) / KEYS_PER_LIST) if keys else 0
    puts = PUTS_PER_KEY * keys + RECORDS_PER_CELL * cells
    usd = (puts + listed) * USD_PER_WRITE + (GETS_PER_KEY + HEADS_PER_KEY) * keys * USD_PER_READ
    return Cost(puts=puts, gets=GETS_PER_KEY * keys, heads=HEADS_PER_KEY * keys, lists=listed, usd=round(usd, 9))


def mean_bytes(inventory: Mapping[str, Any], contract: Contract) -> dict[str, float]:
    """Say how large an object of each data set is on average, from what the lake holds of it already.

    Objects are counted by the part of the key in front of the first field of a template; of a data set that the lake
    holds nothing of, those of its source tell, or else all.
    """
    by_prefix = {(row["source"], row["prefix"]): row for row in inventory["by_prefix"]}
    found = {}
    for name, data_set in contract.data_sets.items():
        prefixes = {(data_set.source, template.text.partition("{")[0]) for template in data_set.templates}
        own = [by_prefix[prefix] for prefix in prefixes if prefix in by_prefix]
        of_source = inventory["by_source"].get(data_set.source)
        told = own or ([of_source] if of_source else [inventory])
        objects = sum(row["objects"] for row in told)
        if objects:
            found[name] = sum(row["bytes"] for row in told) / objects
    return found


def groups(
    tasks: Sequence[PlannedTask],
    left: Sequence[Left],
    *,
    requests: Mapping[tuple[str, str], int],
    refused: Collection[str],
    probed: Collection[str],
    sizes: Mapping[str, float],
) -> tuple[Group, ...]:
    """Sum up what is collected and what is left by source and priority, the most urgent first.

    Args:
        tasks: What is collected.
        left: What is not.
        requests: How often is asked, by source and priority.
        refused: Keys of tasks that nobody need ask for.
        probed: Keys that one more answer of the kind buries.
        sizes: The bytes of an object, by data set.
    """
    counts: dict[tuple[str, str], Counter[str]] = {}
    unknown = {
        (task.source, task.priority)
        for task in tasks
        if task.data_set not in sizes and any(key not in refused for key, _, _ in task.keys)
    }
    for task in tasks:
        told = counts.setdefault((task.source, task.priority), Counter())
        told.update(_counted(task, refused, probed, sizes.get(task.data_set, 0)))
    for entry in left:
        counts.setdefault((entry.source, entry.priority), Counter()).update(left=entry.keys)
    in_order = sorted(counts, key=lambda name: (PRIORITIES.index(name[1]), name[0]))
    return tuple(_group(name, counts[name], requests.get(name, 0), is_known=name not in unknown) for name in in_order)


def _counted(task: PlannedTask, refused: Collection[str], probed: Collection[str], size: float) -> dict[str, int]:
    asked = [(key, state) for key, state, _ in task.keys if key not in refused]
    missing = sum(state == "missing" for _, state in asked)
    return {
        "tasks": 1,
        "collect": missing,
        "refresh": len(asked) - missing,
        "refused": len(task.keys) - len(asked),
        "last_probe": sum(key in probed for key, _ in asked),
        "bytes": round(len(asked) * size),
    }


def _group(name: tuple[str, str], counts: Counter[str], requests: int, *, is_known: bool) -> Group:
    told = {
        "source": name[0],
        "priority": name[1],
        "requests": requests,
        "bytes": counts["bytes"] if is_known else None,
    }
    numbers = ("tasks", "collect", "refresh", "refused", "last_probe", "left")
    return Group.model_validate(told | {number: counts[number] for number in numbers})


def write(plan: Plan, path: Path) -> None:
    """Write a plan whole or not at all; AdceError where the folder cannot be written."""
    body = plan.model_dump_json(by_alias=True, indent=1).encode()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            scratch = Path(file.name)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    except OSError as error:
        raise AdceError(f"cannot write the plan: {error.strerror}", where=str(path)) from error


def read(path: Path) -> Plan:
    """Read a plan, or raise VerifyError saying why nobody can believe it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise VerifyError(
                "the file is too large for a plan", where=str(path), valid=f"at most {MOST_BYTES:,} bytes"
            )
        body = path.read_bytes()
    except OSError as error:
        raise VerifyError(f"cannot read the plan: {error.strerror}", where=str(path)) from error
    hint = "make a new one with `adce plan -o FILE`"
    try:
        plan = Plan.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise VerifyError(
            f"not a plan that can be believed: {place}: {first['msg']}", where=str(path), hint=hint
        ) from error
    if plan.seal != _seal(plan):
        raise VerifyError("the seal does not fit: the plan was changed since it was made", where=str(path), hint=hint)
    _refuse_twice(plan, path)
    for task in plan.tasks:
        if task.id != named(task).id:
            raise VerifyError(f"{task.id} is not the name of a task with these keys", where=str(path), hint=hint)
    return plan


def _refuse_twice(plan: Plan, path: Path) -> None:
    for what, values in (
        ("task", [task.id for task in plan.tasks]),
        ("key", [key for task in plan.tasks for key, _, _ in task.keys]),
    ):
        if len(values) > MOST_KEYS:
            raise VerifyError(f"the plan has {len(values):,} {what}s", where=str(path), valid=f"at most {MOST_KEYS:,}")
        if len(set(values)) < len(values):
            raise VerifyError(f"a {what} stands in the plan twice", where=str(path))
