"""A command that changes something in, the same command out that the log of actions tells of.

Which commands these are stands in `ACTIONS`, and what of their arguments is kept: names of parameters, so that nothing
is kept by accident. Such a command does not begin before the log says so. Only what makes the loop do less goes on
without a log, and says so.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adce_assets.operate.actions import ActionLog

WELL = (0, 2)
"""Exit codes of what was done: 2 answers a question."""


def _always(_: Mapping[str, Any]) -> bool:
    return True


def _not_dry(given: Mapping[str, Any]) -> bool:
    return not given["dry_run"]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the log tells of a command.

    Attributes:
        subject: The parameter that says what is acted upon; empty where there is none.
        kept: Other parameters that are told where they were given.
        when: Tells from the parameters whether anything is changed.
        goes_on: Whether it is done all the same where the log cannot be written.
    """

    subject: str = ""
    kept: tuple[str, ...] = ()
    when: Callable[[Mapping[str, Any]], bool] = _always
    goes_on: bool = False


_NOT_GIVEN = (None, False, (), "")
_DECISION = ("by", "note")
_CELLS = ("source", "data_type", "season")

ACTIONS = {
    "reconcile": Declared(kept=("mode", "accept_loss"), when=lambda given: given["accept_loss"]),
    "inventory setup": Declared(when=_not_dry),
    "apply": Declared("file", ("max_concurrent",)),
    "approve accept": Declared("held_id", _DECISION),
    "approve reject": Declared("held_id", _DECISION),
    "collect": Declared(
        kept=("priority", "source", "season", "only_failed", "refresh", "older_than", "limit", "max_concurrent"),
        when=_not_dry,
    ),
    "ledger rebuild": Declared(),
    "dlq replay": Declared("keys", ("every", *_CELLS, "failure", "note")),
    "canary": Declared(),
    "verify run": Declared(kept=("entity", "season")),
    "dims verify": Declared(kept=("category", "metric", "by"), when=lambda given: given["update"]),
    "dims approve accept": Declared("approval", _DECISION),
    "dims approve reject": Declared("approval", _DECISION),
    "dims prune": Declared(),
    "dims install-hook": Declared(),
    "alerts silence": Declared("code", ("subject", "until", "end", *_DECISION)),
    "alerts dismiss": Declared("code", ("subject", *_DECISION)),
    "start": Declared(kept=("foreground", "dry_run", "test_mode")),
    "stop": Declared(goes_on=True),
    "restart": Declared(),
    "resume": Declared(kept=_DECISION),
    "token issue": Declared("name", ("role",)),
    "token rotate": Declared("name"),
    "token revoke": Declared("name"),
}
"""The commands that change something, by what one types."""


def logged(name: str, command: click.Command) -> None:
    """Let the log of actions tell of a command, if it is one that changes something."""
    declared, callback = ACTIONS.get(name), command.callback
    if declared is None or callback is None:
        return

    @functools.wraps(callback)
    def run(*args: Any, **given: Any) -> Any:
        parameters = click.get_current_context().params
        if not declared.when(parameters):
            return callback(*args, **given)
        left: click.exceptions.Exit | None = None
        with _acting(name, declared, parameters) as told:
            try:
                return callback(*args, **given)
            except click.exceptions.Exit as error:
                told["exit_code"] = error.exit_code
                if error.exit_code not in WELL:
                    raise
                left = error
        raise left

    command.callback = run


@contextmanager
def _acting(name: str, declared: Declared, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Write down that a person begins this, and how it ended."""
    from adce_assets.operate import actions

    subject = given.get(declared.subject) or ""
    text = " ".join(map(str, subject)) if isinstance(subject, tuple) else str(subject)
    detail = {one: given[one] for one in declared.kept if given.get(one) not in _NOT_GIVEN}
    needed = not declared.goes_on
    with (
        opened_log(needed=needed) as log,
        log.acting(actions.user(), name, text, detail, needed=needed) as told,
    ):
        yield told


@contextmanager
def opened_log(*, needed: bool = True) -> "Iterator[ActionLog]":
    """Open the log of actions of the installation for the length of the block; one that is not needed, with haste."""
    from adce_assets.databases import PATIENCE_S
    from adce_assets.operate.access_database import AccessDatabase
    from adce_assets.operate.actions import BRIEF_S, ActionLog
    from adce_assets.settings import access_url_of, now

    database = AccessDatabase(access_url_of(), PATIENCE_S if needed else BRIEF_S)
    try:
        yield ActionLog(database, now)
    finally:
        database.dispose()
