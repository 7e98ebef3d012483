"""Processes that verify and decide in one installation at once, and such as are killed in the middle of it.

Run as a program, which begins alone and without threads, so that it can be forked: `python -m ... FOLDER URL`. It
prints as JSON what is left of it all.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adce_assets.dims import accepted, approvals, verification
from adce_assets.lake.file_store import FileStore
from adce_assets_tests.conftest import Workshop
from adce_assets_tests.dims.conftest import Site, found, opened

TURNS = 4
WHOLE, UNTOUCHED = "after", "before"


def crowd(site: Site) -> dict[str, Any]:
    """Let one process verify each metric in turns, while another one accepts what waits of a critical metric."""
    site.verify()
    site.say(objects=150)
    (waiting,) = site.verify().pending
    names = ("lake.size", "code.lines", "code.games")
    verifying = [lambda name=name: _verify_in_turns(site, name) for name in names]
    deciding = [lambda by=by: approvals.decide(site.place, waiting, accept=True, by=by, note="so be it") for by in "xy"]
    ended = _at_once(site, [*verifying, *deciding])
    (decided,) = site.place.history.approvals()
    runs = site.place.history.runs(99)
    return {"ended": sorted(ended), "holds": site.holds(), "by": decided.by, "runs": len(runs)}


def _verify_in_turns(site: Site, name: str) -> None:
    """Accept a new value of a metric in each turn: the number of the turn."""
    for turn in range(1, TURNS + 1):
        verification.measure = lambda *_, turn=turn: turn  # pyrefly: ignore[bad-assignment] - a kind that knows the turn
        chosen = site.place.catalogue.select(ids=[name])
        verification.verify(site.place, metrics=chosen, update=True, by=name, trigger="cli", fresh=True)


def _at_once(site: Site, tasks: list[Callable[[], Any]]) -> list[int]:
    """Run each task in a process of its own; return how they ended, which is 0 or what a signal is."""
    site.place.dispose()
    children = []
    for task in tasks:
        if (child := os.fork()) == 0:
            ended = 1
            try:
                task()
                ended = 0
            finally:
                os._exit(ended)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def killed_verifying(moment: str) -> dict[str, Any]:
    """Kill a verification beside the moment in which the file is written, and verify again."""
    site = _site()
    site.verify()
    site.say(objects=150, lines=60)
    return _killed(site, moment, site.verify)


def killed_deciding(moment: str) -> dict[str, Any]:
    """Kill a decision beside the moment in which the file is written, and verify what is measured then."""
    site = _site()
    site.verify()
    site.say(objects=150, lines=60)
    (waiting,) = site.verify().pending
    decide = lambda: approvals.decide(site.place, waiting, accept=True, by="bob", note="so be it")  # noqa: E731 - a task
    return _killed(site, moment, decide)


def _killed(site: Site, moment: str, task: Callable[[], Any]) -> dict[str, Any]:
    write = FileStore.put_if_match

    def deadly(self: FileStore, key: str, body: bytes | Path, etag: str) -> str:
        if moment == WHOLE:
            write(self, key, body, etag)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def dies() -> None:
        FileStore.put_if_match = deadly
        task()

    ended = _at_once(site, [dies])
    left = _told(site)
    site.verify(by="eve")
    told = {"ended": ended, "left": left, "later": _told(site)}
    site.place.dispose()
    return told


def _told(site: Site) -> dict[str, Any]:
    history = site.place.history
    return {
        "holds": {name: [one.value, one.how, one.by] for name, one in accepted.load(site.project.state).items()},
        "runs": len(history.runs()),
        "approvals": [[one.metric, one.state, one.new, one.by] for one in history.approvals()],
    }


def _site(url: str | None = None) -> Site:
    return opened(Workshop(lambda: Path(tempfile.mkdtemp(dir=sys.argv[1]))), url)


def main() -> None:
    """Let all of it happen, and print what is left."""
    verification.measure = found  # pyrefly: ignore[bad-assignment] - no process for each number
    told: dict[str, Any] = {"sqlite": crowd(_site()), "postgresql": crowd(_site(sys.argv[2]))}
    for scene in (killed_verifying, killed_deciding):
        told |= {f"{scene.__name__} {moment}": scene(moment) for moment in (UNTOUCHED, WHOLE)}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
