"""A violation in, a loop out that starts nothing until a person says so.

A halt is one file of the state, so that every machine sees it: the sensor of the queue starts nothing, a run that
begins fails before it asks anybody, and one that works stops after what is under way. What a violation is, is said
where it is found. A file that nobody can read holds the loop, too.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import ConditionFailedError, HaltedError, LakeError, ObjectNotFoundError, printable
from adce_assets.loop.state import State

HALT = "halt.json"
HINT = "find out what it was, then `adce resume --by NAME --note TEXT`"
UNREADABLE = "unreadable"
"""The reason of a halt of which nobody can read why."""
LONGEST = 500
LOOK_S = 10.0
"""How often a run that works looks whether the loop was halted."""
ATTEMPTS = 5

Text = Annotated[str, Field(max_length=LONGEST)]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Halt(_Kept):
    """Why the loop starts nothing: ``reason`` is a code, ``what`` says it to a person, ``by`` is who has halted it."""

    reason: Text
    what: Text
    at: AwareDatetime
    by: Text

    def __str__(self) -> str:
        """Say it to a person."""
        return f"halted since {self.at:%Y-%m-%d %H:%M} UTC ({self.reason}): {self.what}"


class Resumed(_Kept):
    """Who let the loop go on, when and why."""

    at: AwareDatetime
    by: Text
    note: Text


class _File(_Kept):
    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    halt: Halt | None
    resumed: Resumed | None = None


def halt(state: State, reason: str, what: str, *, at: datetime, by: str) -> Halt:
    """Halt the loop, on all machines; where it is halted already, the first reason stands.

    Args:
        state: The files of the loop.
        reason: A code, such as `inward`, that machines compare.
        what: What happened, for a person.
        at: Now (UTC).
        by: Who found it: a run's id, or a person.

    Returns:
        The halt that stands.

    Raises:
        LakeError: the state cannot be written.
    """
    new = Halt(reason=_short(reason), what=_short(what), at=at, by=_short(by))
    found = _change(state, lambda there: there if there.halt else _File(halt=new, resumed=there.resumed))
    return found.halt or new


def halted(state: State) -> Halt | None:
    """Say why the loop is halted; None where it is not.

    Raises:
        LakeError: the state cannot be read.
    """
    try:
        return _File.model_validate_json(state.store.get(HALT)).halt
    except ObjectNotFoundError:
        return None
    except ValidationError:
        return _read(state)[0].halt


def resume(state: State, *, by: str, note: str, at: datetime) -> Halt | None:
    """Let the loop go on; return what it was halted for, None where it was not.

    Raises:
        HaltedError: it was halted anew meanwhile, for what nobody has looked at yet: that halt stands.
        LakeError: the state cannot be written.
    """
    before = halted(state)
    if before is not None:
        after = _File(halt=None, resumed=Resumed(at=at, by=_short(by), note=_short(note)))
        left = _change(state, lambda there: after if there.halt == before else there).halt
        if left is not None:
            raise HaltedError(f"another halt stands, which was not there before: {left}", hint=HINT)
    return before


def refuse_while_halted(state: State) -> None:
    """Raise HaltedError while the loop is halted."""
    found = halted(state)
    if found is not None:
        raise HaltedError(str(found), where=f"{state.store.url}/{HALT}", hint=HINT)


@dataclass(slots=True)
class Watch:
    """Tells a run that works, whenever it asks, whether the loop was halted; the state is looked at now and then.

    A state that cannot be read stops nothing: the run will find out by itself. Nor does one that is slow: one lane of
    the run looks, and the others hear what was known before.
    """

    state: State
    every_s: float = LOOK_S
    monotonic: Callable[[], float] = time.monotonic
    _found: Halt | None = field(default=None, init=False)
    _looked_at: float | None = field(default=None, init=False)
    _looking: Lock = field(default_factory=Lock, init=False)

    def __call__(self) -> Halt | None:
        """Say why the loop is halted, as it was known a moment ago."""
        if self._found is None and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._found

    def _look(self) -> None:
        now = self.monotonic()
        if self._looked_at is None or now - self._looked_at >= self.every_s:
            self._looked_at = now
            with suppress(LakeError):
                self._found = halted(self.state)


def _change(state: State, change: Callable[[_File], _File]) -> _File:
    """Put another file in the place of the one that is there, and of no other; return what stands there then."""
    for _ in range(ATTEMPTS):
        before, etag = _read(state)
        after = change(before)
        if after == before:
            return after
        body = after.model_dump_json(by_alias=True, indent=1).encode()
        try:
            if etag is None:
                state.store.put_if_absent(HALT, body)
            else:
                state.store.put_if_match(HALT, body, etag)
        except ConditionFailedError:
            continue
        return after
    what = "is written again and again by others"
    raise LakeError(what, where=f"{state.store.url}/{HALT}")


def _read(state: State) -> tuple[_File, str | None]:
    """Read the file, and the version that it is of; None where there is none."""
    there = state.store.head(HALT)
    if there is None:
        return _File(halt=None), None
    try:
        return _File.model_validate_json(state.store.get(HALT)), there.etag
    except ObjectNotFoundError:
        return _File(halt=None), None
    except ValidationError:
        what = f"`{HALT}` of the state cannot be read, so that nobody knows whether the loop may go on"
        at = there.last_modified.astimezone(UTC)
        return _File(halt=Halt(reason=UNREADABLE, what=what, at=at, by="nobody knows")), there.etag


def _short(text: str) -> str:
    return printable(text)[:LONGEST]
