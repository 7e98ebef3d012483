"""Plan before act: what a plan says is what is collected, unless the world has moved; and what waits for a person."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits
from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.loop.state import TASK_KEYS
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets_tests.cli.conftest import MISSING, NOW, make_installation

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

Source = Callable[..., str]
KEY = "pbp/401524000.json"


def planned(installation: "Installation", *arguments: str, **variables: str) -> dict[str, Any]:
    result = installation.adce("plan", *arguments, "--json", **variables)
    assert result.exit_code in {0, 2}, result.stderr
    return json.loads(result.stdout)


def collected(installation: "Installation") -> set[str]:
    return {key for key in MISSING if (installation.lake / key).exists()}


def configure(installation: "Installation", **limits: float) -> None:
    lines = [f"  {name}: {value}" for name, value in limits.items()]
    (installation.home / "config" / "autonomous_config.yaml").write_text("\n".join(["approvals:", *lines]))


@pytest.fixture
def plan_file(gaps_known: "Installation", tmp_path: Path) -> Path:
    """A plan of all three tasks of an installation that has been reconciled."""
    assert gaps_known.adce("plan", "-o", str(tmp_path / "plan.json")).exit_code == 2
    return tmp_path / "plan.json"


def test_a_plan_says_what_would_be_collected_of_whom_and_what_is_left(reconciled: "Installation"):
    told = planned(reconciled)
    assert [(group["source"], group["priority"], group["collect"], group["left"]) for group in told["groups"]] == [
        ("espn", "critical", 2, 0),
        ("hoopr", "high", 0, 1),
        ("espn", "medium", 1, 0),
    ]
    assert sum(group["requests"] for group in told["groups"]) == 2
    (host,) = told["hosts"]
    assert (host["host"], host["requests"], host["keys"]) == ("espn_site", 2, 3)
    assert told["p90_s"] >= told["p50_s"] > 0
    assert told["left"][0]["reason"] == "the contract names no scraper for `hoopr/players`"


def test_a_plan_asks_nobody_and_changes_nothing(reconciled: "Installation"):
    before = reconciled.state_of("gaps.json")
    result = reconciled.adce("plan")
    assert result.exit_code == 2
    assert "nothing was written" in result.stderr
    assert reconciled.state_of("gaps.json") == before
    assert not (reconciled.lake / "_adce").exists()


def test_a_plan_with_nothing_to_do_exits_with_zero(reconciled: "Installation"):
    result = reconciled.adce("plan", "--source", "hoopr")
    assert result.exit_code == 0
    assert "nothing to do" in result.stderr


def test_a_plan_without_a_reconciliation_is_an_error(installation: "Installation"):
    result = installation.adce("plan")
    assert result.exit_code == 1
    assert "run `adce reconcile`" in result.stderr


@pytest.mark.parametrize(
    ("chosen", "keys"), [(["--priority", "medium"], 1), (["--season", "2024-25"], 2), (["--limit", "1"], 1)]
)
def test_a_plan_is_of_what_was_chosen(reconciled: "Installation", chosen: list[str], keys: int):
    assert sum(task["keys"] for task in planned(reconciled, *chosen)["tasks"]) == keys


def test_what_is_beyond_the_limit_is_left_with_the_reason(reconciled: "Installation"):
    left = planned(reconciled, "--limit", "1")["left"]
    assert [entry["keys"] for entry in left if entry["reason"] == "beyond the limit of this plan"] == [1, 1]


def test_the_same_world_gives_the_same_plan(reconciled: "Installation"):
    assert planned(reconciled) == planned(reconciled)


def test_a_closed_host_delays_the_plan(gaps_known: "Installation"):
    before = planned(gaps_known)["p50_s"]
    catalogue = load_catalogue(gaps_known.home / "config" / "scraper_config.yaml")
    limits = Limits(gaps_known.home / ".adce" / "limits.sqlite")
    host: Host = catalogue.hosts["espn_site"]
    closed_for = timedelta(days=1)
    limits.close_host("espn_site", host, closed_for.total_seconds(), "asked us to")
    limits.dispose()
    told = planned(gaps_known)
    assert told["p50_s"] > before + closed_for.total_seconds()


def test_measured_failures_stand_in_the_plan(gaps_known: "Installation"):
    ledger = open_ledger(f"sqlite:///{gaps_known.home / '.adce' / 'ledger.sqlite'}")
    about = {"source": "espn", "data_type": "play_by_play", "season": "2023-24", "at": NOW, "run": "run-1"}
    steps = [Event.DETECTED, Event.LEASED, Event.FAILED]
    until = {"until": (NOW + timedelta(hours=1)).isoformat(timespec="microseconds")}
    for key in ("pbp/1.json", "pbp/2.json"):
        ledger.append([Transition(key, step, **about, detail=until if step is Event.LEASED else {}) for step in steps])
    ledger.dispose()
    (host,) = planned(gaps_known)["hosts"]
    assert (host["succeeded"], host["failed"]) == (0, 2)


def test_apply_collects_exactly_what_was_planned_and_only_once(
    gaps_known: "Installation", source: Source, tmp_path: Path
):
    gaps_known.adce("plan", "--priority", "critical", "-o", str(tmp_path / "plan.json"))
    url = source()
    told = gaps_known.json("apply", str(tmp_path / "plan.json"), ADCE_HOST_ESPN_SITE=url)
    assert (told["totals"]["asked"], told["totals"]["collected"]) == (2, 2)
    assert told["plan"] | {"digest": ""} == {"digest": "", "keys": 2, "left_away": 0, "asked": 2, "lost": 0}
    assert collected(gaps_known) == set(MISSING[:2])
    assert told["reconciled"]["gaps"]["total"] == 2
    again = gaps_known.adce("apply", str(tmp_path / "plan.json"), ADCE_HOST_ESPN_SITE=url)
    assert again.exit_code == 1
    assert "the world has moved: 2 of 2 keys (100.0%)" in again.stderr
    assert KEY in again.stderr


def test_a_part_of_a_task_is_collected_where_one_of_its_keys_has_moved(
    installation: "Installation", source: Source, tmp_path: Path
):
    for number in range(4):
        (installation.lake / "pbp" / f"40152400{number}.json").unlink(missing_ok=True)
    configure(installation, tolerance=0.5)
    installation.adce("reconcile")
    before = (installation.home / "inventory" / f"{TASK_KEYS}.parquet").read_bytes()
    installation.adce("plan", "--season", "2024-25", "-o", str(tmp_path / "plan.json"))
    good = (installation.lake / "pbp" / "401523001.json").read_bytes()
    (installation.lake / KEY).write_bytes(good)
    installation.adce("reconcile")
    result = installation.adce(
        "apply", str(tmp_path / "plan.json"), "--no-reconcile", "--json", ADCE_HOST_ESPN_SITE=source()
    )
    assert f"left away: 1 closed meanwhile: {KEY}" in result.stderr
    told = json.loads(result.stdout)
    assert told["plan"] | {"digest": ""} == {"digest": "", "keys": 5, "left_away": 1, "asked": 4, "lost": 0}
    assert (installation.lake / KEY).read_bytes() == good
    assert (installation.home / "inventory" / f"{TASK_KEYS}.parquet").read_bytes() != before


def test_another_contract_is_always_refused(gaps_known: "Installation", source: Source, plan_file: Path):
    configure(gaps_known, tolerance=1.0)
    contract = gaps_known.home / "inventory" / "data_inventory.yaml"
    contract.write_text(contract.read_text().replace("games of two seasons", "games"))
    result = gaps_known.adce("apply", str(plan_file), ADCE_HOST_ESPN_SITE=source())
    assert result.exit_code == 1
    assert "the contract has changed since the plan was made" in result.stderr
    assert collected(gaps_known) == set()


def test_another_lake_is_always_refused(gaps_known: "Installation", plan_file: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    result = gaps_known.adce("apply", str(plan_file), ADCE_LAKE=(tmp_path / "other").as_uri())
    assert result.exit_code == 1
    assert "the plan is of another lake" in result.stderr


@pytest.mark.parametrize("body", ["", "{}", '{"schema": 1, "kind": "adce-plan"}', "plan"])
def test_a_file_that_is_no_plan_is_an_error_in_words(reconciled: "Installation", tmp_path: Path, body: str):
    (tmp_path / "plan.json").write_text(body)
    result = reconciled.adce("apply", str(tmp_path / "plan.json"))
    assert result.exit_code == 1
    assert "not a plan that can be believed" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_plan_that_is_not_there_is_an_error_in_words(reconciled: "Installation", tmp_path: Path):
    result = reconciled.adce("apply", str(tmp_path / "none.json"))
    assert result.exit_code == 1
    assert "cannot read the plan: No such file or directory" in result.stderr


def test_a_small_installation_waits_for_nobody(reconciled: "Installation"):
    told = reconciled.json("approve", "list")
    assert (told["pending"], told["decisions"]) == ([], [])


def make_waiting(home: Path) -> "Installation":
    """An installation in which three tasks wait, of which two may be new."""
    made = make_installation(home)
    configure(made, max_new_tasks=2)
    assert made.adce("reconcile").exit_code == 0
    return made


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> "Installation":
    """Lend one of which nobody decides anything."""
    return make_waiting(tmp_path_factory.mktemp("waiting") / "home")


def held_id(installation: "Installation") -> str:
    (pending,) = installation.json("approve", "list")["pending"]
    return pending["id"]


def test_what_waits_is_listed_and_shown_with_its_cells(waiting: "Installation"):
    told = waiting.json("approve", "show", held_id(waiting))["pending"]
    assert (told["why"], told["new_tasks"], told["decision"]) == ("3 new tasks, more than 2", 3, None)
    assert len(told["cells"]) == 1
    assert "adce approve show" in waiting.adce("plan").stderr


def test_nothing_is_decided_that_does_not_wait(waiting: "Installation"):
    result = waiting.adce("approve", "accept", "hold-0000000000000000", "--by", "Ann", "--note", "why not")
    assert result.exit_code == 1
    assert held_id(waiting) in result.stderr


@pytest.mark.parametrize("missing", ["--by", "--note"])
def test_a_decision_without_a_name_or_a_reason_is_refused(waiting: "Installation", missing: str):
    given = {"--by": "Ann", "--note": "seen"}
    arguments = [text for option, value in given.items() if option != missing for text in (option, value)]
    result = waiting.adce("approve", "accept", held_id(waiting), *arguments)
    assert result.exit_code == 1
    assert missing in result.stderr


def test_a_rejection_keeps_it_waiting_and_an_acceptance_ends_that(tmp_path: Path):
    made = make_waiting(tmp_path / "home")
    name = held_id(made)
    assert made.adce("approve", "reject", name, "--by", "Bob", "--note", "a typing error").exit_code == 0
    assert held_id(made) == name
    assert "rejected by Bob: a typing error" in made.adce("approve", "show", name).stderr
    accepted = made.json("approve", "accept", name, "--by", "Ann", "--note", "a new season")["decision"]
    assert (accepted["by"], accepted["note"], accepted["decided"]) == ("Ann", "a new season", "accepted")
    told = made.json("approve", "list")
    assert (told["pending"], [one["by"] for one in told["decisions"]]) == ([], ["Bob", "Ann"])
