"""Many processes write one ledger, and one is killed in the middle of it: nothing is there twice, by half, or lost."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from adce_assets.ledger.book import Ledger
from adce_assets.ledger.transitions import State

WORKER = """
import json, os, sys
from datetime import UTC, datetime, timedelta
from adce_assets.ledger import book
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event

url, what, *names = sys.argv[1:]
NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
CELL = ("espn", "pbp", "2024-25")

def detected(name, count):
    return [Transition(f"{name}/{number}", Event.DETECTED, *CELL, NOW, name) for number in range(count)]

def append(ledger, me):
    return sum(ledger.append(detected(f"{me}-{turn}", 20)).entries for turn in range(10))

def claim(ledger, me):
    wishes = [Wish(f"{number}", *CELL) for number in range(300)]
    parts = [wishes[first : first + 30] for first in range(0, 300, 30)]
    return [key for part in parts for key in ledger.claim(part, run=me, until=NOW + timedelta(hours=1), now=NOW)]

def halves(ledger, me):
    def told():
        yield from detected(me, 150)
        print("in the middle", flush=True)
        sys.stdin.readline()
    book.PAGE = 50
    ledger.append(told())

for me in names:
    if not os.fork():
        told = json.dumps([me, globals()[what](book.open_ledger(url), me)])
        os.write(1, f"{told}\\n".encode())  # in one piece, so that no other's comes between
        os._exit(0)
sys.exit(any([os.wait()[1] for _ in names]))
"""


def command(url: str, what: str, names: Iterable[str]) -> list[str]:
    return [sys.executable, "-c", WORKER, url, what, *names]


def at_once(url: str, what: str, *names: str) -> dict[str, Any]:
    """Let processes do something together; return what each says in the end."""
    done = subprocess.run(command(url, what, names), capture_output=True, text=True, timeout=120, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_eight_processes_make_a_ledger_and_append_to_it_together(database_url: str, ledger: Ledger):
    names = [f"run-{number}" for number in range(8)]
    assert at_once(database_url, "append", *names) == dict.fromkeys(names, 200)
    found = ledger.verify()
    assert (found.entries, found.checked, found.faults) == (1600, 1600, ())
    assert ledger.counts()[State.DETECTED] == 1600


def test_no_key_is_leased_to_two_processes(database_url: str, ledger: Ledger):
    got = at_once(database_url, "claim", "run-1", "run-2")
    assert sorted(map(int, got["run-1"] + got["run-2"])) == list(range(300))
    assert {state.key for state in ledger.states() if state.run == "run-1"} == set(got["run-1"])
    assert not ledger.verify().faults


def test_of_an_append_in_which_the_process_is_killed_nothing_is_there(database_url: str, ledger: Ledger):
    started = command(database_url, "halves", ["run-1"])
    with subprocess.Popen(
        started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        os.killpg(process.pid, signal.SIGKILL)
    found = ledger.verify()
    assert (found.entries, found.faults, list(ledger.states())) == (0, (), [])
    assert at_once(database_url, "append", "run-2") == {"run-2": 200}
    assert not ledger.verify().faults
