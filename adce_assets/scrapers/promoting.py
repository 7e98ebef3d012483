"""What a kind of scraper made of a key in, the end of that key out: an object in the lake, evidence, or a failure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adce_assets.errors import ConditionFailedError, EmptyAnswerError, VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.outcomes import Evidence
from adce_assets.fetch.requirements import Arrival, AuditResult
from adce_assets.fetch.staging import Outcome as Way
from adce_assets.fetch.staging import Promotion, promote
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.receipts import Receipt
from adce_assets.scrapers.answering import LOOK_AGAIN
from adce_assets.scrapers.interface import Collected, ConfirmedEmpty, Failed, Outcome, Wanted

OK = 200


@dataclass(frozen=True, slots=True)
class Promoted:
    """A key that now holds a good object."""

    wanted: Wanted
    url: str
    fetched_at: datetime
    promoted_at: datetime
    promotion: Promotion
    warnings: tuple[str, ...]

    @property
    def is_new(self) -> bool:
        """Whether this run wrote the object; else a good one was there already."""
        return self.promotion.outcome is Way.WRITTEN

    def receipt(self, task: str, run_id: str) -> Receipt:
        """Write down what lies under the key, and where it came from."""
        return Receipt(
            key=self.wanted.key,
            bytes=self.promotion.size,
            sha256=self.promotion.sha256,
            records=self.promotion.records,
            task=task,
            run=run_id,
            attempt=1,
            fetched_at=self.fetched_at,
            promoted_at=self.promoted_at,
            url=self.url,
        )


Settled = Promoted | ConfirmedEmpty | Failed


def settle(store: LakeStore, outcome: Outcome, *, run_id: str, clock: Callable[[], datetime]) -> Settled:
    """Promote what was collected; what must not become data has failed, or is evidence that there is nothing.

    Raises:
        LakeError: the lake could not be read or written.
    """
    if not isinstance(outcome, Collected):
        return outcome
    target = outcome.wanted
    requirements = outcome.requirements.model_copy(update={"pages": outcome.pages})
    arrival = Arrival(at=outcome.fetched_at, headers=outcome.headers)

    def audited(body: bytes | Path) -> AuditResult:
        return audit(body, requirements, target.entity, arrival=arrival)

    try:
        promotion = promote(store, target.key, outcome.body, run_id=run_id, audit=audited, expected_etag=target.etag)
    except EmptyAnswerError as error:
        return ConfirmedEmpty(target, _evidence(outcome, error)) if error.confirmed else _failed(outcome, error)
    except (VerifyError, ConditionFailedError) as error:
        return _failed(outcome, error)
    warnings = (*outcome.warnings, *promotion.warnings)
    return Promoted(target, outcome.url, outcome.fetched_at, clock(), promotion, warnings)


def _failed(collected: Collected, error: VerifyError | ConditionFailedError) -> Failed:
    return Failed(collected.wanted, error, collected.url)


def _evidence(collected: Collected, error: EmptyAnswerError) -> Evidence:
    seen_at = collected.fetched_at
    return Evidence(collected.url, OK, error.what, _sha256(collected.body), seen_at, seen_at + LOOK_AGAIN)


def _sha256(body: bytes | Path) -> str:
    if isinstance(body, bytes):
        return hashlib.sha256(body).hexdigest()
    with body.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
