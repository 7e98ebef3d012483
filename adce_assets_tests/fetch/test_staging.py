import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import (
    AdceError,
    ConditionFailedError,
    ConfigurationError,
    DriftError,
    EmptyAnswerError,
    LakeError,
    VerifyError,
)
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.requirements import AuditResult
from adce_assets.fetch.staging import Outcome, Promotion, promote, sweep_staging
from adce_assets.lake.store import EVERYTHING, KeyRange, LakeStore, Level, Part, StoredObject, open_store

KEY = "pbp/401584783.json"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
GOOD, NEWER, BAD = b'{"good":1}', b'{"good":2}', b"<html>"


def audited(body: Body) -> AuditResult:
    assert isinstance(body, bytes)
    if b"good" not in body:
        raise VerifyError("not good", where="`good`")
    return AuditResult(7)


@pytest.fixture
def store(tmp_path: Path) -> LakeStore:
    return open_store((tmp_path / "lake").as_uri())


def bring(store: LakeStore, body: Body = GOOD, **changes: Any) -> Promotion:
    arguments: dict[str, Any] = {"run_id": "run-1", "audit": audited, "expected_etag": None}
    return promote(store, changes.pop("key", KEY), body, **(arguments | changes))


def lake(store: LakeStore) -> dict[str, bytes]:
    try:
        return {found.key: store.get(found.key) for found in store.list()}
    except LakeError:
        return {}


def test_a_good_body_is_all_that_is_left(store: LakeStore):
    promotion = bring(store)
    assert lake(store) == {KEY: GOOD}
    head = store.head(KEY)
    assert head is not None
    assert promotion == Promotion(KEY, head.etag, 10, hashlib.sha256(GOOD).hexdigest(), 7, Outcome.WRITTEN)


def test_a_bad_body_is_kept_aside_with_the_reason(store: LakeStore):
    with pytest.raises(VerifyError, match="not good") as caught:
        bring(store, BAD)
    place = f"_adce/quarantine/run-1/{KEY}"
    assert place in str(caught.value)
    kept = lake(store)
    assert kept.keys() == {place, f"{place}.reason.json"}
    assert kept[place] == BAD
    reason = json.loads(kept[f"{place}.reason.json"])
    assert reason == {
        "key": KEY,
        "kind": "Verify",
        "what": "not good",
        "where": "`good`",
        "bytes": 6,
        "sha256": hashlib.sha256(BAD).hexdigest(),
    }


def test_a_damaged_object_is_replaced(store: LakeStore):
    etag = store.put(KEY, BAD)
    assert bring(store, expected_etag=etag).outcome is Outcome.WRITTEN
    assert lake(store) == {KEY: GOOD}


def test_a_good_object_of_another_writer_is_left_and_accepted(store: LakeStore):
    etag = store.put(KEY, NEWER)
    promotion = bring(store)
    assert (promotion.outcome, promotion.etag, promotion.size) == (Outcome.ALREADY_THERE, etag, len(NEWER))
    assert promotion.sha256 == hashlib.sha256(NEWER).hexdigest()
    assert lake(store) == {KEY: NEWER}


def test_an_object_that_was_refreshed_meanwhile_is_not_overwritten(store: LakeStore):
    stale = store.put(KEY, GOOD)
    store.put(KEY, NEWER)
    assert bring(store, expected_etag=stale).outcome is Outcome.ALREADY_THERE
    assert lake(store) == {KEY: NEWER}


def test_a_bad_object_of_another_writer_is_not_overwritten_unseen(store: LakeStore):
    store.put(KEY, BAD)
    with pytest.raises(ConditionFailedError, match="not for the better"):
        bring(store)
    assert lake(store)[KEY] == BAD


def test_an_object_that_is_gone_is_not_brought_back_as_a_replacement(store: LakeStore):
    etag = store.put(KEY, BAD)
    store.delete(KEY)
    with pytest.raises(ConditionFailedError, match="gone"):
        bring(store, expected_etag=etag)
    assert KEY not in lake(store)


