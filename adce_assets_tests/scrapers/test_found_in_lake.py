"""A run that is made again goes on where the last one ended, however that was: what is there is not asked for again."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adce_assets.errors import LakeError
from adce_assets.fetch.staging import PIECE
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import StoredObject
from adce_assets.ledger.receipts import RECEIPTS, Receipt, read_receipts
from adce_assets_tests.scrapers.conftest import NOON, SmallSource
from adce_assets_tests.scrapers.every_scraper import JSON, Sent

GOOD, OTHER = b'{"a": 1}', b'{"a": 2}'
NAMES = ("p", "x", "z")


def good(_path: str, _query: dict[str, str]) -> Sent:
    return 200, JSON, GOOD


def receipts(small: SmallSource) -> dict[str, Receipt]:
    keys = [found.key for found in small.lake.list(RECEIPTS)]
    return {one.key: one for key in keys for one in read_receipts(key, small.lake.get(key))}


def asked_for(small: SmallSource) -> list[str]:
    return [path for path, _, _ in small.asked.requests]


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_an_earlier_run_has_left_without_a_word_gets_its_receipt_and_is_not_asked_for(
    small_source: SmallSource, at_once: int
):
    small_source.lake.put("things/x", OTHER)
    wanted = [small_source.wanted(name) for name in NAMES]
    told = small_source.collect(small_source.entry(), good, *wanted, at_once=at_once).data_sets["some/things"]
    assert (told.written, told.already_there) == (2, 1)
    assert sorted(asked_for(small_source)) == ["/p", "/z"]
    assert small_source.data() == {"things/p": GOOD, "things/x": OTHER, "things/z": GOOD}
    assert sorted(receipts(small_source)) == ["things/p", "things/x", "things/z"]


def test_a_run_that_is_made_again_asks_for_nothing_twice(small_source: SmallSource):
    entry = small_source.entry()
    wanted = [small_source.wanted(name) for name in NAMES]
    small_source.collect(entry, good, *wanted)
    told = small_source.collect(entry, good, *wanted).data_sets["some/things"]
    assert (told.already_there, asked_for(small_source)) == (3, [])


@pytest.mark.parametrize("there", [b"", b"{", b'{"b": 1}', b"<html></html>"])
def test_what_is_there_and_no_good_is_asked_for_and_fails_as_changed_meanwhile(small_source: SmallSource, there: bytes):
    """It is replaced once a reconciliation has seen which version it is."""
    small_source.lake.put("things/x", there)
    told = small_source.one(good, small_source.wanted())
    assert (told.failed, asked_for(small_source)) == ({"changed_meanwhile": 1}, ["/x"])
    assert small_source.data() == {"things/x": there}


def test_another_entitys_document_under_a_key_is_no_good(small_source: SmallSource):
    small_source.lake.put("things/x", b'{"a": "y"}')
    needs = {"must_have": ["a"], "id_path": "a", "id_is": "{thing}"}
    entry = {"yields": {"some/things": {"requirements": needs}}}
    told = small_source.one(lambda *_: (200, JSON, b'{"a": "x"}'), small_source.wanted(), **entry)
    assert (told.already_there, asked_for(small_source)) == (0, ["/x"])


def test_a_key_that_is_to_be_replaced_is_asked_for_whatever_is_there(small_source: SmallSource):
    etag = small_source.lake.put("things/x", OTHER)
    told = small_source.one(good, replace(small_source.wanted(), etag=etag))
    assert (told.written, small_source.data()) == (1, {"things/x": GOOD})


def test_of_the_keys_of_one_answer_only_those_that_are_missing_are_cut_from_it(small_source: SmallSource):
    yields = {
        "some/things": {"members": ["a"], "requirements": {"must_have": ["a"]}},
        "some/others": {"members": ["b"], "requirements": {"must_have": ["b"]}},
    }
    entry = small_source.entry(yields=yields)
    small_source.lake.put("things/x", OTHER)
    both = small_source.wanted(), small_source.wanted(data_type="others")
    report = small_source.collect(entry, lambda *_: (200, JSON, b'{"a": 1, "b": 2}'), *both)
    assert {name: (told.written, told.already_there) for name, told in report.data_sets.items()} == {
        "some/things": (0, 1),
        "some/others": (1, 0),
    }
    assert asked_for(small_source) == ["/x"]
    assert small_source.data() == {"things/x": OTHER, "others/x": b'{"b":2}'}


def test_a_document_of_all_pages_is_known_again(small_source: SmallSource):
    paging = {"kind": "cursor", "cursor": "next", "parameter": "at"}
    small_source.lake.put("things/x", b'{"pages":[{"a": 1, "next": 2},{"a": 1, "next": null}]}')
    small_source.lake.put("things/y", b'{"pages":[{"a": 1, "next": 2}]}')
    both = small_source.wanted("x"), small_source.wanted("y")
    small_source.one(good, *both, paging=paging)
    assert asked_for(small_source) == ["/y"]


@pytest.mark.parametrize("size", [PIECE, PIECE + 1, 2 * PIECE + 1])
def test_a_large_file_is_known_again(small_source: SmallSource, size: int):
    lines = b"a\n" + b"%1023d\n" % 1 * (size // 1024)
    body = lines + b"2" * (size - len(lines))
    small_source.lake.put("things/x", body)
    needs = {"parses": "csv", "columns": {"*": ["a"]}}
    told = small_source.one(
        good, small_source.wanted(), kind="file_download", yields={"some/things": {"requirements": needs}}
    )
    assert (told.already_there, told.bytes, asked_for(small_source)) == (1, len(body), [])
    assert receipts(small_source)["things/x"].sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("tells", [{"id_path": "a", "id_is": "{date}"}, {"max_age_s": 60}])
def test_a_snapshot_that_is_there_is_not_taken_again(small_source: SmallSource, tells: dict[str, Any]):
    needs = {"must_have": ["a"], **tells}
    today = b'{"a": "2024-12-10"}'
    small_source.lake.put("things/x", today)
    window = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    one = small_source.wanted(window=window, date="2024-12-10")
    told = small_source.one(
        lambda *_: (200, JSON, today), one, kind="snapshot", yields={"some/things": {"requirements": needs}}
    )
    assert (told.already_there, asked_for(small_source)) == (1, [])


def test_a_lake_that_cannot_be_read_ends_the_run_before_anybody_is_asked(small_source: SmallSource):
    small_source.lake = BlindStore(small_source.folder / "lake")
    with pytest.raises(LakeError, match="not now"):
        small_source.one(good, small_source.wanted())
    assert asked_for(small_source) == []


class BlindStore(FileStore):
    """A lake of which nobody can tell what is there."""

    def head(self, key: str) -> StoredObject | None:
        if key.startswith("things/"):
            raise LakeError("not now", where=key)
        return super().head(key)


def test_a_receipt_tells_how_often_its_document_was_asked_for_and_where(small_source: SmallSource):
    answers = iter([(500, JSON, b"{}"), (200, JSON, GOOD)])
    small_source.one(lambda *_: next(answers), small_source.wanted())
    receipt = receipts(small_source)["things/x"]
    assert (receipt.attempt, receipt.url) == (2, f"{small_source.source.url}/x")


@pytest.mark.parametrize("when", ["before the run", "while it asked"])
def test_of_another_writers_object_a_receipt_tells_nothing_but_what_it_is(small_source: SmallSource, when: str):
    answers = iter([(500, JSON, b"{}"), (200, JSON, GOOD)])

    def answer(_path: str, _query: dict[str, str]) -> Sent:
        small_source.lake.put("things/x", OTHER)
        return next(answers)

    if when == "before the run":
        small_source.lake.put("things/x", OTHER)
    told = small_source.one(answer, small_source.wanted())
    receipt = receipts(small_source)["things/x"]
    assert (told.already_there, small_source.data()) == (1, {"things/x": OTHER})
    assert (receipt.attempt, receipt.url, receipt.run) == (1, "", "run1")
    assert (receipt.bytes, receipt.sha256) == (len(OTHER), hashlib.sha256(OTHER).hexdigest())


def test_a_run_that_is_killed_has_receipts_of_all_but_its_last_minute(small_source: SmallSource):
    """Looked at from outside while it goes on: nothing that happens at its end can help it."""
    seen = []

    def answer(_path: str, _query: dict[str, str]) -> Sent:
        small_source.now += timedelta(seconds=61)
        return 200, JSON, GOOD

    def look(stage: str, done: int, total: int | None, note: str = "") -> None:
        del stage, total, note
        seen.append((done, len(receipts(small_source))))

    wanted = [small_source.wanted(name) for name in NAMES]
    small_source.collect(small_source.entry(), answer, *wanted, progress=look)
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_what_dead_runs_have_staged_is_swept_up_when_a_run_begins(small_source: SmallSource):
    for name in ("dead/things/x", "dead/things/y"):
        small_source.lake.put(f"_adce/staging/{name}", GOOD)
    (staged, _) = small_source.lake.list("_adce/staging/")
    for days, left in ((1, 2), (3, 0)):
        small_source.now = staged.last_modified + timedelta(days=days)
        small_source.one(good, small_source.wanted())
        assert len(list(small_source.lake.list("_adce/staging/"))) == left
