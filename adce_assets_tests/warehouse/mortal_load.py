"""A load as a program that kills itself, without a word, in the midst of a transaction.

Arguments: lake, warehouse, run, keys as JSON, and a text: when it has run a statement that holds it for the second
time, or for the first where only one does, it is no more.
"""

import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

from adce_assets.lake.store import open_store
from adce_assets.warehouse import loading
from adce_assets.warehouse.database import Warehouse, open_warehouse
from adce_assets.warehouse.publishing import publish
from adce_assets_tests.warehouse.conftest import NOON, SEASON, contented, entity


class Doomed(Warehouse):
    """A warehouse whose process dies at a statement."""

    def __init__(self, opened: Warehouse, text: str) -> None:
        super().__init__(opened._engine)
        self._text, _, times = text.partition("*")
        self._left = int(times or 1)

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Generator[Any]:
        with super().transaction(alone=alone) as connection:
            yield _Watched(connection, self._look)

    def _look(self, statement: str) -> None:
        if self._text in statement:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    def __init__(self, connection: Any, look: Any) -> None:
        self._connection, self._look = connection, look

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)

        def call(statement: str, *arguments: Any) -> Any:
            answer = method(statement, *arguments)
            self._look(f"{name} {statement}")
            return answer

        return call


def main() -> None:
    lake, url, run, keys, text = sys.argv[1:]
    setattr(loading, "TOGETHER", 1)  # noqa: B010 - a constant to everybody else
    seconds = count()
    with open_warehouse(url) as opened:
        warehouse = Doomed(opened, text)
        given: dict[str, Any] = {"run_id": run, "clock": lambda: NOON + timedelta(seconds=next(seconds))}
        loading.stage(open_store(lake), entity(), SEASON, json.loads(keys), warehouse, processes=1, writers=1, **given)
        publish(warehouse, entity(), SEASON, verify=contented, **given)


if __name__ == "__main__":
    main()
