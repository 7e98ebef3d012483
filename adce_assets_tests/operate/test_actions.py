"""The log of actions is only added to, shows every tampering, and lets nobody begin what it cannot tell of."""

import logging
import os
import pwd
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from adce_assets.errors import AccessError, LakeError
from adce_assets.ledger.chain import GENESIS, Head
from adce_assets.operate import actions
from adce_assets.operate.access_database import AccessDatabase
from adce_assets.operate.actions import THE_LOOP, ActionLog, Actor, Outcome

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
ANN = Actor("ann", "operator")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "access.sqlite"


@pytest.fixture
def log(file: Path) -> Iterator[ActionLog]:
    database = AccessDatabase(f"sqlite:///{file}")
    yield ActionLog(database, lambda: NOON)
    database.dispose()


@pytest.fixture
def three(log: ActionLog) -> ActionLog:
    """A log of three entries."""
    for subject in ("one", "two", "three"):
        log.record(ANN, "apply", subject, detail={"keys": 3})
    return log


def test_what_is_recorded_is_read_back_the_newest_first(log: ActionLog) -> None:
    log.record(ANN, "apply", "plan.json", Outcome.FAILED, {"keys": 3, "names": ("a", "b"), "ratio": 0.5})
    log.record(THE_LOOP, "ask for runs", "task_queue_sensor")
    last, first = log.entries()
    assert (first.seq, first.at, first.actor, first.role) == (1, NOON, "ann", "operator")
    assert (first.action, first.subject, first.outcome) == ("apply", "plan.json", Outcome.FAILED)
    assert {"keys": 3, "names": ["a", "b"], "ratio": 0.5}.items() <= {**first.detail}.items()
    assert first.detail["host"] == os.uname().nodename
    assert (last.seq, last.actor, last.outcome) == (2, "loop", Outcome.DONE)
    assert [entry.seq for entry in log.entries(most=1)] == [2]
    assert [entry.seq for entry in log.entries(actor="ann")] == [1]
    assert [entry.seq for entry in log.entries(action="ask for runs")] == [2]


def test_an_action_is_told_before_it_begins_and_after_it_ends(log: ActionLog) -> None:
    with log.acting(ANN, "apply", "plan.json", {"max": 1}) as told:
        assert [entry.outcome for entry in log.entries()] == [Outcome.BEGUN]
        told["keys"] = 7
    done, begun = log.entries()
    assert (begun.outcome, done.outcome) == (Outcome.BEGUN, Outcome.DONE)
    assert (done.detail["begun"], done.detail["keys"]) == (begun.seq, 7)


@pytest.mark.parametrize(
    ("error", "said"),
    [(LakeError("it is away"), "LakeError: it is away"), (RuntimeError("password=hunter2"), "RuntimeError")],
)
def test_a_failure_is_told_and_of_one_that_nobody_foresaw_only_its_kind(
    log: ActionLog, error: Exception, said: str
) -> None:
    with pytest.raises(type(error)), log.acting(ANN, "apply", "x"):
        raise error
    assert (log.entries()[0].outcome, log.entries()[0].detail["error"]) == (Outcome.FAILED, said)


def test_nothing_begins_that_the_log_cannot_tell_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database, begun = AccessDatabase(f"sqlite:///{tmp_path}/file/access.sqlite"), []
    with pytest.raises(AccessError), ActionLog(database, lambda: NOON).acting(ANN, "apply", "x"):
        begun.append("it began")
    assert begun == []


def test_what_needs_no_log_goes_on_without_one_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    database, begun = AccessDatabase(f"sqlite:///{tmp_path}/file/access.sqlite"), []
    with caplog.at_level(logging.WARNING), ActionLog(database, lambda: NOON).acting(ANN, "stop", "x", needed=False):
        begun.append("it began")
    assert begun == ["it began"]
    assert "does not tell of this (stop)" in caplog.text


