"""One thing spoiled at one step of a load: the season is not published, and what is wrong is named."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import VerifyError
from adce_assets.verify.evidence import engine
from adce_assets_tests.verify.seeding import Json, Workshop, document, failed, key_of, named
from adce_assets_tests.warehouse.conftest import entity, entry, report

GAME, OTHER = "401700001", "401700002"
ONE = document(1)["boxscore"]["players"][0]["statistics"][0]["athletes"]
FIRST, SECOND = ONE[0]["athlete"]["id"], ONE[1]["athlete"]["id"]
PLAYERS = {
    line["athlete"]["id"] for team in document(1)["boxscore"]["players"] for line in team["statistics"][0]["athletes"]
}
ROW = f"game_id = '{GAME}' AND player_id = '{FIRST}'"
NEXT = f"game_id = '{GAME}' AND player_id = '{SECOND}'"
OBJECT = f"object_key = '{key_of(1)}'"
BOX = "entity = 'player_box'"
HASHES = {"HASH/processed->staged/every row", "HASH/source->final/every row"}
MERGED = {"HASH/staged->final/every row", "HASH/source->final/every row"}


pytestmark = pytest.mark.usefixtures("swift")
LOADED = ("games", "player_box")


STAGED_ROWS = "COUNT/processed->staged/staged = rows of staging, every worker"
SUMS = "COUNT/processed->staged/sums over workers = the run's"
READ = "COUNT/source->read/records/espn"
STAGED = [
    pytest.param(
        [f"DELETE FROM staging_player_box WHERE {OBJECT}"],
        {STAGED_ROWS: {key_of(1)}, **dict.fromkeys(HASHES, PLAYERS)},
        id="a lost batch",
    ),
    pytest.param(
        [f"INSERT INTO staging_player_box SELECT * FROM staging_player_box WHERE {OBJECT}"],
        {STAGED_ROWS: {key_of(1)}, "HASH/processed->staged/every row": PLAYERS},
        id="a doubled batch",
    ),
    pytest.param(
        [
            f"UPDATE staging_player_box SET points = points + 1 WHERE {ROW}",
            f"UPDATE staging_player_box SET points = points - 1 WHERE {NEXT}",
        ],
        {check: {FIRST, SECOND} for check in HASHES},
        id="an amount moved to another row",
    ),
    pytest.param(
        [f"UPDATE staging_player_box SET worker_id = 'parser-9' WHERE {ROW}"],
        {STAGED_ROWS: {key_of(1)}},
        id="another worker's row",
    ),
    pytest.param(
        [f"UPDATE load_objects SET read = read + 1, processed = processed + 1 WHERE {OBJECT} AND {BOX}"],
        {SUMS: {"read", "processed"}, READ: {key_of(1)}},
        id="a worker's miscount",
    ),
    pytest.param(
        [f"DELETE FROM load_objects WHERE {OBJECT} AND {BOX}"],
        {SUMS: {"read", "processed", "staged"}, READ: {key_of(1)}},
        id="a worker's word lost",
    ),
    pytest.param(
        ["UPDATE load_runs SET staged = staged - 1 WHERE entity = 'player_box'"],
        {SUMS: {"staged"}},
        id="the run miscounts",
    ),
]


def keys(told: Json, check: str) -> list[Json]:
    """List the keys of the rows that a check which does not hold names."""
    return [json.loads(row["key"]) for row in failed(told)[check]["rows"]]


def last(told: Json, checks: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Say of some checks which rows they name, each by the last part of its key."""
    return {check: {[*key.values()][-1] for key in keys(told, check)} for check in checks}


@pytest.mark.parametrize(("before", "names"), STAGED)
def test_what_is_spoiled_in_staging_is_not_published(
    workshop: Workshop, before: list[str], names: Mapping[str, set[str]]
):
    workshop.tampering = {"before": before}
    told = workshop.run("player_box")
    assert (told["outcome"], told["published"]) == ("failed", False)
    assert last(told, names) == names


def test_what_one_of_many_workers_lost_is_named_and_nothing_else(workshop: Workshop):
    workshop.tampering = {"before": [f"DELETE FROM staging_player_box WHERE {ROW}"]}
    told = workshop.run("player_box", "run-2", processes=3, writers=2)
    lost: dict[str, set[str]] = {STAGED_ROWS: {key_of(1)}, **{check: {FIRST} for check in HASHES}}
    assert (last(told, lost), told["published"]) == (lost, False)
    workshop.tampering = {}
    again = workshop.run("player_box", "run-3", processes=3, writers=2)
    assert (failed(again), again["published"]) == ({}, True)


