"""What was asked of a season and what the answer was: the one form that every check has, whoever asks it.

The words are here: types, levels, states, and the row that is named where something differs. What is asked stands in
`balance`, `totals`, `vanished` and `rules`; what comes of the answers in `settling` and `run`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

SHOWN = 20
"""Rows that a check names; all are counted."""


class Kind(StrEnum):
    """What is compared."""

    COUNT = "COUNT"
    HASH = "HASH"
    AMOUNT_TOTAL = "AMOUNT_TOTAL"
    BUSINESS_RULE = "BUSINESS_RULE"


class Level(StrEnum):
    """Between which two places of the way; a business rule asks what has come all the way."""

    SOURCE_READ = "source->read"
    READ_PROCESSED = "read->processed"
    PROCESSED_STAGED = "processed->staged"
    STAGED_FINAL = "staged->final"
    SOURCE_FINAL = "source->final"


class State(StrEnum):
    """What the answer is worth: a difference that is younger than its settling time is neither right nor wrong yet."""

    PASSED = "passed"
    SETTLING = "settling"
    FAILED = "failed"


class Severity(StrEnum):
    """What a failure means: an error keeps a season out of the final table where its entity says so."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is reconciled, and when it is looked at (UTC)."""

    entity: str
    season: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A row, a group of rows, an object or a worker of which something differs.

    Attributes:
        key: What names it, as JSON with sorted names.
        kind: ``lost``, ``surplus``, ``changed``, ``duplicated``, ``differs``.
        column: What of it differs; empty where it is the row itself.
        expected: What should be there; None for nothing.
        actual: What is there; None for nothing.
        written_at: When the newest object that it comes from was written; None where nobody knows.
    """

    key: str
    kind: str
    column: str = ""
    expected: str | None = None
    actual: str | None = None
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        kind: What is compared.
        level: Between which two places.
        name: What the check is called within its kind and level.
        source: Of which source; empty for all.
        worker: Of which worker; empty for all.
        severity: What a failure means.
    """

    kind: Kind
    level: Level
    name: str
    source: str = ""
    worker: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        expected: What should be there.
        actual: What is there.
        discrepancy: How far the two are apart.
        message: The answer in words.
        rows: All that differs, or the first of it.
        offenders: How many rows there are, if these are not all.
        since: When the oldest of what differs was written, if that is known of all of it.
        holds: Whether the totals agree, where they are compared beside the rows.
        unasked: How many things could not be asked about, by the reason.
        asked: Whether there was anything to ask about: of what was not asked nobody can say that it holds.
    """

    expected: str
    actual: str
    discrepancy: str
    message: str
    rows: Sequence[Row] = ()
    offenders: int | None = None
    since: datetime | None = None
    holds: bool = True
    unasked: Mapping[str, int] = field(default_factory=dict)
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A question and its answer; numbers are texts, so that none is rounded.

    Attributes:
        kind: What is compared.
        level: Between which two places.
        name: What the check is called within its kind and level.
        entity: Whose rows.
        season: Which of them.
        source: Of which source; empty for all.
        worker: Of which worker; empty for all.
        expected: What should be there.
        actual: What is there.
        discrepancy: How far the two are apart.
        state: What that is worth.
        severity: What a failure means.
        message: The answer in words.
        rows: The first of what differs, in a stable order; at most `SHOWN`.
        offenders: How many there are.
        since: When the oldest of what differs was written; None where that is not known of all of it.
        checked_at: When it was looked at.
        unasked: How many things it could not be asked about, by the reason.
        asked: Whether there was anything to ask about; if not, it counts for nothing.
    """

    kind: Kind
    level: Level
    name: str
    entity: str
    season: str
    source: str
    worker: str
    expected: str
    actual: str
    discrepancy: str
    state: State
    severity: Severity
    message: str
    rows: tuple[Row, ...]
    offenders: int
    since: datetime | None
    checked_at: datetime
    unasked: Mapping[str, int] = field(default_factory=dict)
    asked: bool = True

    @property
    def id(self) -> str:
        """What names the check in its season, the same in every run."""
        parts = (self.kind, self.level, self.name, self.source, self.worker)
        return "/".join(part for part in parts if part)

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return self.state is State.PASSED

    @property
    def stops(self) -> bool:
        """Whether a blocking entity's season must not be published with this answer."""
        return not self.passed and self.severity is Severity.ERROR


def check(cell: Cell, question: Question, answer: Answer) -> Check:
    """Make a check of what was found: it passes if it ``holds`` and there is no row that differs."""
    many = len(answer.rows) if answer.offenders is None else answer.offenders
    return Check(
        kind=question.kind,
        level=question.level,
        name=question.name,
        entity=cell.entity,
        season=cell.season,
        source=question.source,
        worker=question.worker,
        expected=answer.expected,
        actual=answer.actual,
        discrepancy=answer.discrepancy,
        state=State.PASSED if answer.holds and not many else State.FAILED,
        severity=question.severity,
        message=answer.message,
        rows=tuple(answer.rows[:SHOWN]),
        offenders=many,
        since=answer.since,
        checked_at=cell.at,
        unasked=answer.unasked,
        asked=answer.asked,
    )


def oldest(rows: Sequence[Row]) -> datetime | None:
    """Say when the oldest of all that differs was written; None unless that is known of each row."""
    known = [row.written_at for row in rows if row.written_at is not None]
    return min(known) if known and len(known) == len(rows) else None


def in_state(checks: Iterable[Check], state: State) -> list[Check]:
    """Keep the checks with this answer."""
    return [one for one in checks if one.state is state]


def with_state(one: Check, state: State) -> Check:
    """Say the same with another answer."""
    return replace(one, state=state)


def key_text(names: Mapping[str, object]) -> str:
    """Write what names a row, the same way every time."""
    return json.dumps(dict(names), sort_keys=True, ensure_ascii=False, default=str, separators=(",", ":"))


def plain(number: Decimal | int) -> str:
    """Write a number exactly and without an exponent; what follows the last digit that counts is left out."""
    text = f"{Decimal(number):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text