def test_a_log_that_another_holds_is_waited_for_as_long_as_was_said(file: Path, three: ActionLog) -> None:
    database = AccessDatabase(f"sqlite:///{file}", patience_s=0)
    with closing(sqlite3.connect(file, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(AccessError, match="locked"):
            ActionLog(database, lambda: NOON).record(ANN, "apply", "four")
    database.dispose()
    assert three.verify().entries == 3


def test_a_postgresql_that_takes_the_connection_and_is_silent_is_waited_for_as_long_as_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/x"
        begun = time.monotonic()
        with pytest.raises(AccessError):
            ActionLog(AccessDatabase(url, patience_s=2), lambda: NOON).record(ANN, "apply", "one")
    assert time.monotonic() - begun < 30


def test_an_end_that_cannot_be_told_does_not_make_a_failure_of_what_was_done(
    log: ActionLog, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), log.acting(ANN, "apply", "x"):
        spoil(file, "DROP TABLE access_actions")
    assert "does not tell of this (the end of apply)" in caplog.text


def test_a_log_that_nobody_touched_fits_together(three: ActionLog) -> None:
    found = three.verify()
    assert (found.entries, found.head.seq, found.faults) == (3, 3, ())


def spoil(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "at"),
    [
        ("UPDATE access_actions SET actor = 'bob' WHERE seq = 2", 2),
        ("UPDATE access_actions SET at = '2024-01-15T12:00:00.000000+00:00' WHERE seq = 2", 2),
        ("UPDATE access_actions SET detail = '{}' WHERE seq = 2", 2),
        ("UPDATE access_actions SET detail = 'x' WHERE seq = 2", 2),
        ("UPDATE access_actions SET outcome = 'forgiven' WHERE seq = 2", 2),
        ("DELETE FROM access_actions WHERE seq = 1", 2),
        ("DELETE FROM access_actions WHERE seq = 2", 3),
        ("DELETE FROM access_actions WHERE seq = 3", 2),
        ("DELETE FROM access_actions", 0),
        ("DELETE FROM access_head", 3),
        ("INSERT INTO access_actions SELECT 4, at, 'bob', role, action, subject, outcome, detail, hash FROM once", 4),
    ],
)
def test_every_tampering_shows(three: ActionLog, file: Path, tampering: str, at: int) -> None:
    spoil(file, "CREATE VIEW once AS SELECT * FROM access_actions WHERE seq = 3", tampering)
    assert at in [fault.seq for fault in three.verify().faults]


@pytest.mark.parametrize(
    "tampering",
    ["detail = '{bad'", "detail = '3'", "detail = x'ff'", "outcome = 'forgiven'", "at = 'once'", "actor = x'ff00'"],
)
def test_an_entry_that_nobody_can_read_is_listed_so_and_hides_no_other(
    three: ActionLog, file: Path, tampering: str
) -> None:
    spoil(file, f"UPDATE access_actions SET {tampering} WHERE seq = 2")
    listed = three.entries()
    assert [(entry.seq, entry.spoilt) for entry in listed] == [(3, ""), (2, actions.SPOILT), (1, "")]
    assert (listed[1].at, listed[1].action, listed[1].detail) == (None, "apply", {})
    assert 2 in [fault.seq for fault in three.verify().faults]


def test_two_entries_that_changed_places_show(three: ActionLog, file: Path) -> None:
    spoil(
        file,
        "UPDATE access_actions SET seq = 9 WHERE seq = 1",
        "UPDATE access_actions SET seq = 1 WHERE seq = 2",
        "UPDATE access_actions SET seq = 2 WHERE seq = 9",
    )
    assert {fault.seq for fault in three.verify().faults} >= {1, 2}


def test_a_log_that_was_written_anew_does_not_hold_what_somebody_has_kept(three: ActionLog, file: Path) -> None:
    kept = three.verify().head
    assert three.verify(kept).faults == three.verify(Head(0, GENESIS, None)).faults == ()
    spoil(file, "DELETE FROM access_actions", f"UPDATE access_head SET seq = 0, hash = '{GENESIS}', at = ''")
    for subject in ("one", "2", "three", "four"):
        three.record(ANN, "apply", subject)
    assert three.verify().faults == ()
    assert [fault.seq for fault in three.verify(kept).faults] == [3]


def test_threads_that_write_together_make_one_chain(log: ActionLog) -> None:
    together = [
        threading.Thread(target=lambda name=name: [log.record(Actor(name, "x"), "act", str(n)) for n in range(5)])
        for name in "abcd"
    ]
    for one in together:
        one.start()
    for one in together:
        one.join()
    found = log.verify()
    assert (found.entries, found.faults) == (20, ())


def test_machines_share_the_log_of_one_postgresql(postgresql: Any) -> None:
    url = postgresql.get_uri()
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS access_tokens, access_actions, access_head")
    one, other = AccessDatabase(url), AccessDatabase(url)
    ActionLog(one, lambda: NOON).record(ANN, "apply", "here")
    ActionLog(other, lambda: NOON).record(ANN, "apply", "there")
    assert [entry.subject for entry in ActionLog(one, lambda: NOON).entries()] == ["there", "here"]
    assert ActionLog(other, lambda: NOON).verify().faults == ()
    one.dispose()
    other.dispose()


def test_a_detail_is_kept_within_bounds_and_in_one_line(log: ActionLog) -> None:
    log.record(Actor("ann\x1b[31m", "x"), "apply", "y" * 1_000, detail={"note": "a\nb", "many": list(range(1_000))})
    (entry,) = log.entries()
    assert (entry.actor, len(entry.subject), entry.detail["note"]) == ("ann [31m", 300, "a b")
    assert len(entry.detail["many"]) == 300


def test_the_user_is_whom_the_system_knows_not_whom_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "mallory")
    assert actions.user().name == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown: Callable[[], int] = lambda: 4_000_000_001  # noqa: E731 - stands for a system call
    monkeypatch.setattr(os, "getuid", unknown)
    assert actions.user().name == "4000000001"
