import io
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError, VerifyError
from adce_assets.fetch import confined
from adce_assets.fetch.audit import audit
from adce_assets.fetch.requirements import Requirements
from adce_assets_tests.fetch.shapes_files import WITHOUT_END, running, sqlite_of

MIB = 1 << 20
HTML, TABLE, ENDED = b"<!doctype html><html><body>", b"<table><tr><td>", b"</body></html>"


@cache
def gzip_bomb() -> bytes:
    """Pack 100 MB into so little that no more than the spared bytes of it are ever unfolded."""
    squeezed, zeros = zlib.compressobj(9, wbits=31), (b"1," + b"2" * 5_000 + b"\r\n") * 200
    return b"".join(squeezed.compress(zeros) for _ in range(100)) + squeezed.flush()


@cache
def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.csv", "w") as member:
        for _ in range(300):
            member.write(bytes(MIB))
    return out.getvalue()


def overlapping_zip() -> bytes:
    """Let two names of the directory share the bytes of one member, as bombs do that grow with the square."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(15 * MIB))
        for name in map(str, range(40)):
            entry = archive.getinfo("a")
            twin = zipfile.ZipInfo(name)
            for field in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(twin, field, getattr(entry, field))
            archive.filelist.append(twin)
    return out.getvalue()


BOMBS: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "gzip": (gzip_bomb, {"parses": "gz"}),
    "gzip of CSV": (gzip_bomb, {"parses": "gz", "records": "*"}),
    "zip": (zip_bomb, {"parses": "zip"}),
    "zip of CSV": (zip_bomb, {"parses": "zip", "records": "*.csv"}),
    "zip whose members overlap": (overlapping_zip, {"parses": "zip"}),
    "tags without end": (lambda: HTML + b"<p>a" * MIB + ENDED, {"parses": "html"}),
    "tags in tags": (lambda: HTML + b"<div>" * MIB + ENDED, {"parses": "html"}),
    "tables in tables": (
        lambda: HTML + TABLE * 100_000 + b"</table>" * 100_000 + ENDED,
        {"parses": "html", "records": "t"},
    ),
    "a title without end": (
        lambda: HTML + b"<title>" + b"| who sign ins " * 600_000 + b"</title>" + ENDED,
        {"parses": "html", "records": "t"},
    ),
    "comments in numbers": (lambda: HTML + b"<!--<b>-->" * 100_000 + ENDED, {"parses": "html"}),
    "comments without end": (lambda: HTML + b"<!--" * 50_000 + ENDED, {"parses": "html"}),
    "JSON of brackets": (lambda: b"[" + b"[]," * 4 * MIB + b"[]]", {}),
    "JSON in JSON": (lambda: b"[" * MIB + b"]" * MIB, {}),
    "digits": (lambda: b"[" + b"7" * 8 * MIB + b"]", {}),
    "one line of CSV": (lambda: b"a,b\n" + b"x" * 8 * MIB, {"parses": "csv"}),
    "one header": (lambda: b"x," * 3 * MIB + b"\n", {"parses": "csv"}),
    "one value": (lambda: b'a,b\n1,"' + b"x\n" * 3 * MIB, {"parses": "csv"}),
}


@pytest.mark.parametrize(("bomb", "declared"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_stopped_within_two_seconds_of_work(bomb: Callable[[], bytes], declared: dict[str, Any]):
    body = bomb()
    began = time.thread_time()  # other threads of the process are no work of the audit's
    with pytest.raises(VerifyError):
        audit(body, Requirements.model_validate(declared), {})
    assert time.thread_time() - began < 2


def test_a_page_of_ten_thousands_of_attributes_is_parsed_by_a_process_that_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adce_assets.fetch.audit_html.CPU_S", 1)
    body = HTML + b"<p " + b" ".join(b"a%d=1" % n for n in range(120_000)) + b">" + ENDED
    with pytest.raises(OversizedDocumentError, match="too much time"):
        audit(body, Requirements(parses="html"), {})


READERS = {
    "crashes": "import ctypes\ndef survey(path, asked): ctypes.string_at(0)",
    "loops": "def survey(path, asked):\n while True: pass",
    "takes all memory": "def survey(path, asked): return len(bytearray(10**12))",
    "goes": "import os\ndef survey(path, asked): os._exit(0)",
    "talks": "def survey(path, asked): print('{\"read\": 1}')",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("crashes", DamagedDocumentError),
        ("loops", OversizedDocumentError),
        ("takes all memory", OversizedDocumentError),
        ("goes", DamagedDocumentError),
        ("talks", DamagedDocumentError),
    ],
)
def test_a_reader_that_is_overcome_by_its_file_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[VerifyError]
):
    (tmp_path / "overcome.py").write_text(READERS[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(kind):
        confined.read("overcome", b"x", {}, cpu_s=1)


def test_a_reader_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "curious.py").write_text("import os\ndef survey(path, asked): return sorted(os.environ)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("A_SECRET", "hidden")
    assert set(confined.read("curious", b"x", {})) <= {"PYTHONPATH", "ARROW_DEFAULT_MEMORY_POOL", "LC_CTYPE"}


TRAPS = {
    "a view without end": f"CREATE VIEW trap(x) AS {WITHOUT_END.replace('x, x, x, x', 'x')}",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON game BEGIN DELETE FROM team; END",
    "an index over an expression": "CREATE INDEX i ON game(abs(points))",
    "a generated column": "ALTER TABLE team ADD COLUMN g AS (hex(zeroblob(100000000)))",
    "a check that calls": "CREATE TABLE checked (x CHECK (length(hex(zeroblob(1000))) > 1))",
    "a name with quotes": 'CREATE TABLE "a""; DROP TABLE game; --" (x)',
}


@pytest.mark.parametrize("statement", TRAPS.values(), ids=TRAPS.keys())
def test_traps_in_a_database_are_not_stepped_into(statement: str):
    said = verdict(sqlite_of(running(statement)), Requirements(parses="sqlite", records="game"))
    assert said == "7" or "not authorized" in said or "unsafe" in said


def verdict(body: bytes, requirements: Requirements) -> str:
    try:
        return str(audit(body, requirements, {}).records)
    except VerifyError as refused:
        return refused.what


def test_a_database_is_never_written_to(tmp_path: Path):
    path = tmp_path / "it.sqlite"
    path.write_bytes(sqlite_of(running("PRAGMA journal_mode=WAL")))
    before = path.read_bytes()
    assert audit(path, Requirements(parses="sqlite", records="game"), {}).records == 7
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["it.sqlite"]
    assert sqlite3.connect(path).execute("SELECT count(*) FROM game").fetchone() == (7,)


def test_an_address_with_odd_letters_is_opened_as_it_is(tmp_path: Path):
    path = tmp_path / "a?mode=rwc&x=#1.sqlite"
    path.write_bytes(sqlite_of(running()))
    assert audit(path, Requirements(parses="sqlite", records="game"), {}).records == 7
