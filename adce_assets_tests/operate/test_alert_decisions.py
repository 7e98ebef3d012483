"""When people are told of a cause: pure decisions, minute by minute."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.autonomous import Alerts, Quiet
from adce_assets.operate.alert_decisions import decide, is_quiet, named
from adce_assets.operate.alert_records import UNHEARD, UNSEEN, Alert, Kind, Look, Name, News, Silence, name_of
from adce_assets.operate.causes import Cause, Severity

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
CHANNEL = {"name": "team", "kind": "slack", "secret": "URL"}
HERE = "here"


def cause(code: str = "cycle_late", severity: Severity = Severity.WARNING, **others: Any) -> Cause:
    told: dict[str, Any] = {"subject": "", "what": "it is late", "hint": "`adce status`", **others}
    return Cause(code=code, severity=severity, **told)


def rules(**told: Any) -> Alerts:
    return Alerts.model_validate({"channels": [CHANNEL], "after_minutes": 5, **told})


class Watch:
    """A series of looks, and what was told in each."""

    def __init__(self, of: Alerts, silences: Sequence[Silence] = ()) -> None:
        self.rules, self.silences = of, silences
        self.alerts: dict[Name, Alert] = {}

    def look(
        self, at: float, *causes: Cause, machine: str = HERE, unlooked: frozenset[str] = frozenset()
    ) -> list[News]:
        """Look, so many minutes after noon."""
        when = Look(NOON + timedelta(minutes=at), machine, "https://ui.example.org/adce/", unlooked)
        silent = [one for one in self.silences if one.until > when.now]
        told = decide(self.alerts, dict(named(causes)), self.rules, silent, when)
        assert {name_of(one.cause) for one in told.dropped} <= self.alerts.keys()
        self.alerts = {name_of(one.cause): one for one in told.kept if one.cleared_at is None}
        return list(told.news)

    def kinds(self, at: float, *causes: Cause, **others: Any) -> list[Kind]:
        return [one.kind for one in self.look(at, *causes, **others)]


def test_a_cause_is_told_once_after_it_has_stood_for_long_enough_and_once_when_it_is_over():
    watch = Watch(rules())
    told = [watch.kinds(minute, cause()) for minute in range(10)]
    assert told == [[]] * 5 + [[Kind.OPENED]] + [[]] * 4
    assert [watch.kinds(minute) for minute in range(10, 20)] == [[]] * 5 + [[Kind.CLEARED]] + [[]] * 4


def test_what_is_told_says_what_since_when_what_to_do_and_where_to_look():
    since = NOON - timedelta(hours=3)
    watch = Watch(rules(after_minutes=0))
    (told,) = watch.look(0, cause(what="no cycle", hint="`adce reconcile`", since=since, page="/runs"))
    assert (told.cause.what, told.cause.hint, told.since) == ("no cycle", "`adce reconcile`", since)
    assert told.link == "https://ui.example.org/adce/runs"


@pytest.mark.parametrize("page", ["", "runs", "https://elsewhere.example.org"])
def test_a_page_that_is_none_of_the_ui_is_no_link(page: str):
    (told,) = Watch(rules(after_minutes=0)).look(0, cause(page=page))
    assert told.link == ""


@pytest.mark.parametrize(("there", "of"), [(1, 2), (1, 4), (4, 9)])
def test_a_cause_that_comes_and_goes_and_is_seldom_there_is_never_told(there: int, of: int):
    watch = Watch(rules())
    assert [watch.kinds(minute, *[cause()] * (minute % of < there)) for minute in range(60)] == [[]] * 60


def test_a_cause_that_comes_and_goes_and_is_mostly_there_is_told_once():
    watch = Watch(rules())
    told = [(minute, watch.kinds(minute, *[cause()] * (minute % 4 < 3))) for minute in range(60)]
    assert [(minute, kinds) for minute, kinds in told if kinds] == [(9, [Kind.OPENED])]


def test_an_open_alert_whose_cause_comes_and_goes_stays_one_alert():
    watch = Watch(rules())
    told = [watch.kinds(minute, *[cause()] * (minute < 6 or minute % 4 == 0)) for minute in range(60)]
    assert [kinds for kinds in told if kinds] == [[Kind.OPENED]]


def test_subjects_of_a_code_are_alerts_of_their_own():
    watch = Watch(rules(after_minutes=0))
    assert watch.kinds(0, cause(subject="espn"), cause(subject="hoopr")) == [Kind.OPENED] * 2
    assert [(one.kind, one.cause.subject) for one in watch.look(1, cause(subject="espn"))] == [(Kind.CLEARED, "hoopr")]


def test_a_warning_that_becomes_critical_is_told_again_once():
    watch, critical = Watch(rules(after_minutes=0)), cause(severity=Severity.CRITICAL)
    told = [watch.kinds(minute, one) for minute, one in enumerate([cause(), critical, cause(), critical])]
    assert told == [[Kind.OPENED], [Kind.WORSE], [], []]


@pytest.mark.parametrize(("hours", "told"), [(2, [0, 120, 240]), (None, [0])])
def test_what_still_stands_is_told_again_after_a_while(hours: float | None, told: list[int]):
    watch = Watch(rules(after_minutes=0, repeat_hours=hours))
    found = [(minute, watch.kinds(minute, cause())) for minute in range(0, 300, 10)]
    assert [minute for minute, kinds in found if kinds] == told
    assert found[12][1] == ([Kind.STANDS] if hours else [])


def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_after_them():
    watch = Watch(rules(after_minutes=0, quiet={"begins": "12:00", "ends": "13:00"}))
    critical = cause("loop_stopped", Severity.CRITICAL)
    assert [one.cause.code for one in watch.look(0, cause(), critical)] == ["loop_stopped"]
    assert watch.kinds(59, cause()) == [Kind.CLEARED]
    assert watch.kinds(60, cause()) == [Kind.OPENED]


def test_what_was_over_before_the_quiet_hours_were_is_never_told():
    watch = Watch(rules(after_minutes=0, quiet={"begins": "12:00", "ends": "13:00"}))
    told = [watch.kinds(0, cause()), watch.kinds(10), watch.kinds(70)]
    assert told == [[], [], []]
    assert watch.alerts == {}


def test_that_a_warning_is_over_is_told_after_the_quiet_hours():
    watch = Watch(rules(after_minutes=0, quiet={"begins": "12:05", "ends": "13:00"}))
    assert [watch.kinds(at, *now) for at, now in ((0, [cause()]), (10, []), (60, []))] == [
        [Kind.OPENED],
        [],
        [Kind.CLEARED],
    ]


@given(st.times(), st.times(), st.times())
def test_quiet_hours_are_what_a_clock_shows_that_is_turned_minute_by_minute(begins: Any, ends: Any, now: Any):
    shown = [f"{one:%H:%M}" for one in (begins, ends)]
    if shown[0] == shown[1]:
        return
    walked, minute = set(), begins.hour * 60 + begins.minute
    while minute != ends.hour * 60 + ends.minute:
        walked.add(minute)
        minute = (minute + 1) % 1_440
    at = datetime.combine(NOON, now, UTC)
    assert is_quiet(Quiet(begins=shown[0], ends=shown[1]), at) is (now.hour * 60 + now.minute in walked)


def test_a_silence_holds_back_even_what_is_critical_until_it_ends():
    silence = Silence("loop_stopped", "", NOON + timedelta(minutes=30), "Ann", "we move the server")
    watch, stopped = Watch(rules(after_minutes=0), [silence]), cause("loop_stopped", Severity.CRITICAL, subject="a")
    assert [watch.kinds(at, stopped) for at in (0, 29, 30, 31)] == [[], [], [Kind.OPENED], []]


def test_a_silence_of_a_subject_is_not_one_of_others():
    silence = Silence("source_failing", "espn", NOON + timedelta(days=1), "Ann", "known")
    watch = Watch(rules(after_minutes=0), [silence])
    causes = [cause("source_failing", subject=name) for name in ("espn", "hoopr")]
    assert [one.cause.subject for one in watch.look(0, *causes)] == ["hoopr"]


def test_without_a_channel_nobody_is_told_until_there_is_one():
    watch = Watch(rules(after_minutes=0, channels=[]))
    assert watch.kinds(0, cause()) == []
    watch.rules = rules(after_minutes=0)
    assert watch.kinds(1, cause()) == [Kind.OPENED]


def test_what_one_machine_alone_sees_is_not_over_because_another_does_not_see_it():
    watch = Watch(rules(after_minutes=5))
    told = [watch.kinds(at, *[cause("disk")] * (at % 2), machine=f"m{at % 2}") for at in range(12)]
    assert [kinds for kinds in told if kinds] == [[Kind.OPENED]]


def test_what_a_machine_saw_that_looks_no_more_is_over_after_a_while():
    watch, away = Watch(rules(after_minutes=0)), UNSEEN.total_seconds() / 60
    assert watch.kinds(0, cause("disk"), machine="gone") == [Kind.OPENED]
    assert [watch.kinds(at) for at in (1, away - 1, away)] == [[], [], [Kind.CLEARED]]


def test_what_is_told_to_nobody_because_every_channel_is_for_what_is_critical_is_told_when_one_is_not():
    watch = Watch(rules(after_minutes=0, channels=[CHANNEL | {"only_critical": True}]))
    assert watch.kinds(0, cause()) == []
    watch.rules = rules(after_minutes=0)
    assert watch.kinds(1, cause()) == [Kind.OPENED]


def test_what_was_told_and_nobody_may_hear_of_any_more_is_over_all_the_same():
    watch = Watch(rules(after_minutes=0))
    watch.look(0, cause())
    watch.rules = rules(after_minutes=0, channels=[])
    watch.look(1)
    assert watch.alerts == {}


def test_what_nobody_was_told_is_told_anew_after_a_while_and_that_it_is_over_to_nobody():
    watch, later = Watch(rules(after_minutes=0)), UNHEARD.total_seconds() / 60

    def give_up() -> None:
        watch.alerts = {name: replace(one, told_as=None) for name, one in watch.alerts.items()}

    assert watch.kinds(0, cause()) == [Kind.OPENED]
    give_up()
    assert [watch.kinds(at, cause()) for at in (1, later)] == [[], [Kind.OPENED]]
    give_up()
    assert watch.kinds(later + 1) == []
    assert watch.alerts == {}


def test_what_could_not_be_looked_at_is_not_over():
    watch = Watch(rules(after_minutes=0))
    watch.look(0, cause())
    assert watch.kinds(1, unlooked=frozenset({"cycle_late"})) == []
    assert watch.kinds(2) == [Kind.CLEARED]


def test_the_worst_news_come_first():
    watch = Watch(rules(after_minutes=0))
    watch.look(0, cause("gone", Severity.CRITICAL))
    told = watch.look(1, cause(), cause("loop_stopped", Severity.CRITICAL))
    assert [(one.severity, one.kind) for one in told] == [
        (Severity.CRITICAL, Kind.OPENED),
        (Severity.CRITICAL, Kind.CLEARED),
        (Severity.WARNING, Kind.OPENED),
    ]


def test_texts_of_a_cause_become_lines_of_a_bearable_length():
    hostile = cause(subject="a\nb\0c\u202e\ud800", what="x" * 10_000)
    (told,) = Watch(rules(after_minutes=0)).look(0, hostile)
    assert told.cause.subject.isprintable()
    assert len(told.cause.what) == 1_000


def oracle(seen: Sequence[bool], after: int) -> list[Kind]:
    """What is told of one cause that is looked at each minute: there for longer than away, and away at a stretch."""
    told, is_open, balance = [], False, 0
    for minute, is_seen in enumerate(seen):
        balance = max(0, balance + (1 if minute and seen[minute - 1] else -1))
        is_over = is_open and not any(seen[minute - after : minute + 1])
        if is_over or (not is_open and is_seen and balance >= after):
            told.append(Kind.CLEARED if is_over else Kind.OPENED)
            is_open, balance = not is_over, 0
    return told


@settings(max_examples=60)
@given(st.lists(st.booleans(), max_size=40), st.integers(0, 4))
def test_alerts_open_and_clear_in_turns_whatever_a_cause_does(seen: list[bool], after: int):
    watch, told = Watch(rules(after_minutes=after)), []
    for minute, is_seen in enumerate(seen):
        told += watch.kinds(minute, *[cause()] * is_seen)
    assert told == oracle(seen, after)


def test_nothing_of_the_alert_before_is_changed():
    kept: Mapping[Name, Alert] = {("cycle_late", ""): Alert(cause(), NOON, NOON, HERE)}
    before = {name: replace(one) for name, one in kept.items()}
    decide(kept, {}, rules(), [], Look(NOON, HERE, ""))
    assert kept == before
