"""A collected body in, a checked object under its key out; what fails the audit is kept aside with the reason.

The way is: staged, read back, audited, written under its key only if that key is as expected, staged copy removed. A
process may die after any of these steps: the next run starts over and ends with the same data, and what the dead one
had staged is swept up later. Only this module writes data into the lake. What the audit asks is not known here.
"""

import json
import re
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from adce_assets.errors import (
    ConditionFailedError,
    EmptyAnswerError,
    LakeError,
    ObjectNotFoundError,
    VerifyError,
)
from adce_assets.fetch.bodies import Body, opened, sha256, size
from adce_assets.fetch.requirements import AuditResult
from adce_assets.lake.store import LakeStore

OWN = "_adce/"
STAGING, QUARANTINE = f"{OWN}staging/", f"{OWN}quarantine/"
LONGEST_KEY = 900
"""Bytes of UTF-8; S3 allows 1,024, and a staged key has a prefix before it."""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

STAGED_FOR = timedelta(days=2)
"""How long a staged copy can belong to a run that is still at work: longer than any run lasts."""

PIECE = 8 * 1024 * 1024
"""Bytes of a large object that are held in memory at once; what is no larger is held whole."""

Audit = Callable[[Body], AuditResult]


class Outcome(StrEnum):
    """How an object came to be under its key."""

    WRITTEN = "written"
    ALREADY_THERE = "already_there"


@dataclass(frozen=True, slots=True)
class Promotion:
    """The object that is now under the key: ours, or the good one that another writer put there first."""

    key: str
    etag: str
    size: int
    sha256: str
    records: int | None
    outcome: Outcome
    warnings: tuple[str, ...] = ()


def promote(
    store: LakeStore, key: str, body: Body, *, run_id: str, audit: Audit, expected_etag: str | None
) -> Promotion:
    """Bring a body into the lake under ``key``, if it passes the audit.

    Args:
        store: The lake.
        key: Where the document belongs; never below ``_adce/``.
        body: The document, in memory or in a file; of a file only pieces are held in memory.
        run_id: Whose staged objects these are.
        audit: Told the body as read back from the lake; raises VerifyError if it must not become data.
        expected_etag: The version that is to be replaced; None if there must be nothing under the key yet; empty if
            the inventory did not know the version: then the one that is there now.

    Raises:
        EmptyAnswerError: there is nothing, and the entry believes it (``confirmed``); nothing is kept of the body.
        VerifyError: the audit failed; the body lies in quarantine, with the reason beside it.
        ConditionFailedError: the key is no longer as expected, and what is there now does not pass the audit.
        LakeError: the lake could not be read or written.
    """
    staged = f"{STAGING}{_checked(key, run_id)}"
    try:
        store.put(staged, body)
        if not _reads_back(store, staged, body):
            raise LakeError("the staged object reads back differently", where=staged, hint="check the lake's storage")
        return _judged(store, key, body, run_id, audit, expected_etag)
    finally:
        with suppress(LakeError):  # what stays is swept up later; how the promotion ended counts more
            store.delete(staged)


def sweep_staging(store: LakeStore, now: datetime) -> int:
    """Remove the staged copies that dead runs have left, and count them; those of living runs are too young for that.

    Where removing is refused, all stay: no run depends on it.

    Args:
        store: The lake.
        now: The time (UTC).

    Raises:
        LakeError: the lake could not be read.
    """
    left = [found.key for found in store.list(STAGING) if found.last_modified < now - STAGED_FOR]
    removed = 0
    with suppress(LakeError):
        for key in left:
            store.delete(key)
            removed += 1
    return removed


def _judged(store: LakeStore, key: str, body: Body, run_id: str, audit: Audit, expected_etag: str | None) -> Promotion:
    """Write a body under its key, or keep it aside."""
    if expected_etag == "":
        there = store.head(key)
        expected_etag = there.etag if there else None
    try:
        result = _result(store, key, body, audit, replaces=expected_etag is not None)
    except VerifyError as fault:
        if isinstance(fault, EmptyAnswerError) and fault.confirmed:
            raise
        raise _quarantined(store, key, body, run_id, fault) from fault
    return _written(store, key, body, result, audit, expected_etag)


def _result(store: LakeStore, key: str, body: Body, audit: Audit, *, replaces: bool) -> AuditResult:
    """Audit a body; one without records, however well it is believed, does not replace an object that has some."""
    try:
        result = audit(body)
    except EmptyAnswerError as nothing:
        if replaces and nothing.confirmed:
            _refuse_loss(store, key, audit)
        raise
    if replaces and result.records == 0:
        _refuse_loss(store, key, audit)
    return result


