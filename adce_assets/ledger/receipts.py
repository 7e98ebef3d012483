"""What a run wrote in, a record of it in the lake out: receipts of ADCE's own runs, completion markers of any scraper.

Both lie below ``_adce/``, which is never part of the lake's data: markers under ``<source>/<data_type>/<season>/``,
receipts under the day on which they were written, so that the newest are found without walking through the others.
Markers may come from programs that ADCE knows nothing of, so that every byte of them is checked before it is believed.
Nothing is ever overwritten: the same record may be written again, a different one under the same id is refused.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.lake.store import LakeStore

RECEIPTS, COMPLETIONS = "_adce/receipts/", "_adce/completions/"

MAX_BYTES = 16 * 1024 * 1024
"""Largest record that is read: a marker of 100,000 keys has about a quarter of it."""
MAX_KEYS = 100_000
MAX_COUNT = 2**53
"""Largest number that is believed: every reader of JSON holds it exactly, and sums of it fit every database."""
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Between these every clock and every database can tell a time."""
SHOWN = 5


def _check_time(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= LATEST:
        message = f"the time must lie in the years {EARLIEST.year} to {LATEST.year}"
        raise ValueError(message)
    return moment.astimezone(UTC)


def _check_printable(text: str) -> str:
    if not text.isprintable():
        message = "only printable characters may stand here"
        raise ValueError(message)
    return text


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
SeasonName = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}|[a-z]{1,20})$")]
RecordId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,119}$")]
Key = Annotated[str, Field(min_length=1, max_length=1024)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Time = Annotated[AwareDatetime, AfterValidator(_check_time)]
Shown = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_printable)]

COMPLETION_PLACE = re.compile(r"(?P<source>[^/]+)/(?P<data_type>[^/]+)/(?P<season>[^/]+)/(?P<id>[^/]+)\.json")
RECEIPTS_PLACE = re.compile(
    r"\d{4}-\d{2}-\d{2}/(?P<source>[^/.]+)\.(?P<data_type>[^/.]+)\.(?P<season>[^/.]+)\.(?P<id>[^/.]+)\.json"
)


class Record(BaseModel):
    """A record in the lake: strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Receipt(Record):
    """What was written under one key, by which run and from where; ``records`` is None where nothing is counted."""

    key: Key
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    records: Count | None
    task: str
    run: str
    attempt: Annotated[Count, Field(ge=1)]
    fetched_at: Time
    promoted_at: Time
    url: str


class ReceiptFile(Record):
    """The receipts of one task in one run."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    source: Name
    data_type: Name
    season: SeasonName
    receipts: Annotated[tuple[Receipt, ...], Field(min_length=1, max_length=MAX_KEYS)]


class Completion(Record):
    """A marker that work on a cell has ended; ``keys`` and ``records`` are None where the producer does not say."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    source: Name
    data_type: Name
    season: SeasonName
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


RecordT = TypeVar("RecordT", bound=Record)
PlacedT = TypeVar("PlacedT", Completion, ReceiptFile)


class _Place(Record):
    """The parts of a record's key."""

    source: Name
    data_type: Name
    season: SeasonName
    id: RecordId


def completion_key(source: str, data_type: str, season: str, marker_id: str) -> str:
    """Say where a marker belongs; VerifyError for a part that could lead elsewhere."""
    place = _place(COMPLETIONS, source, data_type, season, marker_id)
    return f"{COMPLETIONS}{place.source}/{place.data_type}/{place.season}/{place.id}.json"


def completion_cell(key: str) -> tuple[str, str] | None:
    """Name the data set (``source/data_type``) and the season of the marker under a key; None where no marker belongs.

    Nothing has to be read for it: `read_completion` believes only a marker that lies where it belongs.
    """
    try:
        place = _placed(COMPLETIONS, COMPLETION_PLACE, key)
    except VerifyError:
        return None
    return f"{place.source}/{place.data_type}", place.season


