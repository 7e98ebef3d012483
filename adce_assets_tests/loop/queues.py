"""The queue of some rows of coverage, and the keys of its tasks."""

from typing import TYPE_CHECKING, Any

from adce_assets.loop import tasks

if TYPE_CHECKING:
    from adce_assets.loop.state import State
    from adce_assets_tests.loop.conftest import Loop, Row


def planned(loop: "Loop", rows: list["Row"], **config: Any) -> tuple["State", dict[str, Any]]:
    state = loop.state(rows)
    loop.find(state)
    return state, loop.plan(state, **config)


def keys_of(state: "State", task: dict[str, Any]) -> list[str]:
    return [row.key for row in tasks.task_keys(state, [task["id"]])]