def test_of_many_writers_one_wins_and_the_others_are_told(store: LakeStore):
    bodies = [json.dumps({"good": n}).encode() for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        promotions = list(pool.map(lambda n: bring(store, bodies[n], run_id=f"run-{n}"), range(16)))
    (winner,) = [n for n, promotion in enumerate(promotions) if promotion.outcome is Outcome.WRITTEN]
    assert lake(store) == {KEY: bodies[winner]}
    assert {promotion.sha256 for promotion in promotions} == {hashlib.sha256(bodies[winner]).hexdigest()}


VECTORS = [
    *("", "/", "/etc/passwd", "..", "../x.json", "a/../../x.json", "a/./x.json", "a//x.json", "a/"),
    *("a\0.json", "a\n.json", "a\r.json", "a\u202e.json", "_adce/receipts/x.json", "_adce/", "k" * 901, "é" * 451),
]


@pytest.mark.parametrize("key", VECTORS)
def test_no_key_leads_out_of_the_data(store: LakeStore, key: str):
    with pytest.raises(LakeError, match="no key for data"):
        bring(store, key=key)
    assert lake(store) == {}


@pytest.mark.parametrize("run_id", ["", ".", "..", "a/b", "../a", "a b", "-a", "a\n", "r" * 81])
def test_no_run_id_leads_elsewhere(store: LakeStore, run_id: str):
    with pytest.raises(LakeError, match="no run id"):
        bring(store, run_id=run_id)
    assert lake(store) == {}


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Dying:
    """A store whose process is killed after so many writes and deletes, or right before one."""

    inner: LakeStore
    steps: int
    after: bool
    url: str = ""
    keys_per_request: int = 0

    def server(self) -> str:
        return self.inner.server()

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[StoredObject]:
        return self.inner.list(prefix, start_after=start_after)

    def list_prefixes(self, prefix: str = "") -> Any:
        return self.inner.list_prefixes(prefix)

    def head(self, key: str) -> StoredObject | None:
        return self.inner.head(key)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        return self.inner.get(key, start=start, length=length)

    def put(self, key: str, body: bytes | Path) -> str:
        return self._step(lambda: self.inner.put(key, body))

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        return self._step(lambda: self.inner.put_if_absent(key, body))

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        return self._step(lambda: self.inner.put_if_match(key, body, etag))

    def delete(self, key: str) -> None:
        self._step(lambda: self.inner.delete(key))

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        return self.inner.parts(within)

    def glance(self, key: str) -> None:
        self.inner.glance(key)

    def level(self, folder: str = "") -> Level:
        return self.inner.level(folder)

    def _step(self, write: Callable[[], Any]) -> Any:
        self.steps -= 1
        if self.steps < -1 or (self.steps < 0 and not self.after):
            raise KilledError
        result = write()
        if self.steps < 0:
            raise KilledError
        return result


def ends_the_same(store: LakeStore, body: bytes, expected_etag: str | None, steps: int, *, after: bool) -> None:
    """Kill a run at a step, let another run finish and one of later days sweep up."""
    with pytest.raises(KilledError):
        bring(Dying(store, steps, after), body, expected_etag=expected_etag)
    try:
        bring(store, body, run_id="run-2", expected_etag=expected_etag)
    except VerifyError:
        assert body == BAD
    sweep_staging(store, days_after(store, 3))


def days_after(store: LakeStore, days: int) -> datetime:
    """Say what time it is so many days after the last write."""
    return max((found.last_modified for found in store.list()), default=LONG_AGO) + timedelta(days=days)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(3))
def test_a_run_killed_anywhere_and_run_again_leaves_the_same_lake(store: LakeStore, steps: int, *, after: bool):
    ends_the_same(store, GOOD, None, steps, after=after)
    assert lake(store) == {KEY: GOOD}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(3))
def test_a_replacement_killed_anywhere_ends_the_same(store: LakeStore, steps: int, *, after: bool):
    ends_the_same(store, GOOD, store.put(KEY, BAD), steps, after=after)
    assert lake(store) == {KEY: GOOD}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(4))
def test_a_refusal_killed_anywhere_is_told_by_the_next_run(store: LakeStore, steps: int, *, after: bool):
    ends_the_same(store, BAD, None, steps, after=after)
    place = f"_adce/quarantine/run-2/{KEY}"
    kept = lake(store)
    assert {place, f"{place}.reason.json"} <= kept.keys()
    assert all(key.startswith("_adce/quarantine/") for key in kept)


def test_what_a_run_at_work_has_staged_is_not_swept_up(store: LakeStore):
    store.put(f"_adce/staging/run-1/{KEY}", GOOD)
    assert sweep_staging(store, days_after(store, 1)) == 0
    assert sweep_staging(store, days_after(store, 3)) == 1
    assert lake(store) == {}


@pytest.mark.parametrize("error", [LakeError("out of order"), ConfigurationError("asks for what cannot be known")])
def test_whatever_ends_a_promotion_nothing_stays_staged(store: LakeStore, error: AdceError):
    def failing(_: Body) -> AuditResult:
        raise error

    with pytest.raises(type(error)):
        bring(store, audit=failing)
    assert lake(store) == {}


def test_a_staged_copy_that_cannot_be_removed_does_not_undo_the_promotion(store: LakeStore):
    class Keeping(Dying):
        def delete(self, key: str) -> None:
            raise LakeError("no", where=key)

    assert bring(Keeping(store, 99, after=False)).outcome is Outcome.WRITTEN
    assert lake(store)[KEY] == GOOD


