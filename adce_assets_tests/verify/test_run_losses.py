"""What a season loses without any two sides of one run disagreeing: it is held against what was published before."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from adce_assets.errors import ConfigurationError
from adce_assets.verify import rules
from adce_assets.verify.checks import Cell
from adce_assets.verify.evidence import Season, dated_keys
from adce_assets.verify.vanished import LEFT as GONE
from adce_assets.verify.vanished import THERE, compare_published
from adce_assets_tests.verify.seeding import ENTITIES, NOW, SEASON, Json, Workshop, changed, failed
from adce_assets_tests.warehouse.conftest import CARGO, entity

LOST = f"COUNT/source->final/{THERE}"
LEFT = f"COUNT/source->final/{GONE}"
PUBLISHED = "SELECT count(*) FROM games"
CDN = {
    "game": {
        "gameId": "0022400500",
        "gameStatus": 3,
        "gameEt": "2025-01-16T19:30:00-05:00",
        "period": 4,
        **{
            side: {"teamTricode": team, "score": 101, "periods": [{"score": points} for points in (26, 25, 25, 25)]}
            for side, team in (("homeTeam", "XX"), ("awayTeam", "YY"))
        },
    }
}


pytestmark = pytest.mark.usefixtures("swift")
LOADED = ("games",)


def not_over(_: int, told: Json) -> None:
    """All games say that they are not over: by what counts them and by what reads them there is none."""
    told["header"]["competitions"][0]["status"]["type"] = {"completed": False, "name": "STATUS_SCHEDULED"}


def renamed(_: int, told: Json) -> None:
    told["header"]["competitions"][0]["status"]["type"]["completed"] = "true"


def test_rows_whose_documents_are_there_do_not_vanish_unseen(workshop: Workshop):
    workshop.write(not_over)
    told = workshop.run("games", "run-2")
    assert (told["outcome"], told["published"], failed(told).keys()) == ("failed", False, {LOST})
    assert [json.loads(row["key"])["game_id"] for row in failed(told)[LOST]["rows"]] == [
        f"40170000{n}" for n in range(3)
    ]
    assert workshop.rows(PUBLISHED) == [(3,)]


def test_a_field_that_changes_its_type_does_not_empty_a_season(workshop: Workshop):
    workshop.write(renamed)
    told = workshop.run("games", "run-2")
    assert not told["published"]
    assert {LOST, "COUNT/read->processed/no record unreadable"} <= failed(told).keys()
    assert workshop.rows(PUBLISHED) == [(3,)]


def test_so_many_rows_may_vanish_as_the_entity_says_and_the_report_counts_them(workshop: Workshop):
    workshop.entities = changed("games", may_lose_pct=Decimal(34), rules=())
    workshop.write(lambda number, told: not_over(number, told) if number == 1 else None)
    told = workshop.run("games", "run-2")
    assert (told["published"], told["run"]["merged"]) == (True, {"inserted": 0, "updated": 0, "deleted": 1})


def test_a_row_goes_with_its_document_if_the_entity_says_so_and_not_unseen(workshop: Workshop):
    keys = workshop.keys[:2]
    told = workshop.run("games", "run-2", keys=lambda: {"espn": keys})
    assert (told["outcome"], told["published"], failed(told).keys()) == ("failed", False, {LEFT})
    workshop.entities = changed("games", may_lose_pct=Decimal(34))
    told = workshop.run("games", "run-3", keys=lambda: {"espn": keys})
    assert (told["published"], told["run"]["merged"]["deleted"]) == (True, 1)
    (gone,) = failed(told).values()
    assert (gone["id"], gone["severity"], gone["offenders"]) == (LEFT, "warning", 1)
    assert [json.loads(row["key"])["game_id"] for row in gone["rows"]] == ["401700002"]


def test_what_may_vanish_is_a_part_of_each_source_and_never_all_of_a_document():
    of = Season(ENTITIES["games"], SEASON, "it", changed("games", may_lose_pct=Decimal(50)))
    of = replace(of, entity=of.entities["games"])
    columns = "SOURCE, game_id, OBJECT_KEY"
    rows = [("espn", f"e{n}", f"doc{n // 2}") for n in range(6)] + [("nba", "n1", "n1"), ("nba", "n2", "n2")]

    def answers(*gone: str) -> list[Any]:
        with duckdb.connect(":memory:") as opened:
            opened.execute("CREATE TABLE objects (OBJECT_KEY VARCHAR, WRITTEN_AT TIMESTAMPTZ)")
            for table in ("published_games", "final_games"):
                opened.execute(f"CREATE TABLE {table} (SOURCE VARCHAR, game_id VARCHAR, OBJECT_KEY VARCHAR)")
                kept = [row for row in rows if table == "published_games" or row[1] not in gone]
                opened.executemany(f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?)", kept)
            objects = {key for *_, key in rows}
            there, _ = compare_published(opened, Cell("games", SEASON, NOW), of, ["espn", "nba"], objects)
        return [there.passed, there.severity.value]

    assert answers() == [True, "error"]
    assert answers("e0", "e2", "n1") == [False, "warning"]
    assert answers("n1", "n2") == [False, "error"], "all of a source"
    assert answers("e0", "e1") == [False, "error"], "all of a document"


def test_a_row_whose_key_has_a_moment_is_dated_too():
    columns = {**CARGO["columns"], "landed": {"type": "timestamp", "nullable": False}}
    cargo = entity(key=["ship", "landed"], columns=columns, readings=CARGO["readings"][:1])
    key = ("harbour", "Anna", "2025-01-01T09:00:00.000000Z")
    with duckdb.connect(":memory:") as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(
            "CREATE TABLE objects AS SELECT 'a' AS OBJECT_KEY, TIMESTAMPTZ '2025-03-01 12:00Z' AS WRITTEN_AT"
        )
        moment = "TIMESTAMPTZ '2025-01-01 09:00:00+00' AS landed, 'a' AS OBJECT_KEY"
        opened.execute(f"CREATE TABLE staged_cargo AS SELECT 'harbour' AS SOURCE, 'Anna' AS ship, {moment}")
        assert dated_keys(opened, Season(cargo, SEASON, "it", {}), {key}) == {key: NOW}


def test_a_record_that_can_no_longer_be_read_keeps_the_season_as_it_was(workshop: Workshop):
    workshop.write(lambda _, told: told["header"]["competitions"][0]["competitors"][0].update(score="?"))
    told = workshop.run("games", "run-2")
    assert "COUNT/read->processed/no record errored" in failed(told)
    assert not told["published"]
    assert workshop.rows(PUBLISHED) == [(3,)]


def test_a_source_without_objects_keeps_its_rows_and_stops_nobody(workshop: Workshop):
    workshop.store.put("nba/1.json", json.dumps(CDN).encode())
    keys: Callable[[], Any] = lambda: {"espn": workshop.keys, "nba_cdn": ["nba/1.json"]}  # noqa: E731 - short
    assert workshop.run("games", "both", keys=keys)["published"]
    told = workshop.run("games", "one", keys=lambda: {"espn": workshop.keys, "nba_cdn": []})
    assert told["published"], told["says"]
    assert workshop.rows(PUBLISHED) == [(4,)]


def test_an_entity_that_is_ahead_of_another_is_in_flight_and_not_wrong(workshop: Workshop):
    workshop.lake.written_at = NOW - timedelta(minutes=5)
    told = workshop.run("player_box", "box", keys=lambda: {"espn": workshop.keys[:2]})
    assert (told["outcome"], told["run"]["id"]) == ("settling", "box-2")
    assert told["run"]["settles_at"] == "2025-03-01T12:25:00.000000+00:00"


def test_objects_are_listed_when_nobody_else_is_at_the_season(workshop: Workshop):
    held: list[bool] = []

    def keys() -> Any:
        asked = "import sys; from filelock import FileLock; FileLock(sys.argv[1], timeout=0).acquire()"
        lock = f"{workshop.folder / 'warehouse.duckdb'}.lock"
        held.append(
            bool(subprocess.run([sys.executable, "-c", asked, lock], capture_output=True, check=False).returncode)
        )
        return {"espn": workshop.keys}

    assert workshop.run("games", "run-2", keys=keys)["published"]
    assert held == [True]


@pytest.mark.parametrize("season", ["../../x", "a/b", "", "2024-25 "])
def test_a_season_that_is_none_is_refused_before_anything_is_written(
    workshop: Workshop, season: str, monkeypatch: pytest.MonkeyPatch
):
    before = workshop.rows("SELECT count(*) FROM verify_audit")
    monkeypatch.setattr("adce_assets_tests.verify.seeding.SEASON", season)
    with pytest.raises(ConfigurationError, match="is no season"):
        workshop.run("games", "run-2")
    assert workshop.rows("SELECT count(*) FROM verify_audit") == before


def test_a_rule_that_could_ask_nothing_has_not_held(workshop: Workshop):
    workshop.store.put("nba/1.json", json.dumps(CDN).encode())
    told = workshop.run("games", "both", keys=lambda: {"espn": workshop.keys, "nba_cdn": ["nba/1.json"]})
    (idle,) = failed(told).values()
    assert (idle["name"], idle["severity"], told["published"]) == ("sources_agree_on_the_score", "warning", True)
    assert idle["message"] == "agree: asked of nothing, though 4 row(s) are there; 4 told by one source alone"
    assert idle["unasked"] == {rules.ALONE: 4, rules.DOUBLED: 0}
