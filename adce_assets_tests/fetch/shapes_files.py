"""Files: CSV plain and packed, Parquet, ZIP, PDF and SQLite."""

import gzip
import io
import sqlite3
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from adce_assets_tests.fetch.poison import Shape, page, shape

HEADER = ("season", "game_id", "home", "points")


def csv_text(n: int, header: Sequence[str] = HEADER, season: str = "2023-24") -> str:
    rows = [f'{season},00223{i:05d},"Boston, MA",{90 + i}' for i in range(n)]
    return "\r\n".join([",".join(header), *rows, ""])


def csv_bodies() -> dict[str, bytes]:
    """CSV that is broken, or not the one that was asked for."""
    good = csv_text(7)
    return {
        "only a header": csv_text(0).encode(),
        "no header": good.partition("\r\n")[2].encode(),
        "another season": csv_text(7, season="2022-23").encode(),
        "two seasons": (good + csv_text(2, season="2022-23").partition("\r\n")[2]).encode(),
        "no season": csv_text(7, season="").encode(),
        "a column is renamed": csv_text(7, ("season", "game_id", "home", "pts")).encode(),
        "a column is gone": csv_text(7, ("season", "game_id", "home", "x")).encode(),
        "a name too few": csv_text(7, HEADER[:3]).encode(),
        "a name too many": csv_text(7, (*HEADER, "more")).encode(),
        "a short row": (good + "2023-24,00223\r\n").encode(),
        "a long row": (good + "2023-24,0022,a,b,c\r\n").encode(),
        "cut in a row": good[:-20].encode(),
        "cut in a quote": good[: good.rindex('"') - 2].encode(),
        "a quote in the wrong place": good.replace('"Boston, MA"', '"Boston" MA,', 1).encode(),
        "semicolons": good.replace(",", ";").encode(),
        "tabs": good.replace(",", "\t").encode(),
        "not UTF-8": good.replace("Boston", "Bost\xe9n").encode("latin-1"),
        "UTF-16": good.encode("utf-16"),
        "a zero byte": good.replace("Boston", "Bos\0on", 1).encode(),
        "a notice after it": (good + "Service unavailable\r\n").encode(),
        "a notice before it": ("Service unavailable\r\n" + good).encode(),
        "HTML after it": good.encode() + page("Error", "timeout"),
        "JSON lines": b'{"season":"2023-24","game_id":"1"}\n' * 9,
        "a value without end": (good + "2023-24,1,2," + "9" * 200_000 + "\r\n").encode(),
        "an empty column": good.replace("Boston, MA", "").encode(),
        "25 rows": csv_text(25).encode(),
    }


DECLARED: dict[str, Any] = {
    "must_have": ["home"],
    "columns": {"*": list(HEADER)},
    "id_path": "season",
    "id_is": "{season}",
    "records": "*",
    "distrust": [25],
    "known": list(HEADER),
}


def csv() -> Shape:
    return shape("csv", {"parses": "csv", **DECLARED}, lambda n: csv_text(n).encode(), csv_bodies())


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


def bomb() -> bytes:
    squeezed = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(squeezed.compress(zeros) for _ in range(100)) + squeezed.flush()


def gz() -> Shape:
    good = packed(csv_text(7).encode())
    special = {f"packed: {name}": packed(body) for name, body in csv_bodies().items()} | {
        "a wrong sum": good[:-8] + bytes(4) + good[-4:],
        "a wrong length": good[:-4] + struct.pack("<I", 9),
        "without its end": good[:-8],
        "a bit is turned": good[:40] + bytes([good[40] ^ 0x10]) + good[41:],
        "a second part is cut": good + good[:-9],
        "rubbish after it": good + b"rubbish",
        "a bomb": bomb(),
        "packed twice": packed(good),
        "nothing packed": packed(b""),
        "a notice packed": packed(page("Access Denied", "no")),
    }
    return shape("gz", {"parses": "gz", **DECLARED}, lambda n: packed(csv_text(n).encode()), special)


