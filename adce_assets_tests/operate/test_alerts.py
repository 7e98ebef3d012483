"""Alerts from look to look, in both databases, by any number of processes, over real sockets."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adce_assets.errors import AlertError
from adce_assets.operate import alert_book, alerts
from adce_assets.operate.alert_book import SENDING, opened
from adce_assets.operate.alert_records import Message, Silence
from adce_assets.operate.alert_troubles import UNDELIVERED, undelivered
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import Settings
from adce_assets_tests.operate.alarmed import alarmed, cause, hook

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Receiver:
    """What a server got, in its order, and what it answers: 200 but where a test says otherwise."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.asked = 0

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        status = self.answers.pop(0) if self.answers else 200
        if status < 300:
            self.got.append(json.loads(request.data))
        return Response("as you like", status=status)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(one["kind"], one["code"], one["subject"]) for message in self.got for one in message["alerts"]]


@pytest.fixture(scope="module")
def listening() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def receiver(listening: HTTPServer) -> Receiver:
    made = Receiver()
    listening.clear()
    listening.expect_request("/hook").respond_with_handler(made)
    return made


@pytest.fixture
def url(listening: HTTPServer, receiver: Receiver) -> str:
    assert receiver.got == []
    return listening.url_for("/hook")


def emptied(url: str) -> str:
    """Take a book out of its database, and return its URL."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        names = ", ".join(table.name for table in alert_book.metadata.sorted_tables)
        cursor.execute(f"DROP TABLE IF EXISTS {names}")
    return url


@pytest.fixture
def make(tmp_path: Path, url: str) -> Callable[..., Settings]:
    """Make settings over an empty book, with one channel or these."""
    return lambda *channels, **told: alarmed(tmp_path, *(channels or [hook(url)]), **told)


@pytest.fixture(params=["sqlite", "postgresql"])
def make_in(request: pytest.FixtureRequest, make: Callable[..., Settings]) -> Callable[..., Settings]:
    """The same, in each of the two databases."""
    if request.param == "sqlite":
        return make
    return partial(make, database=emptied(request.getfixturevalue("postgresql").get_uri()))


def claimed_by_nobody(settings: Settings) -> int:
    with opened(settings.alerts_url) as book, book.read() as page:
        return len(page.on_their_way())


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
        alerts.tend(settings, [cause(), *[cause("disk")] * (minute > 1)], NOON + minute * MINUTE)
    assert ("opened", "cycle_late", "") not in receiver.told
    assert ("opened", "disk", "") in receiver.told
    with opened(settings.alerts_url) as book, book.read() as page:
        assert [one.given_up for one in page.sent(10)].count(True) == 1


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


def test_silence_is_kept_and_ends(make_in: Callable[..., Settings], receiver: Receiver):
    settings = make_in()
    with opened(settings.alerts_url) as book, book.write() as page:
        page.silence(Silence("cycle_late", "", NOON + MINUTE, "Ann", "known"))
    alerts.tend(settings, [cause()], NOON)
    assert receiver.got == []
    alerts.tend(settings, [cause()], NOON + MINUTE)
    assert [kind for kind, *_ in receiver.told] == ["opened"]


def test_a_channel_for_what_is_critical_hears_nothing_else(make: Callable[..., Settings], receiver: Receiver, url: str):
    settings = make(hook(url, only_critical=True))
    alerts.tend(settings, [cause(), cause("disk", severity=Severity.CRITICAL)], NOON)
    assert receiver.told == [("opened", "disk", "")]


def test_what_is_long_over_is_forgotten(make_in: Callable[..., Settings]):
    settings = make_in(keep_days=1)
    alerts.note(settings, cause("run_failed"), NOON)
    alerts.tend(settings, [cause()], NOON)
    alerts.tend(settings, [], NOON + MINUTE)
    for days in (3, 6, 9):
        alerts.tend(settings, [], NOON + timedelta(days=days))
    with opened(settings.alerts_url) as book, book.read() as page:
        assert (page.standing(), page.cleared(9), page.noted(), page.sent(9)) == ({}, [], [], [])


def test_messages_to_a_channel_that_is_gone_are_dropped(make: Callable[..., Settings], receiver: Receiver, url: str):
    receiver.answers = [500]
    alerts.tend(make(), [cause()], NOON)
    alerts.tend(make(hook(url, "other")), [cause()], NOON + MINUTE)
    assert claimed_by_nobody(make()) == 0


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


def test_a_file_that_cannot_be_kept_is_an_error(tmp_path: Path, url: str):
    (tmp_path / ".adce").write_text("a file where a folder should be")
    with pytest.raises(AlertError, match="the book of alerts cannot be used"):
        alerts.tend(alarmed(tmp_path, hook(url)), [cause()], NOON)


def test_a_cause_that_was_told_keeps_what_it_is_about(make_in: Callable[..., Settings]):
    settings, since = make_in(), NOON - timedelta(hours=1)
    given = Cause("disk", "a\u00e9\u4e2d", Severity.CRITICAL, "what", "hint", since, "/page")
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
