"""A table, its copy, and one defect put into the copy by SQL: each is found, and the rows that it hit are named."""

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

from adce_assets.verify.difference import Difference, compare, digest
from adce_assets.verify.encoding import ColumnType
from adce_assets.verify.relations import of_view

TYPES = {
    "game": ColumnType("integer"),
    "play": ColumnType("integer"),
    "player": ColumnType("text"),
    "note": ColumnType("text"),
    "points": ColumnType("integer"),
    "fouls": ColumnType("integer"),
    "amount": ColumnType("decimal"),
    "wide": ColumnType("decimal"),
    "rating": ColumnType("float"),
    "home": ColumnType("boolean"),
    "day": ColumnType("date"),
    "at": ColumnType("timestamp"),
}
KEY = ("game", "play")
GAMES, PLAYS = range(1, 5), range(1, 11)
BASE = """
    CREATE TABLE original AS SELECT g::BIGINT AS game, p::INTEGER AS play, 'Player ' || p AS player,
        CASE p WHEN 1 THEN '' WHEN 2 THEN NULL ELSE 'note ' || g || '|' || p END AS note,
        (p - 1)::SMALLINT AS points, (p % 6)::SMALLINT AS fouls, (g * 100 + p + 0.25)::DECIMAL(12,2) AS amount,
        CASE p WHEN 1 THEN '007' ELSE '12345678901234567890123456789.' || p || '00000000001' END AS wide,
        CASE p WHEN 1 THEN 0.0 WHEN 2 THEN 'nan'::DOUBLE WHEN 3 THEN 'inf'::DOUBLE WHEN 4 THEN 5e-324
            ELSE g / p END::DOUBLE AS rating,
        p % 2 = 0 AS home, DATE '2024-01-05' + p::INTEGER AS "day",
        TIMESTAMPTZ '2024-01-15 19:30:00.123456+00' + to_minutes(p) AS "at"
    FROM range(1, 5) games(g), range(1, 11) plays(p)"""
ONE = "game = 2 AND play = 7"

Named = set[tuple[str, tuple[str | None, ...], str | None]]


def changed(*columns: str, at: tuple[str, str] = ("2", "7")) -> Named:
    return {("changed", at, column) for column in columns}


def of_game(kind: str, game: int) -> Named:
    return {(kind, (str(game), str(play)), None) for play in PLAYS}


def everything(kind: str) -> Named:
    return {named for game in GAMES for named in of_game(kind, game)}


def put(column: str, value: str, where: str = ONE) -> str:
    return f'UPDATE copied SET "{column}" = {value} WHERE {where}'


def lost(where: str) -> str:
    return f"DELETE FROM copied WHERE {where}"


def again(where: str) -> str:
    return f"INSERT INTO copied FROM original WHERE {where}"