def receipts_key(day: date, source: str, data_type: str, season: str, receipt_id: str) -> str:
    """Say where the receipts of a task's run belong, of which the last was written on a day of UTC.

    Raises:
        VerifyError: a part could lead elsewhere.
    """
    place = _place(RECEIPTS, source, data_type, season, receipt_id)
    return f"{receipts_since(day)}/{place.source}.{place.data_type}.{place.season}.{place.id}.json"


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
    fields = {
        "schema": 1,
        "source": source,
        "data_type": data_type,
        "season": season,
        "status": status,
        "keys": None if keys is None else tuple(keys),
        "records": records,
        "started_at": started_at,
        "finished_at": finished_at,
        "producer": producer,
    }
    key = completion_key(source, data_type, season, marker_id)
    return _write_once(store, key, _built(Completion, fields, key))


def write_receipts(
    store: LakeStore, receipt_id: str, *, source: str, data_type: str, season: str, receipts: Sequence[Receipt]
) -> str:
    """Write the receipts of one task's run and return their key.

    Raises:
        VerifyError: there are none, or too many.
        ConditionFailedError: there are other receipts under this id.
    """
    fields = {"schema": 1, "source": source, "data_type": data_type, "season": season, "receipts": tuple(receipts)}
    file = _built(ReceiptFile, fields, RECEIPTS)
    day = max(receipt.promoted_at for receipt in file.receipts).date()
    return _write_once(store, receipts_key(day, source, data_type, season, receipt_id), file)


def read_completion(key: str, body: bytes) -> Completion:
    """Believe a marker, or raise VerifyError saying what is wrong with it; anybody may have written it."""
    return _read(Completion, COMPLETIONS, COMPLETION_PLACE, key, body)


def read_receipts(key: str, body: bytes) -> tuple[Receipt, ...]:
    """Read the receipts of one task's run, checked like a marker."""
    return _read(ReceiptFile, RECEIPTS, RECEIPTS_PLACE, key, body).receipts


def _place(folder: str, source: str, data_type: str, season: str, record_id: str) -> _Place:
    parts = {"source": source, "data_type": data_type, "season": season, "id": record_id}
    return _built(_Place, parts, folder)


def _write_once(store: LakeStore, key: str, record: Record) -> str:
    body = record.model_dump_json(by_alias=True).encode()
    if len(body) > MAX_BYTES:
        raise VerifyError(f"the record has {len(body)} bytes", where=key, valid=f"at most {MAX_BYTES}")
    try:
        store.put_if_absent(key, body)
    except ConditionFailedError:
        if store.get(key) != body:
            raise
    return key


def _built(model: type[RecordT], fields: Mapping[str, object], where: str) -> RecordT:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _unbelievable(error, where) from error


def _read(model: type[PlacedT], folder: str, pattern: re.Pattern[str], key: str, body: bytes) -> PlacedT:
    """Check size, place, text, and that the place agrees with what the record says of itself."""
    if len(body) > MAX_BYTES:
        raise VerifyError(f"the record has more than {MAX_BYTES} bytes", where=key[:200])
    place = _placed(folder, pattern, key)
    try:
        record = model.model_validate_json(body)
    except ValidationError as error:
        raise _unbelievable(error, key) from error
    told = (record.source, record.data_type, record.season)
    if told != (place.source, place.data_type, place.season):
        raise VerifyError(f"the record is about {'/'.join(told)}, which is not where it lies", where=key)
    return record


def _placed(folder: str, pattern: re.Pattern[str], key: str) -> _Place:
    match = pattern.fullmatch(key.removeprefix(folder)) if key.startswith(folder) else None
    if match is None:
        valid = folder + re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", pattern.pattern).replace("\\", "")
        raise VerifyError("this is no place for such a record", where=key[:200], valid=valid)
    return _built(_Place, match.groupdict(), key[:200])


def _unbelievable(error: ValidationError, where: str) -> VerifyError:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = (".".join(map(str, fault["loc"]))[:60] or "record" for fault in faults)
    shown = "; ".join(f"{place}: {fault['msg']}" for place, fault in zip(places, faults[:SHOWN], strict=False))
    more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
    return VerifyError(f"not a record that can be believed: {shown}{more}", where=where)
