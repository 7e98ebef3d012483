import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.receipts import (
    Completion,
    Receipt,
    completion_cell,
    completion_key,
    read_completion,
    read_receipts,
    receipts_key,
    receipts_since,
    write_completion,
    write_receipts,
)
from adce_assets.ledger.records import MAX_BYTES

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
KEY = "_adce/completions/espn/play_by_play/2024-25/run-1.json"


@pytest.fixture
def store(tmp_path: Path) -> LakeStore:
    return open_store(tmp_path.as_uri())


def marker(**changes: Any) -> dict:
    return {
        "schema": 1,
        "source": "espn",
        "data_type": "play_by_play",
        "season": "2024-25",
        "status": "ok",
        "keys": ["pbp/401.json"],
        "records": 3,
        "started_at": "2025-01-15T12:00:00Z",
        "finished_at": "2025-01-15T12:01:00+00:00",
        "producer": "somebody's scraper",
    } | changes


def body(**changes: Any) -> bytes:
    return json.dumps(marker(**changes)).encode()


def receipt(**changes: Any) -> Receipt:
    fields = {
        "key": "pbp/401.json",
        "bytes": 10,
        "sha256": "0" * 64,
        "records": None,
        "task": "t1",
        "run": "r1",
        "attempt": 1,
        "fetched_at": NOW,
        "promoted_at": NOW,
        "url": "https://example.org/401",
    }
    return Receipt.model_validate(fields | changes)


def write(store: LakeStore, marker_id: str = "run-1", **changes: Any) -> str:
    fields: dict[str, Any] = {
        "source": "espn",
        "data_type": "play_by_play",
        "season": "2024-25",
        "status": "ok",
        "keys": ["pbp/401.json"],
        "records": 3,
        "started_at": NOW,
        "finished_at": NOW + timedelta(minutes=1),
        "producer": "adce",
    }
    return write_completion(store, marker_id, **(fields | changes))


def test_a_marker_is_read_as_it_was_written(store: LakeStore):
    key = write(store)
    found = read_completion(key, store.get(key))
    assert key == KEY == completion_key("espn", "play_by_play", "2024-25", "run-1")
    assert (found.status, found.keys, found.records, found.producer) == ("ok", ("pbp/401.json",), 3, "adce")
    assert (found.started_at, found.finished_at) == (NOW, NOW + timedelta(minutes=1))


def test_a_marker_has_exactly_the_fields_that_others_rely_on(store: LakeStore):
    written = json.loads(store.get(write(store)))
    assert list(written) == list(marker())
    assert written["schema"] == 1


def test_a_marker_of_another_program_is_believed():
    assert read_completion(KEY, body(keys=None, records=None)).keys is None


def test_a_marker_at_the_bounds_is_believed():
    found = read_completion(
        KEY,
        body(
            records=2**53,
            started_at="1970-01-01T00:00:00Z",
            finished_at="2200-12-31T23:59:59Z",
            producer="Émile's scraper 2.0 (名)",
        ),
    )
    assert (found.records, found.finished_at.year) == (2**53, 2200)


def test_the_times_of_a_marker_are_in_utc():
    found = read_completion(KEY, body(started_at="2025-01-15T07:00:00-05:00"))
    assert (found.started_at, found.started_at.utcoffset()) == (NOW, timedelta(0))


def test_the_key_of_a_marker_says_which_cell_it_is_about():
    assert completion_cell(KEY) == ("espn/play_by_play", "2024-25")
    assert completion_cell(KEY.replace("espn", "Espn")) is None
    assert completion_cell("_adce/receipts/espn/play_by_play/2024-25/run-1.json") is None


def test_writing_the_same_marker_again_changes_nothing(store: LakeStore):
    assert write(store) == write(store)


def test_another_marker_under_the_same_id_is_refused(store: LakeStore):
    write(store)
    with pytest.raises(ConditionFailedError):
        write(store, status="failed")


