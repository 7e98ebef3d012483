"""Rules as people write them, over a few rows of which some are wrong."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from pydantic import TypeAdapter, ValidationError

from adce_assets.errors import VerifyError
from adce_assets.verify.checks import Cell, Check, Severity
from adce_assets.verify.rules import ALONE, DOUBLED, EMPTY, Asked, judge, resolved
from adce_assets.warehouse.rules_config import Agree, Checks, Rule, misfits

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
BOX = Asked("box", ("game", "player"), ["espn"])
GAMES = Asked("games", ("game",), ["espn", "nba"])


@pytest.fixture
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute("""
            CREATE TABLE final_box AS FROM (VALUES
                ('espn', 'g1', 'p1', 'home', TRUE, 20, 30.5, NULL::TIMESTAMPTZ),
                ('espn', 'g1', 'p2', 'home', TRUE, 15, 17.5, NULL),
                ('espn', 'g1', 'p3', 'away', TRUE, 31, 48, NULL), ('espn', 'g2', 'p1', 'home', TRUE, 7, 12, NULL),
                ('espn', 'g2', 'p3', 'away', FALSE, 9, 12, NULL)
            ) AS t(SOURCE, game, player, side, starter, points, minutes, WRITTEN_AT)
        """)
        opened.execute("CREATE VIEW checked_box AS SELECT * FROM final_box")
        opened.execute("""
            CREATE TABLE final_games AS FROM (VALUES
                ('espn', 'g1', DATE '2025-01-14', 35, 31, 4, 20, 15, NULL::INTEGER, NULL::TIMESTAMPTZ),
                ('espn', 'g2', DATE '2025-01-15', 7, 9, 4, 3, 4, NULL, NULL),
                ('nba', '0021', DATE '2025-01-14', 35, 31, 4, NULL, NULL, NULL, NULL)
            ) AS t(SOURCE, game, day, home, away, periods, q1, q2, ot, WRITTEN_AT)
        """)
        opened.execute("CREATE VIEW checked_games AS SELECT * FROM final_games")
        yield opened


def rule(**told: Any) -> Rule:
    return TypeAdapter(Rule).validate_python({"name": "it", **told})


def asked(tables: duckdb.DuckDBPyConnection, of: Asked, told: Rule) -> Check:
    return judge(tables, Cell(of.entity, "2024-25", NOW), of, told)


def named(check: Check) -> list[dict[str, Any]]:
    return [json.loads(row.key) for row in check.rows]


HOME = {"entity": "games", "column": "home", "match": {"game": "game"}}
SUMS = rule(rule="sums_to", of="points", by=["game"], where={"side": "home"}, equals=HOME)
LENGTH = {"entity": "games", "column": "periods", "match": {"game": "game"}, "values": {"4": 48, "5": 53}}
RULES: Mapping[str, tuple[Asked, Rule]] = {
    "not_negative": (BOX, rule(rule="not_negative", columns=["points", "minutes"])),
    "within": (BOX, rule(rule="within", columns=["minutes"], least=0, most_of=LENGTH)),
    "sums_to": (BOX, SUMS),
    "last_equals": (
        BOX,
        rule(rule="last_equals", of="points", by=["game"], order=["player"], equals={**HOME, "column": "away"}),
    ),
    "count_of": (BOX, rule(rule="count_of", by=["game", "side"], where={"side": "home"}, equals=0)),
    "parts_sum": (GAMES, rule(rule="parts_sum", columns=["q1", "q2", "ot"], equals="home")),
    "agree": (GAMES, rule(rule="agree", by=["day"], columns=["home", "away"], trust=["nba", "espn"])),
}


@pytest.mark.parametrize("kind", [kind for kind in RULES if kind != "count_of"])
def test_sound_rows_hold(tables: duckdb.DuckDBPyConnection, kind: str):
    check = asked(tables, *RULES[kind])
    assert check.passed, check
    assert not check.actual.startswith("0 of"), "nothing was asked"


@pytest.mark.parametrize(
    ("kind", "change", "key", "expected", "actual"),
    [
        (
            "not_negative",
            "final_box SET points = -1 WHERE game = 'g1' AND player = 'p2'",
            {"game": "g1", "player": "p2"},
            ">= 0",
            "-1",
        ),
        (
            "within",
            "final_box SET minutes = 48.5 WHERE player = 'p3' AND game = 'g1'",
            {"game": "g1", "player": "p3"},
            ">= 0 and <= 48",
            "48.5",
        ),
        (
            "within",
            "final_games SET periods = 9 WHERE game = 'g2'",
            {"game": "g2", "player": "p1"},
            ">= 0 and <= games.periods, which",
            "12",
        ),
        ("sums_to", "final_box SET points = points + 1 WHERE game = 'g2' AND player = 'p1'", {"game": "g2"}, "7", "8"),
        ("sums_to", "final_box SET side = 'away' WHERE game = 'g2'", {"game": "g2"}, "7", None),
        ("sums_to", "final_games SET game = 'g3' WHERE game = 'g2'", {"game": "g2"}, None, "7"),
        ("sums_to", "final_box SET points = NULL WHERE game = 'g2'", {"game": "g2"}, "7", None),
        ("last_equals", "final_box SET points = 30 WHERE game = 'g1' AND player = 'p3'", {"game": "g1"}, "31", "30"),
        ("parts_sum", "final_games SET ot = 1 WHERE game = 'g1'", {"game": "g1"}, "35", "36"),
        ("parts_sum", "final_games SET home = NULL WHERE game = 'g1'", {"game": "g1"}, None, "35"),
        (
            "agree",
            "final_games SET home = 36 WHERE SOURCE = 'espn' AND game = 'g1'",
            {"day": "2025-01-14"},
            "35",
            "nba 35, espn 36",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(
    tables: duckdb.DuckDBPyConnection,
    kind: str,
    change: str,
    key: dict[str, str],
    expected: str | None,
    actual: str | None,
):
    tables.execute(f"UPDATE {change}")
    check = asked(tables, *RULES[kind])
    assert not check.passed
    rows = {row.key: row for row in check.rows}
    (row,) = [row for text, row in rows.items() if key.items() <= json.loads(text).items()]
    assert (row.actual) == actual
    assert expected is None or (row.expected or "").startswith(expected)


def test_groups_with_too_many_or_too_few_are_counted(tables: duckdb.DuckDBPyConnection):
    check = asked(tables, BOX, rule(rule="count_of", by=["game", "side"], where={"starter": True}, equals=1))
    assert named(check) == [
        {"SOURCE": "espn", "game": "g1", "side": "home"},
        {"SOURCE": "espn", "game": "g2", "side": "away"},
    ]
    assert [row.actual for row in check.rows] == ["2", "0"]


@pytest.mark.parametrize(("every", "wrong"), [(True, 2), (["espn"], 1), (["nba"], 1), ([], 0), (False, 0)])
def test_only_of_sources_that_tell_both_does_each_need_the_other(
    tables: duckdb.DuckDBPyConnection, every: Any, wrong: int
):
    tables.execute("""
        INSERT INTO final_games (SOURCE, game, home) VALUES ('nba', '0022', 9);
        INSERT INTO final_box (SOURCE, game, side, points) VALUES ('espn', 'g3', 'home', 9), ('nba', '0021', 'home', 35)
    """)
    told = rule(rule="sums_to", of="points", by=["game"], where={"side": "home"}, equals=HOME, every=every)
    check = asked(tables, Asked("box", ("game", "player"), ["espn", "nba"]), told)
    assert check.offenders == wrong
    assert {game["game"] for game in named(check)} <= {"g3", "0022"}
    assert sum(check.unasked.values()) == 2 - wrong


def test_a_value_that_is_no_number_is_wrong(tables: duckdb.DuckDBPyConnection):
    tables.execute("ALTER TABLE final_box ALTER minutes TYPE DOUBLE USING CAST(minutes AS DOUBLE)")
    tables.execute("UPDATE final_box SET minutes = 'nan' WHERE game = 'g1' AND player = 'p1'")
    for kind in ("not_negative", "within"):
        assert [row.actual for row in asked(tables, *RULES[kind]).rows] == ["nan"]


def test_a_difference_within_the_tolerance_holds_and_beyond_it_does_not(tables: duckdb.DuckDBPyConnection):
    tables.execute("UPDATE final_box SET points = points + 1 WHERE game = 'g2' AND player = 'p1'")
    near = SUMS.model_copy(update={"tolerance": Decimal(1)})
    assert asked(tables, BOX, near).passed
    assert not asked(tables, BOX, near.model_copy(update={"tolerance": Decimal("0.999999999999")})).passed


def test_totals_are_exact_where_binary_numbers_are_not(tables: duckdb.DuckDBPyConnection):
    tables.execute(
        "CREATE TABLE checked_tenths AS SELECT 'espn' AS SOURCE, 'k' AS k, 0.1::DOUBLE AS a, 0.2::DOUBLE AS b, "
        "0.3::DOUBLE AS c, NULL AS WRITTEN_AT"
    )
    assert asked(
        tables, Asked("tenths", ("k",), ["espn"]), rule(rule="parts_sum", columns=["a", "b"], equals="c")
    ).passed


def test_a_rule_that_cannot_be_asked_is_an_error_with_its_name(tables: duckdb.DuckDBPyConnection):
    with pytest.raises(VerifyError, match="the rule `it` cannot be asked"):
        asked(tables, BOX, rule(rule="not_negative", columns=["points"], where={"side": 1}))


def test_rows_without_any_part_are_counted_and_a_rule_without_rows_is_not_asked(tables: duckdb.DuckDBPyConnection):
    check = asked(tables, *RULES["parts_sum"])
    assert (check.passed, check.unasked, check.asked) == (True, {EMPTY: 1}, True)
    tables.execute("DELETE FROM final_games WHERE SOURCE = 'nba'")
    alone = asked(tables, *RULES["agree"])
    assert (alone.passed, alone.actual, alone.asked) == (True, "0 of 0", False)


def test_a_column_may_be_called_as_something_in_a_question_is(tables: duckdb.DuckDBPyConnection):
    names = ("told", "said", "apart", "words", "total", "many", "once", "times", "sources")
    tables.execute(
        f"CREATE TABLE checked_odd AS SELECT *, {', '.join(f'1 AS {name}' for name in names)} FROM final_games"
    )
    odd = Asked("odd", ("game",), ["espn", "nba"])
    for name in names:
        other = {"entity": "odd", "column": "home", "match": {"game": "game", name: name}}
        agree = Agree(rule="agree", name="it", by=("day", name), columns=("home",), trust=("nba", "espn"))
        assert asked(tables, odd, agree).passed
        assert asked(tables, odd, rule(rule="sums_to", of="home", by=["game", name], equals=other)).passed
        assert asked(tables, odd, rule(rule="count_of", by=["game", name], equals=1)).passed
        assert resolved(tables, odd, agree)


def test_a_warning_does_not_stop_a_season(tables: duckdb.DuckDBPyConnection):
    check = asked(tables, BOX, rule(rule="within", columns=["points"], most=1, severity="warning"))
    assert (check.passed, check.severity, check.stops) == (False, Severity.WARNING, False)


def test_all_that_is_wrong_is_counted_and_only_the_worst_is_named(tables: duckdb.DuckDBPyConnection):
    tables.execute(
        "INSERT INTO final_box SELECT 'espn', 'g9', 'p' || i, 'home', TRUE, -i, 1, NULL FROM range(1, 1000) AS t(i)"
    )
    check = asked(tables, BOX, rule(rule="not_negative", columns=["points"]))
    assert (check.offenders, len(check.rows), check.rows[0].actual) == (999, 20, "-999")


def test_a_name_with_quotes_stays_a_value(tables: duckdb.DuckDBPyConnection):
    odd = "'; DROP TABLE final_box; --"
    assert asked(tables, BOX, rule(rule="count_of", by=["game"], where={"side": odd}, equals=0)).passed
    assert tables.execute("SELECT count(*) FROM final_box").fetchall() == [(5,)]


def test_what_sources_cannot_be_compared_on_is_counted(tables: duckdb.DuckDBPyConnection):
    alone = asked(tables, *RULES["agree"])
    assert (alone.actual, alone.unasked) == ("2 of 2", {ALONE: 1, DOUBLED: 0})
    assert alone.message == "agree: holds for all 2; 1 told by one source alone"
    tables.execute(
        "INSERT INTO final_games SELECT * REPLACE ('0022' AS game, 99 AS home) FROM final_games WHERE q1 IS NULL"
    )
    twice = asked(tables, *RULES["agree"])
    assert (twice.actual, twice.unasked, twice.passed) == ("0 of 0", {ALONE: 1, DOUBLED: 1}, False)


def test_what_is_resolved_is_the_word_of_the_most_trusted_source(tables: duckdb.DuckDBPyConnection):
    tables.execute("UPDATE final_games SET home = 36, away = 30 WHERE SOURCE = 'espn' AND game = 'g1'")
    tables.execute("UPDATE final_games SET away = NULL WHERE SOURCE = 'nba'")
    told = RULES["agree"][1]
    assert isinstance(told, Agree)
    first, second = resolved(tables, GAMES, told)
    assert (*first[1:3], *first[3:]) == (35, 30, "nba,espn", False)
    assert second[1:] == (7, 9, "espn", True)


class Named:
    """As much of an entity as its rules are held against."""

    def __init__(self, checks: Checks, columns: Mapping[str, str]) -> None:
        self.checks, self.readings = checks, [type("Reading", (), {"source": "espn"})()]
        self.columns = {name: type("Column", (), {"type": kind})() for name, kind in columns.items()}


def test_names_that_nothing_has_are_found_with_those_there_are():
    checks = Checks.model_validate(
        {
            "amounts": {"pionts": 0, "side": 0},
            "rules": [
                {
                    "rule": "sums_to",
                    "name": "a",
                    "of": "points",
                    "by": ["game"],
                    "every": ["epsn"],
                    "equals": {**HOME, "entity": "gmes"},
                },
                {"rule": "agree", "name": "b", "by": ["game"], "columns": ["points"], "trust": ["nba"]},
                {"rule": "not_negative", "name": "c", "columns": ["points"], "where": {"sied": "home"}},
            ],
        }
    )
    box = Named(checks, {"game": "text", "side": "text", "points": "integer"})
    found = {(misfit.path, misfit.given) for misfit in misfits("box", {"box": box})}
    assert found == {
        (("amounts", "pionts"), "pionts"),
        (("amounts", "side"), "side"),
        (("rules", 0, "equals", "entity"), "gmes"),
        (("rules", 0, "every"), "epsn"),
        (("rules", 1, "trust"), "nba"),
        (("rules", 1, "trust"), "espn"),
        (("rules", 2, "where"), "sied"),
    }


@pytest.mark.parametrize(
    "told",
    [
        {"rule": "within", "columns": ["points"]},
        {"rule": "sums_to", "of": "points", "by": ["side"], "equals": HOME},
        {"rule": "not_negative", "columns": ['points"; --']},
        {"rule": "not_negative", "columns": []},
        {"rule": "not_negative", "columns": ["points"], "tolerance": -1},
        {"rule": "not_negative", "columns": ["points"], "tolerance": float("nan")},
        {"rule": "unheard_of", "columns": ["points"]},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(told: dict[str, Any]):
    with pytest.raises(ValidationError):
        rule(**told)
