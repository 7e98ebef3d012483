"""What a run finds out is in the lake within a minute or after 500 keys, whatever becomes of the run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adce_assets.errors import LakeError
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.evidence import EVIDENCE, AbsentKey, read_evidence
from adce_assets.ledger.journal import LONGEST, MOST, Journal
from adce_assets.ledger.receipts import COMPLETIONS, RECEIPTS, Completion, Receipt, read_completion, read_receipts

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
CELL, OTHER = ("espn", "pbp", "2024-25"), ("espn", "box", "all")
TICK = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LakeStore:
    return open_store(tmp_path.as_uri())


def journal(store: LakeStore, clock: Clock) -> Journal:
    return Journal(store, "run", clock, NOW)


def receipt(number: int, key: str = "pbp/{}.json", **changes: object) -> Receipt:
    fields = {"bytes": 7, "sha256": "0" * 64, "records": 2, "task": "t", "run": "run", "attempt": 1, "url": ""}
    times = {"fetched_at": NOW, "promoted_at": NOW}
    return Receipt.model_validate({"key": key.format(number), **fields, **times, **changes})


def absent(number: int) -> AbsentKey:
    return AbsentKey(
        key=f"pbp/{number}.json",
        url="",
        status=404,
        what="answered 404",
        sha256=None,
        seen_at=NOW,
        probe_again_at=NOW + TICK,
    )


def files(store: LakeStore, folder: str) -> list[str]:
    return [found.key.rpartition("/")[2] for found in store.list(folder)]


def told(store: LakeStore) -> list[str]:
    return sorted(one.key for found in store.list(RECEIPTS) for one in read_receipts(found.key, store.get(found.key)))


def marker(store: LakeStore) -> Completion:
    (key,) = [found.key for found in store.list(COMPLETIONS)]
    return read_completion(key, store.get(key))


def test_receipts_are_written_as_soon_as_there_are_many(store: LakeStore, clock: Clock):
    run = journal(store, clock)
    for number in range(2 * MOST + 1):
        run.promoted(CELL, "t1", receipt(number))
    assert len(told(store)) == 2 * MOST
    run.write()
    assert files(store, RECEIPTS) == [f"espn.pbp.2024-25.run-t1-{part}.json" for part in (1, 2, 3)]
    assert told(store) == sorted(f"pbp/{number}.json" for number in range(2 * MOST + 1))


def test_nothing_waits_for_longer_than_a_minute_while_the_run_goes_on(store: LakeStore, clock: Clock):
    run = journal(store, clock)
    run.promoted(CELL, "t1", receipt(0))
    clock.now += LONGEST - TICK
    run.absent(CELL, absent(1))
    assert files(store, "_adce/") == []
    clock.now += TICK
    run.promoted(CELL, "t2", receipt(2))
    assert told(store) == ["pbp/0.json", "pbp/2.json"]
    assert files(store, EVIDENCE) == ["espn.pbp.2024-25.run-1.json"]
    clock.now += LONGEST - TICK
    run.promoted(CELL, "t1", receipt(3))
    assert len(told(store)) == 2


def test_tasks_and_cells_have_records_of_their_own(store: LakeStore, clock: Clock):
    run = journal(store, clock)
    run.promoted(CELL, "", receipt(0))
    run.promoted(CELL, "t1", receipt(1))
    run.promoted(OTHER, "t1", receipt(2))
    run.write()
    assert files(store, RECEIPTS) == [
        "espn.box.all.run-t1-1.json",
        "espn.pbp.2024-25.run-1.json",
        "espn.pbp.2024-25.run-t1-1.json",
    ]


def test_nothing_is_written_twice_and_nothing_without_a_word(store: LakeStore, clock: Clock):
    run = journal(store, clock)
    run.write()
    run.promoted(CELL, "t1", receipt(0))
    run.write()
    run.write()
    assert files(store, "_adce/") == ["espn.pbp.2024-25.run-t1-1.json"]


def test_a_run_that_is_made_once_more_under_its_id_goes_on_behind_its_first_parts(store: LakeStore, clock: Clock):
    for number in range(3):
        run = journal(store, clock)
        run.promoted(CELL, "t1", receipt(number))
        run.absent(CELL, absent(number + 10))
        run.write()
    assert told(store) == ["pbp/0.json", "pbp/1.json", "pbp/2.json"]
    gone = [read_evidence(found.key, store.get(found.key)) for found in store.list(EVIDENCE)]
    assert [entry.key for (entry,) in gone] == ["pbp/10.json", "pbp/11.json", "pbp/12.json"]


class FailingStore(FileStore):
    """A lake that cannot be written for a while."""

    fails = False

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        if self.fails:
            raise LakeError("no room", where=key)
        return super().put_if_absent(key, body)


def test_what_could_not_be_written_is_written_when_it_can_be(tmp_path: Path, clock: Clock):
    store = FailingStore(tmp_path)
    run = journal(store, clock)
    run.promoted(CELL, "t1", receipt(0))
    store.fails = True
    with pytest.raises(LakeError, match="no room"):
        run.write()
    store.fails = False
    run.promoted(CELL, "t1", receipt(1))
    run.write()
    assert told(store) == ["pbp/0.json", "pbp/1.json"]


@pytest.mark.parametrize(
    ("promoted", "absences", "failures", "status"),
    [(1, 0, 1, "ok"), (0, 1, 1, "ok"), (0, 0, 1, "failed"), (0, 0, 0, "ok")],
)
def test_a_cell_has_failed_if_keys_failed_and_nothing_was_found_out(
    store: LakeStore, clock: Clock, promoted: int, absences: int, failures: int, status: str
):
    run = journal(store, clock)
    for number in range(promoted):
        run.promoted(CELL, "t1", receipt(number))
    for number in range(absences):
        run.absent(CELL, absent(number))
    run.write()
    run.complete(CELL, failed=failures > 0)
    assert marker(store).status == status


def test_a_marker_names_all_keys_of_a_cell_and_counts_their_records(store: LakeStore, clock: Clock):
    run = journal(store, clock)
    for number in range(3):
        run.promoted(CELL, f"t{number}", receipt(number))
    run.promoted(OTHER, "t0", receipt(9))
    run.complete(CELL, failed=False)
    assert (marker(store).keys, marker(store).records) == (tuple(f"pbp/{number}.json" for number in range(3)), 6)


@pytest.mark.parametrize("key", ["{:01000}", "k{}"])
def test_a_marker_of_a_run_of_any_size_can_be_believed(store: LakeStore, clock: Clock, key: str):
    """16,800 keys of a thousand bytes each are too many bytes, and 100,001 short ones too many keys."""
    run = journal(store, clock)
    count = 16_800 if key != "k{}" else 100_001
    one = receipt(0, key)
    run.found[CELL].keys += [key.format(number) for number in range(count - 1)]
    run.promoted(CELL, "t", one)
    run.complete(CELL, failed=False)
    assert (marker(store).status, marker(store).keys) == ("ok", None)
