"""What only the present has is data of the day on which it was had, however long the run takes that asks for it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.fetch.client import Response
from adce_assets.lake.file_store import FileStore
from adce_assets_tests.scrapers.conftest import NOON, SmallSource
from adce_assets_tests.scrapers.every_scraper import JSON, Sent

MINUTE = timedelta(minutes=1)
TELLS = {"must_have": ["a"], "id_path": "a", "id_is": "{date}"}
SNAPSHOT: dict[str, Any] = {"kind": "snapshot", "yields": {"some/things": {"requirements": TELLS}}}
BODY = b'{"a": "2024-12-10"}'


class Slow:
    """A source at which each answer takes so long."""

    def __init__(self, small: SmallSource, takes: timedelta, body: bytes = BODY) -> None:
        self.small, self.takes, self.body = small, takes, body

    def __call__(self, _path: str, _query: dict[str, str]) -> Sent:
        self.small.now += self.takes
        return 200, JSON, self.body


def wanted(small: SmallSource, names: str, ends: datetime) -> list[Any]:
    return [small.wanted(name, window=(NOON - MINUTE, ends), date="2024-12-10") for name in names]


@pytest.mark.parametrize(("ends", "in_time"), [(6, "abcde"), (7, "abcdef"), (3, "ab"), (1, "")])
def test_of_a_run_across_the_end_of_a_day_only_what_came_before_it_is_kept(
    small_source: SmallSource, ends: int, in_time: str
):
    asked = wanted(small_source, "abcdef", NOON + ends * MINUTE)
    told = small_source.one(Slow(small_source, MINUTE), *asked, **SNAPSHOT)
    assert list(small_source.data()) == [f"things/{name}" for name in in_time]
    lost = {"lost": 6 - len(in_time)}
    assert (told.written, told.failed) == (len(in_time), lost if len(in_time) < 6 else {})


def test_nothing_is_lost_that_had_come_before_the_end_and_only_waited_for_the_lake(small_source: SmallSource):
    small_source.lake = SlowStore(small_source)
    told = small_source.one(Slow(small_source, timedelta(0)), *wanted(small_source, "xy", NOON + MINUTE), **SNAPSHOT)
    assert (told.written, told.failed) == (1, {"lost": 1})
    assert list(small_source.data()) == ["things/x"]


class SlowStore(FileStore):
    """A lake that takes a minute to stage a document."""

    def __init__(self, small: SmallSource) -> None:
        super().__init__(small.folder / "lake")
        self.small = small

    def put(self, key: str, body: bytes | Path) -> str:
        self.small.now += MINUTE
        return super().put(key, body)


def test_a_document_of_which_the_last_page_came_too_late_is_lost(small_source: SmallSource):
    def answer(_path: str, query: dict[str, str]) -> Sent:
        small_source.now += MINUTE
        at = int(query.get("at", "0"))
        return 200, JSON, b'{"a": "2024-12-10", "next": %s}' % (b"%d" % (at + 1) if at < 2 else b"null")

    paged = {**SNAPSHOT, "paging": {"kind": "cursor", "cursor": "next", "parameter": "at"}}
    for minutes, written in ((3, 0), (4, 1)):
        small_source.now = NOON
        told = small_source.one(answer, *wanted(small_source, "x", NOON + minutes * MINUTE), **paged)
        assert (told.written, told.failed) == (written, {} if written else {"lost": 1})
        assert len(small_source.asked.requests) == 3


def test_a_file_that_came_too_late_is_lost(small_source: SmallSource):
    yields = {"some/things": {"requirements": {"parses": "csv", "columns": {"*": ["a"]}}}}
    asked = wanted(small_source, "xy", NOON + 2 * MINUTE)
    told = small_source.one(Slow(small_source, MINUTE, b"a\n1\n"), *asked, kind="file_download", yields=yields)
    assert (told.written, told.failed) == (1, {"lost": 1})


@pytest.mark.parametrize("old", range(3))
def test_one_old_page_makes_a_document_old(small_source: SmallSource, old: int):
    needs = {"must_have": ["a"], "fresh_path": "a", "max_age_s": 3600, "records": "a"}

    def answer(_path: str, query: dict[str, str]) -> Sent:
        at = int(query.get("at", "0"))
        day = "2024-12-08" if at == old else "2024-12-10"
        return 200, JSON, b'{"a": "%sT12:00:00Z", "next": %s}' % (day.encode(), b"%d" % (at + 1) if at < 2 else b"null")

    paging = {"kind": "cursor", "cursor": "next", "parameter": "at"}
    told = small_source.one(
        answer,
        *wanted(small_source, "x", NOON + MINUTE),
        kind="snapshot",
        paging=paging,
        yields={"some/things": {"requirements": needs}},
    )
    assert told.failed == {"wrong_entity": 1}


@pytest.mark.parametrize("headers", [{"age": "200000"}, {"date": "Sun, 08 Dec 2024 12:00:00 GMT"}])
@pytest.mark.parametrize("old", range(3))
def test_one_page_that_a_cache_has_kept_too_long_makes_a_document_old(
    small_source: SmallSource, headers: dict[str, str], old: int
):
    needs = {"must_have": ["a"], "max_age_s": 3600, "records": "a"}
    paging = {"kind": "cursor", "cursor": "next", "parameter": "at"}
    for kept, failed in ({}, {}), (headers, {"wrong_entity": 1}):
        entry = small_source.entry(kind="snapshot", paging=paging, yields={"some/things": {"requirements": needs}})
        told = small_source.collect(entry, None, small_source.wanted(), client=Cached(old, kept))
        assert told.data_sets["some/things"].failed == failed
        small_source.lake.delete("things/x")


class Cached:
    """Answers three pages, one of them out of a cache."""

    requests = retries = 0
    waited_s = 0.0
    fresh: Mapping[str, str] = {"date": "Tue, 10 Dec 2024 12:00:00 GMT", "age": "0"}

    def __init__(self, old: int, headers: Mapping[str, str]) -> None:
        self.old, self.headers = old, headers

    def get(self, _host: str, path: str, parameters: Mapping[str, str], *, waits: Any = None) -> Response:
        assert waits is None
        at = int(parameters.get("at", "0"))
        headers = {**self.fresh, **(self.headers if at == self.old else {})}
        body = b'{"a": 1, "next": %s}' % (b"%d" % (at + 1) if at < 2 else b"null")
        return Response(url=path, content_type=JSON, body=body, headers=headers, fetched_at=NOON)
