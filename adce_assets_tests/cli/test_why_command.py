"""`adce why` and `adce canary`, as people call them."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets_tests.cli.conftest import NOW

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

MISSING = "pbp/401524000.json"


def test_why_tells_the_place_in_the_queue_and_every_term_of_its_score(reconciled: "Installation"):
    told = reconciled.json("why", MISSING)
    task = reconciled.json("tasks")["tasks"][told["task"]["position"] - 1]
    assert (told["state"], told["data_set"], told["season"]) == ("planned", "espn/play_by_play", "2024-25")
    assert (told["task"]["id"], told["gap"]["priority"]) == (task["id"], "critical")
    score = told["score"]
    assert score["total"] == task["score"]
    worth = score["source_multiplier"] * sum(score["parts"].values())
    assert score["total"] == pytest.approx(
        score["base"] + worth * score["chance"] / score["cost"] + score["size"] + score["age"], abs=1e-3
    )
    assert [wait["what"] for wait in told["waits"]] == ["daemon"]
    assert [line["event"] for line in told["history"]] == ["detected", "planned"]


def test_why_tells_a_person_in_words(reconciled: "Installation"):
    result = reconciled.adce("why", MISSING)
    assert result.exit_code == 0
    assert "planned: it stands in a task of the queue; missing: due and not in the lake" in result.stderr
    assert "`adce collect` does" in result.stdout
    assert "recency" in result.stdout
    assert "next: nobody knows when" in result.stderr


def test_why_asks_the_instance_that_is_named(reconciled: "Installation", tmp_path_factory: pytest.TempPathFactory):
    home = tmp_path_factory.mktemp("dagster")
    told = reconciled.json("why", MISSING, DAGSTER_HOME=str(home))
    assert [wait["says"] for wait in told["waits"]] == [
        "Dagster's daemon has never run: start it, or run `adce collect`"
    ]


def test_a_key_that_no_task_collects_says_why(reconciled: "Installation"):
    told = reconciled.json("why", "hoopr/players_2024.csv")
    assert [(wait["what"], wait["says"]) for wait in told["waits"]] == [
        ("task", "no task collects it: the contract names no scraper for `hoopr/players`")
    ]
    assert told["task"] is told["score"] is None


@pytest.mark.parametrize(
    ("key", "nearest"), [("pbp/40152400.json", "pbp/40152400"), ("pdp/401524000.json", "`pbp/401524000.json`")]
)
def test_a_key_that_nobody_knows_is_an_error_with_those_that_are_like_it(
    reconciled: "Installation", key: str, nearest: str
):
    result = reconciled.adce("why", key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: nobody knows the key `{key}`")
    assert nearest in result.stderr.partition("did you mean")[2]


def test_a_key_that_the_contract_could_ask_for_and_does_not_is_no_error(reconciled: "Installation"):
    told = reconciled.json("why", "pbp/401524999.json")
    assert (told["state"], told["coverage"]["state"], told["waits"]) == ("untracked", "not expected", [])


def test_a_key_that_plainly_is_there_needs_nothing_unless_it_was_written_since(reconciled: "Installation"):
    key = "box_scores/401524001.json"
    told = reconciled.json("why", key, DAGSTER_HOME="/nowhere")
    assert (told["coverage"]["state"], told["waits"][0]["until"]) == ("unknown", "2024-12-05T12:15:00+00:00")
    before = (NOW - timedelta(days=1)).timestamp()
    os.utime(reconciled.lake / key, (before, before))
    told = reconciled.json("why", key)
    assert (told["says"], told["waits"], told["next_at"]) == ("the lake holds it, as it should be", [], None)


def test_a_canary_that_dies_is_an_error_that_says_how_far_it_came(installation: "Installation"):
    (installation.home / ".adce" / "limits.sqlite").mkdir(parents=True)
    result = installation.adce("canary")
    assert result.exit_code == 1
    assert "was not closed; it came as far as leased: " in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["step", "detected", "planned", "leased"]
