"""A key's failure in, what follows from it out: another try and when, a dead letter, or a tombstone.

What is permanent is decided in `fetch`, and told here; what is not is tried a bounded number of times, each after a
longer wait. That a source has nothing for a key is no failure: it is believed when it has said so often enough, each
time a while after the last, and then for a while only. Nothing is written down here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.configuration import ReconciliationConfig, Retries, Tombstones
from adce_assets.ledger.keys import KeyState

ABSENT = "absent"
"""The class of an answer that there is nothing for the key."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide."""

    retries: Retries
    tombstones: Tombstones

    @classmethod
    def of(cls, config: ReconciliationConfig) -> "Rules":
        """Take them from the configuration."""
        return cls(config.retries, config.tombstones)


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried so far, as the detail of the failure tells it: failures and probes in a row, the last probe."""

    failures: int
    probes: int
    probed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Retry:
    """It is tried again, not before ``next_at`` (UTC)."""

    tries: Tries
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """It is not tried again before a person says so."""

    tries: Tries
    why: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """It cannot be had, for all that is known, ``until`` it is asked for again (UTC)."""

    tries: Tries
    until: datetime
    why: str


def after_failure(
    state: KeyState,
    failure_class: str,
    now: datetime,
    rules: Rules,
    chance: Callable[[], float],
    *,
    permanent: bool = False,
) -> Retry | Dead | Tombstone:
    """Say what follows from a failure.

    Args:
        state: How the key stands before the failure is written down.
        failure_class: What `fetch` calls it, or `ABSENT`.
        now: When it failed (UTC).
        rules: The settings.
        chance: Gives numbers in [0, 1), so that what failed together does not come back together.
        permanent: Whether asking again is of no use.
    """
    if failure_class == ABSENT:
        return _after_probe(state, now, rules.tombstones, chance() * rules.retries.jitter)
    failures = state.failures + 1
    tries = Tries(failures, state.probes, state.probed_at)
    if permanent:
        return Dead(tries, f"permanent: {failure_class}")
    if failures >= rules.retries.max_attempts:
        return Dead(tries, f"failed {failures} times in a row, last as {failure_class}")
    spread = 1 + rules.retries.jitter * (2 * chance() - 1)
    return Retry(tries, now + _backoff(failures, rules.retries) * spread)


def tombstone_until(now: datetime, rules: Tombstones) -> datetime:
    """Say how long a tombstone of now is believed."""
    return now + timedelta(days=rules.lasts_days)


def _after_probe(state: KeyState, now: datetime, rules: Tombstones, later: float) -> Retry | Tombstone:
    """Count an answer that there is nothing; one that came too soon after the last is the same answer."""
    pause = timedelta(hours=rules.probe_hours)
    last = state.probed_at if state.probes else None
    if last is not None and now - last < pause:
        return Retry(Tries(0, state.probes, last), last + pause * (1 + later))
    probes = state.probes + 1
    if probes >= rules.quorum:
        times = "once" if probes == 1 else f"{probes} times"
        return Tombstone(
            Tries(0, probes, now), tombstone_until(now, rules), f"the source was asked {times}, and has nothing"
        )
    return Retry(Tries(0, probes, now), now + pause * (1 + later))


def _backoff(failures: int, rules: Retries) -> timedelta:
    """Return the wait after a number of failures in a row, before it is spread."""
    longest = rules.backoff_longest_hours * 60
    minutes = rules.backoff_minutes
    for _ in range(failures - 1):
        minutes = min(minutes * rules.backoff_factor, longest)
    return timedelta(minutes=min(minutes, longest))
