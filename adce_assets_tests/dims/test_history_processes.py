"""Many processes use one history at the same moment, and one is killed: nothing is done twice, by half, or lost."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adce_assets.dims.history import History, open_history
from adce_assets.dims.history_records import ApprovalState
from adce_assets.dims.metrics import Severity

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
MANY = 8

WORKER = """
import json, os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import alembic.command, sqlalchemy.dialects.postgresql.psycopg2  # so that none is late
from adce_assets.dims.history import open_history
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Verdict
from adce_assets.errors import HistoryError

what, url, file, many = sys.argv[1:]
NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)

def event(history, me):
    turns = range(20)
    return [history.begin_event("git_post_commit", "main", NOON + timedelta(minutes=turn), 60) for turn in turns]

def decide(history, me):
    try:
        count = lambda _: Path(file).write_text(Path(file).read_text() + me)
        history.decide(1, accept=True, by=me, note="", at=NOON, apply=count)
    except HistoryError as error:
        return str(error)
    return "decided"

def record(history, me, apply=None):
    measured = Measurement("lake.objects", 5, "", NOON)
    verdict = Verdict(measured, Accepted(4, NOON, "first", me), Status.MAJOR, Severity.HIGH, 25.0)
    told = {"started_at": NOON, "ended_at": NOON, "trigger": "hourly", "by": me, "held": ["lake.objects"]}
    return history.record([verdict], **told, apply=apply).held

def change(history, me):
    def read_and_write(_):
        Path(file).write_text(str(int(Path(file).read_text()) + 1))
    for turn in range(5):
        record(history, me, read_and_write)

def halves(history, me):
    def wait(_):
        print("in the middle", flush=True)
        sys.stdin.readline()
    record(history, me, wait)

ready, go = os.pipe()
for number in range(int(many)):
    if not os.fork():
        os.close(go)
        os.read(ready, 1)  # until all are there
        told = json.dumps(globals()[what](open_history(url), f"process {number}"))
        os.write(1, f"{told}\\n".encode())  # in one piece, so that no other's comes between
        os._exit(0)
os.close(go)
sys.exit(any([os.wait()[1] for _ in range(int(many))]))
"""


def command(what: str, url: str, file: Path, many: int = MANY) -> list[str]:
    return [sys.executable, "-c", WORKER, what, url, str(file), str(many)]


def at_once(what: str, url: str, file: Path) -> list[Any]:
    """Let processes do something together; return what each says in the end."""
    done = subprocess.run(command(what, url, file), capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_of_many_that_tell_of_an_event_one_acts_on_it(history: History, history_url: str, tmp_path: Path):
    told = at_once("event", history_url, tmp_path / "none")  # which make the tables together, too
    assert [sum(numbers[turn] is not None for numbers in told) for turn in range(20)] == [1] * 20
    assert [event.cooled for event in history.events()] == [MANY - 1] * 20


def test_of_many_that_decide_one_does_and_the_others_are_told(history: History, history_url: str, tmp_path: Path):
    applied = tmp_path / "applied"
    applied.touch()
    history.hold("lake.objects", old=4, new=5, drift=25.0, severity=Severity.HIGH, run_id=None, at=NOON)
    told = at_once("decide", history_url, applied)
    assert told.count("decided") == 1
    (winner,) = history.approvals()
    assert (winner.state, winner.by) == (ApprovalState.ACCEPTED, applied.read_text())
    assert [text for text in told if f"accepted by {winner.by}" in text] == [text for text in told if text != "decided"]


def test_what_is_read_and_written_with_a_run_loses_nothing(history: History, history_url: str, tmp_path: Path):
    counted = tmp_path / "counted"
    counted.write_text("0")
    at_once("change", history_url, counted)
    assert counted.read_text() == str(len(history.runs(limit=100))) == str(MANY * 5)
    assert len(history.approvals()) == 1


def test_of_a_run_whose_process_is_killed_nothing_is_there(history: History, history_url: str, tmp_path: Path):
    started = command("halves", history_url, tmp_path / "none", many=1)
    with subprocess.Popen(
        started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        os.killpg(process.pid, signal.SIGKILL)
    assert (history.runs(), history.approvals(), history.newest(["lake.objects"])) == ([], [], {})
    assert history.begin_event("monthly_audit", "x", NOON, 60) is not None


def test_threads_make_their_histories_at_the_same_moment(tmp_path: Path, open_one: Callable[[str], History]):
    urls = [f"sqlite:///{tmp_path}/{number}/metrics.sqlite" for number in range(4)]
    together, failed = threading.Barrier(len(urls)), []

    def make(url: str) -> None:
        history = open_history(url)
        together.wait()
        try:
            history.begin_event("monthly_audit", "x", NOON, 60)
        except BaseException as error:  # noqa: BLE001 - told below, where it fails the test
            failed.append(error)
        history.dispose()

    threads = [threading.Thread(target=make, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [len(open_one(url).events()) for url in urls] == [1] * len(urls)
