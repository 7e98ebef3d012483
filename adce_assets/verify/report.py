"""The answers of a run in, one document out: for programs as JSON, for people as a page that needs nothing else.

Two runs on the same input write the same report, byte for byte, but for `run` (the run's id, its times and how its
workers shared the work) and the moments at which it was looked; `digest` is over all the rest. A report is written
whole or not at all, and one that is read again is held against its digest.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from json import loads
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.chain import Fault, Head, canonical, moment_text
from adce_assets.shares import percent
from adce_assets.verify.audit import Entry, Event, document_of
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
    """A run: its name, when it was, what its workers and its merge did, and when it is no longer too early to say.

    ``audit`` is the head of the audit when the run ended: the row that tells of its end. ``cut`` is the one of the
    season's last report, if the run found no such row in the audit.
    """

    id: str
    started_at: datetime
    finished_at: datetime
    workers: Sequence[Mapping[str, Any]] = ()
    merged: Mapping[str, int] = field(default_factory=dict)
    settles_at: datetime | None = None
    audit: Head | None = None
    cut: str | None = None


class _RunPart(BaseModel):
    """The part of a report that its digest leaves out, as it is read again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    settles_at: AwareDatetime | None
    audit: str
    cut: str | None
    merged: Mapping[str, int]
    workers: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]


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
    ended = {"outcome": outcome_of(checks).value, "says": says, "published": published, "blocking": blocking}
    return _laid_out(entity, season, [document_of(one) for one in checks], run, ended)


def of_audit(rows: Sequence[Entry]) -> dict[str, Any]:
    """Lay out a report once more, the same byte for byte, of all that the audit has of a run, beginning and end.

    Raises:
        VerifyError: the rows are not those of which the report was made.
    """
    began, ended = rows[0], rows[-1]
    try:
        checks, workers = (
            [loads(row.detail) for row in rows if row.event == event] for event in (Event.CHECK, Event.WORKER)
        )
        detail = loads(ended.detail)
        parts = {"outcome": ended.state, **{name: detail[name] for name in ("says", "published", "blocking")}}
        told = _laid_out(began.entity, began.season, checks, _run_of(began, ended, workers, detail), parts)
        whole = told["digest"] == detail["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise VerifyError(f"the audit has no report of this run: {error}", where=f"run {began.run}") from error
    if not whole:
        raise VerifyError("the audit's rows are not those that its report was made of", where=f"run {began.run}")
    return told


def _run_of(began: Entry, ended: Entry, workers: Sequence[Mapping[str, Any]], detail: Mapping[str, Any]) -> Run:
    started, finished = (datetime.fromisoformat(row.moment) for row in (began, ended))
    due = detail["settles_at"] and datetime.fromisoformat(detail["settles_at"])
    return Run(
        began.run, started, finished, workers, detail["merged"], due, Head(ended.seq, ended.hash, None), detail["cut"]
    )


def _laid_out(
    entity: str, season: str, checks: Sequence[Mapping[str, Any]], run: Run, ended: Mapping[str, Any]
) -> dict[str, Any]:
    """Lay out a report of answers that are laid out already."""
    in_order = sorted(checks, key=lambda one: one["id"])
    asked = [one for one in in_order if not one["worker"]]
    told = {
        "schema": 1,
        "entity": entity,
        "season": season,
        **ended,
        "totals": _totals(asked),
        "by_type": {kind.value: _totals([one for one in asked if one["type"] == kind]) for kind in Kind},
        "checks": asked,
    }
    of_workers = [one for one in in_order if one["worker"]]
    return told | {"digest": digest_of(told), "run": _of_run(run, of_workers)}


def _totals(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    checks, unasked = [one for one in checks if one["asked"]], sum(not one["asked"] for one in checks)
    states = Counter(one["state"] for one in checks)
    return {
        "checks": len(checks),
        "not_asked": unasked,
        **{state.value: states[state] for state in State},
        "failed_errors": sum(one["state"] == State.FAILED and one["severity"] == Severity.ERROR for one in checks),
        "success_rate_pct": percent(states[State.PASSED], len(checks), 2) if checks else 0.0,
    }


def _of_run(run: Run, checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "id": run.id,
        "started_at": moment_text(run.started_at),
        "finished_at": moment_text(run.finished_at),
        "settles_at": run.settles_at and moment_text(run.settles_at),
        "audit": run.audit and str(run.audit),
        "cut": run.cut,
        "merged": dict(run.merged),
        "workers": list(run.workers),
        "checks": list(checks),
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
    """Write a report as it is kept: of equal ones the same text."""
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def body_of(told: Mapping[str, Any]) -> bytes:
    """Write a report as the bytes that are kept."""
    return text_of(told).encode("utf-8", "replace")


def write(files: LakeStore, told: Mapping[str, Any]) -> str:
    """Keep a report as the run's own and as its season's last; return the run's key. Readers see all of it or none."""
    body, run = body_of(told), told["run"]["id"]
    key = f"{FOLDER}{told['entity']}/{told['season']}/{run}.json"
    files.put(key, body)  # first: the season's last report is never one that the run has not
    files.put(latest_key(told["entity"], told["season"]), body)
    return key


def head_of(told: Mapping[str, Any]) -> Head:
    """Say how the audit ended when a report was made; KeyError or ValueError where it does not tell."""
    return Head.parse(str(told["run"]["audit"]))


def latest(files: LakeStore) -> list[dict[str, Any]]:
    """Read the last report of every season.

    Raises:
        VerifyError: one of them is not what was written.
    """
    keys = [held.key for held in files.list(FOLDER)]
    return [read(files, key) for key in keys if key.removeprefix(FOLDER).count("/") == 1]


def heads(files: LakeStore) -> tuple[list[Head], list[Fault]]:
    """Say how the audit ended by every report that is kept, and which of them are not what was written."""
    found, faults = [], []
    for held in files.list(FOLDER):
        try:
            found.append(head_of(read(files, held.key)))
        except VerifyError as error:
            faults.append(Fault(0, held.key, f"{held.key}: {error.what}"))
    return found, faults


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
        if whole:
            _RunPart.model_validate(told["run"])
            head_of(told)
    except (ValueError, KeyError, RecursionError) as error:
        raise VerifyError(f"this is no report: {error}", where=key, hint="run it again") from error
    if not whole:
        raise VerifyError("this is not the report that was written", where=key, hint="run it again")
    return told
