"""What a run wrote in, a record of it in the lake out: receipts of ADCE's own runs, completion markers of any scraper.

Both lie below ``_adce/``, which is never part of the lake's data: markers under ``<source>/<data_type>/<season>/``,
receipts under the day on which they were written, so that the newest are found without walking through the others.
Markers may come from programs that ADCE knows nothing of, so that every byte of them is checked before it is believed.
Nothing is ever overwritten: the same record may be written again, a different one under the same id is refused.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from adce_assets.errors import VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.records import (
    DAY_PLACE,
    MAX_KEYS,
    About,
    Count,
    Key,
    Record,
    Sha256,
    Shown,
    Time,
    built,
    day_key,
    place_of,
    placed,
    read,
    write_once,
)

RECEIPTS, COMPLETIONS = "_adce/receipts/", "_adce/completions/"

COMPLETION_PLACE = re.compile(r"(?P<source>[^/]+)/(?P<data_type>[^/]+)/(?P<season>[^/]+)/(?P<id>[^/]+)\.json")


class Receipt(Record):
    """What was written under one key, by which run and from where; ``records`` is None where nothing is counted."""

    key: Key
    bytes: Count
    sha256: Sha256
    records: Count | None
    task: str
    run: str
    attempt: Annotated[Count, Field(ge=1)]
    fetched_at: Time
    promoted_at: Time
    url: str


class ReceiptFile(About):
    """The receipts of one task in one run."""

    receipts: Annotated[tuple[Receipt, ...], Field(min_length=1, max_length=MAX_KEYS)]


class Completion(About):
    """A marker that work on a cell has ended; ``keys`` and ``records`` are None where the producer does not say."""

    status: Literal["ok", "failed"]
    keys: Annotated[tuple[Key, ...], Field(max_length=MAX_KEYS)] | None
    records: Count | None
    started_at: Time
    finished_at: Time
    producer: Shown

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Completion":
        if self.finished_at < self.started_at:
            message = "`finished_at` lies before `started_at`"
            raise ValueError(message)
        return self


def completion_key(source: str, data_type: str, season: str, marker_id: str) -> str:
    """Say where a marker belongs; VerifyError for a part that could lead elsewhere."""
    place = place_of(COMPLETIONS, source, data_type, season, marker_id)
    return f"{COMPLETIONS}{place.source}/{place.data_type}/{place.season}/{place.id}.json"


def completion_cell(key: str) -> tuple[str, str] | None:
    """Name the data set (``source/data_type``) and the season of the marker under a key; None where no marker belongs.

    Nothing has to be read for it: `read_completion` believes only a marker that lies where it belongs.
    """
    try:
        place = placed(COMPLETIONS, COMPLETION_PLACE, key)
    except VerifyError:
        return None
    return f"{place.source}/{place.data_type}", place.season


def receipts_key(day: date, source: str, data_type: str, season: str, receipt_id: str) -> str:
    """Say where the receipts of a task's run belong, of which the last was written on a day of UTC.

    Raises:
        VerifyError: a part could lead elsewhere.
    """
    return day_key(RECEIPTS, day, source, data_type, season, receipt_id)


def receipts_since(day: date) -> str:
    """Return the text that all keys of receipts of a day (UTC) and later sort behind, and no earlier ones."""
    return f"{RECEIPTS}{day.isoformat()}"


def write_completion(
    store: LakeStore,
    marker_id: str,
    *,
    source: str,
    data_type: str,
    season: str,
    status: Literal["ok", "failed"],
    keys: Sequence[str] | None,
    records: int | None,
    started_at: datetime,
    finished_at: datetime,
    producer: str,
) -> str:
    """Write the marker of ended work and return its key; the times are aware, ``marker_id`` is the producer's own.

    Raises:
        VerifyError: a value that no reader would believe.
        ConditionFailedError: there is another marker under this id.
    """
    about = {"schema": 1, "source": source, "data_type": data_type, "season": season, "producer": producer}
    found = {"status": status, "keys": None if keys is None else tuple(keys), "records": records}
    fields = {**about, **found, "started_at": started_at, "finished_at": finished_at}
    key = completion_key(source, data_type, season, marker_id)
    return write_once(store, key, built(Completion, fields, key))


def write_receipts(
    store: LakeStore, receipt_id: str, *, source: str, data_type: str, season: str, receipts: Sequence[Receipt]
) -> str:
    """Write the receipts of one task's run and return their key.

    Raises:
        VerifyError: there are none, or too many.
        ConditionFailedError: there are other receipts under this id.
    """
    fields = {"schema": 1, "source": source, "data_type": data_type, "season": season, "receipts": tuple(receipts)}
    file = built(ReceiptFile, fields, RECEIPTS)
    day = max(receipt.promoted_at for receipt in file.receipts).date()
    return write_once(store, receipts_key(day, source, data_type, season, receipt_id), file)


def read_completion(key: str, body: bytes) -> Completion:
    """Believe a marker, or raise VerifyError saying what is wrong with it; anybody may have written it."""
    return read(Completion, COMPLETIONS, COMPLETION_PLACE, key, body)


def read_receipts(key: str, body: bytes) -> tuple[Receipt, ...]:
    """Read the receipts of one task's run, checked like a marker."""
    return read(ReceiptFile, RECEIPTS, DAY_PLACE, key, body).receipts
