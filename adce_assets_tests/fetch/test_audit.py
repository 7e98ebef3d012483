import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.errors import VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.audit_json import found, parse_json
from adce_assets.fetch.requirements import AuditResult, Requirements

GAME = {"game_id": "401584783", "date": "2024-01-15"}
NOTICE = b"<html><head><title>\n Access  Denied </title></head><body>no</body></html>"
SUMMARY = Requirements.model_validate(
    {
        "id_path": "header.id",
        "id_is": "{game_id}",
        "must_have": ["header.competitions", "plays", "teams.*.players"],
        "may_be_empty": ["notes"],
        "must_equal": {"header.competitions.0.completed": [True]},
        "forbidden": ["We are sorry"],
        "min_bytes": 20,
        "records": "plays.*",
    }
)


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "header": {"id": "401584783", "competitions": [{"completed": True}]},
        "teams": [{"players": ["a"]}, {"players": ["b", "c"]}],
        "plays": [{"n": 1}, {"n": 2}, {"n": 3}],
        "notes": [],
    } | changes


def body(**changes: Any) -> bytes:
    return json.dumps(summary(**changes)).encode()


def header(**changes: Any) -> bytes:
    return body(header={"id": "401584783", "competitions": [{"completed": True}]} | changes)


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in summary().items() if key != name}).encode()


@pytest.mark.parametrize(
    "document",
    [
        body(),
        b"\xef\xbb\xbf" + body(),
        b"\n " + body() + b"\r\n",
        json.dumps(summary(), indent=2).encode(),
        body(notes=["Dončić"], more={"anything": None}),
        header(id=401584783),
    ],
)
def test_a_good_document_passes_and_its_records_are_counted(document: bytes):
    assert audit(document, SUMMARY, GAME) == AuditResult(3)


POISON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "next to nothing": (b"{}", "only 2 bytes"),
    "blanks": (b" " * 50, "blanks"),
    "zeros": (b"\0" * 50, "zero bytes"),
    "a notice page": (NOTICE, "HTML where JSON was due: a notice, not data (blocked), titled 'Access Denied'"),
    "a login page": (b"\n<!doctype html><title>Sign in</title><form>", "titled 'Sign in'"),
    "an XML error": (b"<Error><Code>AccessDenied</Code></Error>", "markup"),
    "plain text": (b"Too many requests, come back later.", "(blocked), saying"),
    "a JSON text": (b'"We will be back soon, dear reader"', "an error page"),
    "a number": (b"1234567890123456789012", "something else"),
    "cut in a name": (body()[:30], "cut off"),
    "cut before the last bracket": (body()[:-1], "cut off"),
    "cut at a bracket": (body()[:-1].rpartition(b"}")[0] + b"}", "not JSON"),
    "two documents": (body() + body(), "not JSON"),
    "still compressed": (gzip.compress(body(), mtime=0), "gzip"),
    "UTF-16": (body().decode().encode("utf-16"), "something else"),
    "not UTF-8": (body(more="é").replace(b"\\u00e9", b"\xe9"), "not utf-8"),
    "NaN": (body(more=float("nan")), "NaN is no number"),
    "Infinity": (body(more=float("inf")), "Infinity is no number"),
    "nested without end": (b"[" * 50_000 + b"]" * 50_000, "nested"),
    "a trailing comma": (body()[:-1] + b",}", "not JSON"),
    "single quotes": (body().replace(b'"', b"'"), "not JSON"),
    "an error in JSON": (b'{"code": 404, "message": "Not Found"}', "an error page"),
    "a list": (b"[" + body() + b"]", "does not say"),
    "a notice inside": (body(more="WE ARE SORRY"), "We are sorry"),
    "another game": (header(id="401584784"), "`401584784`, not `401584783`"),
    "no game": (header(id=None), "`null`, not"),
    "the id without its first digit": (header(id="01584783"), "`01584783`, not"),
    "a list for the id": (header(id=["401584783"]), "not `401584783`"),
    "a game in play": (header(competitions=[{"completed": False}]), "is false"),
    "a number for true": (header(competitions=[{"completed": 1}]), "is 1"),
    "a text for true": (header(competitions=[{"completed": "true"}]), 'is "true"'),
    "no status": (header(competitions=[{}]), "not there"),
    "no competition": (header(competitions=[]), "empty"),
    "no plays": (body(plays=[]), "empty"),
    "plays without a list": (body(plays=None), "empty"),
    "no word of plays": (without("plays"), "not there"),
    "no word of notes": (without("notes"), "not there"),
    "no teams": (body(teams=[]), "not there"),
    "one team without players": (body(teams=[{"players": ["a"]}, {"players": []}]), "empty"),
    "no header": (without("header"), "does not say"),
}


