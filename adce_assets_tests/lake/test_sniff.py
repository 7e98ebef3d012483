import gzip
import io
import json
import sqlite3
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.lake.sniff import LOOK, sniff

HTML = b"<!DOCTYPE html><html><head><title>Sorry</title></head><body>Sorry</body></html>"


def looked_at(body: bytes, suffix: str) -> str | None:
    return sniff(body[:LOOK], body[-LOOK:], suffix)


def a_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), "x\n" * 5_000)
    return held.getvalue()


def a_database(folder: Path) -> bytes:
    path = folder / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()
    return path.read_bytes()


GOOD = [
    (b"{}", ".json"),
    (b'[{"a": 1}]\n', ".json"),
    (b"\xef\xbb\xbf \n{}", ".JSON"),
    (json.dumps({"rows": ["x" * 80] * 100}).encode(), "pbp/401584783.json"),
    (b'{"a":1}\n{"a":2}\n', ".jsonl"),
    (HTML, ".html"),
    (b" \n" + HTML + b"\n", ".htm"),
    (b"a,b\n1,2\n", ".csv"),
    (b"PAR1" + bytes(2_000) + b"PAR1", ".parquet"),
    (gzip.compress(b"x" * 9_999, mtime=0), "a/b.json.gz"),
    (a_zip(), ".zip"),
    (b"%PDF-1.7\n" + bytes(900) + b"%%EOF\n", ".pdf"),
    (b"anything", ".bin"),
    (b"anything", "no_suffix"),
    (b"anything", ""),
]

BAD = [
    (b"", ".json", "empty"),
    (b"", ".bin", "empty"),
    (b" \n\t", ".json", "nothing but blanks where JSON"),
    (b"\0" * 600, ".json", "nothing but zero bytes where JSON"),
    (HTML, ".json", "HTML where JSON"),
    (b"\xef\xbb\xbf\n<html>", ".json", "HTML where JSON"),
    (b"<Error><Code>AccessDenied</Code></Error>", ".json", "markup where JSON"),
    (b"Too many requests", ".json", "something else where JSON"),
    (gzip.compress(b"{}", mtime=0), ".json", "gzip where JSON"),
    (b'{"rows": [1, 2', ".json", "cut off"),
    (b'{"rows": [1, 2]', ".json", "cut off"),
    (b"[1, 2}", ".json", "cut off"),
    (b'{"a":1}' + bytes(700), ".json", "cut off"),
    (b'{"a":1}\n{"a":', ".jsonl", "cut off"),
    (b"{}", ".html", "JSON where HTML"),
    (b"<html><body>", ".html", "cut off"),
    (HTML, ".csv", "HTML where CSV"),
    (b"a,b\n1,\0\n", ".csv", "where CSV"),
    (b"PAR1" + bytes(2_000), ".parquet", "cut off"),
    (HTML, ".parquet", "HTML where Parquet"),
    (b"PAR2" + bytes(9) + b"PAR1", ".parquet", "something else where Parquet"),
    (b"{}", ".json.gz", "JSON where gzip"),
    (a_zip()[:-40], ".zip", "cut off"),
    (b"%PDF-1.7\n" + bytes(900), ".pdf", "cut off"),
    (b"%PDF-1.7\n", ".sqlite", "PDF where SQLite"),
]


@pytest.mark.parametrize(("body", "suffix"), GOOD, ids=range(len(GOOD)))
def test_an_object_that_may_be_right_is_not_called_damaged(body: bytes, suffix: str):
    assert looked_at(body, suffix) is None


@pytest.mark.parametrize(("body", "suffix", "reason"), BAD, ids=range(len(BAD)))
def test_an_object_that_cannot_be_right_is_called_by_its_fault(body: bytes, suffix: str, reason: str):
    found = looked_at(body, suffix)
    assert found is not None
    assert reason in found


def test_a_real_database_is_one(tmp_path: Path):
    assert looked_at(a_database(tmp_path), ".db") is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    ).filter(lambda value: isinstance(value, dict | list)),
    st.sampled_from([None, 2]),
)
def test_no_json_document_is_ever_called_damaged(document: object, indent: int | None):
    assert looked_at(json.dumps(document, indent=indent, ensure_ascii=False).encode(), ".json") is None


@given(st.binary(max_size=1_200), st.sampled_from([suffix for _, suffix in GOOD]))
def test_any_bytes_get_an_answer_and_none_is_empty(body: bytes, suffix: str):
    assert looked_at(body, suffix) != ""
