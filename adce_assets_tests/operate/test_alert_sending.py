"""Messages on their way: tried again, given up, told anew, over real sockets."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.operate import alerts, sending
from adce_assets.operate.alert_book import SENDING, opened
from adce_assets.operate.alert_records import UNHEARD, Message
from adce_assets.operate.alert_troubles import UNDELIVERED, of_channels
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import Settings
from adce_assets_tests.operate.alarmed import SECRETS, Receiver, cause, hook

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OVER = ("cleared", "cycle_late", "")


def claimed_by_nobody(settings: Settings) -> int:
    with opened(settings.alerts_url) as book, book.read() as page:
        return len(page.on_their_way())


def undelivered(settings: Settings) -> list[Cause]:
    with opened(settings.alerts_url) as book, book.read() as page:
        return list(of_channels(page, settings.autonomous.alerts))


def test_a_message_that_does_not_arrive_is_sent_again_with_longer_and_longer_pauses(
    make: Callable[..., Settings], receiver: Receiver
):
    settings, tries = make(retry_seconds=60), []
    receiver.answers = [503] * 6
    for minute in (0, 0.9, 1, 3, 7, 15, 31, 62.9, 63):
        before = receiver.asked
        alerts.tend(settings, [cause()], NOON + minute * MINUTE)
        tries += [minute] * (receiver.asked - before)
    assert tries[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert receiver.told[0] == ("opened", "cycle_late", "")


def test_messages_arrive_in_the_order_in_which_they_were_written(make: Callable[..., Settings], receiver: Receiver):
    settings = make(retry_seconds=60)
    receiver.answers = [500]
    for minute, now in enumerate([[cause()], [], [], []]):
        alerts.tend(settings, now, NOON + minute * MINUTE)
    mine = [one for one in receiver.told if one[1] == "cycle_late"]
    assert mine == [("opened", "cycle_late", ""), ("cleared", "cycle_late", "")]


def test_a_message_is_given_up_after_its_last_attempt_and_the_next_one_is_sent(
    make: Callable[..., Settings], receiver: Receiver
):
    settings = make(attempts=2, retry_seconds=1)
    receiver.answers = [500, 500]
    for minute in range(4):
        alerts.tend(settings, [cause(), *[cause("lake")] * (minute > 1)], NOON + minute * MINUTE)
    assert ("opened", "cycle_late", "") not in receiver.told
    assert ("opened", "lake", "") in receiver.told
    with opened(settings.alerts_url) as book, book.read() as page:
        assert [one.given_up for one in page.sent(10)].count(True) == 1


def test_a_message_that_the_receiver_will_never_take_holds_up_no_other_for_long(
    make: Callable[..., Settings], receiver: Receiver
):
    settings, urgent = make(), cause("loop_stopped", severity=Severity.CRITICAL)
    receiver.answers = [400] * 3
    for minute in range(4):
        alerts.tend(settings, [cause(), *[urgent] * (minute > 0)], NOON + minute * MINUTE)
    assert ("opened", "loop_stopped", "") in receiver.told
    assert ("opened", "cycle_late", "") not in receiver.told
    alerts.tend(settings, [cause(), urgent], NOON + timedelta(hours=1))
    assert ("opened", "cycle_late", "") in receiver.told, "what still stands is told anew"


def test_what_nobody_was_told_is_not_told_to_be_over(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in(attempts=1, repeat_hours=None)
    receiver.answers = [503]
    for minute, found in enumerate([[cause()], [cause()], [], []]):
        alerts.tend(settings, found, NOON + minute * MINUTE)
    assert [told for told in receiver.told if told[1] == "cycle_late"] == []


def test_what_another_channel_has_told_counts_as_told(make: Callable[..., Settings], receiver: Receiver, url: str):
    settings = make(hook(url.replace("/hook", "/nowhere"), "lost"), hook(url), attempts=1, repeat_hours=None)
    for hours, found in ((0, [cause()]), (2, [cause()]), (3, [])):
        alerts.tend(settings, found, NOON + timedelta(hours=hours))
    assert [kind for kind, code, _ in receiver.told if code == "cycle_late"] == ["opened", "cleared"]


@pytest.mark.parametrize("told", [{"repeat_hours": 1}, {"repeat_hours": None}])
def test_what_was_told_stays_told_when_a_later_message_of_it_is_given_up(
    make: Callable[..., Settings], receiver: Receiver, told: dict[str, Any]
):
    settings, worse = make(attempts=1, **told), cause(severity=Severity.CRITICAL)
    alerts.tend(settings, [cause()], NOON)
    receiver.answers = [503]
    alerts.tend(settings, [cause() if told["repeat_hours"] else worse], NOON + timedelta(hours=1))
    alerts.tend(settings, [], NOON + timedelta(hours=1, minutes=1))
    assert [kind for kind, code, _ in receiver.told if code == "cycle_late"] == ["opened", "cleared"]


def test_that_it_has_become_critical_is_told_anew_where_nobody_heard_of_it(
    make: Callable[..., Settings], receiver: Receiver
):
    settings, worse = make(attempts=1), cause(severity=Severity.CRITICAL)
    alerts.tend(settings, [cause()], NOON)
    receiver.answers = [503]
    for minutes in (1, 2, 1 + UNHEARD / MINUTE):
        alerts.tend(settings, [worse], NOON + minutes * MINUTE)
    mine = [
        (minute["at"], one["kind"]) for minute in receiver.got for one in minute["alerts"] if one["code"] == worse.code
    ]
    anew = NOON + MINUTE + UNHEARD
    assert mine == [(NOON.isoformat(), "opened"), (anew.isoformat(), "worse")]


def test_that_it_is_over_is_told_anew_where_nobody_heard_of_it(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in(attempts=1)
    alerts.tend(settings, [cause()], NOON)
    receiver.answers = [503]
    minutes = (1, 2, 3, 2 + UNHEARD / MINUTE, 3 + UNHEARD / MINUTE)
    told = [alerts.tend(settings, [], NOON + minute * MINUTE) and receiver.told.count(OVER) for minute in minutes]
    assert told == [0, 0, 0, 1, 1]


def test_what_is_back_before_anybody_heard_that_it_was_over_is_not_told_again(
    make: Callable[..., Settings], receiver: Receiver
):
    settings = make(attempts=1)
    alerts.tend(settings, [cause()], NOON)
    receiver.answers = [503]
    for minute, found in ((1, []), (2, [cause()]), (30, [cause()]), (31, [])):
        alerts.tend(settings, found, NOON + minute * MINUTE)
    assert [kind for kind, code, _ in receiver.told if code == "cycle_late"] == ["opened", "cleared"]


def test_a_fault_of_a_channel_is_kept_and_holds_up_no_look(
    make: Callable[..., Settings], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    def breaks(*_: object) -> str:
        raise UnicodeError(SECRETS["HOOK_KEY"])

    monkeypatch.setitem(sending.SENDERS, "webhook", breaks)
    settings = make(attempts=1)
    failed = alerts.tend(settings, [cause()], NOON).failed
    assert failed == ("`hook`: it cannot be sent: UnicodeError; this is a fault of ADCE",)
    assert receiver.got == []
    assert [one.subject for one in undelivered(settings)] == ["hook"]


def test_a_channel_on_which_nothing_arrives_is_a_cause_that_others_hear_of(
    make: Callable[..., Settings], receiver: Receiver, url: str
):
    settings = make(hook(url.replace("/hook", "/nowhere"), "lost"), hook(url))
    failed = alerts.tend(settings, [cause()], NOON).failed
    assert [one.subject for one in undelivered(settings)] == ["lost"]
    assert "answered 500" in undelivered(settings)[0].what
    assert failed[0].startswith("`lost`: ")
    alerts.tend(settings, [cause()], NOON + MINUTE)
    assert receiver.told == [("opened", "cycle_late", ""), ("opened", UNDELIVERED, "lost")]


def test_a_channel_on_which_messages_arrive_again_is_no_cause_any_more(
    make: Callable[..., Settings], receiver: Receiver
):
    settings = make(retry_seconds=60)
    receiver.answers = [500]
    alerts.tend(settings, [cause()], NOON)
    assert undelivered(settings)
    alerts.tend(settings, [cause()], NOON + MINUTE)
    assert undelivered(settings) == []


def test_a_dead_process_leaves_its_message_to_others(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in()
    with opened(settings.alerts_url) as book:
        with book.write() as page:
            page.send("hook", Message("1" * 32, NOON, ()))
        with book.write() as page:
            assert page.claim("hook", NOON)
    alerts.tend(settings, [], NOON + SENDING - MINUTE)
    assert receiver.got == []
    alerts.tend(settings, [], NOON + SENDING)
    assert [one["id"] for one in receiver.got] == ["1" * 32]


MOVED = [
    ({"attempts": 1, "repeat_hours": 1}, [], 60, [503], [61, 62, 90], ["opened", "cleared"]),
    ({"attempts": 2, "repeat_hours": None}, [503], 0, [503], [1, 5, 30], ["opened"]),
]


@pytest.mark.parametrize(("told", "before", "last", "after", "looks", "heard"), MOVED, ids=["repeat", "opened"])
def test_what_people_have_heard_is_known_where_alerts_were_moved_to(
    make: Callable[..., Settings],
    receiver: Receiver,
    tmp_path: Path,
    told: dict[str, Any],
    before: list[int],
    last: int,
    after: list[int],
    looks: list[int],
    heard: list[str],
):
    settings = make(**told)
    moved = replace(settings, configured_database=f"sqlite:///{tmp_path / 'shared.sqlite'}")
    receiver.answers = before
    alerts.tend(settings, [cause()], NOON)
    if last:
        alerts.tend(moved, [cause()], NOON + MINUTE)
    receiver.answers = after
    for minute in (last, *looks):
        alerts.tend(moved, [cause()] * (not last or minute == last), NOON + minute * MINUTE)
    assert [kind for kind, code, _ in receiver.told if code == "cycle_late"] == heard


def test_what_was_heard_so_long_ago_that_its_message_is_forgotten_counts(
    make: Callable[..., Settings], receiver: Receiver
):
    settings, late = make(attempts=1, repeat_hours=None, keep_days=1), NOON + timedelta(days=3)
    for when in (NOON, late - timedelta(days=1)):
        alerts.tend(settings, [cause()], when)
    receiver.answers = [503]
    for minute, found in ((0, [cause(severity=Severity.CRITICAL)]), (1, []), (30, [])):
        alerts.tend(settings, found, late + minute * MINUTE)
    assert [kind for kind, code, _ in receiver.told if code == "cycle_late"] == ["opened", "cleared"]


def test_a_channel_for_what_is_critical_hears_nothing_else(make: Callable[..., Settings], receiver: Receiver, url: str):
    settings = make(hook(url, only_critical=True))
    alerts.tend(settings, [cause(), cause("lake", severity=Severity.CRITICAL)], NOON)
    assert receiver.told == [("opened", "lake", "")]


def test_messages_to_a_channel_that_another_machine_does_not_know_are_left_until_they_are_too_old(
    make: Callable[..., Settings], receiver: Receiver, url: str
):
    receiver.answers = [500]
    alerts.tend(make(), [cause()], NOON)
    others = make(hook(url, "other"), keep_days=1)
    for when, left in ((MINUTE, 1), (timedelta(days=1), 1), (timedelta(days=1, minutes=1), 0)):
        alerts.tend(others, [cause()], NOON + when)
        assert claimed_by_nobody(others) == left
