"""The answers of a run in, one document out: for programs as JSON, for people as a page that needs nothing else.

Two runs on the same input write the same report, byte for byte, but for `run` (the run's id, its times and how its
workers shared the work) and the moments at which it was looked; `digest` is over all the rest. A report is written
whole or not at all, and one that is read again is held against its digest.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.chain import canonical, moment_text
from adce_assets.verify.audit import document_of
from adce_assets.verify.checks import Check, Kind, Severity, State

FOLDER = "verify/"
TIMES = ("checked_at", "since", "written_at")
"""Moments in a report, which two runs do not share."""


class Outcome(StrEnum):
    """What a run found: only `RECONCILED` is good."""

    RECONCILED = "reconciled"
    SETTLING = "settling"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its name, when it was, what its workers and its merge did, and when it is no longer too early to say."""

    id: str
    started_at: datetime
    finished_at: datetime
    workers: Sequence[Mapping[str, Any]] = ()
    merged: Mapping[str, int] = field(default_factory=dict)
    settles_at: datetime | None = None


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Say what the answers amount to. Where nothing was asked nothing holds; warnings alone stop nothing."""
    errors = {one.state for one in checks if one.severity is Severity.ERROR}
    if not checks or State.FAILED in errors:
        return Outcome.FAILED
    return Outcome.SETTLING if State.SETTLING in errors else Outcome.RECONCILED


def document(
    entity: str, season: str, checks: Sequence[Check], run: Run, *, published: bool, blocking: bool, says: str
) -> dict[str, Any]:
    """Lay out a report; the answers about single workers stand under `run`, because who did what is chance.

    Args:
        entity: Whose rows.
        season: Which of them.
        checks: All answers.
        run: The run.
        published: Whether the season's rows reached the final table.
        blocking: Whether an error keeps them out of it.
        says: What came of it, in words.
    """
    asked = sorted((one for one in checks if not one.worker), key=lambda one: one.id)
    told = {
        "schema": 1,
        "entity": entity,
        "season": season,
        "outcome": outcome_of(checks).value,
        "says": says,
        "published": published,
        "blocking": blocking,
        "totals": _totals(asked),
        "by_type": {kind.value: _totals([one for one in asked if one.kind is kind]) for kind in Kind},
        "checks": [document_of(one) for one in asked],
    }
    return told | {"digest": digest_of(told), "run": _of_run(run, checks)}


def _totals(checks: Sequence[Check]) -> dict[str, Any]:
    states = Counter(one.state for one in checks)
    return {
        "checks": len(checks),
        **{state.value: states[state] for state in State},
        "failed_errors": sum(one.state is State.FAILED and one.severity is Severity.ERROR for one in checks),
        "success_rate_pct": _percent(states[State.PASSED], len(checks)),
    }


def _percent(part: int, whole: int) -> float:
    """Say how much of the whole a part is; never rounded up: 99.999 % is not all. Of nothing, nothing holds."""
    return math.floor(10_000 * part / whole) / 100 if whole else 0.0


def _of_run(run: Run, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "id": run.id,
        "started_at": moment_text(run.started_at),
        "finished_at": moment_text(run.finished_at),
        "settles_at": run.settles_at and moment_text(run.settles_at),
        "merged": dict(run.merged),
        "workers": list(run.workers),
        "checks": [document_of(one) for one in sorted(checks, key=lambda one: one.id) if one.worker],
    }


def digest_of(told: Mapping[str, Any]) -> str:
    """Hash a report without what two runs on the same input do not share."""
    return sha256(canonical(timeless(told)).encode("ascii")).hexdigest()


def timeless(told: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a report its run, its digest and its moments."""
    kept: dict[str, Any] = _without_times({name: part for name, part in told.items() if name not in {"run", "digest"}})
    return kept


def _without_times(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {name: _without_times(value) for name, value in part.items() if name not in TIMES}
    return [_without_times(value) for value in part] if isinstance(part, list | tuple) else part


def text_of(told: Mapping[str, Any]) -> str:
    """Write a report as it is kept."""
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(files: LakeStore, told: Mapping[str, Any]) -> str:
    """Keep a report as the run's own and as its season's last; return the run's key. Readers see all of it or none."""
    body, run = text_of(told).encode("utf-8", "replace"), told["run"]["id"]
    key = f"{FOLDER}{told['entity']}/{told['season']}/{run}.json"
    files.put(key, body)  # first: the season's last report is never one that the run has not
    files.put(latest_key(told["entity"], told["season"]), body)
    return key


def latest_key(entity: str, season: str) -> str:
    """Name where the last report of a season is kept."""
    return f"{FOLDER}{entity}/{season}.json"


def find(files: LakeStore, *, entity: str | None, season: str | None, run: str | None) -> dict[str, Any]:
    """Read the newest report of what is asked for, None being all: the last of each season, or those of a run.

    Raises:
        VerifyError: there is none, or one of them is not what was written.
    """
    parts = 2 if run is None else 3
    found = []
    for held in files.list(FOLDER):
        names = held.key.removeprefix(FOLDER).removesuffix(".json").split("/")
        told = dict(zip(("entity", "season", "run"), names, strict=False))
        wanted = {"entity": entity, "season": season, "run": run}
        if len(names) == parts and all(told.get(name) == value for name, value in wanted.items() if value is not None):
            found.append(held.key)
    if not found:
        asked = " ".join(filter(None, (entity, season, run)))
        hint = "run `adce verify run ENTITY --season LABEL` first"
        raise VerifyError(f"there is no such report{asked and f': {asked}'}", where=FOLDER, hint=hint)
    return max((read(files, key) for key in found), key=lambda told: told["run"]["finished_at"])


def read(files: LakeStore, key: str) -> dict[str, Any]:
    """Read a report.

    Raises:
        VerifyError: there is none, or it is not what was written.
    """
    try:
        body = files.get(key)
    except ObjectNotFoundError as error:
        raise VerifyError("there is no such report", where=key) from error
    try:
        told = json.loads(body)
        whole = isinstance(told, dict) and isinstance(told.get("run"), dict) and told["digest"] == digest_of(told)
    except (ValueError, KeyError, RecursionError) as error:
        raise VerifyError(f"this is no report: {error}", where=key, hint="run it again") from error
    if not whole:
        raise VerifyError("this is not the report that was written", where=key, hint="run it again")
    return told