AT_1, AT_2, AT_3, AT_4 = (f"game = 2 AND play = {play}" for play in range(1, 5))
DEFECTS: dict[str, tuple[tuple[str, ...], Named]] = {
    "a row is lost": ((lost(ONE),), {("exclusive_left", ("2", "7"), None)}),
    "a row is made up": (
        (again(ONE), put("play", "99", "rowid = (SELECT max(rowid) FROM copied)")),
        {("exclusive_right", ("2", "99"), None)},
    ),
    "the first batch is lost": ((lost("game = 1"),), of_game("exclusive_left", 1)),
    "the last batch is lost": ((lost("game = 4"),), of_game("exclusive_left", 4)),
    "all is lost": ((lost("true"),), everything("exclusive_left")),
    "a batch is written twice": ((again("game = 3"),), of_game("duplicated", 3)),
    "all is written twice": ((again("true"),), everything("duplicated")),
    "a row is written twice": ((again(ONE),), {("duplicated", ("2", "7"), None)}),
    "a row is written three times": ((again(ONE), again(ONE)), {("duplicated", ("2", "7"), None)}),
    "a pair is written twice": (
        (again("game = 2 AND play IN (7, 8)"),),
        {("duplicated", ("2", "7"), None), ("duplicated", ("2", "8"), None)},
    ),
    "two pairs that cancel out in an exclusive or": (
        (again(ONE), again(ONE), again("game = 3 AND play = 1"), again("game = 3 AND play = 1")),
        {("duplicated", ("2", "7"), None), ("duplicated", ("3", "1"), None)},
    ),
    "a row is overwritten by a copy of its neighbour": (
        (lost(ONE), again("game = 2 AND play = 8")),
        {("exclusive_left", ("2", "7"), None), ("duplicated", ("2", "8"), None)},
    ),
    "one batch is lost and another written twice": (
        (lost("game = 1"), again("game = 2")),
        of_game("exclusive_left", 1) | of_game("duplicated", 2),
    ),
    "a second version of a row stands beside the first": (
        (again(ONE), put("points", "99", "rowid = (SELECT max(rowid) FROM copied)")),
        {("duplicated", ("2", "7"), None)},
    ),
    "a key is off by one": (
        (put("play", "11"),),
        {("exclusive_left", ("2", "7"), None), ("exclusive_right", ("2", "11"), None)},
    ),
    "a key falls on its neighbour's": (
        (put("play", "8"),),
        {("exclusive_left", ("2", "7"), None), ("duplicated", ("2", "8"), None)},
    ),
    "a key is lost": (
        (put("play", "NULL"),),
        {("exclusive_left", ("2", "7"), None), ("exclusive_right", ("2", None), None)},
    ),
    "a batch has another game's number": (
        (put("game", "40", "game = 4"),),
        of_game("exclusive_left", 4) | of_game("exclusive_right", 40),
    ),
    "two rows are swapped": (
        (
            """UPDATE copied SET player = o.player, note = o.note FROM original o WHERE copied.game = 2 AND o.game = 2
            AND least(copied.play, o.play) = 7 AND greatest(copied.play, o.play) = 8""",
        ),
        changed("player", "note") | changed("player", "note", at=("2", "8")),
    ),
    "two columns are swapped in a row": (
        ("UPDATE copied SET points = fouls, fouls = points WHERE game = 2 AND play = 9",),
        changed("points", "fouls", at=("2", "9")),
    ),
    "two columns are swapped everywhere": (
        ("UPDATE copied SET points = fouls, fouls = points",),
        {
            ("changed", (str(game), str(play)), column)
            for game in GAMES
            for play in PLAYS
            for column in ("points", "fouls")
            if play - 1 != play % 6
        },
    ),
    "a value moves to the next column": (
        (put("note", "player || note"), put("player", "''")),
        changed("player", "note"),
    ),
    "one byte": ((put("player", "'Plaxer 7'"),), changed("player")),
    "another case": ((put("player", "'player 7'"),), changed("player")),
    "a space behind": ((put("player", "player || ' '"),), changed("player")),
    "a space before": ((put("player", "' ' || player"),), changed("player")),
    "two spaces for one": ((put("player", "'Player  7'"),), changed("player")),
    "a tab for a space": ((put("player", "'Player' || chr(9) || '7'"),), changed("player")),
    "a hard space": ((put("player", "'Player' || chr(160) || '7'"),), changed("player")),
    "a space of no width": ((put("player", "player || chr(8203)"),), changed("player")),
    "a byte order mark": ((put("player", "chr(65279) || player"),), changed("player")),
    "a line's end": ((put("note", "note || chr(10)"),), changed("note")),
    "a NUL behind": ((put("player", "player || chr(0)"),), changed("player")),
    "a text cut off": ((put("player", "left(player, 7)"),), changed("player")),
    "a text cut off to nothing": ((put("player", "''"),), changed("player")),
    "an accent": ((put("player", "'Plàyer 7'"),), changed("player")),
    "a letter of another alphabet": ((put("player", "'Pl' || chr(1072) || 'yer 7'"),), changed("player")),
    "a ligature": ((put("note", "replace(note, 'n', chr(64257))"),), changed("note")),
    "wide digits": ((put("player", "'Player ' || chr(65303)"),), changed("player")),
    "bytes read as another encoding": ((put("player", "'PlÃ yer 7'"),), changed("player")),
    "empty for NULL": ((put("note", "''", AT_2),), changed("note", at=("2", "2"))),
    "NULL for empty": ((put("note", "NULL", AT_1),), changed("note", at=("2", "1"))),
    "the word NULL for NULL": ((put("note", "'NULL'", AT_2),), changed("note", at=("2", "2"))),
    "what NULL is written as": ((put("note", "'~'", AT_2),), changed("note", at=("2", "2"))),
    "a separator more": ((put("note", "note || '|'"),), changed("note")),
    "a separator escaped": ((put("note", r"replace(note, '|', '\|')"),), changed("note")),
    "what a text is written as": ((put("player", "'8:Player 7'"),), changed("player")),
    "a point more": ((put("points", "points + 1"),), changed("points")),
    "a negative number": ((put("points", "-points"),), changed("points")),
    "NULL for zero": ((put("points", "NULL", AT_1),), changed("points", at=("2", "1"))),
    "zero for a number": ((put("points", "0"),), changed("points")),
    "points moved from one row to another": (
        (put("points", "points - 2"), put("points", "points + 2", "game = 2 AND play = 8")),
        changed("points") | changed("points", at=("2", "8")),
    ),
    "an amount moved within its game": (
        (put("amount", "amount - 0.01"), put("amount", "amount + 0.01", "game = 2 AND play = 9")),
        changed("amount") | changed("amount", at=("2", "9")),
    ),
    "a cent": ((put("amount", "amount + 0.01"),), changed("amount")),
    "an amount rounded": ((put("amount", "round(amount)"),), changed("amount")),
    "an amount ten times as large": ((put("amount", "amount * 10"),), changed("amount")),
    "an amount's sign": ((put("amount", "-amount"),), changed("amount")),
    "a decimal that went through a float": ((put("wide", "wide::DOUBLE::DECIMAL(38,9)::VARCHAR"),), changed("wide")),
    "the fortieth digit": ((put("wide", "left(wide, strlen(wide) - 1) || '2'"),), changed("wide")),
    "a decimal's last digit cut off": ((put("wide", "left(wide, strlen(wide) - 1)"),), changed("wide")),
    "a decimal that is none": ((put("wide", "'n/a'"),), changed("wide")),
    "zero below zero": (  # not by UPDATE, for which it is the same
        (
            f"INSERT INTO copied SELECT * REPLACE ('-0.0'::DOUBLE AS rating) FROM copied WHERE {AT_1}",
            lost(f"{AT_1} AND rowid < 40"),
        ),
        changed("rating", at=("2", "1")),
    ),
    "NaN for a number": ((put("rating", "'nan'"),), changed("rating")),
    "NULL for NaN": ((put("rating", "NULL", AT_2),), changed("rating", at=("2", "2"))),
    "zero for NaN": ((put("rating", "0", AT_2),), changed("rating", at=("2", "2"))),
    "infinite below zero": ((put("rating", "'-inf'", AT_3),), changed("rating", at=("2", "3"))),
    "the largest number for infinite": (
        (put("rating", "1.7976931348623157e308", AT_3),),
        changed("rating", at=("2", "3")),
    ),
    "the smallest number lost": ((put("rating", "0", AT_4),), changed("rating", at=("2", "4"))),
    "a billionth": ((put("rating", "rating + 1e-9"),), changed("rating")),
    "a number's last bit": ((put("rating", "nextafter(rating, 'inf'::DOUBLE)"),), changed("rating")),
    "a double that went through a float": ((put("rating", "rating::FLOAT"),), changed("rating")),
    "the other side": ((put("home", "NOT home"),), changed("home")),
    "NULL for false": ((put("home", "NULL"),), changed("home")),
    "the day before": ((put("day", '"day" - 1'),), changed("day")),
    "day and month swapped": ((put("day", "DATE '2024-12-01'"),), changed("day")),
    "a day lost": ((put("day", "NULL"),), changed("day")),
    "a microsecond": ((put("at", '"at" + INTERVAL 1 MICROSECOND'),), changed("at")),
    "microseconds cut off": ((put("at", "date_trunc('millisecond', \"at\")"),), changed("at")),
    "local time taken for UTC": ((put("at", '"at" - INTERVAL 5 HOUR'),), changed("at")),
    "an hour of summer time, everywhere": (
        (put("at", '"at" + INTERVAL 1 HOUR', "true"),),
        {("changed", (str(game), str(play)), "at") for game in GAMES for play in PLAYS},
    ),
}