HOSTILE = {
    "empty": b"",
    "not json": b"ok",
    "a list": b"[]",
    "deeply nested": b"[" * 100_000,
    "not utf-8": b'{"source":"\xff"}',
    "too large": b" " * (MAX_BYTES + 1),
    "no schema": json.dumps({name: value for name, value in marker().items() if name != "schema"}).encode(),
    "another schema": body(schema=2),
    "an unknown key": body(extra=1),
    "another source": body(source="nba_api"),
    "another data type": body(data_type="box_scores"),
    "another season": body(season="2023-24"),
    "an unknown status": body(status="done"),
    "text for a number": body(records="3"),
    "a negative number": body(records=-1),
    "a fraction": body(records=1.5),
    "a number that nothing counts to": body(records=2**53 + 1),
    "a number of thousands of digits": body(records=0).replace(b'"records": 0', b'"records": ' + b"9" * 4_300),
    "text for keys": body(keys="pbp/401.json"),
    "an empty key": body(keys=[""]),
    "a huge key": body(keys=["k" * 1025]),
    "too many keys": body(keys=["k"] * 100_001),
    "a time without zone": body(started_at="2025-01-15T12:00:00"),
    "not a time": body(started_at="yesterday"),
    "a time before there were such programs": body(started_at="1969-12-31T23:59:59Z"),
    "a time before the first of all": body(started_at="0001-01-01T00:00:00+14:00"),
    "a time in a far future": body(finished_at="2201-01-01T00:00:00Z"),
    "a time after the last of all": body(finished_at="9999-12-31T23:59:59-14:00"),
    "ended before it began": body(finished_at="2025-01-15T11:59:59Z"),
    "a huge producer": body(producer="p" * 201),
    "a producer of two lines": body(producer="one\ntwo"),
    "a producer that moves the cursor": body(producer="\x1b[2Jscraper"),
    "a producer that turns the text around": body(producer="\u202erepcars"),
}


@pytest.mark.parametrize("written", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_marker_is_hostile_until_checked(written: bytes):
    with pytest.raises(VerifyError):
        read_completion(KEY, written)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "pbp/401.json",
        "_adce/completions/espn/play_by_play/run-1.json",
        "_adce/completions/espn/play_by_play/2024-25/a/run-1.json",
        "_adce/completions/espn/play_by_play/2024-25/../run-1.json",
        "_adce/completions/espn/play_by_play/2024-25/run 1.json",
        "_adce/completions/espn/play_by_play/2024-25/run-1.json\n",
        "_adce/completions/espn/play_by_play/2024-25/run-1.txt",
        "_adce/completions/espn/play_by_play/2024-25/.json",
        "_adce/receipts/espn/play_by_play/2024-25/run-1.json",
        "x_adce/completions/espn/play_by_play/2024-25/run-1.json",
        "_adce/completions/Espn/play_by_play/2024-25/run-1.json",
    ],
)
def test_a_marker_is_only_believed_where_markers_belong(key: str):
    with pytest.raises(VerifyError):
        read_completion(key, body())


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "../x", "a\\b", "a b", "a\n", "é", "%2e%2e", "A", "a" * 61])
@pytest.mark.parametrize("name", ["source", "data_type", "season"])
def test_no_part_of_a_key_leads_elsewhere(part: str, name: str):
    place = {"source": "espn", "data_type": "play_by_play", "season": "2024-25", "marker_id": "run-1"}
    with pytest.raises(VerifyError):
        completion_key(**(place | {name: part}))


@pytest.mark.parametrize("record_id", ["", ".", "..", "a/b", "a.b", "a b", "-a", "a" * 121])
def test_no_id_leads_elsewhere(record_id: str):
    with pytest.raises(VerifyError):
        receipts_key(NOW.date(), "espn", "play_by_play", "all", record_id)


def test_what_nobody_would_believe_is_not_written(store: LakeStore):
    with pytest.raises(VerifyError):
        write(store, finished_at=NOW - timedelta(seconds=1))
    assert list(store.list()) == []


