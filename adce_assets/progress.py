"""How long work tells what it has done, to whoever wants to draw it."""

from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """Told now and then how far a stage has come; ``total`` is None when nobody knows it."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Take note of ``done`` of ``total`` units of ``stage``, and of what is to be shown beside them."""
        ...


def silent(stage: str, done: int, total: int | None, note: str = "") -> None:
    """Take no note."""


current_progress: ContextVar[Progress] = ContextVar("current_progress", default=silent)
"""Who draws the progress of work that is started through Dagster, where no argument can reach a step."""