SAME = {
    "in another order": ("CREATE OR REPLACE TABLE copied AS FROM original ORDER BY hash(play, game)",),
    "columns in another order": ('CREATE OR REPLACE TABLE copied AS SELECT "at", * EXCLUDE ("at") FROM original',),
    "a column that nobody asked for": ("ALTER TABLE copied ADD COLUMN run_id VARCHAR DEFAULT 'a1'",),
    "wider types": (
        "ALTER TABLE copied ALTER points TYPE BIGINT",
        "ALTER TABLE copied ALTER amount TYPE DECIMAL(38,10)",
        "ALTER TABLE copied ALTER game TYPE VARCHAR",
    ),
    "zeros that say nothing": ("UPDATE copied SET wide = '+0' || wide || CASE WHEN play = 1 THEN '.00' ELSE '0' END",),
    "moments without a zone, in UTC": ('ALTER TABLE copied ALTER "at" TYPE TIMESTAMP',),
    "moments of another zone, as text": (
        """ALTER TABLE copied ALTER "at" TYPE VARCHAR USING
        strftime(make_timestamp(epoch_us("at" - INTERVAL 210 MINUTE)), '%Y-%m-%dT%H:%M:%S.%f-03:30')""",
    ),
    "days as text": ('ALTER TABLE copied ALTER "day" TYPE VARCHAR',),
    "truth as PostgreSQL writes it": (
        "ALTER TABLE copied ALTER home TYPE VARCHAR USING CASE WHEN home THEN 't' ELSE 'f' END",
    ),
    "whole numbers as floats": ("ALTER TABLE copied ALTER points TYPE DOUBLE",),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(BASE)
        yield opened


def difference(connection: duckdb.DuckDBPyConnection, *statements: str, **options: object) -> Difference:
    connection.execute("CREATE OR REPLACE TABLE copied AS FROM original")
    for statement in statements:
        connection.execute(statement)
    left, right = (of_view(connection, name) for name in ("original", "copied"))
    asked = {"types": TYPES, "most_rows": 1_000} | options
    return compare(connection, left, right, key=KEY, **asked)  # pyrefly: ignore[bad-argument-type]


def named(found: Difference) -> Named:
    return {(row.kind, row.key, row.column) for row in found.rows}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_and_its_rows_are_named(connection: duckdb.DuckDBPyConnection, defect: str):
    statements, expected = DEFECTS[defect]

    found = difference(connection, *statements)

    assert named(found) == expected
    assert found.differing == len({key for _, key, _ in expected})
    assert not found.equal
    assert found.left_hash != found.right_hash


def test_at_least_sixty_defects_are_seeded():
    assert len(DEFECTS) >= 60


@pytest.mark.parametrize("change", SAME)
def test_what_is_the_same_by_its_type_is_no_difference(connection: duckdb.DuckDBPyConnection, change: str):
    found = difference(connection, *SAME[change])

    assert (found.equal, found.rows) == (True, ())
    assert found.left_hash == found.right_hash


def test_normal_forms_are_one_text_unless_the_bytes_count(connection: duckdb.DuckDBPyConnection):
    composed = put("player", "'Joki' || chr(263)").replace("copied", "original")
    accents = (composed, put("player", "'Jokic' || chr(769)"))
    bytewise = TYPES | {"player": ColumnType("text", normalized=False)}
    connection.execute("BEGIN")
    try:
        assert difference(connection, *accents).equal
        assert named(difference(connection, *accents, types=bytewise)) == changed("player")
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("column", "by", "tolerance", "within"),
    [
        ("amount", "0.01", "0.01", True),
        ("amount", "0.02", "0.01", False),
        ("points", "-2", "2", True),
        ("points", "3", "2", False),
        ("rating", "1e-9", "0.00000001", True),
        ("rating", "1e-7", "0.00000001", False),
    ],
)
def test_a_number_may_differ_by_its_tolerance_and_no_more(
    connection: duckdb.DuckDBPyConnection, column: str, by: str, tolerance: str, *, within: bool
):
    found = difference(connection, put(column, f"{column} + {by}"), tolerances={column: Decimal(tolerance)})

    assert named(found) == (set() if within else changed(column))
    assert found.left_hash != found.right_hash