def test_receipts_are_read_as_they_were_written(store: LakeStore):
    receipts = (receipt(), receipt(key="pbp/402.json", records=470))
    key = write_receipts(store, "r1-t1", source="espn", data_type="pbp", season="2024-25", receipts=receipts)
    assert key == "_adce/receipts/2025-01-15/espn.pbp.2024-25.r1-t1.json"
    assert key == receipts_key(date(2025, 1, 15), "espn", "pbp", "2024-25", "r1-t1")
    assert read_receipts(key, store.get(key)) == receipts


def test_receipts_lie_under_the_day_of_utc_on_which_the_last_was_written(store: LakeStore):
    times = ["2025-01-15T23:59:59Z", "2025-01-15T23:30:00-05:00", "2025-01-16T00:30:00+02:00"]
    receipts = [receipt(key=f"pbp/{n}.json", promoted_at=datetime.fromisoformat(at)) for n, at in enumerate(times)]
    key = write_receipts(store, "r1", source="espn", data_type="pbp", season="all", receipts=receipts)
    assert key == "_adce/receipts/2025-01-16/espn.pbp.all.r1.json"


@pytest.mark.parametrize("source", ["a", "z9_"])
def test_receipts_of_a_day_and_later_sort_behind_its_mark_and_earlier_ones_before_it(source: str):
    mark = receipts_since(date(2025, 1, 15))
    days = [date(2024, 12, 31), date(2025, 1, 14), date(2025, 1, 15), date(2025, 1, 16), date(2025, 10, 1)]
    keys = [receipts_key(day, source, "pbp", "all", "r1") for day in days]
    assert keys == sorted(keys)
    assert [key > mark for key in keys] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "pbp/401.json",
        "_adce/receipts/espn/pbp/all/r1.json",
        "_adce/receipts/espn.pbp.all.r1.json",
        "_adce/receipts/2025-01-15/espn.pbp.all.json",
        "_adce/receipts/2025-01-15/espn.pbp.all.r1.x.json",
        "_adce/receipts/2025-01-15/espn/pbp.all.r1.json",
        "_adce/receipts/2025-01-15/a/espn.pbp.all.r1.json",
        "_adce/receipts/2025-1-15/espn.pbp.all.r1.json",
        "_adce/receipts/today/espn.pbp.all.r1.json",
        "_adce/receipts/2025-01-15/Espn.pbp.all.r1.json",
        "_adce/receipts/2025-01-15/espn.pbp.all.r1.json\n",
        "_adce/receipts/2025-01-15/nba_api.pbp.all.r1.json",
        "_adce/completions/2025-01-15/espn.pbp.all.r1.json",
    ],
)
def test_receipts_are_only_believed_where_receipts_belong(store: LakeStore, key: str):
    written = write_receipts(store, "r1", source="espn", data_type="pbp", season="all", receipts=[receipt()])
    body_of_receipts = store.get(written)
    assert read_receipts(written, body_of_receipts)
    with pytest.raises(VerifyError):
        read_receipts(key, body_of_receipts)


def test_receipts_are_never_overwritten(store: LakeStore):
    where = {"source": "espn", "data_type": "pbp", "season": "all"}
    key = write_receipts(store, "r1", **where, receipts=[receipt()])
    assert write_receipts(store, "r1", **where, receipts=[receipt()]) == key
    with pytest.raises(ConditionFailedError):
        write_receipts(store, "r1", **where, receipts=[receipt(bytes=11)])


def test_no_receipts_are_no_record(store: LakeStore):
    with pytest.raises(VerifyError):
        write_receipts(store, "r1", source="espn", data_type="pbp", season="all", receipts=[])


def test_a_fault_does_not_repeat_pages_of_what_it_was_given():
    with pytest.raises(VerifyError) as caught:
        read_completion(KEY, body(**{f"x{'y' * 1000}{n}": n for n in range(50)}))
    assert len(str(caught.value)) < 1_000


def test_a_marker_is_not_taken_for_receipts(store: LakeStore):
    key = write(store)
    with pytest.raises(VerifyError):
        read_receipts(key, store.get(key))
    assert isinstance(read_completion(key, store.get(key)), Completion)