SPOILED_ROWS = (
    "points = points + 1",
    "minutes = minutes + 0.01",
    "player_name = player_name || ' '",
    "player_name = lower(player_name)",
    "player_name = ''",
    "player_name = NULL",
    "player_name = replace(player_name, 'a', chr(1072))",
    "starter = NOT starter",
    "rebounds = NULL",
    "points = -points",
    f"game_id = '{OTHER}'",
    "player_id = player_id || 'x'",
)
"""One row each; 1072 is the Cyrillic letter that looks like the Latin one."""


def test_every_row_of_many_that_are_spoiled_each_in_its_way_is_named(workshop: Workshop):
    rows = [(game, line["athlete"]["id"]) for game in (0, 1) for line in players(document(game))[:6]]
    workshop.tampering = {
        "before": [
            f"UPDATE staging_player_box SET {change} WHERE game_id = '40170000{game}' AND player_id = '{player}'"
            for change, (game, player) in zip(SPOILED_ROWS, rows, strict=True)
        ]
    }
    expected = {(f"40170000{game}", player) for game, player in rows}
    expected |= {(OTHER, rows[-2][1]), (GAME, f"{rows[-1][1]}x")}
    told = workshop.run("player_box")
    for check in HASHES:
        assert {(key["game_id"], key["player_id"]) for key in keys(told, check)} == expected
    amounts = {"AMOUNT_TOTAL/source->final/points", "AMOUNT_TOTAL/source->final/rebounds"}
    assert {*amounts, "BUSINESS_RULE/source->final/no_negative_count"} <= failed(told).keys()


THIRD = ONE[2]["athlete"]["id"]
COUNTS = {"COUNT/staged->final/rows/espn", "COUNT/source->final/rows/espn"}
FINAL = [
    pytest.param([f"DELETE FROM player_box WHERE {ROW}"], COUNTS, {FIRST}, id="loses a row"),
    pytest.param([f"INSERT INTO player_box SELECT * FROM player_box WHERE {ROW}"], COUNTS, {FIRST}, id="doubles a row"),
    pytest.param(
        [
            f"INSERT INTO player_box SELECT * REPLACE ('old' AS player_id) FROM player_box WHERE {ROW}",
            f"UPDATE player_box SET assists = assists + 1 WHERE {NEXT}",
            f"UPDATE player_box SET source = 'else' WHERE game_id = '{GAME}' AND player_id = '{THIRD}'",
        ],
        {"AMOUNT_TOTAL/staged->final/assists"},
        {"old", SECOND, THIRD},
        id="leaves one over, takes another's value, and puts one elsewhere",
    ),
]


@pytest.mark.parametrize(("after", "checks", "names"), FINAL)
def test_what_the_merge_spoils_is_undone(workshop: Workshop, after: list[str], checks: set[str], names: set[str]):
    before = workshop.rows("SELECT * FROM player_box ORDER BY ALL")
    workshop.tampering = {"after": after}
    told = workshop.run("player_box")
    assert (told["outcome"], told["published"]) == ("failed", False)
    assert checks <= failed(told).keys()
    assert last(told, dict.fromkeys(MERGED, names)) == dict.fromkeys(MERGED, names)
    assert workshop.rows("SELECT * FROM player_box ORDER BY ALL") == before


def players(told: Json, side: int = 0) -> list[Json]:
    return told["boxscore"]["players"][side]["statistics"][0]["athletes"]


def spoiled_document(spoil: Callable[[Json], Any], number: int = 1) -> bytes:
    told = document(number)
    spoil(told)
    return json.dumps(told).encode()


def test_a_reader_that_skips_one_and_counts_itself_right_is_found(workshop: Workshop):
    workshop.lake.spoiled = {(key_of(1), 2): spoiled_document(lambda told: players(told).pop(0))}
    told = workshop.run("player_box", "run-2")
    assert (told["outcome"], told["published"]) == ("failed", False)
    assert last(told, names := {READ: {key_of(1)}, **{check: {FIRST} for check in HASHES}}) == names


def test_readers_that_read_twice_or_nothing_or_something_else_are_found(workshop: Workshop):
    workshop.lake.spoiled = {
        (key_of(0), 2): spoiled_document(lambda told: players(told).append(players(told)[0]), 0),
        (key_of(1), 2): spoiled_document(lambda told: players(told)[0]["stats"].__setitem__(1, "99")),
        (key_of(2), 2): spoiled_document(dict.clear, 2),
    }
    told = workshop.run("player_box", "run-2")
    count, rows = (failed(told)[name] for name in ("COUNT/source->read/records/espn", "HASH/source->final/every row"))
    assert [json.loads(row["key"])["OBJECT_KEY"] for row in count["rows"]] == [key_of(0), key_of(2)]
    assert {"points", None} == {row["column"] for row in rows["rows"]}
    assert FIRST in named(told)
    assert not told["published"]


