import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.errors import VerifyError
from adce_assets.scrapers.members import cut

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=25,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "c.a", "c.b", "d.a.b", "d.c"]), unique=True, min_size=1)


def picked(document: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Pick members the slow and obvious way: copy what lies at each path."""
    kept: dict[str, Any] = {}
    for name in (path.partition(".")[0] for path in paths):
        if name in document:
            rest = [path.partition(".")[2] for path in paths if path.partition(".")[0] == name]
            inner = document[name]
            kept[name] = picked(inner, rest) if isinstance(inner, dict) and all(rest) else inner
    return kept


@given(DOCUMENTS, PATHS, st.sampled_from([None, 0, 3]), st.booleans())
def test_what_is_cut_is_what_was_there(
    document: dict[str, Any],
    paths: list[str],
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001 - hypothesis gives it
):
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.loads(cut(body, paths)) == picked(document, paths)


@pytest.mark.parametrize(
    "value",
    [
        "1.10",
        "0.1000000000000000055511151231257827",
        "1E400",
        "-0",
        "123456789012345678901234567890",
        r'"\u0044on\u010di\u0107 \/ \ud83c\udfc0"',
        '"Dončić"',
        '{"b":1,"b":2}',
        "[ 1 , 2 ]",
    ],
)
def test_a_value_is_kept_to_the_letter(value: str):
    assert cut(f'{{ "x": 0, "a" : {value} }}'.encode(), ["a"]) == f'{{"a":{value}}}'.encode()


def test_of_two_members_of_one_name_both_are_kept_as_they_were():
    assert json.loads(cut(b'{"a":1,"a":2}', ["a"])) == {"a": 2}


def test_a_member_that_is_not_there_is_left_out():
    assert cut(b'{"a":{"c":1}}', ["a.b", "d"]) == b'{"a":{}}'


def test_a_byte_order_mark_is_no_part_of_a_document():
    assert cut(b"\xef\xbb\xbf{}", ["a"]) == b"{}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b"<html></html>",
        b'{"a":1',
        b'{"a":1,}',
        b'{"a" 1}',
        b'{"a":1 "b":2}',
        b"{'a':1}",
        b"{1:1}",
        b'{"a":1}{}',
        b'{"a":1} x',
        b'{"a":\xff}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"9" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_not_cut(body: bytes):
    with pytest.raises(VerifyError):
        cut(body, ["a"])