@pytest.mark.parametrize(("document", "reason"), POISON.values(), ids=POISON.keys())
def test_a_poisoned_body_is_refused_and_its_fault_named(document: bytes, reason: str):
    with pytest.raises(VerifyError) as caught:
        audit(document, SUMMARY, GAME)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_fault_says_where_in_the_document_it_is():
    with pytest.raises(VerifyError) as caught:
        audit(body(plays=[]), SUMMARY, GAME)
    assert caught.value.where == "`plays`"


def test_a_document_that_may_be_silent_of_its_id_must_not_name_another():
    requirements = Requirements(id_path="day.date", id_is="{date}", id_may_lack=True)
    assert audit(b"{}", requirements, GAME) == AuditResult(None)
    assert audit(b'{"day":{"date":"2024-01-15"}}', requirements, GAME) == AuditResult(None)
    with pytest.raises(VerifyError, match="2024-01-14"):
        audit(b'{"day":{"date":"2024-01-14"}}', requirements, GAME)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("html", b"<html></html>", b"{}"),
        ("csv", b"a,b\n1,2\n", NOTICE),
        ("gz", gzip.compress(b"x", mtime=0), b"x"),
    ],
)
def test_other_kinds_of_files_are_told_by_their_ends(kind: str, good: bytes, bad: bytes):
    requirements = Requirements.model_validate({"parses": kind})
    assert audit(good, requirements, GAME) == AuditResult(None)
    with pytest.raises(VerifyError):
        audit(bad, requirements, GAME)


@pytest.mark.parametrize(
    "declared",
    [
        {"must_hav": ["a"]},
        {"must_have": ["a..b"]},
        {"must_have": [""]},
        {"id_path": "a"},
        {"id_is": "{game_id}"},
        {"parses": "html", "must_equal": {"a": [1]}},
        {"parses": "html", "id_path": "a.b", "id_is": "1"},
        {"parses": "html", "fresh_path": "a"},
        {"parses": "html", "embedded": "x=1;", "must_have": ["a..b"]},
        {"parses": "pdf", "columns": {"a": ["b"]}},
        {"parses": "zip", "id_path": "a", "id_is": "1"},
        {"embedded": "json = "},
        {"min_records": 3},
        {"distrust": [25]},
        {"empty": "confirm"},
        {"empty": "believe", "records": "a.*"},
        {"empty": "confirm", "records": "a.*", "must_have": ["a"]},
        {"columns": {"a": []}},
        {"max_age_s": 0},
        {"parses": "docx"},
        {"min_bytes": 0},
        {"forbidden": [""]},
    ],
)
def test_requirements_that_make_no_sense_are_refused(declared: dict[str, Any]):
    with pytest.raises(ValidationError):
        Requirements.model_validate(declared)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a", [{"b": [1, 2]}]),
        ("a.b", [[1, 2]]),
        ("a.b.*", [1, 2]),
        ("a.b.1", [2]),
        ("a.b.2", []),
        ("a.b.-1", []),
        ("*.b.0", [1]),
        ("a.c", []),
        ("a.b.0.c", []),
    ],
)
def test_a_path_leads_where_it_says(path: str, values: list[object]):
    assert found({"a": {"b": [1, 2]}}, path) == values


@pytest.mark.parametrize("read", [parse_json, lambda text: audit(text.encode(), Requirements(), {})])
def test_a_number_with_too_many_digits_is_refused_not_computed(read: Callable[[str], object]):
    with pytest.raises(VerifyError):
        read("[" + "9" * 100_000 + "]")
