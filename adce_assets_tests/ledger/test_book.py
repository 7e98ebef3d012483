"""The ledger keeps what happened to keys and refuses what may not happen, alike in SQLite and in PostgreSQL."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import LedgerError
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.database import head
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event, State
from adce_assets_tests.ledger.conftest import NOW, happened

HOUR = timedelta(hours=1)
KEY = "pbp/1.json"
WAY = ("detected", "planned", "leased", "fetched", "staged", "audited", "promoted", "seen", "closed")


def way_to(state: str) -> list[Transition]:
    """Tell of all that leads to a state, the straight way."""
    straight = {"failed": 3, "dead_lettered": 3, "tombstoned": 1, "withdrawn": 1}
    before = WAY[: straight.get(state, 0)] if state in straight else WAY[: WAY.index(state) + 1]
    way = [*before, *(["failed"] if state == "dead_lettered" else []), *([state] if state in straight else [])]
    return [happened(event) for event in way]


def wish(key: str = KEY) -> Wish:
    return Wish(key, "espn", "pbp", "2024-25", "task-2")


def claim(ledger: Ledger, *keys: str, run: str = "run-2", now: datetime = NOW, **how: bool) -> list[str]:
    return ledger.claim([wish(key) for key in keys or (KEY,)], run=run, until=now + HOUR, now=now, **how)


def events(ledger: Ledger, key: str = KEY) -> list[str]:
    return [entry.event.value for entry in ledger.entries(key)]


def test_a_new_ledger_holds_nothing(ledger: Ledger):
    assert (ledger.head().seq, ledger.head().at, list(ledger.states()), ledger.state(KEY)) == (0, None, [], None)
    assert set(ledger.counts().values()) == {0}


def test_a_key_goes_all_the_way_from_gap_to_closed(ledger: Ledger):
    done = ledger.append(way_to("closed"))
    state = ledger.state(KEY)
    assert state is not None
    assert (done.entries, done.refused, state.state, state.closed_at) == (9, (), State.CLOSED, NOW)
    assert events(ledger) == list(WAY)
    assert (ledger.head(), state.seq, state.hash) == (done.head, done.head.seq, done.head.hash)
    assert ledger.counts()[State.CLOSED] == 1


def test_what_may_not_happen_is_left_out_and_told(ledger: Ledger):
    skipping, strange = happened("promoted"), happened("fetched", "pbp/2.json")
    done = ledger.append([happened("detected"), skipping, happened("planned"), strange])
    assert [(refused.transition, refused.state) for refused in done.refused] == [
        (skipping, State.DETECTED),
        (strange, State.UNTRACKED),
    ]
    assert (done.entries, events(ledger), events(ledger, "pbp/2.json")) == (2, ["detected", "planned"], [])


@pytest.mark.parametrize("verdict", ["dead_lettered", "tombstoned"])
def test_a_run_that_lost_its_lease_draws_no_conclusion_from_the_failure_of_another(ledger: Ledger, verdict: str):
    until = {"until": "2025-01-15T13:00:00.000000+00:00"}
    ledger.append([happened("detected"), happened("leased", run="run-2", **until), happened("failed", run="run-2")])
    late = ledger.append([happened("failed", run="run-1"), happened(verdict, run="run-1")])
    assert (late.entries, len(late.refused)) == (0, 2)
    assert ledger.append([happened(verdict, run="run-2")]).entries == 1


def test_an_entry_keeps_every_word_of_what_happened(ledger: Ledger):
    detail = {
        "class": "absent",
        "what": 'odd "text", ünï, 𝄞, \n\t\\N, \x01',
        "n": [1, 2.5, None, True],
        "deep": {"b": {}},
    }
    told = Transition('a,"b"\t\\.\n/ü 𝄞', Event.DETECTED, "s", "", "all", NOW.replace(microsecond=7), "", "", detail)
    ledger.append([told])
    (entry,) = ledger.entries(told.key)
    assert (entry.at, entry.key, entry.event, entry.source) == (told.at, told.key, told.event, "s")
    assert (entry.data_type, entry.season, entry.run, entry.task, entry.detail) == ("", "all", "", "", detail)
    state = ledger.state(told.key)
    assert state is not None
    assert (state.key, state.data_type, state.since, state.detail) == (told.key, "", told.at, detail)


def test_a_hash_is_taken_over_the_entry_and_the_two_before_it(ledger: Ledger):
    ledger.append(
        [happened("detected"), happened("detected", "other"), happened("planned", priority="höch", score=1.5)]
    )
    (first, last), (other,) = ledger.entries(KEY), ledger.entries("other")
    fields = ["2025-01-15T12:00:00.000000+00:00", KEY, "planned", "espn", "pbp", "2024-25", "run-1", "task-1"]
    told = [3, other.hash, first.hash, *fields, {"priority": "höch", "score": 1.5}]
    assert last.hash == hashlib.sha256(json.dumps(told, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
    assert (first.before, other.before, last.before) == ("0" * 64, first.hash, other.hash)


def test_a_moment_is_kept_in_utc(ledger: Ledger):
    ledger.append([happened("detected", at=datetime(2025, 1, 15, 14, tzinfo=timezone(2 * HOUR)))])
    assert ledger.entries(KEY)[0].at == NOW
    assert ledger.head().at == NOW


@pytest.mark.parametrize(
    "wrong",
    [
        happened("detected", at=NOW.replace(tzinfo=None)),
        happened("detected", "a\0b"),
        happened("detected", "a\ud800b"),
        happened("detected", rate=float("nan")),
        happened("detected", at_last=NOW),
        Transition(KEY, Event.LEASED, "espn", "pbp", "2024-25", NOW, "run", "task", {"until": "soon"}),
    ],
    ids=["no zone", "NUL", "no text", "no number", "no JSON", "no moment"],
)
def test_what_cannot_be_kept_is_an_error_and_nothing_of_the_call_stays(ledger: Ledger, wrong: Transition):
    with pytest.raises(LedgerError, match="is not as it should be"):
        ledger.append([happened("detected"), wrong])
    assert (ledger.head().seq, list(ledger.states())) == (0, [])


@pytest.mark.parametrize("key", ["a\0b", "a\ud800b"])
def test_of_a_key_that_cannot_be_kept_nothing_is_known(ledger: Ledger, key: str):
    assert (ledger.state(key), ledger.entries(key)) == (None, [])


def test_more_than_a_page_is_appended_in_one_transaction(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adce_assets.ledger.book.PAGE", 3)
    told = [happened(event, f"{number}") for number in range(5) for event in ("detected", "planned")]
    assert ledger.append(iter([*told, happened("seen", "9")])).entries == 10
    assert ledger.counts()[State.PLANNED] == 5
    assert not ledger.verify().faults
    assert len(claim(ledger, *"0123456")) == 7

    def broken() -> Any:
        yield from (happened("detected", f"new {number}") for number in range(7))
        raise ZeroDivisionError

    before = ledger.head()
    with pytest.raises(ZeroDivisionError):
        ledger.append(broken())
    assert ledger.head() == before


def test_keys_are_found_by_name_state_and_cell(ledger: Ledger):
    other = Transition("box/1.json", Event.DETECTED, "espn", "box", "2024-25", NOW)
    ledger.append([happened("detected", "a"), happened("detected", "b"), happened("planned", "b"), other])

    def found(**wanted: Any) -> set[str]:
        return {state.key for state in ledger.states(**wanted)}

    assert found() == {"a", "b", "box/1.json"}
    assert found(keys=["b", "nowhere", "a"]) == {"a", "b"}
    assert found(keys=[]) == found(states=[]) == set()
    assert found(states=[State.DETECTED]) == {"a", "box/1.json"}
    assert found(cell=("espn", "pbp", "2024-25"), states=[State.DETECTED]) == {"a"}


def test_recent_entries_are_found_by_event_and_moment(ledger: Ledger):
    late = happened("planned", "a", at=NOW + HOUR)
    ledger.append([happened("detected", "a"), late, happened("detected", "b", at=NOW + HOUR)])
    assert [entry.key for entry in ledger.recent([Event.DETECTED], NOW)] == ["a", "b"]
    assert [entry.event for entry in ledger.recent([Event.DETECTED, Event.PLANNED], NOW + HOUR)] == [
        "planned",
        "detected",
    ]


def test_recent_entries_are_counted_by_event_source_and_data_type(ledger: Ledger):
    other = Transition("box/1.json", Event.DETECTED, "espn", "box", "2024-25", NOW)
    late = [happened("detected", key, at=NOW + HOUR) for key in "bc"]
    ledger.append([happened("detected", "a"), other, *late, happened("planned", "a")])
    both = [Event.DETECTED, Event.PLANNED]
    assert ledger.tally(both, NOW + HOUR) == {(Event.DETECTED, "espn", "pbp"): 2}
    assert ledger.tally(both, NOW) == {
        (Event.DETECTED, "espn", "pbp"): 3,
        (Event.DETECTED, "espn", "box"): 1,
        (Event.PLANNED, "espn", "pbp"): 1,
    }
    assert ledger.tally([], NOW) == {}


@pytest.mark.parametrize("state", ["detected", "planned", "failed"])
def test_a_run_leases_what_waits_to_be_done(ledger: Ledger, state: str):
    ledger.append(way_to(state))
    assert claim(ledger) == [KEY]
    known = ledger.state(KEY)
    assert known is not None
    assert (known.state, known.run, known.task, known.lease_until) == (State.LEASED, "run-2", "task-2", NOW + HOUR)


def test_a_run_leases_what_nothing_is_known_of(ledger: Ledger):
    assert claim(ledger, "b", "a", "b") == ["b", "a"]
    assert events(ledger, "a") == ["detected", "leased"]


@pytest.mark.parametrize("state", ["promoted", "seen", "closed", "tombstoned", "dead_lettered"])
def test_a_run_leases_what_is_settled_only_if_it_is_to_be_opened_again(ledger: Ledger, state: str):
    ledger.append(way_to(state))
    assert claim(ledger) == []
    assert claim(ledger, reopen=True) == [KEY]
    assert events(ledger)[-2:] == ["reopened", "leased"]


def test_a_run_leases_what_is_withdrawn_only_if_it_is_to_be_opened_again(ledger: Ledger):
    ledger.append(way_to("withdrawn"))
    assert (claim(ledger), claim(ledger, reopen=True)) == ([], [KEY])
    assert events(ledger)[-2:] == ["detected", "leased"]


@pytest.mark.parametrize("state", ["leased", "fetched", "staged", "audited"])
def test_a_leased_key_is_another_runs_only_when_the_lease_is_over(ledger: Ledger, state: str):
    claim(ledger, run="run-1")
    ledger.append([happened(event) for event in WAY[3 : WAY.index(state) + 1]])
    assert claim(ledger, now=NOW + HOUR - timedelta(microseconds=1), reopen=True) == []
    assert claim(ledger, now=NOW + HOUR) == [KEY]
    assert events(ledger)[-2:] == ["released", "leased"]
    assert ledger.entries(KEY)[-2].run == "run-1"


def test_a_run_that_lost_its_lease_has_no_say_any_more(ledger: Ledger):
    claim(ledger, run="run-1")
    claim(ledger, run="run-2", now=NOW + HOUR)
    assert len(ledger.append([happened("fetched"), happened("failed"), happened("released")]).refused) == 3


def test_a_run_that_two_daemons_have_started_gets_a_key_once(ledger: Ledger):
    assert claim(ledger, run="run-1") == [KEY]
    assert claim(ledger, run="run-1", reopen=True) == []


def test_a_run_that_needs_a_key_for_longer_keeps_it(ledger: Ledger):
    claim(ledger, run="run-1")
    assert claim(ledger, run="run-2", renew=True) == []
    assert claim(ledger, run="run-1", renew=True) == [KEY]
    assert events(ledger)[-2:] == ["released", "leased"]


def test_a_key_that_waits_for_its_next_try_is_not_leased_before(ledger: Ledger):
    failed = happened("failed", failures=1, next_at=(NOW + HOUR).isoformat())
    ledger.append([*way_to("leased"), failed, happened("planned")])
    assert claim(ledger, now=NOW + HOUR - timedelta(seconds=1)) == []
    assert claim(ledger, now=NOW + HOUR) == [KEY]


def test_a_person_may_have_a_key_tried_before_its_time(ledger: Ledger):
    ledger.append([*way_to("leased"), happened("failed", failures=1, next_at=(NOW + HOUR).isoformat())])
    assert claim(ledger, reopen=True) == [KEY]


def test_what_is_kept_is_there_when_the_ledger_is_opened_again(opened: Callable[[str], Ledger], database_url: str):
    opened(database_url).append(way_to("closed"))
    again = opened(database_url)
    assert again.append([happened("reopened")]).head.seq == 10
    assert not again.verify().faults


def test_a_connection_that_was_lost_is_made_anew(opened: Callable[[str], Ledger], postgresql: Any):
    ledger = opened(postgresql.get_uri())
    before = ledger.head().seq
    postgresql.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'adce ledger';")
    assert ledger.append([happened("detected", "after the loss")]).head.seq == before + 1


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cret@host/adce",
        "sqlite://",
        "sqlite:///",
        "ledger.sqlite",
        "postgresql://me:pa@s3cret@127.0.0.1:1/adce",
        "postgresql://me/s3cret@127.0.0.1:1/adce",
        "postgresql://127.0.0.1:s3cret/adce",
        "postgresql://me:pa s3cret@127.0.0.1:1/adce",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_telling_it(opened: Callable[[str], Ledger], url: str):
    with pytest.raises(LedgerError, match="cannot be read") as raised:
        opened(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/adce",
        "postgres://me:s%33cret@127.0.0.1:1/adce",
        "postgresql+psycopg2://me@127.0.0.1:1/adce?password=s3cret",
        "postgresql://me:s3cret@127.0.0.1:1/adce?sslmode=s3cret",
    ],
)
def test_a_database_that_cannot_be_reached_is_an_error_that_keeps_the_password(
    opened: Callable[[str], Ledger], url: str
):
    with pytest.raises(LedgerError, match=r"postgresql://127\.0\.0\.1:1/adce: the ledger cannot be used") as raised:
        opened(url).head()
    assert "s3cret" not in f"{raised.value}{raised.value.__cause__}{raised.value.where}"


def test_a_file_that_is_no_database_is_an_error(opened: Callable[[str], Ledger], tmp_path: Path):
    (tmp_path / "ledger.sqlite").write_text("this is no database, and was never one" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        opened(f"sqlite:///{tmp_path}/ledger.sqlite").head()


def test_a_folder_that_cannot_be_made_is_an_error(opened: Callable[[str], Ledger], tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="the ledger cannot be used"):
        opened(f"sqlite:///{tmp_path}/file/ledger.sqlite").head()


def test_a_ledger_of_another_form_is_refused(opened: Callable[[str], Ledger], database_url: str, tampered: Any):
    opened(database_url).head()
    tampered(head.update().values(form=2))
    with pytest.raises(LedgerError, match="written in form 2"):
        opened(database_url).head()
