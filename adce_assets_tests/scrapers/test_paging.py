"""Documents that come in several pages are asked for to their end, and kept as they were sent."""

from typing import Any

import pytest

from adce_assets_tests.scrapers.every_scraper import HTML, JSON, NOTHING, Sent

CURSOR = {"kind": "cursor", "cursor": "meta.next", "parameter": "cursor"}
PAGES = {"kind": "pages", "parameter": "page", "count": "pages"}
REFS = {"kind": "refs", "items": "items.*.$ref"}
YIELDS = {"some/things": {"requirements": {"must_have": ["a"], "records": "a.*"}}}
OF_REFS = {"some/things": {"requirements": {"must_have": ["a"], "records": "a"}}}


def json_(text: str) -> Sent:
    return 200, JSON, text.encode()


def cursors(_: str, query: dict[str, str]) -> Sent:
    at = int(query.get("cursor", "0"))
    return json_(f'{{"a": [1{at}, 2{at}], "meta": {{"next": {at + 1 if at < 2 else "null"}}}}}')


def numbers(_: str, query: dict[str, str]) -> Sent:
    return json_(f'{{"a": [{query.get("page", "1")}0], "pages": 3}}')


def test_cursors_are_followed_to_the_last_and_the_records_of_all_pages_count(small_source: Any):
    told = small_source.one(cursors, small_source.wanted(), paging=CURSOR, yields=YIELDS)
    assert (told.written, told.records) == (1, 6)
    assert small_source.data()["things/x"] == (
        b'{"pages":[{"a": [10, 20], "meta": {"next": 1}},{"a": [11, 21], "meta": {"next": 2}},'
        b'{"a": [12, 22], "meta": {"next": null}}]}'
    )
    assert [query for _, query, _ in small_source.asked.requests] == [{}, {"cursor": "1"}, {"cursor": "2"}]


def test_numbered_pages_are_asked_for_as_many_as_the_first_says(small_source: Any):
    told = small_source.one(numbers, small_source.wanted(), paging=PAGES, yields=YIELDS)
    assert (told.written, told.records) == (1, 3)
    assert [query for _, query, _ in small_source.asked.requests] == [{}, {"page": "2"}, {"page": "3"}]


def test_a_single_page_is_kept_as_one_of_several_would_be(small_source: Any):
    small_source.one(lambda *_: json_('{"a": [1]}'), small_source.wanted(), paging=CURSOR, yields=YIELDS)
    assert small_source.data() == {"things/x": b'{"pages":[{"a": [1]}]}'}


def test_references_are_followed_and_kept_behind_their_index(small_source: Any):
    here = small_source.source.url
    index = f'{{"items": [{{"$ref": "{here}/one?lang=en"}}, {{"$ref": "{here}/two"}}]}}'

    def answer(path: str, query: dict[str, str]) -> Sent:
        said = {"/x": index, "/one": '{"a": "one"}', "/two": '{"a": "two"}'}
        return json_(said[path]) if path != "/one" or query == {"lang": "en"} else NOTHING

    told = small_source.one(answer, small_source.wanted(), paging=REFS, yields=OF_REFS)
    assert (told.written, told.records) == (1, 2)
    whole = f'{{"index":{index},"pages":[{{"a": "one"}},{{"a": "two"}}]}}'
    assert small_source.data() == {"things/x": whole.encode()}


@pytest.mark.parametrize(
    "elsewhere", ["http://example.org/one", "https://127.0.0.1:1/one", "file:///etc/passwd", "//x/one"]
)
def test_a_reference_that_leads_elsewhere_is_not_followed(small_source: Any, elsewhere: str):
    told = small_source.one(
        lambda *_: json_(f'{{"items": [{{"$ref": "{elsewhere}"}}]}}'),
        small_source.wanted(),
        paging=REFS,
        yields=OF_REFS,
    )
    assert (told.written, told.failed.total()) == (0, 1)
    assert len(small_source.asked.requests) == 1


def test_cursors_that_lead_in_a_circle_end_and_are_refused(small_source: Any):
    told = small_source.one(
        lambda *_: json_('{"a": [1], "meta": {"next": 5}}'), small_source.wanted(), paging=CURSOR, yields=YIELDS
    )
    assert (told.written, told.failed.total()) == (0, 1)
    assert len(small_source.asked.requests) == 2


def test_more_pages_than_anybody_has_are_refused_before_they_are_asked_for(small_source: Any):
    told = small_source.one(
        lambda *_: json_('{"a": [1], "pages": 1000000}'), small_source.wanted(), paging=PAGES, yields=YIELDS
    )
    assert told.failed == {"too_large": 1}
    assert len(small_source.asked.requests) == 1


@pytest.mark.parametrize("paging", [CURSOR, PAGES, REFS], ids=["cursor", "pages", "refs"])
def test_a_notice_in_the_place_of_a_page_is_refused(small_source: Any, paging: dict[str, str]):
    notice = (200, HTML, b"<html><title>Wait</title></html>")
    told = small_source.one(lambda *_: notice, small_source.wanted(), paging=paging, yields=YIELDS)
    assert (told.written, told.failed.total(), small_source.data()) == (0, 1, {})


def test_a_page_that_cannot_be_had_fails_the_whole_document(small_source: Any):
    def answer(path: str, query: dict[str, str]) -> Sent:
        return cursors(path, query) if query.get("cursor") != "2" else (500, JSON, b"{}")

    told = small_source.one(answer, small_source.wanted(), paging=CURSOR, yields=YIELDS)
    assert (told.failed, small_source.data()) == ({"busy": 1}, {})
