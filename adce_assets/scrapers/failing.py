"""What runs of a scraper came to in, since when and at what it fails out.

A small record in the lake says of each data set of a scraper when the runs began of which none could settle a single
key. It is there only while something fails: the first run that settles a key takes it away. Runs at the same time may
meet here; who comes second leaves it as it is, for the other has just said as much.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from adce_assets.errors import ConditionFailedError, ObjectNotFoundError
from adce_assets.lake.store import LakeStore, StoredObject, vacate
from adce_assets.ledger.records import Count, Record, Time
from adce_assets.scrapers.reports import CollectReport, DataSetReport

FAILING = "_adce/failing/"
MAX_BYTES = 1024 * 1024
LONGEST = 300


class Failing(Record):
    """A data set of which nothing could be had for a while.

    Attributes:
        since: When the first of the failed runs ended (UTC).
        runs: How many they are.
        keys: How many keys they failed at.
        failure: The class of most failures of the newest.
        what: What one of them was, in words.
    """

    since: Time
    runs: Count
    keys: Count
    failure: Annotated[str, Field(max_length=60)]
    what: Annotated[str, Field(max_length=LONGEST)]

    def __str__(self) -> str:
        """Say it to a person."""
        return (
            f"failing since {self.since:%Y-%m-%d %H:%M} UTC, in {self.runs} run(s) at {self.keys} key(s); "
            f"the newest: {self.failure}: {self.what}"
        )


class FailingFile(Record):
    """What fails of a scraper, by data set."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    data_sets: dict[str, Failing]


def note(store: LakeStore, scraper: str, report: CollectReport, now: datetime) -> Mapping[str, Failing]:
    """Take note of a run's report, and return what fails of the scraper after it, by data set.

    Raises:
        LakeError: the lake could not be read or written.
    """
    key = f"{FAILING}{scraper}.json"
    there = store.head(key)
    before = _read(store, there)
    after = dict(before)
    for name, told in report.data_sets.items():
        if told.settled:
            after.pop(name, None)
        elif told.failed:
            after[name] = _gone_on(before.get(name), told, now)
    if after != before:
        _write(store, key, there, after)
    return after


def _gone_on(before: Failing | None, told: DataSetReport, now: datetime) -> Failing:
    failure, _ = told.failed.most_common(1)[0]
    what = next((worst.what for worst in told.worst if worst.failure == failure), "")
    return Failing(
        since=before.since if before else now,
        runs=(before.runs if before else 0) + 1,
        keys=(before.keys if before else 0) + told.failed.total(),
        failure=failure,
        what=what[:LONGEST],
    )


def _read(store: LakeStore, there: StoredObject | None) -> Mapping[str, Failing]:
    """Read the record; one that is gone or cannot be believed says nothing."""
    if there is None or there.size > MAX_BYTES:
        return {}
    try:
        return FailingFile.model_validate_json(store.get(there.key)).data_sets
    except (ObjectNotFoundError, ValidationError):
        return {}


def _write(store: LakeStore, key: str, there: StoredObject | None, failing: Mapping[str, Failing]) -> None:
    if not failing:
        vacate(store, key)
        return
    body = FailingFile(schema=1, data_sets=dict(failing)).model_dump_json(by_alias=True).encode()
    try:
        if there is None:
            store.put_if_absent(key, body)
        else:
            store.put_if_match(key, body, there.etag)
    except ConditionFailedError:
        return
