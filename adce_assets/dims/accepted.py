"""The values that hold, read from and written to `inventory/metrics.yaml`: each with when, how and by whom.

This file is the truth of what holds; the history is the truth of what was measured and decided. A verification writes
the file before its own transaction ends, under the lock of all writers of the history. A decision stands in the
history first, and is carried into the file after; `with_decisions` says what holds until then. So whoever is killed
between the two has lost nothing: a verification is made again and comes to the same, a decision is carried over by
whoever comes next.

A file of a state can be written by anybody: it is believed after it was checked.
"""

import math
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, model_validator

from adce_assets import documents
from adce_assets.dims.metrics import Accepted, Name, Value, check_name
from adce_assets.errors import ConditionFailedError, ConfigurationError, MetricError, printable

if TYPE_CHECKING:
    from adce_assets.dims.history_records import Approval
    from adce_assets.loop.state import State

KEY = "metrics.yaml"
METADATA = "metadata"
"""The section that is no category."""
VERSION = 1
WIDTH = 10_000
"""Characters of a line of YAML before it is broken, which is no line anybody reads."""
HINT = "mend it, or take it back from git; without it, what persons accepted last holds, and all else is new"
MOST_TEXT = 1_000
"""Characters of a value that is a text."""
WHOLE = 2**63
"""What an integer stays below, so that every database can keep it."""
ATTEMPTS = 20
"""How often it is tried again when somebody else has written the file meanwhile."""
INSTANT = timedelta(microseconds=1)
FIRST_YEAR, LAST_YEAR = 1970, 2100


def check_value(value: object) -> Value:
    """Return what can be a value: a finite number that databases can keep, or a line of text. ValueError otherwise."""
    if isinstance(value, str):
        if len(value) > MOST_TEXT or not value.isprintable():
            message = f"a text must be printable, in one line, and at most {MOST_TEXT:,} characters long"
            raise ValueError(message)
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -WHOLE <= value < WHOLE:
        return value
    message = f"`{value!r:.100}` is no finite number of 64 bits, and no text"
    raise ValueError(message)


def check_said(text: str) -> str:
    """Return what a person said of themselves or of a reason, trimmed; ValueError for what shows nothing."""
    trimmed = text.strip()
    if not trimmed or not trimmed.isprintable() or len(trimmed) > MOST_TEXT:
        message = f"printable characters must stand here, at least one and at most {MOST_TEXT:,}"
        raise ValueError(message)
    return trimmed


def said(option: str, text: str) -> str:
    """Return what was said with an option, as `check_said` does; MetricError for what shows nothing."""
    try:
        return check_said(text)
    except ValueError as error:
        raise MetricError(str(error), where=option) from error


def _check_moment(at: datetime) -> datetime:
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        message = "is not of our times"
        raise ValueError(message)
    return at.astimezone(UTC)


Said = Annotated[str, AfterValidator(check_said)]
Moment = Annotated[AwareDatetime, AfterValidator(_check_moment)]


def _check_category(name: str) -> None:
    if check_name(name) == METADATA:
        message = f"`{METADATA}` is the name of no category"
        raise ValueError(message)


class _Entry(BaseModel):
    """An accepted value as it stands in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[Any, AfterValidator(check_value)]
    at: Moment
    how: Literal["first", "update", "approval"]
    by: Said


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    last_updated: Moment


class _File(BaseModel):
    """The whole file: what it says of itself, and the metrics by category and name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[Name, _Entry]]  # pyrefly: ignore[bad-override-mutable-attribute] - pydantic types them so

    metadata: _Metadata

    @model_validator(mode="after")
    def _check_categories(self) -> "_File":
        for category in self.__pydantic_extra__ or {}:
            _check_category(category)
        return self


@dataclass(frozen=True, slots=True)
class Version:
    """What a file said, and which version of it that was; None for no file."""

    values: Mapping[str, Accepted] = field(default_factory=dict)
    etag: str | None = None


def load(state: "State") -> Mapping[str, Accepted]:
    """Return the values that the file says, by metric; none where there is no file.

    Raises:
        MetricError: the file is not what this module writes.
        LakeError: the state cannot be read.
    """
    return read(state).values


def read(state: "State") -> Version:
    """Read the file and its version, for whoever wants to write it; errors as `load`."""
    found = state.store.head(KEY)
    if found is None:
        return Version()
    where = f"{state.store.url}/{KEY}"
    if found.size > documents.MAX_BYTES:
        raise MetricError(
            f"the file has {found.size:,} bytes", where=where, valid=f"at most {documents.MAX_BYTES:,}", hint=HINT
        )
    return Version(_parsed(state.store.get(KEY, length=documents.MAX_BYTES + 1), where), found.etag)