def counted(body: Body) -> AuditResult:
    assert isinstance(body, bytes)
    return AuditResult(len(json.loads(body)))


def believed(body: Body) -> AuditResult:
    result = counted(body)
    if not result.records:
        raise EmptyAnswerError("none", confirmed=True)
    return result


@pytest.mark.parametrize("audit", [counted, believed])
@pytest.mark.parametrize("etag_is_known", [True, False])
def test_an_empty_answer_does_not_replace_what_has_records(
    store: LakeStore, audit: Callable[[Body], AuditResult], *, etag_is_known: bool
):
    etag = store.put(KEY, b"[1, 2, 3]")
    with pytest.raises(EmptyAnswerError, match="has 3") as caught:
        bring(store, b"[]", audit=audit, expected_etag=etag if etag_is_known else "")
    assert not caught.value.confirmed
    kept = lake(store)
    assert kept[KEY] == b"[1, 2, 3]"
    assert kept[f"_adce/quarantine/run-1/{KEY}"] == b"[]"


@pytest.mark.parametrize("before", [b"[ ]", b"<html>"])
def test_an_empty_answer_replaces_what_is_empty_or_bad(store: LakeStore, before: bytes):
    def reading(body: Body) -> AuditResult:
        try:
            return counted(body)
        except ValueError as error:
            raise VerifyError("no JSON") from error

    assert bring(store, b"[]", audit=reading, expected_etag=store.put(KEY, before)).outcome is Outcome.WRITTEN
    assert lake(store) == {KEY: b"[]"}


def test_what_a_run_refuses_twice_is_kept_twice(store: LakeStore):
    for body in (BAD, b"<html>again", BAD):
        with pytest.raises(VerifyError):
            bring(store, body)
    place = f"_adce/quarantine/run-1/{KEY}"
    kept = lake(store)
    assert {key: body for key, body in kept.items() if not key.endswith(".reason.json")} == {
        place: BAD,
        f"{place}-2": b"<html>again",
    }
    digest = hashlib.sha256(b"<html>again").hexdigest()
    assert json.loads(kept[f"{place}-2.reason.json"])["sha256"] == digest


def test_a_lake_that_reads_back_something_else_is_not_trusted(store: LakeStore):
    class Lying(Dying):
        def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
            return super().get(key, start=start, length=length)[:-1]

    with pytest.raises(LakeError, match="reads back differently"):
        bring(Lying(store, 99, after=False))
    assert KEY not in lake(store)


def test_an_empty_answer_that_is_believed_leaves_nothing_behind(store: LakeStore):
    def confirmed(_: Body) -> AuditResult:
        raise EmptyAnswerError("none", confirmed=True)

    with pytest.raises(EmptyAnswerError) as caught:
        bring(store, audit=confirmed)
    assert caught.value.confirmed
    assert lake(store) == {}


def test_a_refusal_keeps_its_class_and_names_it(store: LakeStore):
    def drifted(_: Body) -> AuditResult:
        raise DriftError("gone", where="`plays`")

    with pytest.raises(DriftError, match="kept as"):
        bring(store, audit=drifted)
    reason = json.loads(store.get(f"_adce/quarantine/run-1/{KEY}.reason.json"))
    assert (reason["kind"], reason["where"]) == ("Drift", "`plays`")


@pytest.mark.parametrize("good", [True, False])
def test_a_file_passes_through_in_pieces(store: LakeStore, tmp_path: Path, *, good: bool):
    path = tmp_path / "body"
    with path.open("wb") as stream:
        for _ in range(64):
            stream.write(bytes(1 << 20))

    def judged(_: Body) -> AuditResult:
        if not good:
            raise VerifyError("no")
        return AuditResult(3)

    tracemalloc.start()
    try:
        promotion = bring(store, path, audit=judged) if good else None
        if not good:
            with pytest.raises(VerifyError):
                bring(store, path, audit=judged)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20
    assert promotion is None or (promotion.size, promotion.records) == (64 << 20, 3)


def test_a_large_object_of_another_writer_is_audited_from_a_file(store: LakeStore):
    large = b"good" + bytes(9 << 20)
    store.put(KEY, large)
    seen: list[Body] = []

    def judged(body: Body) -> AuditResult:
        seen.append(body)
        return AuditResult(1)

    promotion = bring(store, audit=judged)
    assert (promotion.outcome, promotion.sha256) == (Outcome.ALREADY_THERE, hashlib.sha256(large).hexdigest())
    assert isinstance(seen[-1], Path)
    assert not seen[-1].exists()
