"""Whatever a source sends, a key that fails never stops the others; what the lake refuses ends the run, in order."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import ConfigurationError, GoneError, LakeError, RefusedError, VerifyError
from adce_assets.fetch.client import Response
from adce_assets.fetch.outcomes import Evidence
from adce_assets.lake.file_store import FileStore
from adce_assets.ledger.evidence import EVIDENCE, read_evidence
from adce_assets.ledger.receipts import RECEIPTS, read_receipts
from adce_assets.scrapers.boundary import guarded
from adce_assets.scrapers.failing import note
from adce_assets.scrapers.interface import ConfirmedEmpty, Failed
from adce_assets.scrapers.promoting import Absent, settle
from adce_assets_tests.scrapers.conftest import NOON, SmallSource
from adce_assets_tests.scrapers.every_scraper import JSON

GOOD = b'{"a": 1}'
SUMMARY = {
    "some/things": {"members": ["a"], "requirements": {"must_have": ["a"]}},
    "some/others": {"members": ["b"], "requirements": {"must_have": ["b"]}},
}


class Said:
    """Asks nobody: by the last part of the path, what is raised; a good document for any other."""

    requests = retries = 0
    waited_s = 0.0

    def __init__(self, **raised: Exception) -> None:
        self.raised = raised

    def now(self) -> Any:
        return NOON

    def get(self, host: str, path: str, parameters: Mapping[str, str], *, waits: Any = None) -> Response:
        assert (host, waits) == ("here", None)
        assert not parameters
        name = path.removeprefix("/")
        if name in self.raised:
            raise self.raised[name]
        return Response(
            url=f"https://example.org{path}", content_type=JSON, body=GOOD, headers={}, fetched_at=NOON, attempts=3
        )


class WayStore(FileStore):
    """A lake that raises an error at what lies under one name."""

    def __init__(self, root: Path, name: str, error: Exception) -> None:
        super().__init__(root)
        self.name, self.error = name, error

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        if key == self.name:
            raise self.error
        return super().put_if_absent(key, body)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError("deep"), KeyError("x"), OSError(5, "odd")])
def test_an_error_that_nobody_foresaw_is_the_failure_of_its_key_alone(
    small_source: SmallSource, error: Exception, at_once: int
):
    entry = small_source.entry()
    asked = [small_source.wanted(name) for name in ("p", "x", "z")]
    told = small_source.collect(entry, None, *asked, client=Said(x=error), at_once=at_once).data_sets["some/things"]
    assert (told.written, told.failed) == (2, {"damaged": 1})
    assert list(small_source.data()) == ["things/p", "things/z"]
    assert [worst.key for worst in told.worst] == ["things/x"]


def test_the_text_of_an_error_that_nobody_foresaw_is_told_nowhere(
    small_source: SmallSource, caplog: pytest.LogCaptureFixture
):
    client = Said(x=ValueError("https://example.org/?key=s3cr3t"))
    told = small_source.collect(small_source.entry(), None, small_source.wanted(), client=client)
    (worst,) = told.data_sets["some/things"].worst
    assert worst.what == "an error that nobody foresaw: ValueError"
    assert "things/x" in caplog.text
    assert "ValueError" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("at_once", [1, 3])
def test_an_unforeseen_error_of_the_way_into_the_lake_stops_no_other(small_source: SmallSource, at_once: int):
    small_source.lake = WayStore(small_source.folder / "lake", "things/x", ValueError("odd"))
    asked = [small_source.wanted(name) for name in ("x", "y")]
    told = small_source.collect(small_source.entry(), None, *asked, client=Said(), at_once=at_once)
    assert told.data_sets["some/things"].failed == {"damaged": 1}
    assert list(small_source.data()) == ["things/y"]


@pytest.mark.parametrize("error", [LakeError("no room"), ConfigurationError("no such secret")])
@pytest.mark.parametrize("at_once", [1, 3])
def test_what_is_no_failure_of_a_single_key_ends_the_run(small_source: SmallSource, error: Exception, at_once: int):
    with pytest.raises(type(error)):
        small_source.collect(small_source.entry(), None, small_source.wanted(), client=Said(x=error), at_once=at_once)


@pytest.mark.parametrize("at_once", [1, 3])
def test_of_one_answer_what_was_promoted_before_the_lake_failed_has_its_receipt(
    small_source: SmallSource, at_once: int
):
    small_source.lake = WayStore(small_source.folder / "lake", "others/x", LakeError("no room"))
    both = small_source.wanted(), small_source.wanted(data_type="others")
    entry = small_source.entry(yields=SUMMARY)
    with pytest.raises(LakeError, match="no room"):
        small_source.collect(entry, lambda *_: (200, JSON, b'{"a": 1, "b": 2}'), *both, at_once=at_once)
    assert list(small_source.data()) == ["things/x"]
    assert [receipt.key for receipt in receipts(small_source)] == ["things/x"]


def test_a_reason_that_cannot_be_printed_is_evidence_as_well(small_source: SmallSource):
    client = Said(x=RefusedError("answered 404 Not\tFound\x1b[31m", where="https://example.org/x", status=404))
    entry = small_source.entry(absent_statuses=[404])
    asked = small_source.wanted("x"), small_source.wanted("y")
    told = small_source.collect(entry, None, *asked, client=client).data_sets["some/things"]
    assert (told.confirmed_empty, told.written, told.failed) == (1, 1, {})
    (key,) = [found.key for found in small_source.lake.list(EVIDENCE)]
    (absent,) = read_evidence(key, small_source.lake.get(key))
    assert (absent.key, absent.what) == ("things/x", "answered 404 Not Found [31m")


@pytest.mark.parametrize(
    ("count", "failure"),
    [('"' + "9" * 5000 + '"', "too_large"), ("9" * 5000, "damaged"), ('"12345678901"', "too_large"), ('"-1"', "drift")],
    ids=["text", "a number", "eleven digits", "below nothing"],
)
def test_a_number_of_pages_that_nobody_can_read_stops_no_other(
    small_source: SmallSource, caplog: pytest.LogCaptureFixture, count: str, failure: str
):
    entry = small_source.entry(paging={"kind": "pages", "parameter": "page", "count": "pages"})

    def answer(path: str, _query: dict[str, str]) -> Any:
        return 200, JSON, f'{{"a": 1, "pages": {count if path == "/x" else 1}}}'.encode()

    asked = small_source.wanted("x"), small_source.wanted("y")
    told = small_source.collect(entry, answer, *asked).data_sets["some/things"]
    assert (told.written, told.failed, list(small_source.data())) == (1, {failure: 1}, ["things/y"])
    assert "unforeseen" not in caplog.text


@pytest.mark.parametrize("odd", [r'"\ud800"', r'"\u0000\u001b[31m"', '"' + "9" * 5000 + '"', "9" * 5000])
def test_an_id_that_cannot_be_shown_fails_its_key_and_the_failure_can_be_noted(small_source: SmallSource, odd: str):
    needs = {"must_have": ["a"], "id_path": "a", "id_is": "{thing}"}
    entry = small_source.entry(yields={"some/things": {"requirements": needs}})
    report = small_source.collect(entry, lambda *_: (200, JSON, f'{{"a": {odd}}}'.encode()), small_source.wanted())
    assert report.data_sets["some/things"].failed.total() == 1
    failing = note(small_source.lake, "one", report, NOON)["some/things"]
    assert failing.what.isprintable()
    assert note(small_source.lake, "one", report, NOON)["some/things"].runs == 2


def test_of_several_keys_only_those_without_an_end_have_failed(small_source: SmallSource):
    first, second, third = (small_source.wanted(name) for name in "xyz")

    def outcomes() -> Iterator[Failed]:
        yield Failed(second, GoneError("not there"), "")
        raise VerifyError("odd", where="https://example.org")

    found = list(guarded((first, second, third), outcomes()))
    assert [(one.wanted.key, one.error.what, one.url) for one in found] == [
        ("things/y", "not there", ""),
        ("things/x", "odd", "https://example.org"),
        ("things/z", "odd", "https://example.org"),
    ]


@pytest.mark.parametrize("what", ["no\tgames", "no \ud800", "\x00"])
def test_what_a_document_says_of_its_emptiness_can_always_be_written_down(small_source: SmallSource, what: str):
    evidence = Evidence("https://example.org", 200, what, None, NOON, NOON + timedelta(days=1))
    empty = ConfirmedEmpty(small_source.wanted(), evidence)
    found = settle(small_source.lake, empty, run_id="run", clock=lambda: NOON)
    assert isinstance(found, Absent)
    assert found.entry.what.isprintable()


def receipts(small: SmallSource) -> list[Any]:
    keys = [found.key for found in small.lake.list(RECEIPTS)]
    return [receipt for key in keys for receipt in read_receipts(key, small.lake.get(key))]