def _refuse_loss(store: LakeStore, key: str, audit: Audit) -> None:
    """Refuse an answer without records where the object that it would replace is good and has some."""
    there = store.head(key)
    if there is None:
        return
    try:
        with taken(store, key, there.size) as body:
            records = audit(body).records
    except (ObjectNotFoundError, VerifyError):
        return
    if records:
        raise EmptyAnswerError(f"without a record, where the object that it would replace has {records}")


def _checked(key: str, run_id: str) -> str:
    """Return ``run_id/key`` if neither can lead anywhere else."""
    sound = all(part not in {"", ".", ".."} for part in key.split("/")) and key.isprintable()
    if not sound or key.startswith(OWN) or len(key.encode()) > LONGEST_KEY:
        raise LakeError(
            f"{key!r} is no key for data",
            valid=f"printable names joined by `/`, at most {LONGEST_KEY} bytes, not below `{OWN}`",
        )
    if not RUN_ID.fullmatch(run_id):
        raise LakeError(f"{run_id!r} is no run id", valid="letters, digits, `_` and `-`, at most 80")
    return f"{run_id}/{key}"


def _reads_back(store: LakeStore, key: str, body: Body) -> bool:
    """Compare an object with what was written, piece by piece."""
    place = 0
    for piece in _pieces(body):
        if store.get(key, start=place, length=len(piece)) != piece:
            return False
        place += len(piece)
    return not store.get(key, start=place, length=1)


def _pieces(body: Body) -> Iterator[bytes]:
    with opened(body) as stream:
        while piece := stream.read(PIECE):
            yield piece


def _written(
    store: LakeStore, key: str, body: Body, result: AuditResult, audit: Audit, expected_etag: str | None
) -> Promotion:
    try:
        etag = store.put_if_absent(key, body) if expected_etag is None else store.put_if_match(key, body, expected_etag)
    except ConditionFailedError as lost:
        return _already_there(store, key, audit, lost)
    return Promotion(key, etag, size(body), sha256(body), result.records, Outcome.WRITTEN, warnings=result.warnings)


def _already_there(store: LakeStore, key: str, audit: Audit, lost: ConditionFailedError) -> Promotion:
    """Accept what another writer (or we, before we died) put under the key, if it is good."""
    hint = "the next reconciliation looks again"
    there = store.head(key)
    if there is None:
        raise ConditionFailedError("the object to be replaced is gone", where=key, hint=hint) from lost
    try:
        with taken(store, key, there.size) as body:
            result = audit(body)
            digest = sha256(body)
    except (ObjectNotFoundError, VerifyError) as fault:
        what = f"another writer has changed the key meanwhile, and not for the better: {fault.what}"
        raise ConditionFailedError(what, where=key, hint=hint) from fault
    return Promotion(key, there.etag, there.size, digest, result.records, Outcome.ALREADY_THERE, result.warnings)


@contextmanager
def taken(store: LakeStore, key: str, length: int, *, folder: Path | None = None) -> Generator[Body]:
    """Take an object out of the lake: a large one into a file below ``folder``, which is gone afterwards.

    Raises:
        ObjectNotFoundError: it is not there any more.
        LakeError: the lake could not be read.
    """
    if length <= PIECE:
        yield store.get(key)
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="adce-") as own:
        path = Path(own) / "object"
        with path.open("wb") as stream:
            while piece := store.get(key, start=stream.tell(), length=PIECE):
                stream.write(piece)
        yield path


def _quarantined(store: LakeStore, key: str, body: Body, run_id: str, fault: VerifyError) -> VerifyError:
    """Keep a refused body with the reason and return the error that names the place."""
    place = _kept(store, f"{QUARANTINE}{run_id}/{key}", body)
    reason = {
        "key": key,
        "kind": type(fault).__name__.removesuffix("Error"),
        "what": fault.what,
        "where": fault.where,
        "bytes": size(body),
        "sha256": sha256(body),
    }
    store.put(f"{place}.reason.json", json.dumps(reason, indent=1).encode())
    where = f"{key} at {fault.where}" if fault.where else key
    return type(fault)(fault.what, where=where, valid=fault.valid, hint=f"the body is kept as {place}")


def _kept(store: LakeStore, place: str, body: Body) -> str:
    """Write a body to a place, or behind what another body of this run already is there: ``-2``, ``-3``."""
    name, number = place, 1
    while not _is_kept(store, name, body):
        number += 1
        name = f"{place}-{number}"
    return name


def _is_kept(store: LakeStore, name: str, body: Body) -> bool:
    try:
        store.put_if_absent(name, body)
    except ConditionFailedError:
        return _reads_back(store, name, body)
    return True
