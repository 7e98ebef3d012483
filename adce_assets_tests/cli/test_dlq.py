"""Dead letters are listed with their class and evidence, and are tried again when a person says so."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.settings import load_settings

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

AT = datetime(2024, 12, 1, 12, tzinfo=UTC)
DEAD = {"a.json": ("espn", "odds", "refused"), "b.json": ("espn", "boards", "drift"), "c.json": ("nba", "x", "drift")}
FAILED = {"class": "busy", "what": "it said 503", "failures": 5, "url": "https://h/a"}


@pytest.fixture
def letters(installation: "Installation") -> "Installation":
    """An installation with three dead letters."""
    said = []
    for number, (key, (source, data_type, failure)) in enumerate(DEAD.items()):
        at = AT.replace(minute=10 - number)
        for event, detail in (
            (Event.DETECTED, {}),
            (Event.LEASED, {"until": "2024-12-02T12:00:00+00:00"}),
            (Event.FAILED, FAILED | {"class": failure}),
            (Event.DEAD_LETTERED, {"class": failure, "what": f"{failure}\u202e: not\nplain", "failures": 5}),
        ):
            said.append(Transition(key, event, source, data_type, "2024-25", at=at, run="run-1", detail=detail))
    ledger = open_ledger(load_settings(installation.variables).database_url)
    assert not ledger.append(said).refused
    ledger.dispose()
    return installation


def test_dead_letters_are_listed_oldest_first_with_their_class(letters: "Installation") -> None:
    told = letters.json("dlq", "list")
    assert (told["schema"], told["total"]) == (1, 3)
    assert [(row["key"], row["class"], row["failures"]) for row in told["dead_letters"]] == [
        ("c.json", "drift", 5),
        ("b.json", "drift", 5),
        ("a.json", "refused", 5),
    ]
    lines = letters.adce("dlq", "list").stdout.splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--class", "drift"], ["c.json", "b.json"]),
        (["--source", "espn"], ["b.json", "a.json"]),
        (["--source", "espn", "--data-type", "odds"], ["a.json"]),
        (["--season", "2023-24"], []),
    ],
)
def test_dead_letters_can_be_chosen(letters: "Installation", options: list[str], keys: list[str]) -> None:
    assert [row["key"] for row in letters.json("dlq", "list", *options)["dead_letters"]] == keys


def test_a_dead_letter_is_shown_with_all_that_happened_to_it(letters: "Installation") -> None:
    told = letters.json("dlq", "show", "a.json")
    assert [event["event"] for event in told["events"]] == ["detected", "leased", "failed", "dead_lettered"]
    assert told["events"][2]["detail"]["url"] == "https://h/a"
    shown = letters.adce("dlq", "show", "a.json")
    assert "`refused` after 5 failure(s)" in shown.stderr
    assert "it said 503" in shown.stdout


def test_a_replayed_key_is_open_again_and_says_why(letters: "Installation") -> None:
    assert letters.json("dlq", "replay", "a.json", "--note", "mended") == {"schema": 1, "opened": 1, "keys": ["a.json"]}
    ledger = open_ledger(load_settings(letters.variables).database_url)
    last = ledger.entries("a.json")[-1]
    ledger.dispose()
    assert (last.event, last.detail["why"]) == (Event.REOPENED, "mended")
    assert letters.json("dlq", "list")["total"] == 2


@pytest.mark.parametrize(("options", "opened"), [(["--all"], 3), (["--class", "drift"], 2), (["--source", "x"], 0)])
def test_many_are_replayed_at_once(letters: "Installation", options: list[str], opened: int) -> None:
    result = letters.adce("dlq", "replay", *options)
    assert (result.exit_code, result.stderr.split()[0]) == (0, str(opened))
    assert letters.json("dlq", "list")["total"] == 3 - opened


@pytest.mark.parametrize(
    "arguments", [["replay"], ["replay", "a.json", "--all"], ["replay", "a.json", "--source", "x"]]
)
def test_a_replay_that_does_not_say_of_what_is_refused(letters: "Installation", arguments: list[str]) -> None:
    result = letters.adce("dlq", *arguments)
    assert result.exit_code != 0
    assert letters.json("dlq", "list")["total"] == 3


@pytest.mark.parametrize("verb", ["show", "replay"])
def test_a_key_that_is_no_dead_letter_is_refused(letters: "Installation", verb: str) -> None:
    result = letters.adce("dlq", verb, "nothing.json")
    assert result.exit_code == 1
    assert "error: dlq: `nothing.json` is no dead letter: nothing is known of it" in result.stderr
    assert "hint: `adce dlq list`" in result.stderr


def test_without_dead_letters_nothing_is_listed(installation: "Installation") -> None:
    result = installation.adce("dlq", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no such dead letters\n")
    assert json.loads(installation.adce("dlq", "list", "--json").stdout)["dead_letters"] == []
