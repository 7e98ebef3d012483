"""A collection that is told to stop, in a process of its own: what is under way is finished, and nothing is lost."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from adce_assets.demo.source import Answer, LocalSource
from adce_assets.lake.store import open_store
from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.receipts import RECEIPTS, read_receipts
from adce_assets.ledger.transitions import State
from adce_assets_tests.cli.conftest import GAMES

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

PATIENCE = 60
AS_IN_A_SHELL = """
import signal
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from adce_assets.cli.main import main
    main(prog_name="adce")
"""
"""Whoever runs the tests may have told their processes to pass signals over."""


class Gated(LocalSource):
    """Answers nobody before it is opened; and says when somebody waits."""

    def __init__(self) -> None:
        super().__init__(GAMES)
        self.gate, self.waiting = threading.Event(), threading.Semaphore(0)

    def answer(self, target: str) -> Answer | None:
        self.waiting.release()
        assert self.gate.wait(PATIENCE)
        return super().answer(target)

    def wait_for(self, requests: int) -> None:
        for _ in range(requests):
            assert self.waiting.acquire(timeout=PATIENCE)


@pytest.fixture
def gated() -> Iterator[Gated]:
    with Gated() as started:
        yield started
        started.gate.set()


@pytest.fixture
def empty(installation: "Installation") -> "Installation":
    """Nothing of any game is there: eight documents in each of three data sets."""
    for folder in ("pbp", "box_scores", "team_stats"):
        for path in (installation.lake / folder).iterdir():
            path.unlink()
    hosts = installation.home / "config" / "scrapers" / "espn.yaml"
    text = re.sub(r"requests_per_second: 1\n", "requests_per_second: 100\n", hosts.read_text())
    hosts.write_text(re.sub(r"concurrency: \d+", "concurrency: 2", text))
    assert installation.adce("reconcile").exit_code == 0
    return installation


def started(installation: "Installation", url: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start the collection as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_SHELL, "collect", "--no-reconcile", *arguments],
        env={"PATH": os.environ["PATH"], **installation.variables, "ADCE_HOST_ESPN_SITE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_said(process: "subprocess.Popen[str]", text: str) -> bool:
    """Listen until it is said; on a slow machine how far the collection is comes first."""
    assert process.stderr is not None
    return any(text in line for line in iter(process.stderr.readline, ""))


def states(installation: "Installation") -> dict[str, int]:
    ledger = open_ledger(f"sqlite:///{installation.home}/.adce/ledger.sqlite")
    settled = {state.key for state in ledger.states(states=[State.PROMOTED])}
    open_ = {state.key for state in ledger.states(states=[State.DETECTED, State.PLANNED]) if state.source == "espn"}
    leased = {state.key for state in ledger.states(states=[State.LEASED])}
    assert ledger.verify().faults == ()
    ledger.dispose()
    return {"promoted": len(settled), "open": len(open_), "leased": len(leased)}


def receipts(installation: "Installation") -> set[str]:
    lake = open_store(installation.lake.as_uri())
    return {one.key for found in lake.list(RECEIPTS) for one in read_receipts(found.key, lake.get(found.key))}


def documents(installation: "Installation") -> set[str]:
    folders = ("pbp", "box_scores", "team_stats")
    return {f"{folder}/{path.name}" for folder in folders for path in (installation.lake / folder).glob("*.json")}


@pytest.mark.parametrize(
    ("number", "at_once", "finished"),
    [(signal.SIGINT, "1", 2), (signal.SIGTERM, "2", 4)],
    ids=["one after the other", "side by side"],
)
def test_the_first_signal_finishes_what_is_under_way_and_says_how_to_go_on(
    empty: "Installation", gated: Gated, number: signal.Signals, at_once: str, finished: int
):
    process = started(empty, gated.url, "--season", "2023-24..", "--max-concurrent", at_once)
    gated.wait_for(finished)
    process.send_signal(number)
    assert is_said(process, "what is under way is finished")
    gated.gate.set()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    again = f"adce collect --season 2023-24.. --max-concurrent {at_once} --no-reconcile"
    assert said.rstrip().endswith(f"nothing is lost, go on with: {again}")
    if at_once == "1":
        assert "key(s) were given back" in said
        assert gated.requests == finished
    done = documents(empty)
    assert len(done) == 3 * gated.requests >= 3 * finished  # processes of their own hear of it a moment later
    assert receipts(empty) == done
    assert states(empty) == {"promoted": len(done), "open": 24 - len(done), "leased": 0}


def test_the_second_signal_stops_at_once_and_leaves_everything_to_the_next_run(empty: "Installation", gated: Gated):
    process = started(empty, gated.url)
    gated.wait_for(2)
    process.send_signal(signal.SIGINT)
    assert is_said(process, "a second signal stops at once")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=15)
    assert process.returncode == 130, said
    assert "go on with: adce collect --no-reconcile" in said
    assert documents(empty) == set()
    assert states(empty) == {"promoted": 0, "open": 24, "leased": 0}


def test_the_keys_of_a_killed_run_are_collected_by_the_next_one_at_once(empty: "Installation", gated: Gated):
    process = started(empty, gated.url)
    gated.wait_for(2)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert states(empty)["leased"] > 0
    gated.gate.set()
    told = empty.json("collect", "--no-reconcile", ADCE_HOST_ESPN_SITE=gated.url)
    assert (told["totals"]["collected"], told["totals"]["left_to_others"]) == (24, 0)
    assert states(empty) == {"promoted": 24, "open": 0, "leased": 0}
