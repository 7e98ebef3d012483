"""The same over PostgreSQL: a season on its way in, spoiled, undone, and audited."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import WarehouseError
from adce_assets.verify import audit
from adce_assets.warehouse.database import open_warehouse
from adce_assets_tests.verify.seeding import Workshop, document, in_this_process, key_of, named
from adce_assets_tests.warehouse.conftest import emptied

PLAYER = document(1)["boxscore"]["players"][0]["statistics"][0]["athletes"][0]["athlete"]["id"]
ROW = f"game_id = '401700001' AND player_id = '{PLAYER}'"


@pytest.fixture
def workshop(tmp_path: Path, postgresql: Any) -> Iterator[Workshop]:
    made = Workshop(tmp_path, database=emptied(postgresql.get_uri(), "adce_verify_test"))
    made.write()
    with in_this_process():
        assert made.run("games")["published"]
        yield made


def test_a_season_is_published_and_reported_as_over_duckdb(workshop: Workshop, tmp_path: Path):
    other = Workshop(tmp_path / "other")
    other.write()
    for entity in ("games", "player_box"):
        told, same = workshop.run(entity, "run-2"), other.run(entity, "run-2")
        assert told["published"], told["says"]
        assert told["digest"] == same["digest"]
    with open_warehouse(workshop.url) as warehouse, warehouse.transaction() as connection:
        assert audit.verify(audit.entries(connection), audit.head(connection)) == ()


def test_what_is_spoiled_is_named_and_undone(workshop: Workshop):
    assert workshop.run("player_box")["published"]
    before = workshop.rows("SELECT * FROM player_box ORDER BY game_id, player_id")
    spoiled = {
        "before": (f"UPDATE staging_player_box SET points = points + 1 WHERE {ROW}", PLAYER),
        "after": (f"DELETE FROM player_box WHERE {ROW}", PLAYER),
    }
    for moment, (statement, name) in spoiled.items():
        workshop.tampering = {moment: [statement]}
        told = workshop.run("player_box")
        assert (told["outcome"], told["published"]) == ("failed", False)
        assert name in named(told)
    workshop.tampering = {"before": [f"DELETE FROM staging_player_box WHERE object_key = '{key_of(2)}'"]}
    assert key_of(2) in named(workshop.run("player_box"))
    assert workshop.rows("SELECT * FROM player_box ORDER BY game_id, player_id") == before


def test_the_audit_refuses_that_its_rows_are_changed_or_taken_out_and_looking_writes_nothing(workshop: Workshop):
    for statement in ("UPDATE verify_audit SET state = 'failed'", "DELETE FROM verify_audit", "TRUNCATE verify_audit"):
        with pytest.raises(WarehouseError, match="verify_audit only grows"):
            workshop.change(statement)
    with (
        open_warehouse(workshop.url, read_only=True) as warehouse,
        pytest.raises(WarehouseError, match="read-only transaction"),
        warehouse.transaction() as connection,
    ):
        connection.execute("UPDATE verify_head SET seq = 0")
    assert workshop.run("games", "run-2")["published"]


def test_what_is_resolved_is_the_same(workshop: Workshop):
    rows = workshop.rows("SELECT home_team, sources, agreed, run_id FROM games_resolved ORDER BY home_team")
    assert rows == [(f"H{number}", "espn", True, "run-1") for number in range(3)]
