"""What holds a run of the loop back, and what of a queue a trial starts, without an installation."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from adce_assets.autonomous import AutonomousConfig
from adce_assets.defs import restraining
from adce_assets.defs.claiming import due_by_itself
from adce_assets.defs.collecting import CollectConfig, Refresh, is_for_a_person
from adce_assets.defs.restraining import Restraint, is_of_the_loop, on_trial, restraint_of
from adce_assets.ledger.transitions import State
from adce_assets.loop.dispatch import Batch
from adce_assets.loop.tasks import TaskKey
from adce_assets.operate import machine
from adce_assets.restraints import Resources, Trial
from adce_assets.settings import now

OF_THE_QUEUE = {"dagster/sensor_name": "task_queue_sensor"}
BY_THE_CLOCK = {"dagster/schedule_name": "morning_schedule"}


def test_a_run_looks_at_its_machine_once_a_second() -> None:
    looks, at = [], [0.0]

    def short() -> str:
        looks.append(at[0])
        return "short" if at[0] >= 2 else ""

    restraint = Restraint(short=short, clock=lambda: at[0])
    said = []
    for seconds in (0.0, 0.5, 0.9, 1.0, 1.9, 2.0, 2.1, 9.0):
        at[0] = seconds
        said.append(restraint())
    assert looks == [0.0, 1.0, 2.0]
    assert said == [False] * 5 + [True] * 3
    assert (restraint.said, restraint.within(5.0), Restraint(seconds=3.0).within(5.0)) == ("short", 5.0, 3.0)


@pytest.mark.parametrize(
    ("config", "tags", "seconds"),
    [
        ({}, BY_THE_CLOCK, None),
        ({"dry_run": True}, BY_THE_CLOCK, 0.0),
        ({"dry_run": True}, {}, None),
        ({"test_mode": {"enabled": True}}, BY_THE_CLOCK, 0.0),
        ({"test_mode": {"enabled": True}}, BY_THE_CLOCK | {"adce/test_mode": "true"}, None),
    ],
)
def test_what_was_asked_for_before_a_dry_run_or_a_trial_collects_nothing_and_runs_go_behind_others(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], tags: dict[str, str], seconds: float | None
) -> None:
    behind: list[Resources] = []
    monkeypatch.setattr(machine, "give_way", behind.append)
    settings: Any = SimpleNamespace(autonomous=AutonomousConfig.model_validate(config), clock=now)
    run = dg.DagsterRun(job_name="collect_espn", tags=tags)
    assert restraint_of(settings, run, "espn_site", ["espn/box_scores"]).seconds == seconds
    assert behind == ([settings.autonomous.resources] if tags else [])


def test_what_a_person_is_to_replay_is_asked_for_by_no_schedule() -> None:
    persons, clocks = (dg.DagsterRun(job_name="collect_espn", tags=tags) for tags in ({}, BY_THE_CLOCK))
    asked = {one: CollectConfig(refresh=one) for one in Refresh}
    assert [one.name for one in Refresh if is_for_a_person(asked[one], persons)] == ["failed", "all"]
    assert [one.name for one in Refresh if is_for_a_person(asked[one], clocks)] == ["all"]


@pytest.mark.parametrize(
    ("parent", "tags", "is_so"),
    [
        (None, OF_THE_QUEUE, True),
        (None, {"dagster/schedule_name": "canary_schedule"}, True),
        (None, {"adce/batch": "batch-1"}, False),
        ("before", OF_THE_QUEUE, False),
        ("before", OF_THE_QUEUE | {"dagster/retry_number": "1"}, True),
    ],
)
def test_a_run_that_a_person_starts_again_is_not_the_loops_though_it_has_its_tags(
    parent: str | None, tags: dict[str, str], *, is_so: bool
) -> None:
    run = dg.DagsterRun("job", tags=tags, root_run_id=parent, parent_run_id=parent)
    assert is_of_the_loop(run) is is_so


def test_a_schedule_leaves_what_is_for_a_person_or_waits_for_its_next_try() -> None:
    at = now()
    kept = {
        "closed": (State.CLOSED, None),
        "dead": (State.DEAD_LETTERED, None),
        "gone": (State.TOMBSTONED, None),
        "waits": (State.FAILED, at + timedelta(minutes=1)),
        "due": (State.FAILED, at),
    }
    states = [SimpleNamespace(key=key, state=state, next_at=next_at) for key, (state, next_at) in kept.items()]
    project: Any = SimpleNamespace(ledger=SimpleNamespace(states=lambda **_: states), clock=lambda: at)
    keys = [TaskKey("", "espn", "box_scores", "2024-25", key, key, "present", None) for key in (*kept, "new")]
    assert [one.key for one in due_by_itself(project, keys)] == ["closed", "due", "new"]


def batch(*tasks: str) -> Batch:
    return Batch("id", "espn_summary", "2024-25", "low", None, ("espn/box_scores",), tasks, 1, "")


def test_a_trial_starts_its_tasks_a_day_whatever_rests_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    resting = {"a", "b", "c"}

    def choose(queue: Any) -> list[Batch]:
        free = [task["id"] for task in queue["tasks"] if task["id"] not in resting]
        return [batch(*free[place : place + 2]) for place in range(0, len(free), 2)]

    queue = {"tasks": [{"id": name} for name in "abcdefgh"]}
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"espn_summary": {"config": {"task_ids": ["d"]}}}}
        instance.add_run(dg.DagsterRun(job_name="j", tags={"adce/test_mode": "true"}, run_config=config))

        def started(*, enabled: bool = True) -> tuple[list[tuple[str, ...]], str]:
            known, chooses, said = on_trial(instance, Trial(enabled=enabled, tasks_a_day=4), queue, choose)
            return [one.task_ids for one in chooses(known)], said

        assert started() == ([("e", "f"), ("g",)], "test mode: 1 of 4 task(s) of a day were started")
        assert started(enabled=False) == ([("d", "e"), ("f", "g"), ("h",)], "")
        monkeypatch.setattr(restraining, "now", lambda: now() + timedelta(hours=25))
        assert started() == ([("d", "e"), ("f", "g")], "test mode: 0 of 4 task(s) of a day were started")
