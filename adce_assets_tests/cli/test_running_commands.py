"""The commands that do something: reconcile and collect, through the same assets as the UI."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from filelock import FileLock

from adce_assets.demo.source import Trouble
from adce_assets.loop.checks import CHECKS, Facts, Verdict

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

Source = Callable[..., str]


def test_reconcile_tells_in_numbers_what_it_found(installation: "Installation"):
    told = installation.json("reconcile")
    assert told["schema"] == 1
    assert told["inventory"]["mode"] == "list"
    assert told["gaps"] == {"total": 4, "keys": 4, "by_priority": {"critical": 2, "high": 1, "medium": 1, "low": 0}}
    assert (told["tasks"]["total"], told["tasks"]["keys_left_out"]) == (3, 1)


def test_reconcile_exits_with_two_when_gaps_are_asked_for_and_there(installation: "Installation"):
    assert installation.adce("reconcile", "--exit-code").exit_code == 2


def test_reconcile_exits_with_zero_when_there_are_no_gaps(gaps_known: "Installation", source: Source):
    gaps_known.adce("collect", ADCE_HOST_ESPN_SITE=source())
    (gaps_known.lake / "hoopr" / "players_2024.csv").write_bytes(b"name,points\n" * 20)
    assert gaps_known.adce("reconcile", "--exit-code").exit_code == 0


def test_dagsters_own_log_stays_off_the_terminal(installation: "Installation"):
    result = installation.adce("reconcile")
    assert result.exit_code == 0
    assert "dagster" not in (result.stdout + result.stderr).lower()


def test_a_report_that_is_not_there_is_an_error_with_a_way_out(installation: "Installation"):
    result = installation.adce("reconcile", "--mode", "aws")
    assert result.exit_code == 1
    assert "hint: " in result.stderr
    assert "--mode list" in result.stderr


def test_a_sample_ends_with_the_error_that_no_gap_is_made_from_it(installation: "Installation"):
    result = installation.adce("reconcile", "--mode", "sample", "--exit-code")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "this is a sample: no gap can be made from it" in result.stderr
    assert installation.state_of("cache/inventory_sample.json")["total"]["objects"]["value"] > 0
    assert not (installation.home / "inventory" / "gaps.json").exists()


def test_a_reconciliation_is_a_run_of_the_job_that_the_ui_shows(installation: "Installation", tmp_path: Path):
    (tmp_path / "dagster").mkdir()
    result = installation.adce("reconcile", DAGSTER_HOME=str(tmp_path / "dagster"))
    assert result.exit_code == 0, result.stderr
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        runs = instance.get_runs()
        assert [(run.job_name, run.status.value) for run in runs] == [("reconciliation_job", "SUCCESS")]
        assert instance.get_latest_materialization_event(dg.AssetKey("task_queue")) is not None


def test_a_second_reconciliation_waits_for_the_first_and_says_so(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
):
    (installation.home / ".adce").mkdir()
    first = FileLock(installation.home / ".adce" / "reconcile.lock")
    first.acquire()
    said: list[str] = []

    def end_the_first(message: str) -> None:
        said.append(message)
        assert not (installation.home / "inventory" / "gaps.json").exists()
        first.release()

    monkeypatch.setattr("adce_assets.cli.alone.talk", end_the_first)
    result = installation.adce("reconcile", "--json")
    assert result.exit_code == 0, result.stderr
    assert said == ["another reconciliation of this installation is running; waiting for its end"]


def test_a_home_that_cannot_be_written_is_reconciled_all_the_same(installation: "Installation"):
    (installation.home / ".adce").write_text("a file where the folder would be")
    result = installation.adce("reconcile")
    assert result.exit_code == 0, result.stderr
    assert "cannot keep other reconciliations out" in result.stderr


def test_after_a_reconciliation_nothing_is_locked(installation: "Installation"):
    installation.adce("reconcile", ADCE_LAKE="file:///not/there")
    with FileLock(installation.home / ".adce" / "reconcile.lock", timeout=0):
        pass


def test_a_stand_in_for_a_host_that_is_not_there_is_an_error_with_the_known_ones(gaps_known: "Installation"):
    result = gaps_known.adce("collect", ADCE_HOST_ESPN_SIGHT="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no host is named `espn_sight`" in result.stderr
    assert "espn_site" in result.stderr


def test_a_dry_run_shows_the_runs_and_collects_nothing(reconciled: "Installation"):
    told = reconciled.json("collect", "--dry-run")
    assert told["schema"] == 1
    assert [(batch["priority"], batch["season"], batch["keys"]) for batch in told["batches"]] == [
        ("critical", "2024-25", 2),
        ("medium", "2023-24", 1),
    ]
    assert not (reconciled.lake / "_adce").exists()


def test_collect_closes_the_gaps_and_says_so(gaps_known: "Installation", source: Source):
    told = gaps_known.json("collect", ADCE_HOST_ESPN_SITE=source())
    assert (told["totals"]["asked"], told["totals"]["collected"], told["totals"]["failed"]) == (3, 3, 0)
    assert {name: row["collected"] for name, row in told["by_priority"].items()} == {"critical": 2, "medium": 1}
    assert told["by_scraper"]["espn_summary"]["collected"] == told["by_source"]["espn"]["collected"] == 3
    assert told["reconciled"]["gaps"]["total"] == 1


def test_collect_reconciles_only_if_it_is_let(gaps_known: "Installation", source: Source):
    before = gaps_known.state_of("gaps.json")
    told = gaps_known.json("collect", "--no-reconcile", ADCE_HOST_ESPN_SITE=source())
    assert told["reconciled"] is None
    assert gaps_known.state_of("gaps.json") == before


@pytest.mark.parametrize(
    ("chosen", "collected"),
    [(["--priority", "medium"], 1), (["--season", "2024-25"], 2), (["--limit", "1"], 1), (["--source", "hoopr"], 0)],
)
def test_collect_takes_only_what_was_chosen(
    gaps_known: "Installation", source: Source, chosen: list[str], collected: int
):
    told = gaps_known.json("collect", "--no-reconcile", *chosen, ADCE_HOST_ESPN_SITE=source())
    assert told["totals"]["collected"] == collected


def test_several_runs_at_once_collect_the_same(gaps_known: "Installation", source: Source, tmp_path: Path):
    (tmp_path / "dagster").mkdir()
    told = gaps_known.json(
        "collect", "--max-concurrent", "2", ADCE_HOST_ESPN_SITE=source(), DAGSTER_HOME=str(tmp_path / "dagster")
    )
    assert (told["totals"]["asked"], told["totals"]["collected"]) == (3, 3)
    assert told["reconciled"]["gaps"]["total"] == 1


def test_a_queue_that_is_made_anew_while_it_is_read_is_no_success(gaps_known: "Installation", source: Source):
    path = gaps_known.home / "inventory" / "gaps.json"
    queue = path.read_text()
    path.unlink()
    path.write_text(queue.replace("task-", "task-0", 1))
    result = gaps_known.adce("collect", "--no-reconcile", ADCE_HOST_ESPN_SITE=source())
    assert result.exit_code == 1
    assert "the queue was made anew meanwhile: 1 of 3 task(s)" in result.stderr
    assert "give the command again" in result.stderr


def test_a_key_that_the_source_refuses_is_named_and_stays_open(gaps_known: "Installation", source: Source):
    url = source(game_401523001=Trouble("not_found"))
    result = gaps_known.adce("collect", ADCE_HOST_ESPN_SITE=url)
    assert result.exit_code == 1
    assert "failed: espn_summary 2023-24 medium" in result.stderr
    assert "not collected: team_stats/401523001.json: answered 404 Not Found" in result.stderr
    found = gaps_known.state_of("cache/detected_gaps.json")["gaps"]
    assert [(gap["data_type"], gap["held_files"]) for gap in found if gap["source"] == "espn"] == [("team_stats", 1)]
    assert gaps_known.state_of("gaps.json")["total_tasks"] == 0


def test_one_refused_key_does_not_spoil_its_run(installation: "Installation", source: Source):
    for folder in ("pbp", "box_scores"):
        (installation.lake / folder / "401524001.json").unlink()
    installation.adce("reconcile")
    result = installation.adce("collect", ADCE_HOST_ESPN_SITE=source(game_401524001=Trouble("not_found")))
    assert result.exit_code == 0
    assert "not collected: pbp/401524001.json: answered 404 Not Found" in result.stderr
    assert (installation.lake / "pbp" / "401524000.json").exists()


def test_with_nothing_to_collect_nothing_is_run(reconciled: "Installation"):
    result = reconciled.adce("collect", "--priority", "low")
    assert result.exit_code == 0
    assert result.stderr.strip() == "nothing to collect"


def test_a_check_that_must_hold_stops_the_reconciliation(installation: "Installation", monkeypatch: pytest.MonkeyPatch):
    def fail(_: Facts) -> Verdict:
        return Verdict(passed=False, description="3 of 4 do not add up")

    failing = tuple(replace(check, judge=fail) if check.name == "states_sum_up" else check for check in CHECKS)
    monkeypatch.setattr("adce_assets.defs.checks.CHECKS", failing)
    result = installation.adce("reconcile")
    assert result.exit_code == 1
    assert "coverage_analysis: 3 of 4 do not add up" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (installation.home / "inventory" / "gaps.json").exists()
