"""Alerts from look to look, in both databases, by any number of processes, over real sockets."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest

from adce_assets.errors import AdceError, AlertError
from adce_assets.operate import alert_book, alerts, watching
from adce_assets.operate.alert_book import opened
from adce_assets.operate.alert_records import Silence
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import Settings
from adce_assets_tests.operate.alarmed import Receiver, alarmed, cause, emptied, hook

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_each_cause_is_told_once_and_once_that_it_is_over(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in(after_minutes=2)
    for minute in range(5):
        alerts.tend(settings, [cause(subject="a"), cause(subject="b")], NOON + minute * MINUTE)
    for minute in range(5, 10):
        alerts.tend(settings, [cause(subject="b")], NOON + minute * MINUTE)
    opening, clearing = [("opened", "cycle_late", one) for one in "ab"], ("cleared", "cycle_late", "a")
    assert receiver.told == [*opening, clearing]
    assert len(receiver.got) == 2, "what is found in one look is one message"


def test_what_a_look_has_done_is_told(make: Callable[..., Settings]):
    settings = make()
    told = alerts.tend(settings, [cause()], NOON)
    assert ([one.cause.code for one in told.standing], len(told.news), told.delivered, told.failed) == (
        ["cycle_late"],
        1,
        1,
        (),
    )
    assert alerts.tend(settings, [cause()], NOON + MINUTE).news == ()


def test_many_who_look_at_the_same_time_tell_each_thing_once(make_in: Callable[..., Settings], receiver: Receiver):
    settings, many = make_in(), 6
    causes, together = [cause(subject=str(one)) for one in range(5)], Barrier(many)

    def look(_: int) -> int:
        together.wait(30)
        return len(alerts.tend(settings, causes, NOON).news)

    with ThreadPoolExecutor(many) as threads:
        written = list(threads.map(look, range(many)))
    assert sorted(written) == [0] * (many - 1) + [len(causes)]
    assert sorted(receiver.told) == sorted(("opened", "cycle_late", str(one)) for one in range(5))


def test_what_was_noted_stands_until_it_is_struck_out(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in()
    for what in ("the first", "the second"):
        alerts.note(settings, cause("run_failed", "job", what=what), NOON)
    alerts.tend(settings, [], NOON)
    alerts.tend(settings, [], NOON + MINUTE)
    with opened(settings.alerts_url) as book, book.write() as page:
        assert [one.what for one in page.noted()] == ["the second"]
        page.strike([("run_failed", "job")])
    alerts.tend(settings, [], NOON + 2 * MINUTE)
    assert [kind for kind, *_ in receiver.told] == ["opened", "cleared"]


@pytest.mark.parametrize(
    "fault", [cause("dagster", severity=Severity.CRITICAL), cause("rule_failed", "cycle_late")], ids=["needs", "broken"]
)
def test_what_was_not_looked_at_because_of_another_fault_is_not_over(
    make: Callable[..., Settings], receiver: Receiver, fault: Cause
):
    settings = make()
    for minute, found in enumerate([cause("cycle_late"), fault, cause("cycle_late")]):
        alerts.tend(settings, [found], NOON + minute * MINUTE)
    assert ("cleared", "cycle_late", "") not in receiver.told


def test_a_rule_that_comes_to_no_end_clears_nothing_that_it_may_find(
    make: Callable[..., Settings], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: object) -> Iterator[Cause]:
        raise AdceError("it cannot be read")

    settings, rules = make(), [replace(rule, look=refuse, needs=()) for rule in watching.RULES]
    stands = [cause(code, "one of them") for rule in rules for code in rule.codes]
    alerts.tend(settings, stands, NOON)
    for room in (watching, alerts):
        monkeypatch.setattr(room, "RULES", tuple(rules))
    alerts.tend(settings, watching.found_by(cast("Any", None)), NOON + MINUTE)
    assert {kind for kind, *_ in receiver.told} == {"opened"}
    alerts.tend(settings, [], NOON + 2 * MINUTE)
    assert len([kind for kind, *_ in receiver.told if kind == "cleared"]) == len(stands) + len(rules)


def test_what_was_noted_and_is_over_is_struck_out_unless_it_was_noted_anew(make_in: Callable[..., Settings]):
    settings, asked = make_in(), list[str]()
    for subject in "ab":
        alerts.note(settings, cause("run_failed", subject), NOON)

    def ask(noted: Cause) -> bool:
        asked.append(noted.subject)
        if noted.subject == "b":
            alerts.note(settings, cause("run_failed", "b"), NOON + MINUTE)
        return True

    alerts.tend(settings, [], NOON, is_over=ask)
    with opened(settings.alerts_url) as book, book.read() as page:
        assert [(one.subject, one.since) for one in page.noted()] == [("b", NOON + MINUTE)]
    assert asked == ["a", "b"]


def test_what_is_noted_while_the_database_is_gone_is_told_when_it_is_back(
    tmp_path: Path, url: str, receiver: Receiver, postgresql: Any
):
    there, gone = emptied(postgresql.get_uri()), "postgresql://nobody:letmein@127.0.0.1:1/adce"
    settings = alarmed(tmp_path, hook(url), database=there)
    alerts.note(replace(settings, configured_database=gone), cause("run_failed", "job"), NOON)
    for minute in range(2):
        alerts.tend(settings, [], NOON + minute * MINUTE)
    assert receiver.told == [("opened", "run_failed", "job")]
    with opened(settings.own_alerts_url) as book, book.read() as page:
        assert page.noted() == []


def test_silence_is_kept_and_ends(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in()
    with opened(settings.alerts_url) as book, book.write() as page:
        page.silence(Silence("cycle_late", "", NOON + MINUTE, "Ann", "known"))
    alerts.tend(settings, [cause()], NOON)
    assert receiver.got == []
    alerts.tend(settings, [cause()], NOON + MINUTE)
    assert [kind for kind, *_ in receiver.told] == ["opened"]


def test_what_is_long_over_is_forgotten(make_in: Callable[..., Settings]):
    settings = make_in(keep_days=1)
    alerts.note(settings, cause("run_failed"), NOON)
    alerts.tend(settings, [cause()], NOON)
    alerts.tend(settings, [], NOON + MINUTE)
    for days in (3, 6, 9):
        alerts.tend(settings, [], NOON + timedelta(days=days))
    with opened(settings.alerts_url) as book, book.read() as page:
        assert (page.standing(), page.cleared(9), page.noted(), page.sent(9)) == ({}, [], [], [])


def test_two_homes_on_one_machine_do_not_clear_what_the_other_sees(
    make: Callable[..., Settings], receiver: Receiver, tmp_path: Path
):
    here = make(after_minutes=5)
    there = replace(here, home=tmp_path / "other", configured_database=here.alerts_url)
    for look in range(16):
        one, found = (there, []) if look % 2 else (here, [cause("disk")])
        alerts.tend(one, found, NOON + look * MINUTE / 2)
    assert [kind for kind, *_ in receiver.told] == ["opened"]


def test_machines_that_look_seldom_are_waited_for(make: Callable[..., Settings], receiver: Receiver):
    settings = make(after_minutes=5)
    health = settings.autonomous.health.model_copy(update={"interval_seconds": 3_600})
    seldom = replace(settings, autonomous=settings.autonomous.model_copy(update={"health": health}))
    for half_hour in range(8):
        found = [] if half_hour % 2 else [cause()]
        alerts.tend(seldom, found, NOON + half_hour * 30 * MINUTE, machine="ba"[not found])
    assert [kind for kind, *_ in receiver.told] == ["opened"]


def test_each_machine_tells_of_its_own_disk(make: Callable[..., Settings], receiver: Receiver):
    settings = make()
    for minute, (machine, found) in enumerate([("a", ["disk"]), ("b", ["disk"]), ("a", []), ("b", ["disk"])]):
        alerts.tend(settings, [cause(one) for one in found], NOON + minute * MINUTE, machine=machine)
    assert receiver.told == [("opened", "disk", "a"), ("opened", "disk", "b"), ("cleared", "disk", "a")]
    assert [one["alerts"][0]["what"][:3] for one in receiver.got] == ["a: ", "b: ", "a: "]


def test_a_book_of_another_form_is_refused(make: Callable[..., Settings]):
    settings = make()
    with opened(settings.alerts_url) as book, book.write() as page:
        page.connection.execute(alert_book.form.update().values(form=7))
    with opened(settings.alerts_url) as book, pytest.raises(AlertError, match="written in form 7"), book.read():
        pass


def test_a_database_that_is_gone_is_told_by_each_machine_once_and_when_it_is_back(
    tmp_path: Path, url: str, receiver: Receiver, postgresql: Any
):
    there, gone = emptied(postgresql.get_uri()), "postgresql://nobody:letmein@127.0.0.1:1/adce"
    settings = alarmed(tmp_path, hook(url), database=gone)
    for minute in range(3):
        alerts.tend(settings, [cause()], NOON + minute * MINUTE)
    assert receiver.told == [("opened", "alerts_unkept", "")]
    (told,) = receiver.got[0]["alerts"]
    assert "1 other causes stand: cycle_late" in told["what"]
    assert "letmein" not in json.dumps(receiver.got)
    alerts.tend(replace(settings, configured_database=there), [], NOON + 3 * MINUTE)
    assert ("cleared", "alerts_unkept", "") in receiver.told


def test_what_stands_when_a_database_takes_the_place_of_the_file_stays_one_alert(
    make: Callable[..., Settings], receiver: Receiver, tmp_path: Path
):
    settings, stands, goes = make(), cause(), cause("lake")
    alerts.tend(settings, [stands, goes], NOON)
    moved = replace(settings, configured_database=f"sqlite:///{tmp_path / 'shared.sqlite'}")
    for minute in (1, 2):
        alerts.tend(moved, [stands], NOON + minute * MINUTE)
    assert receiver.told == [("opened", "cycle_late", ""), ("opened", "lake", ""), ("cleared", "lake", "")]


def test_what_stood_in_the_file_is_not_over_because_the_database_cannot_be_used(
    make: Callable[..., Settings], receiver: Receiver
):
    settings = make()
    alerts.tend(settings, [cause()], NOON)
    gone = replace(settings, configured_database="postgresql://nobody:letmein@127.0.0.1:1/adce")
    for minute in (1, 2):
        alerts.tend(gone, [cause()], NOON + minute * MINUTE)
    assert receiver.told == [("opened", "cycle_late", ""), ("opened", "alerts_unkept", "")]


def test_a_file_that_cannot_be_kept_is_an_error(tmp_path: Path, url: str):
    (tmp_path / ".adce").write_text("a file where a folder should be")
    with pytest.raises(AlertError, match="the book of alerts cannot be used"):
        alerts.tend(alarmed(tmp_path, hook(url)), [cause()], NOON)


def test_a_cause_that_was_told_keeps_what_it_is_about(make_in: Callable[..., Settings]):
    settings, since = make_in(), NOON - timedelta(hours=1)
    given = Cause("lake", "a\u00e9\u4e2d", Severity.CRITICAL, "what", "hint", since, "/page")
    alerts.tend(settings, [given], NOON)
    with opened(settings.alerts_url) as book, book.read() as page:
        (kept,) = page.standing().values()
    assert kept.cause == given


@pytest.mark.parametrize(
    ("ui_url", "link"),
    [(None, "http://127.0.0.1:3000/runs"), ("https://adce.example.org/", "https://adce.example.org/runs")],
)
def test_links_lead_to_the_pages_of_the_service_unless_they_are_elsewhere(
    tmp_path: Path, url: str, receiver: Receiver, ui_url: str | None, link: str
):
    alerts.tend(alarmed(tmp_path, hook(url), ui_url=ui_url), [cause(page="/runs")], NOON)
    assert [one["url"] for one in receiver.got[0]["alerts"]] == [link]
