"""Fifty writers bring documents under one key at the same moment, on every kind of storage: one wins."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.requirements import AuditResult
from adce_assets.fetch.staging import Outcome, Promotion, promote
from adce_assets.lake.store import LakeStore

SHARED = pytest.mark.parametrize("store", ["file", "ministack_bucket"], indirect=True)
WRITERS = 50
KEY = "pbp/1.json"


def bodies(number: int) -> bytes:
    return f'{{"writer": {number}}}'.encode()


def all_at_once(store: LakeStore, expected_etag: str | None, *, proud: bool) -> list[Promotion | ConditionFailedError]:
    """Let all promote together; a proud one takes only its own document for a good one."""
    begin = Barrier(WRITERS)

    def bring(number: int) -> Promotion | ConditionFailedError:
        def audited(body: Body) -> AuditResult:
            if proud and body != bodies(number):
                raise VerifyError("not mine")
            return AuditResult(1)

        begin.wait(timeout=60)
        try:
            return promote(
                store, KEY, bodies(number), run_id=f"run-{number}", audit=audited, expected_etag=expected_etag
            )
        except ConditionFailedError as error:
            return error

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(bring, range(WRITERS)))


@pytest.mark.parametrize("replaces", [False, True])
@SHARED
def test_one_of_fifty_writers_wins_and_the_others_are_shown_its_object(store: LakeStore, *, replaces: bool):
    before = store.put(KEY, b"old") if replaces else None
    ends = [end for end in all_at_once(store, before, proud=False) if isinstance(end, Promotion)]
    assert Counter(end.outcome for end in ends) == {Outcome.WRITTEN: 1, Outcome.ALREADY_THERE: WRITERS - 1}
    (winner,) = [number for number, end in enumerate(ends) if end.outcome is Outcome.WRITTEN]
    assert [(found.key, store.get(found.key)) for found in store.list()] == [(KEY, bodies(winner))]
    assert {(end.etag, end.sha256) for end in ends} == {(ends[winner].etag, ends[winner].sha256)}


@pytest.mark.parametrize("replaces", [False, True])
@SHARED
def test_who_cannot_take_the_winners_object_for_a_good_one_is_told_so(store: LakeStore, *, replaces: bool):
    before = store.put(KEY, b"old") if replaces else None
    ends = all_at_once(store, before, proud=True)
    (winner,) = [number for number, end in enumerate(ends) if isinstance(end, Promotion)]
    assert store.get(KEY) == bodies(winner)
    told = Counter((end.what, end.where) for end in ends if isinstance(end, ConditionFailedError))
    why = "another writer has changed the key meanwhile, and not for the better: not mine"
    assert told == {(why, KEY): WRITERS - 1}
