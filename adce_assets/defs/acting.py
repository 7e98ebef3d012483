"""What Dagster has started in, an entry of the log of actions out.

The loop goes on where the log cannot be written, for a lake that nobody fills is worse, and says so. Who has asked for
a run is read off its tags; Dagster itself knows no persons.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from adce_assets.defs.restraining import is_of_the_loop
from adce_assets.errors import AccessError
from adce_assets.operate import access_database
from adce_assets.operate.actions import BRIEF_S, THE_LOOP, ActionLog, Actor
from adce_assets.settings import Settings, now

log = logging.getLogger(__name__)

IN_DAGSTER = Actor("dagster", "unknown")
"""Who starts something in Dagster's UI or by its own commands."""
NAMED = 20
"""Runs of a tick that are named; all are counted."""


def note(
    settings: Settings, action: str, subject: str, detail: Mapping[str, Any] | None = None, actor: Actor = THE_LOOP
) -> None:
    """Write down that something was done; where that cannot be soon, a warning says what the log does not tell of."""
    try:
        with access_database.opened(settings, BRIEF_S) as database:
            ActionLog(database, now).record(actor, action, subject, detail=detail)
    except AccessError as error:
        log.warning("the log of actions does not tell of `%s` (%s): %s", action, subject, error.what)


def note_tick(settings: Settings, sensor: str, requests: Sequence[dg.RunRequest]) -> None:
    """Write down what a tick asks for, in one entry; Dagster itself tells of the runs that come of it."""
    if requests:
        names = [request.run_key or "" for request in requests]
        note(settings, "ask for runs", sensor, {"runs": len(names), "run_keys": names[:NAMED]})


def note_run(settings: Settings, action: str, subject: str, run: dg.DagsterRun) -> None:
    """Write down what a run begins, and whether the loop or somebody in Dagster has asked for it."""
    note(settings, action, subject, {"run": run.run_id}, THE_LOOP if is_of_the_loop(run) else IN_DAGSTER)
