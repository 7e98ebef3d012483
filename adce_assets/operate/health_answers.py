"""What the health server takes and gives: one record for each, from which its description is generated."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adce_assets.operate.causes import Severity
from adce_assets.operate.service import Health as Standing

PLAN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.json$"
Form = Annotated[Literal[1], Field(alias="schema")]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Alive(_Record):
    """The server answers; nothing else is said."""

    schema_version: Form = 1
    alive: Literal[True] = True


class Ready(_Record):
    """Whether there is a look at the installation that is young enough to answer from."""

    schema_version: Form = 1
    ready: bool


class Cause(_Record):
    """What is wrong: a code that stays the same, of what, how bad it is, and the next step."""

    code: str
    subject: str
    severity: Severity
    what: str
    hint: str
    since: str | None
    page: str


class WellOrNot(_Record):
    """Whether the loop does its work, and all that is wrong, the worst first; warnings leave it well."""

    schema_version: Form
    at: str
    well: bool
    causes: list[Cause]


class Component(_Record):
    """How a program of the service stands."""

    component: str
    health: Standing
    since: str | None
    pid: int | None
    said: str


class Status(WellOrNot):
    """How the loop stands; what cannot be known is null, and a cause says why."""

    running: bool
    components: list[Component]
    last_cycle: str | None
    last_cycle_hours: float | None
    inventory_as_of: str | None
    objects: int | None
    tasks: int | None
    by_priority: dict[str, int]
    open_keys: int | None
    dry_run: bool | None
    test_mode: bool | None
    resting: str | None


class Tasks(_Record):
    """A page of the queue, the most urgent first; ``next_offset`` is null on the last one."""

    schema_version: Form = 1
    total_tasks: int
    offset: int
    limit: int
    next_offset: int | None
    tasks: list[dict[str, Any]]


class Problem(_Record):
    """Why something was not done, and the next step."""

    schema_version: Form = 1
    error: str
    hint: str = ""


class Changed(_Record):
    """Whether the component was changed; it was so already where not."""

    schema_version: Form = 1
    component: str
    changed: bool


class Planned(_Record):
    """A plan to apply: the name of a file in the folder `plans` of the installation's home, and its seal."""

    plan: Annotated[str, Field(pattern=PLAN)]
    seal: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Applied(_Record):
    """The plan is being applied; what becomes of it stands in the log, and in the ledger."""

    schema_version: Form = 1
    plan: str
    keys: int
    left_away: int
    process: int
    log: str


class Noted(_Record):
    """Why somebody decides as he does."""

    note: Text


class Decided(_Record):
    """What was decided, by the holder of which token."""

    schema_version: Form = 1
    id: str
    decided: Literal["accepted", "rejected"]
    by: str
