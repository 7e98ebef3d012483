"""What is known to be absent in, a record of it in the lake out: why a key is not there and need not be asked for.

An absence is believed for a while: each record says what the source answered, and when it is worth asking again.
Records lie below the day on which the answers came, like receipts. What follows for coverage is decided elsewhere.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from adce_assets.lake.store import LakeStore
from adce_assets.ledger.records import (
    DAY_PLACE,
    MAX_KEYS,
    About,
    Key,
    Record,
    Sha256,
    Shown,
    Time,
    built,
    day_key,
    read,
    write_once,
)

EVIDENCE = "_adce/evidence/"


class AbsentKey(Record):
    """A key that the source has nothing for.

    Attributes:
        key: Where the document would belong.
        url: What was asked; empty where nothing had to be.
        status: What was answered with.
        what: What the answer says, in words.
        sha256: Of the body of the answer; None if it had none.
        seen_at: When the answer came.
        probe_again_at: Before that nobody needs to ask again.
    """

    key: Key
    url: str
    status: Annotated[int, Field(ge=100, le=599)]
    what: Shown
    sha256: Sha256 | None
    seen_at: Time
    probe_again_at: Time

    @model_validator(mode="after")
    def _is_believed_for_a_while(self) -> "AbsentKey":
        if self.probe_again_at <= self.seen_at:
            message = "`probe_again_at` does not lie behind `seen_at`"
            raise ValueError(message)
        return self


class EvidenceFile(About):
    """The absences that one run found for a cell."""

    absent: Annotated[tuple[AbsentKey, ...], Field(min_length=1, max_length=MAX_KEYS)]


def write_evidence(
    store: LakeStore, run_id: str, *, source: str, data_type: str, season: str, entries: Sequence[AbsentKey]
) -> str:
    """Write what a run found to be absent in a cell, and return the key of the record.

    Raises:
        VerifyError: there is nothing, or too much, or a part of the key could lead elsewhere.
        ConditionFailedError: there is other evidence under this id.
    """
    fields = {"schema": 1, "source": source, "data_type": data_type, "season": season, "absent": tuple(entries)}
    file = built(EvidenceFile, fields, EVIDENCE)
    day = max(entry.seen_at for entry in file.absent).date()
    return write_once(store, day_key(EVIDENCE, day, source, data_type, season, run_id), file)


def read_evidence(key: str, body: bytes) -> tuple[AbsentKey, ...]:
    """Believe a record of absences, or raise VerifyError saying what is wrong with it."""
    return read(EvidenceFile, EVIDENCE, DAY_PLACE, key, body).absent