@pytest.mark.parametrize(("value", "where"), [("NULL", ONE), ("'nan'", ONE), ("'-inf'", AT_3), ("0", AT_2)])
def test_no_tolerance_makes_a_number_of_what_is_none(connection: duckdb.DuckDBPyConnection, value: str, where: str):
    found = difference(connection, put("rating", value, where), tolerances={"rating": Decimal(10**9)})

    assert found.changed == 1
    assert [row.column for row in found.rows] == ["rating"]


def test_a_tolerance_excuses_no_other_column(connection: duckdb.DuckDBPyConnection):
    found = difference(
        connection,
        put("amount", "amount + 0.01"),
        put("points", "points + 1"),
        tolerances={"amount": Decimal("0.01"), "rating": Decimal("0.5")},
    )

    assert named(found) == changed("points")


def test_a_thousand_equal_sets_in_another_order_raise_no_alarm(connection: duckdb.DuckDBPyConnection):
    types = {"name": ColumnType("text", normalized=False), "amount": ColumnType("decimal")}
    connection.execute("""
        CREATE TABLE ordered AS SELECT number, chr((200 + hash(row, number) % 20)::INTEGER) AS name,
            (hash(row, number, 1) % 100000 / 1000)::DECIMAL(20,4) AS amount
        FROM range(1000) sets(number), range(40) rows(row) WHERE row < number % 41;
        CREATE TABLE reordered AS SELECT amount, name, number FROM ordered ORDER BY number, random();
        CREATE VIEW one AS SELECT * EXCLUDE (number) FROM ordered WHERE number = getvariable('number');
        CREATE VIEW other AS SELECT * EXCLUDE (number) FROM reordered WHERE number = getvariable('number')""")
    one, other = (of_view(connection, name) for name in ("one", "other"))
    rows = alarms = 0
    for number in range(1_000):
        connection.execute(f"SET VARIABLE number = {number}")
        found = compare(connection, one, other, key=("name",), types=types)
        rows, alarms = rows + found.right_rows, alarms + (not found.equal)

    assert rows == sum(number % 41 for number in range(1_000))
    assert alarms == 0
    assert digest(connection, one, types) == digest(connection, other, types)
