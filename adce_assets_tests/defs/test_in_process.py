"""The queue, run by the command line: each batch has an outcome of its own, whatever becomes of the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from adce_assets.autonomous import Dispatch
from adce_assets.defs.in_process import Outcome, collect_all
from adce_assets.demo.source import LocalSource, Trouble
from adce_assets.ledger.receipts import RECEIPTS, read_receipts
from adce_assets.loop.dispatch import Pace, cut
from adce_assets.loop.kept_tasks import kept
from adce_assets.loop.state import QUEUE
from adce_assets.progress import current_progress


@pytest.fixture
def asked(small: Any, source: LocalSource, instance: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The installation with the stand-in in ESPN's place, as this process's own, and gaps of two scrapers."""
    small.environment["ADCE_HOST_ESPN_SITE"] = source.url
    for name, value in small.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    small.fill(missing=lambda key: "401501" in key or key == "schedule/20241202.json")
    small.reconcile(instance)
    return small


def collected(small: Any, at_once: int = 1) -> dict[str, Outcome]:
    queue = small.project.state.read_json(QUEUE)
    return {outcome.batch.scraper: outcome for outcome in collect_all(queue, Dispatch(), paces={}, at_once=at_once)}


def fill_a_folder_with_nothing_but_a_file(small: Any) -> None:
    """No document can be written below ``schedule/`` any more."""
    folder = small.lake_folder / "schedule"
    folder.rename(Path(f"{small.lake_folder}-schedule"))
    folder.write_text("in the way")


def mend(small: Any) -> None:
    folder = small.lake_folder / "schedule"
    folder.unlink()
    Path(f"{small.lake_folder}-schedule").rename(folder)


def ask_for_another_key(small: Any) -> None:
    """The contract has changed since the queue was made."""
    path = small.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("schedule/{date_compact}.json", "games/{date_compact}.json"))


def drop_the_data_set(small: Any) -> None:
    path = small.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("scraper: espn_scoreboard", "scraper: none_such"))


@pytest.mark.parametrize("spoil", [fill_a_folder_with_nothing_but_a_file, ask_for_another_key, drop_the_data_set])
def test_a_batch_that_fails_does_not_stop_the_others(asked: Any, spoil: Callable[[Any], None]) -> None:
    spoil(asked)
    outcomes = collected(asked)
    assert outcomes["espn_scoreboard"].error
    assert outcomes["espn_scoreboard"].data_sets == {}
    assert outcomes["espn_summary"].error is None
    assert {told["collected"] for told in outcomes["espn_summary"].data_sets.values()} == {2}


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_batch_that_could_collect_nothing_tells_of_each_data_set_why(
    asked: Any, source: LocalSource, at_once: int
) -> None:
    source._troubles |= dict.fromkeys(("401501000", "401501001"), Trouble("not_found"))
    outcome = collected(asked, at_once)["espn_summary"]
    assert "could collect none" in (outcome.error or "")
    assert {(told["asked"], told["failed"]) for told in outcome.data_sets.values()} == {(2, 2)}
    assert [row["class"] for row in outcome.data_sets["espn/box_scores"]["worst_failures"]] == ["gone", "gone"]


def test_runs_are_no_longer_than_their_scraper_takes(asked: Any) -> None:
    queue = asked.project.state.read_json(QUEUE)
    paces = {"espn_summary": Pace("espn_site", 2)}
    found = [outcome.batch for outcome in collect_all(queue, Dispatch(), paces=paces, at_once=1)]
    assert found == cut(queue, Dispatch().max_tasks_per_batch, {}, paces)


def test_a_batch_that_failed_can_be_run_again_at_once(asked: Any) -> None:
    fill_a_folder_with_nothing_but_a_file(asked)
    assert collected(asked)["espn_scoreboard"].error
    mend(asked)
    assert collected(asked)["espn_scoreboard"].error is None
    assert asked.lake.head("schedule/20241202.json") is not None


def test_an_interruption_ends_everything_and_leaves_receipts_of_what_was_promoted(asked: Any) -> None:
    def interrupt(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
        raise dg.DagsterExecutionInterruptedError

    token = current_progress.set(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            collected(asked)
    finally:
        current_progress.reset(token)
    files = [read_receipts(found.key, asked.lake.get(found.key)) for found in asked.lake.list(RECEIPTS)]
    written = {receipt.key for file in files for receipt in file}
    missing = {key for key, _ in asked._documents() if "401501" in key or key == "schedule/20241202.json"}
    assert {key for key in missing if asked.lake.head(key)} == written != set()


def test_a_batch_that_fails_in_a_process_of_its_own_does_not_stop_the_others(asked: Any) -> None:
    fill_a_folder_with_nothing_but_a_file(asked)
    outcomes = collected(asked, at_once=2)
    assert {scraper: bool(outcome.error) for scraper, outcome in outcomes.items()} == {
        "espn_scoreboard": True,
        "espn_summary": False,
    }


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_reconciliation_meanwhile_takes_no_key_from_the_runs_of_a_command(
    asked: Any, instance: dg.DagsterInstance, at_once: int
) -> None:
    queue = asked.project.state.read_json(QUEUE)
    with kept(asked.project.state, queue) as table:
        for name in ("pbp/401502000", "box_scores/401502000", "team_stats/401502000", "schedule/20241203"):
            asked.lake.delete(f"{name}.json")
        accepting = {"ops": {"lake_inventory": {"config": {"accept_loss": True}}}}
        assert asked.reconcile(instance, run_config=accepting).success
        newer = {task["id"] for task in asked.project.state.read_json(QUEUE)["tasks"]}
        assert {task["id"] for task in queue["tasks"]} - newer
        outcomes = list(collect_all(queue, Dispatch(), paces={}, at_once=at_once, table=table))
    told = [values for outcome in outcomes for values in outcome.data_sets.values()]
    assert sum(values["collected"] for values in told) == sum(outcome.batch.keys for outcome in outcomes) > 0
