"""Whole cells from the command line: the partitions that a backfill from the UI has, queue or no queue."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets.demo.source import Trouble
from adce_assets_tests.cli.conftest import NOW

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

Source = Callable[..., str]


@pytest.mark.parametrize(
    ("chosen", "cells"),
    [
        (["--season", "2023-24..2024-25"], [("2024-25", 2), ("2023-24", 1)]),
        (["--season", "..2023-24"], [("2023-24", 1)]),
        (["--season", "1996-97..2003-04"], []),
        (["--season", "2024-25", "--refresh", "all"], [("2024-25", 12)]),
        (["--refresh", "all", "--source", "espn"], [("2024-25", 12), ("2023-24", 12)]),
        (["--only-failed"], []),
    ],
)
def test_a_dry_run_shows_the_cells_and_how_much_is_wanted_of_them(
    reconciled: "Installation", chosen: list[str], cells: list[tuple[str, int]]
):
    told = reconciled.json("collect", "--dry-run", *chosen)
    assert [(batch["season"], batch["keys"]) for batch in told["batches"]] == cells
    assert {batch["priority"] for batch in told["batches"]} <= {"every"}
    assert told["total_tasks"] == 0


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["--only-failed", "--priority", "low"], "--only-failed is about whole cells"),
        (["--refresh", "all", "--limit", "3"], "--refresh is about whole cells"),
        (["--only-failed", "--refresh", "all"], "exclude each other"),
        (["--older-than", "2024-01-01"], "--older-than needs --refresh all"),
        (["--refresh", "all", "--older-than", "soon"], "`soon` is not a time"),
        (["--season", "2003-04..1996-97"], "ends before it begins"),
        (["--season", "1996..2003"], "is not a season"),
    ],
)
def test_what_does_not_go_together_is_refused(reconciled: "Installation", chosen: list[str], said: str):
    result = reconciled.adce("collect", *chosen)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_backfill_closes_what_the_queue_leaves_for_later_and_a_second_one_finds_nothing(
    installation: "Installation", source: Source
):
    rules = installation.home / "config" / "reconciliation_config.yaml"
    rules.write_text(rules.read_text().replace("medium: 400", "medium: 0"))
    installation.adce("reconcile")
    assert "medium" not in {task["priority"] for task in installation.state_of("gaps.json")["tasks"]}
    url = source()
    told = installation.json("collect", "--no-reconcile", "--season", "2023-24..2023-24", ADCE_HOST_ESPN_SITE=url)
    assert (told["totals"]["asked"], told["totals"]["collected"]) == (1, 1)
    again = installation.json("collect", "--no-reconcile", "--season", "2023-24", ADCE_HOST_ESPN_SITE=url)
    assert (again["totals"]["asked"], again["totals"]["left_to_others"]) == (0, 1)


def test_only_what_has_failed_is_tried_again_and_at_once(gaps_known: "Installation", source: Source):
    trouble = Trouble("notice")
    first = gaps_known.adce("collect", "--no-reconcile", ADCE_HOST_ESPN_SITE=source(game_401523001=trouble))
    assert first.exit_code == 1
    waiting = gaps_known.json("collect", "--no-reconcile", "--season", "2023-24")
    assert (waiting["totals"]["asked"], waiting["totals"]["left_to_others"]) == (0, 1)
    told = gaps_known.json("collect", "--no-reconcile", "--only-failed", ADCE_HOST_ESPN_SITE=source())
    assert [(run["season"], run["keys"]) for run in told["runs"]] == [("2023-24", 1)]
    assert (told["totals"]["asked"], told["totals"]["collected"]) == (1, 1)


def test_what_has_failed_is_found_after_any_number_of_reconciliations(gaps_known: "Installation", source: Source):
    gaps_known.adce("collect", "--no-reconcile", ADCE_HOST_ESPN_SITE=source(game_401523001=Trouble("notice")))
    chosen = ("collect", "--no-reconcile", "--only-failed")
    moments = [(NOW + timedelta(hours=hours)).isoformat() for hours in (0, 1, 30)]
    for now in moments:
        for _ in range(2):
            gaps_known.adce("reconcile", ADCE_AS_OF=now)
        assert [batch["keys"] for batch in gaps_known.json(*chosen, "--dry-run", ADCE_AS_OF=now)["batches"]] == [1]
    told = gaps_known.json(*chosen, ADCE_HOST_ESPN_SITE=source(), ADCE_AS_OF=moments[-1])
    assert (told["totals"]["asked"], told["totals"]["collected"]) == (1, 1)


def test_a_refresh_takes_everything_and_goes_on_where_it_was_stopped(gaps_known: "Installation", source: Source):
    url, chosen = source(), ("collect", "--no-reconcile", "--refresh", "all", "--season", "2024-25")
    rest = gaps_known.json(*chosen, "--older-than", "2020-01-01T00:00:00Z", ADCE_HOST_ESPN_SITE=url)
    assert rest["totals"]["collected"] == 2
    told = gaps_known.json(*chosen, ADCE_HOST_ESPN_SITE=url)
    assert told["totals"]["collected"] == 12
