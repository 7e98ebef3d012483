"""Forecasts in, what came of them out: whether the queue of a day was worked off as soon as it had been said.

Once a day the forecast of the queue is written down, with some of its keys drawn from all of it. It has come to its end
when every one of these keys has: collected, known not to be had, dead-lettered or no longer asked for. How a forecast
is made stands in `forecast`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import LakeError
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import SETTLED, State
from adce_assets.loop.forecast import Span
from adce_assets.loop.project import Project
from adce_assets.loop.state import FORECASTS
from adce_assets.loop.tasks import task_keys

EVERY = timedelta(hours=24)
"""How often a forecast is written down."""
KEPT = timedelta(days=14)
SAMPLE = 200
"""Keys of a queue that tell how it went: the last of 200 ends, six times in seven, after 99 % of all."""
SEED = 20_250_115
ENDED = frozenset({*SETTLED, State.WITHDRAWN})
"""The states of a key of which nothing is to be collected any more."""


class Said(BaseModel):
    """A forecast as it was written down, and when it came to its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_at: AwareDatetime
    keys: Annotated[int, Field(ge=1)]
    p50_s: Annotated[float, Field(ge=0)]
    p90_s: Annotated[float, Field(ge=0)]
    sample: tuple[str, ...]
    ended_at: AwareDatetime | None = None

    @property
    def took_s(self) -> float | None:
        """Seconds from the forecast to its end."""
        return None if self.ended_at is None else (self.ended_at - self.made_at).total_seconds()


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    forecasts: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is known of forecasts.

    Attributes:
        last: The newest.
        settled: The last one that came to its end.
        within_p90: The share of those that ended within what nine trials of ten had taken, or have been open for
            longer than that; None where there is none of either.
    """

    last: Said | None
    settled: Said | None
    within_p90: float | None


def follow(project: Project, tasks: Sequence[str], make: Callable[[], Span]) -> Outcomes:
    """Look what came of earlier forecasts, and write the next one down if it is time.

    Args:
        project: The installation.
        tasks: The ids of all tasks of the queue.
        make: Makes a forecast of them; it is asked once a day.

    Raises:
        LakeError: the state cannot be read or written.
        LedgerError: the ledger cannot be used.
    """
    now, before = project.clock(), kept(project)
    asked = {key for one in before if one.ended_at is None for key in one.sample}
    states = {state.key: state for state in project.ledger.states(keys=asked)} if asked else {}
    followed = settled(before, states, now)
    if tasks and all(now - one.made_at >= EVERY for one in followed):
        span, keys = make(), sorted(key.key for key in task_keys(project.state, tasks))
        if span.p50_s is not None and span.p90_s is not None and keys:
            drawn = random.Random(SEED).sample(keys, min(SAMPLE, len(keys)))  # noqa: S311 - a sample, no secret
            said = Said(made_at=now, keys=len(keys), p50_s=span.p50_s, p90_s=span.p90_s, sample=tuple(sorted(drawn)))
            followed = (*followed, said)
    if followed != before:
        document = _Kept(forecasts=followed).model_dump(mode="json", exclude={"schema_version"})
        project.state.write_json(FORECASTS, document)
    return judged(followed, now)


def settled(said: Iterable[Said], states: Mapping[str, KeyState], now: datetime) -> tuple[Said, ...]:
    """Note which forecasts have come to their end, and forget those that are too old to matter."""
    return tuple(_ended(one, states) for one in said if now - one.made_at < KEPT)


def _ended(said: Said, states: Mapping[str, KeyState]) -> Said:
    found = [states[key] for key in said.sample if key in states]
    if said.ended_at is not None or len(found) < len(said.sample) or any(one.state not in ENDED for one in found):
        return said
    return said.model_copy(update={"ended_at": max([said.made_at, *(one.since for one in found)])})


def judged(said: Sequence[Said], now: datetime) -> Outcomes:
    """Say how well forecasts did; one that is still open counts once it is later than was said."""
    ends = [one for one in said if one.took_s is not None]
    late = [one for one in said if one.took_s is None and (now - one.made_at).total_seconds() > one.p90_s]
    good = sum(one.took_s is not None and one.took_s <= one.p90_s for one in ends)
    return Outcomes(
        last=max(said, key=lambda one: one.made_at, default=None),
        settled=max(ends, key=lambda one: one.made_at, default=None),
        within_p90=good / (len(ends) + len(late)) if ends or late else None,
    )


def kept(project: Project) -> tuple[Said, ...]:
    """Read the forecasts that were written down; what cannot be read is none."""
    if project.state.store.head(f"{FORECASTS}.json") is None:
        return ()
    try:
        return _Kept.model_validate(project.state.read_json(FORECASTS)).forecasts
    except (LakeError, ValidationError):
        return ()
