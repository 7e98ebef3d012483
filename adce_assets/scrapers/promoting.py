"""What a kind of scraper made of a key in, the end of that key out: an object in the lake, evidence, or a failure.

A key may have come to a good end before anybody is asked: what lies in the lake already is audited like any document.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from adce_assets.errors import ConditionFailedError, EmptyAnswerError, ObjectNotFoundError, VerifyError, printable
from adce_assets.fetch.audit import audit
from adce_assets.fetch.bodies import sha256
from adce_assets.fetch.outcomes import Evidence
from adce_assets.fetch.requirements import Arrival, AuditResult
from adce_assets.fetch.staging import Outcome as Way
from adce_assets.fetch.staging import Promotion, promote, taken
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.evidence import AbsentKey
from adce_assets.ledger.receipts import Receipt
from adce_assets.scrapers.answering import LOOK_AGAIN
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, ConfirmedEmpty, Failed, Outcome, Wanted

OK = 200
JUST_SENT = {"age": "0"}
"""Headers of what lies in the lake: how long caches had kept it was asked when it came."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """A key that now holds a good object; ``url`` and ``attempts`` are those of our own, had it not been there."""

    wanted: Wanted
    url: str
    fetched_at: datetime
    promoted_at: datetime
    promotion: Promotion
    warnings: tuple[str, ...]
    attempts: int = 1

    @property
    def is_new(self) -> bool:
        """Whether this run wrote the object; else a good one was there already."""
        return self.promotion.outcome is Way.WRITTEN

    def receipt(self, task: str, run_id: str) -> Receipt:
        """Write down what lies under the key, and where it came from; of another writer's object nobody knows that."""
        return Receipt(
            key=self.wanted.key,
            bytes=self.promotion.size,
            sha256=self.promotion.sha256,
            records=self.promotion.records,
            task=task,
            run=run_id,
            attempt=self.attempts if self.is_new else 1,
            fetched_at=self.fetched_at,
            promoted_at=self.promoted_at,
            url=self.url if self.is_new else "",
        )


@dataclass(frozen=True, slots=True)
class Absent:
    """A key that the source has nothing for, and what is written down of that."""

    wanted: Wanted
    entry: AbsentKey


Settled = Promoted | Absent | Failed


def already_there(
    store: LakeStore, scraper: ScraperEntry, one: Wanted, *, folder: Path, clock: Callable[[], datetime]
) -> Promoted | None:
    """Look whether a key holds a good object that the run does not know of; None where it is to be asked for.

    Under a key that was missing that is any, and under another one what is there instead of the version to be replaced.

    Raises:
        LakeError: the lake could not be read.
    """
    there = store.head(one.key) if one.etag != "" else None
    if there is None or there.etag == one.etag:
        return None
    requirements = scraper.yields[one.data_set].requirements.model_copy(update={"pages": scraper.pages_due})
    try:
        with taken(store, there.key, there.size, folder=folder) as body:
            result = audit(body, requirements, one.entity, arrival=Arrival(there.last_modified, JUST_SENT))
            digest = sha256(body)
    except (ObjectNotFoundError, VerifyError):
        return None
    promotion = Promotion(
        one.key, there.etag, there.size, digest, result.records, Way.ALREADY_THERE, warnings=result.warnings
    )
    now = clock()
    return Promoted(one, "", now, now, promotion, result.warnings)


def settle(store: LakeStore, outcome: Outcome | Promoted, *, run_id: str, clock: Callable[[], datetime]) -> Settled:
    """Promote what was collected; what must not become data has failed, or is evidence that there is nothing.

    Raises:
        LakeError: the lake could not be read or written.
    """
    if isinstance(outcome, ConfirmedEmpty):
        return _absent(outcome.wanted, outcome.evidence)
    if not isinstance(outcome, Collected):
        return outcome
    late = outcome.wanted.out_of_time(outcome.whole_at or outcome.fetched_at)
    return Failed(outcome.wanted, late, outcome.url) if late else _promoted(store, outcome, run_id, clock)


def _promoted(store: LakeStore, outcome: Collected, run_id: str, clock: Callable[[], datetime]) -> Settled:
    target = outcome.wanted
    requirements = outcome.requirements.model_copy(update={"pages": outcome.pages})
    arrival = Arrival(at=outcome.fetched_at, headers=outcome.headers)

    def audited(body: bytes | Path) -> AuditResult:
        return audit(body, requirements, target.entity, arrival=arrival)

    try:
        promotion = promote(store, target.key, outcome.body, run_id=run_id, audit=audited, expected_etag=target.etag)
    except EmptyAnswerError as error:
        return _absent(target, _evidence(outcome, error)) if error.confirmed else _failed(outcome, error)
    except (VerifyError, ConditionFailedError) as error:
        return _failed(outcome, error)
    warnings = (*outcome.warnings, *promotion.warnings)
    return Promoted(target, outcome.url, outcome.fetched_at, clock(), promotion, warnings, outcome.attempts)


def _absent(wanted: Wanted, evidence: Evidence) -> Absent:
    return Absent(wanted, replace(evidence, what=printable(evidence.what)).of(wanted.key))


def _failed(collected: Collected, error: VerifyError | ConditionFailedError) -> Failed:
    return Failed(collected.wanted, error, collected.url)


def _evidence(collected: Collected, error: EmptyAnswerError) -> Evidence:
    seen_at = collected.fetched_at
    return Evidence(collected.url, OK, error.what, sha256(collected.body), seen_at, seen_at + LOOK_AGAIN)