def score(told: Json, side: int) -> Json:
    return told["header"]["competitions"][0]["competitors"][side]


def contradict_lines(told: Json) -> None:
    """More points than the score, more minutes than the game, more goals than tries."""
    players(told, 1)[0]["stats"][1] = "99"
    players(told)[0]["stats"][0] = "50"
    players(told)[1]["stats"][2] = "9-8"


SOURCE = [
    pytest.param(
        "games",
        lambda told: score(told, 0)["linescores"][0].update(displayValue="1"),
        {"home_quarters_sum_to_the_score"},
        id="quarters",
    ),
    pytest.param(
        "player_box",
        contradict_lines,
        {"home_points_sum_to_the_score", "minutes_within_the_game", "no_more_goals_made_than_tried"},
        id="lines",
    ),
    pytest.param(
        "play_by_play",
        lambda told: told["plays"][-1].update(homeScore=1),
        {"last_home_score_is_final"},
        id="the last score",
    ),
]


@pytest.mark.parametrize(("name", "spoil", "rules"), SOURCE)
def test_a_document_that_contradicts_itself_is_not_published(
    workshop: Workshop, name: str, spoil: Callable[[Json], Any], rules: set[str]
):
    workshop.store.put(key_of(1), spoiled_document(spoil))
    told = workshop.run(name, "run-2")
    assert set(failed(told)) == {f"BUSINESS_RULE/source->final/{rule}" for rule in rules}
    assert GAME in named(told)
    assert not told["published"]


def test_four_starters_are_a_warning_with_which_the_season_is_published(workshop: Workshop):
    workshop.store.put(key_of(1), spoiled_document(lambda told: players(told)[0].update(starter=False)))
    told = workshop.run("player_box", "run-2")
    assert set(failed(told)) == {"BUSINESS_RULE/source->final/five_starters_a_side"}
    assert (told["outcome"], told["published"]) == ("reconciled", True)


def test_a_document_that_cannot_be_read_is_named(workshop: Workshop):
    workshop.store.put(key_of(1), b'{"header": ')
    told = workshop.run("player_box", "run-2")
    assert not told["published"]
    assert key_of(1) in named(told)


def test_an_amount_too_large_for_its_total_is_no_agreement_and_totals_are_exact(tmp_path: Path):
    cargo = entity(checks={"amounts": {"tons": 0}})
    workshop = Workshop(tmp_path, entities={"cargo": cargo})
    sums = [f"{10**25}.{digits}" for digits in ("125", "250")]
    workshop.store.put("box_scores/a", report("Anna", *(entry(f"item-{tons}", tons=tons) for tons in sums)))
    told = workshop.run("cargo", keys=lambda: {"harbour": workshop.keys})
    (total,) = [one for one in told["checks"] if one["id"] == "AMOUNT_TOTAL/source->final/tons"]
    assert (told["published"], total["expected"]) == (True, f"{2 * 10**25}.375")
    workshop.store.put("box_scores/b", report("Berta", entry("tea", tons=f"{10**30}")))
    told = workshop.run("cargo", "run-2", keys=lambda: {"harbour": workshop.keys})
    assert "1 value(s) are no number that can be summed" in failed(told)["AMOUNT_TOTAL/source->final/tons"]["message"]
    assert not told["published"]


def renamed(told: Json) -> None:
    kind = told["header"]["competitions"][0]["status"]["type"]
    kind["done"] = kind.pop("completed")


@pytest.mark.parametrize(
    "spoil",
    [
        renamed,
        lambda told: told["header"]["competitions"][0]["status"]["type"].update(completed="true"),
        lambda told: told["header"]["competitions"][0]["status"]["type"].update(completed=False),
    ],
    ids=["renamed", "written another way", "not set"],
)
def test_a_source_that_drifts_in_what_tells_that_a_game_is_over_empties_no_season(
    workshop: Workshop, spoil: Callable[[Json], None]
):
    for number in range(workshop.games):
        workshop.store.put(key_of(number), spoiled_document(spoil, number))
    for name in ("games", "player_box", "play_by_play"):
        told = workshop.run(name, "run-2")
        assert (told["published"], told["outcome"]) == (False, "failed")
    assert workshop.rows("SELECT last_run_id, count(*) FROM games GROUP BY 1") == [("run-1", 3)]


def test_what_the_checks_cannot_reckon_is_told_as_any_other_fault(tmp_path: Path):
    with pytest.raises(VerifyError, match="cannot be held against each other"), engine(tmp_path) as opened:
        opened.execute("SELECT sum(n) FROM (VALUES (9e37::DECIMAL(38, 0)), (9e37::DECIMAL(38, 0))) AS t(n)").fetchall()
