"""The text of a record in, a record that can be believed out: what all that is written below ``_adce/`` has in common.

A record lies where its own words say that it belongs; it is strict about types, small, of a time that every clock can
tell, and never overwritten: the same one may be written again, a different one under the same key is refused.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.lake.store import LakeStore

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
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(min_length=1, max_length=1024)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Time = Annotated[AwareDatetime, AfterValidator(_check_time)]
Shown = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_printable)]


class Record(BaseModel):
    """A record in the lake: strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class About(Record):
    """A record that says which cell it is about."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    source: Name
    data_type: Name
    season: SeasonName


class Place(Record):
    """The parts of a record's key."""

    source: Name
    data_type: Name
    season: SeasonName
    id: RecordId


RecordT = TypeVar("RecordT", bound=Record)
AboutT = TypeVar("AboutT", bound=About)

DAY_PLACE = re.compile(
    r"\d{4}-\d{2}-\d{2}/(?P<source>[^/.]+)\.(?P<data_type>[^/.]+)\.(?P<season>[^/.]+)\.(?P<id>[^/.]+)\.json"
)
"""Where a record lies in a folder of days: the newest are found without walking through the others."""


def place_of(folder: str, source: str, data_type: str, season: str, record_id: str) -> Place:
    """Check the parts of a key; VerifyError for one that could lead elsewhere."""
    parts = {"source": source, "data_type": data_type, "season": season, "id": record_id}
    return built(Place, parts, folder)


def day_key(folder: str, day: date, source: str, data_type: str, season: str, record_id: str) -> str:
    """Say where a record of a day (UTC) belongs; VerifyError for a part that could lead elsewhere."""
    place = place_of(folder, source, data_type, season, record_id)
    return f"{folder}{day.isoformat()}/{place.source}.{place.data_type}.{place.season}.{place.id}.json"


def write_once(store: LakeStore, key: str, record: Record) -> str:
    """Write a record and return its key; ConditionFailedError if a different one lies there."""
    body = record.model_dump_json(by_alias=True).encode()
    if len(body) > MAX_BYTES:
        raise VerifyError(f"the record has {len(body)} bytes", where=key, valid=f"at most {MAX_BYTES}")
    try:
        store.put_if_absent(key, body)
    except ConditionFailedError:
        if store.get(key) != body:
            raise
    return key


def built(model: type[RecordT], fields: Mapping[str, object], where: str) -> RecordT:
    """Make a record of its fields, or raise VerifyError saying which of them nobody would believe."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _unbelievable(error, where) from error


def read(model: type[AboutT], folder: str, pattern: re.Pattern[str], key: str, body: bytes) -> AboutT:
    """Check size, place, text, and that the place agrees with what the record says of itself."""
    if len(body) > MAX_BYTES:
        raise VerifyError(f"the record has more than {MAX_BYTES} bytes", where=key[:200])
    place = placed(folder, pattern, key)
    try:
        record = model.model_validate_json(body)
    except ValidationError as error:
        raise _unbelievable(error, key) from error
    told = (record.source, record.data_type, record.season)
    if told != (place.source, place.data_type, place.season):
        raise VerifyError(f"the record is about {'/'.join(told)}, which is not where it lies", where=key)
    return record


def placed(folder: str, pattern: re.Pattern[str], key: str) -> Place:
    """Take a key apart, or raise VerifyError if no record of this folder belongs there."""
    match = pattern.fullmatch(key.removeprefix(folder)) if key.startswith(folder) else None
    if match is None:
        valid = folder + re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", pattern.pattern).replace("\\", "")
        raise VerifyError("this is no place for such a record", where=key[:200], valid=valid)
    return built(Place, match.groupdict(), key[:200])


def _unbelievable(error: ValidationError, where: str) -> VerifyError:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = (".".join(map(str, fault["loc"]))[:60] or "record" for fault in faults)
    shown = "; ".join(f"{place}: {fault['msg']}" for place, fault in zip(places, faults[:SHOWN], strict=False))
    more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
    return VerifyError(f"not a record that can be believed: {shown}{more}", where=where)