def put(state: "State", values: Mapping[str, Accepted], *, instead_of: Version, at: datetime) -> None:
    """Write the values of all metrics in the place of the version that they were made from, whole or not at all.

    A file that says the same already stays as it is.

    Raises:
        MetricError: a value, a name or a moment is none that could be read again.
        ConditionFailedError: somebody has written the file since: read it again, and decide anew.
    """
    if values == instead_of.values:
        check_stands(state, instead_of)
        return
    body = _text(values, at).encode()
    if instead_of.etag is None:
        state.store.put_if_absent(KEY, body)
    else:
        state.store.put_if_match(KEY, body, instead_of.etag)


def check_stands(state: "State", version: Version) -> None:
    """Raise ConditionFailedError unless this version of the file is still the one in its place."""
    found = state.store.head(KEY)
    if (found.etag if found else None) != version.etag:
        raise ConditionFailedError("the accepted values have changed", where=f"{state.store.url}/{KEY}")


def with_decisions(values: Mapping[str, Accepted], decided: Iterable["Approval"]) -> Mapping[str, Accepted]:
    """Add what persons have accepted, and what has not been carried into the file yet: the later one holds."""
    standing = dict(values)
    for approval in decided:
        stands = standing.get(approval.metric)
        if approval.decided_at is not None and (stands is None or stands.at < approval.decided_at):
            standing[approval.metric] = Accepted(approval.new, approval.decided_at, "approval", approval.by)
    return standing


def after(now: datetime, stands: Accepted | None) -> datetime:
    """Return the moment of an acceptance: now, but behind that of the value that it takes the place of."""
    return now if stands is None else max(now, stands.at + INSTANT)


def carry_over(state: "State", decided: Iterable["Approval"], *, at: datetime) -> Mapping[str, Accepted]:
    """Write into the file what was accepted and does not stand there yet, and return all that holds."""
    approvals = tuple(decided)
    for _ in range(ATTEMPTS):
        version = read(state)
        holds = with_decisions(version.values, approvals)
        with suppress(ConditionFailedError):
            put(state, holds, instead_of=version, at=at)
            return holds
    raise restless(state)


def restless(state: "State") -> MetricError:
    """Say that the file is written too often to be written here."""
    where = f"{state.store.url}/{KEY}"
    return MetricError("is written again and again by others", where=where, hint="let it rest, then try again")


def _parsed(body: bytes, where: str) -> Mapping[str, Accepted]:
    """Check the text of a file; it is laid down on this machine, where the reader of all our YAML wants it."""
    with tempfile.TemporaryDirectory(prefix="adce-metrics-") as folder:
        path = Path(folder) / KEY
        path.write_bytes(body)
        try:
            file = documents.load(_File, path)
        except ConfigurationError as error:
            told = printable(" ".join(str(error).replace(str(path), where).split()))
            raise MetricError(f"cannot be believed: {told}", where=where, hint=HINT) from error
    return {
        f"{category}.{name}": Accepted(entry.value, entry.at, entry.how, entry.by)
        for category, entries in (file.__pydantic_extra__ or {}).items()
        for name, entry in entries.items()
    }


def _text(values: Mapping[str, Accepted], at: datetime) -> str:
    """Write the values down in the order of their names."""
    document: dict[str, Any] = {METADATA: {"version": VERSION, "last_updated": at.isoformat()}}
    for metric, accepted in sorted(values.items()):
        category, _, name = metric.partition(".")
        document.setdefault(category, {})[name] = entry_of(metric, accepted)
    return text_of(document)


def text_of(document: Mapping[str, Any]) -> str:
    """Write plain data down as YAML, in the order that it has."""
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=WIDTH)


def entry_of(metric: str, accepted: Accepted) -> dict[str, Any]:
    """Lay an accepted value out, after checking it as a reader will; MetricError for what could not be read again."""
    category, _, name = metric.partition(".")
    fields = {name: getattr(accepted, name) for name in _Entry.model_fields}
    try:
        _check_category(category)
        check_name(name)
        entry = _Entry.model_validate(fields)
    except ValueError as error:
        raise MetricError(f"cannot be accepted: {printable(str(error))}", where=printable(metric)) from error
    return entry.model_dump() | {"at": entry.at.isoformat()}