def arrow(n: int, season: str = "2023-24") -> pa.Table:
    return pa.table(
        {
            "season": pa.array([season] * n, pa.string()),
            "game_id": [f"00223{i:05d}" for i in range(n)],
            "home": pa.array(["Boston"] * n, pa.string()),
            "points": pa.array([90 + i for i in range(n)], pa.int64()),
        }
    )


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, write_page_checksum=True, **options)
    return out.getvalue()


def turned(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]


def parquet_files() -> Shape:
    good, table = parquet_of(arrow(7)), arrow(7)
    length = int.from_bytes(good[-8:-4], "little")
    special = {
        "no rows": parquet_of(arrow(0)),
        "another season": parquet_of(arrow(7, "2022-23")),
        "two seasons": parquet_of(pa.concat_tables([arrow(3), arrow(4, "2022-23")])),
        "a column is gone": parquet_of(table.drop_columns(["points"])),
        "a column is renamed": parquet_of(table.rename_columns(["season", "game_id", "home", "pts"])),
        "no columns": parquet_of(table.select([])),
        "an empty column": parquet_of(table.set_column(2, "home", pa.nulls(7, pa.string()))),
        "a season of nulls": parquet_of(table.set_column(0, "season", pa.nulls(7, pa.string()))),
        "25 rows": parquet_of(arrow(25)),
        "without its footer": good[:-length] + good[-8:],
        "a wrong length of the footer": good[:-8] + struct.pack("<I", 7) + b"PAR1",
        "a footer longer than the file": good[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
        "a length of nothing": good[:-8] + bytes(4) + b"PAR1",
        "a footer of zeros": good[: -8 - length] + bytes(length) + good[-8:],
        "the magic alone": b"PAR1PAR1",
        "encrypted footer": good[:-4] + b"PARE",
        "rows without data": good[:4] + good[-8 - length :],
        "too many rows for its size": parquet_of(pa.table({"x": pa.nulls(12_000_000)})),
    } | {f"a byte is turned at {place}": turned(good, place) for place in range(20, 60, 5)}
    return shape("parquet", {"parses": "parquet", **DECLARED}, lambda n: parquet_of(arrow(n)), special)


Member = tuple[str | zipfile.ZipInfo, bytes]


def zip_of(*members: Member) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def games(n: int) -> Member:
    return "csv/game.csv", csv_text(n).encode()


TEAMS: Member = ("csv/team.csv", b"id,name\r\n1,Boston\r\n")


def damaged_zip(method: int) -> bytes:
    """Pack one member and spoil the middle of it, not the directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("csv/gamé.csv", bytes(range(256)) * 40)
    whole = bytearray(out.getvalue())
    middle = whole.index(b"PK\1\2") // 2
    whole[middle : middle + 64] = b"\xff" * 64
    return bytes(whole)


def link(name: str) -> Member:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, b"/etc/passwd"


def zips() -> Shape:
    declared = {
        "parses": "zip",
        "must_have": ["csv/team.csv"],
        "columns": {"*game.csv": list(HEADER)},
        "records": "*game.csv",
        "distrust": [25],
    }

    def good(n: int) -> bytes:
        return zip_of(games(n), TEAMS)

    whole = good(7)
    broken = {k: v for k, v in csv_bodies().items() if "season" not in k and k != "an empty column"}
    at = whole.index(b"PK\x01\x02")
    special = {f"a member: {k}": zip_of(("csv/game.csv", v), TEAMS) for k, v in broken.items()} | {
        "no members": zip_of(),
        "the member is gone": zip_of(TEAMS),
        "the other member is gone": zip_of(games(7)),
        "the other member is empty": zip_of(games(7), ("csv/team.csv", b"")),
        "a member that leaves": zip_of(games(7), TEAMS, ("../evil.csv", b"x")),
        "an absolute member": zip_of(games(7), TEAMS, ("/etc/evil", b"x")),
        "a member with backslashes": zip_of(games(7), TEAMS, ("..\\evil", b"x")),
        "a member with a drive": zip_of(games(7), TEAMS, ("C:evil", b"x")),
        "a link": zip_of(games(7), TEAMS, link("csv/link")),
        "a damaged LZMA member": damaged_zip(zipfile.ZIP_LZMA),
        "a damaged bzip2 member": damaged_zip(zipfile.ZIP_BZIP2),
        "a name that is no text": damaged_zip(zipfile.ZIP_STORED).replace("é".encode(), b"\xff\xfe"),
        "a bomb": zip_of(games(7), TEAMS, ("zeros", bytes(100 << 20))),
        "a wrong sum": whole.replace(struct.pack("<I", zlib.crc32(games(7)[1])), bytes(4)),
        "encrypted, it says": whole[: at + 8] + b"\x01" + whole[at + 9 :],
        "an unknown packing": whole[: at + 10] + b"\x63" + whole[at + 11 :],
        "without its directory": whole[:at],
        "a turned bit": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
    }
    return shape("zip", declared, good, special)


def pdf_of(pages: Sequence[Sequence[str]], *, encrypted: bool = False) -> bytes:
    """Write a PDF of pages of lines, by hand."""
    objects: list[bytes] = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for lines in pages:
        shown = b"BT /F1 9 Tf 12 TL 40 780 Td " + b" ".join(f"({line}) Tj T*".encode() for line in lines) + b" ET"
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>>>>>"
            % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    secret = b"/Encrypt<</Filter/Standard/V 1/R 2/O(%s)/U(%s)/P -4>>/ID[<00><00>]" % (b"o" * 32, b"u" * 32)
    trailer = b"<</Size %d/Root 1 0 R%s>>" % (len(objects) + 1, secret if encrypted else b"")
    start = len(out)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        trailer,
        start,
    )


def report(n: int, day: str = "01/15/2024") -> list[list[str]]:
    return [[f"Injury Report: {day}", f"page {i + 1}", "Player Status Reason"] for i in range(n)]


def pdfs() -> Shape:
    declared = {
        "parses": "pdf",
        "must_have": ["Injury Report", "Player Status"],
        "id_path": "text",
        "id_is": "01/15/2024",
        "records": "pages",
        "min_bytes": 300,
    }
    good = pdf_of(report(7))
    start = good.rindex(b"startxref")
    special = {
        "another day": pdf_of(report(7, "01/14/2024")),
        "a longer day": pdf_of(report(7, "101/15/2024")),
        "no day": pdf_of(report(7, "")),
        "no pages": pdf_of([]),
        "empty pages": pdf_of([[]] * 7),
        "another report": pdf_of([["Officials 01/15/2024"]] * 7),
        "a notice as PDF": pdf_of([["Access denied 01/15/2024"]]),
        "a login as PDF": pdf_of([["Please sign in"]]),
        "without headings": pdf_of([["Injury Report 01/15/2024"]] * 7),
        "encrypted": pdf_of(report(7), encrypted=True),
        "xref elsewhere": good[:start] + b"startxref\n5\n%%EOF\n",
        "xref behind the end": good[:start] + b"startxref\n99999999\n%%EOF\n",
        "xref without a number": good[:start] + b"startxref\nabc\n%%EOF\n",
        "no xref": good.replace(b"xref\n0", b"xxxx\n0", 1),
        "no trailer": good.replace(b"trailer", b"xxxxxxx"),
        "no root": good.replace(b"/Root 1 0 R", b"/Toor 1 0 R"),
        "a root that is a font": good.replace(b"/Root 1 0 R", b"/Root 3 0 R"),
        "a root that is not there": good.replace(b"/Root 1 0 R", b"/Root 9999 0 R"),
        "pages in a circle": good.replace(b"/Kids[5 0 R", b"/Kids[2 0 R"),
        "kids that are not there": good.replace(b"/Kids[5 0 R", b"/Kids[99 0 R"),
        "an end without the rest": b"%PDF-1.4\n" + b" " * 400 + b"%%EOF\n",
        "the end in the middle": good[: len(good) // 2] + b"\n%%EOF\n",
        "HTML inside": b"%PDF-1.4\n" + page("Access Denied", "x" * 300) + b"%%EOF\n",
        "fonts of nothing": good.replace(b"Injury", b"Inj\x00ry"),
    }
    return shape("pdf", declared, lambda n: pdf_of(report(n)), special)


def sqlite_of(fill: Callable[[sqlite3.Connection], None], rows: int = 7) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE game (season TEXT, game_id TEXT, home TEXT, points INTEGER)")
            connection.execute("CREATE TABLE team (id TEXT)")
            connection.execute("INSERT INTO team VALUES ('1')")
            connection.executemany(
                "INSERT INTO game VALUES ('2023-24', ?, 'Boston', 99)", [(f"00223{i:05d}",) for i in range(rows)]
            )
            fill(connection)
        connection.close()
        return path.read_bytes()


def running(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def fill(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return fill


WITHOUT_END = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, x, x, x FROM c"


def sqlites() -> Shape:
    declared = {
        "parses": "sqlite",
        "must_have": ["team"],
        "columns": {"game": list(HEADER)},
        "records": "game",
        "distrust": [25],
        "known": [f"game.{name}" for name in HEADER],
    }
    good = sqlite_of(running())
    pages = int.from_bytes(good[28:32], "big")
    size = len(good) // pages
    special = {
        "no rows": sqlite_of(running("DELETE FROM game")),
        "25 rows": sqlite_of(running(), 25),
        "the table is gone": sqlite_of(running("DROP TABLE game")),
        "the other table is gone": sqlite_of(running("DROP TABLE team")),
        "the other table is empty": sqlite_of(running("DELETE FROM team")),
        "the table is renamed": sqlite_of(running("ALTER TABLE game RENAME TO games")),
        "a column is gone": sqlite_of(running("ALTER TABLE game DROP COLUMN points")),
        "a column is renamed": sqlite_of(running("ALTER TABLE game RENAME COLUMN points TO pts")),
        "a view without end": sqlite_of(
            running("DROP TABLE game", f"CREATE VIEW game(season, game_id, home, points) AS {WITHOUT_END}")
        ),
        "a virtual table": sqlite_of(
            running("DROP TABLE game", "CREATE VIRTUAL TABLE game USING fts5(season, game_id, home, points)")
        ),
        "a page is missing": good[:-size],
        "half a page is missing": good[: -size // 2],
        "a page too many": good + bytes(size),
        "only the header": good[:100],
        "a header of zeros": good[:16] + bytes(84) + good[100:],
        "a page size of one": good[:16] + b"\x00\x03" + good[18:],
        "more pages announced": good[:28] + struct.pack(">I", pages + 9) + good[32:],
        "the schema in zeros": good[:100] + bytes(size - 100) + good[size:],
        "the table in zeros": good[:size] + bytes(size) + good[2 * size :],
        "the table in noise": good[:size] + bytes(range(256)) * (size // 256) + good[2 * size :],
        "all but the first page in zeros": good[:size] + bytes(len(good) - size),
        "a statement that is none": good.replace(b"CREATE TABLE game", b"CREATE TABEL game"),
        "two tables of a name": good.replace(b"CREATE TABLE team", b"CREATE TABLE game"),
        "the table in a circle": good[: 2 * size].replace(b"\x0d", b"\x05") + good[2 * size :],
        "an unknown format": good[:18] + b"\x09\x09" + good[20:],
        "a wrong text encoding": good[:56] + b"\xff\xff\xff\xff" + good[60:],
    }
    return shape("sqlite", declared, lambda n: sqlite_of(running(), n), special)


SHAPES = [csv(), gz(), parquet_files(), zips(), pdfs(), sqlites()]
